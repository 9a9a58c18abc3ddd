"""What happened on the telephone, told from webhooks. Pure: imports only the standard library."""
