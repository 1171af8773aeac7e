"""The room that reads the world: databases, services, load and collectors. It decides nothing."""
