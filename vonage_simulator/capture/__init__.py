"""A real call, as a server tells it, made a scenario."""
