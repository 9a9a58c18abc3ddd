"""Switchhook and Redis: what is kept of every call, and how it is found again."""
