"""The history: runs in a PostgreSQL store, what is read from it, and how runs get in and out in other formats."""
