"""Keeping webhooks on disk while Redis does not take them, and writing them to Redis once it does."""
