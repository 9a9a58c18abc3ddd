"""Compares what a server knows of simulated calls with what happened in them."""
