"""What can go wrong between us and Redis."""


class StoreError(Exception):
    """Something is wrong with the store."""


class StoreUnavailable(StoreError):
    """Redis did not do what it was asked within its time: whether it will have done it is not known.

    Every write may be repeated. `reason` is one short word for logs and `/readyz`: timeout, refused, readonly, ...
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"Redis is away ({reason}){': ' + detail if detail else ''}")
        self.reason = reason


class UnreadableRecord(StoreError):
    """What is stored is no record that this version can read."""


class WrongLayout(StoreError):
    """The store was laid out with another number of partitions."""
