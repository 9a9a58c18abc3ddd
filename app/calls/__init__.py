"""Reading calls."""
