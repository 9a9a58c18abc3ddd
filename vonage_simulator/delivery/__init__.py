"""Delivers webhooks to the application: order, signatures, retries, and faults on purpose."""
