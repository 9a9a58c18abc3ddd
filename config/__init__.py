"""The settings of the server, and how it is run."""
