"""Keeping the events of calls in Redis, and finding them again."""
