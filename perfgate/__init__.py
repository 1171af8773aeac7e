"""perfgate: a performance-budget and regression gate for services with a Postgres."""

__version__ = "0.1.0"
