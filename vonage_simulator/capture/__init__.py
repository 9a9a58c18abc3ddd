"""Turns a real call, as a server's API shows it, into a scenario."""
