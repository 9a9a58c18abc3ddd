"""Who may read and who may act: bearer tokens for programs, a cookie for people at a browser."""
