"""What the server is told from outside, and how it is run."""
