"""Whether a server knows of every call what truly happened: what it should tell, and what it tells."""
