"""Getting to know a project: what its files say of how it starts, what it answers, and what its database holds."""
