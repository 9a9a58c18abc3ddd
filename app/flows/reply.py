"""The reply to a webhook: an NCCO, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from json import JSONEncoder
from typing import Any, Final

COMPACT: Final = JSONEncoder(separators=(",", ":"), allow_nan=False)
LAST_RESORT_COUNTER: Final = "answers:last_resort"  # in the store: how often it was served
SORRY: Final = "Sorry, we cannot take your call at the moment. Please call again later."


@dataclass(frozen=True)
class Reply:
    """An NCCO, and the flow, step and version it comes from. `fault` says why it is the last resort.

    `diverted`: users who take no other call, so that the caller gets something else. `unclaimed`: users of whom the
    store did not say in time whether they do.
    `room_for`: the `connect` in whose place the NCCO leads into a room.
    """

    flow: str
    ncco: list[dict[str, Any]]
    step: str | None = None
    version: str | None = None
    fault: str | None = None
    diverted: tuple[str, ...] = ()
    unclaimed: tuple[str, ...] = ()
    room_for: dict[str, Any] | None = None

    @cached_property
    def body(self) -> bytes:
        """The NCCO as compact JSON in ASCII."""
        return COMPACT.encode(self.ncco).encode()


# What a caller hears if everything else fails. Made at start, so that nothing can go wrong with it later.
LAST_RESORT: Final = Reply("last-resort", [{"action": "talk", "text": SORRY}])
