"""Loaded into a service by PYTHONPATH, under whatever Python it runs on (3.8 or later): standard library only."""
