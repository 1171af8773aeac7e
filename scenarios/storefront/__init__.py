"""A small web shop with a Postgres: the service that the budgets of this repository are about."""
