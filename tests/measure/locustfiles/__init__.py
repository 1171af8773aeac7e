"""Locustfiles and the small service that the tests of the load drive."""
