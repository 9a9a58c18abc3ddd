"""Us → Vonage: acting on calls."""
