"""The command `vonage-simulator`: one file per command, `main` joins them. `flask simulate` has the same commands."""
