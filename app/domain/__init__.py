"""Calls, computed from the events that webhooks report. Pure: imports only the standard library."""
