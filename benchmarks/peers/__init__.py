"""Other servers that take the same webhooks, to compare with."""
