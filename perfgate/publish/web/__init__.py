"""The history as pages, as GraphQL, and as a folder of files: read, and never changed."""
