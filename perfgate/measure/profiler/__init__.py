"""The profiler of Python services: `agent/` is what is loaded into them, `reports` reads what it writes."""
