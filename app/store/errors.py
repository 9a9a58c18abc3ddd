"""Errors of the store."""


class StoreError(Exception):
    """Something is wrong with the store."""


class StoreUnavailable(StoreError):
    """Redis did not carry out a command in time; it may still do so. Every write may be repeated.

    `reason` is one short word for logs and `/readyz`: timeout, refused, readonly, ... `sent`: it may have been carried
    out; else Redis refused it, or was not asked.
    """

    def __init__(self, reason: str, detail: str = "", *, sent: bool = True) -> None:
        super().__init__(f"Redis is away ({reason}){': ' + detail if detail else ''}")
        self.reason, self.sent = reason, sent


class KeptNowhere(StoreUnavailable):
    """Neither Redis nor the spool (app/spool) took a webhook."""

    def __init__(self, away: StoreUnavailable, why: str) -> None:
        StoreError.__init__(self, f"{away}; the spool does not take it either ({why})")
        self.reason, self.sent, self.spool = away.reason, away.sent, why


class TooMuchAtOnce(StoreUnavailable):
    """Too much is being read at once. Redis is well, and callers are answered; reading has to wait."""

    def __init__(self) -> None:
        StoreError.__init__(self, "too much is being read at once")
        self.reason, self.sent = "busy", False


class TooManyOperations(StoreUnavailable):
    """Too many operations on calls are under way for another one to begin. Nothing was done."""

    def __init__(self) -> None:
        StoreError.__init__(self, "too many operations are under way")
        self.reason, self.sent = "busy", False


class UnreadableRecord(StoreError):
    """The stored bytes are no record that this version can read."""


class WrongLayout(StoreError):
    """The store was laid out with another number of partitions."""
