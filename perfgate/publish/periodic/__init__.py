"""Written reports on a stretch of time, for those who look after releases: what became better and worse, and why."""
