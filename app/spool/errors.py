"""Errors of the spool."""


class SpoolUnavailable(Exception):
    """The disk does not take it, or does not give it. `reason` is a few words for logs and `/readyz`: disk full."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the spool is away ({reason})")
        self.reason = reason
