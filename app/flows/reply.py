"""What a caller is given, and where it comes from."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

LAST_RESORT_COUNTER: Final = "answers:last_resort"  # in the store: how often it was served
SORRY: Final = "Sorry, we cannot take your call at the moment. Please call again later."


class Reply(NamedTuple):
    """An NCCO, ready for JSON, and the flow, step and version it comes from. `fault` says why it is the last resort."""

    flow: str
    ncco: list[dict[str, Any]]
    step: str | None = None
    version: str | None = None
    fault: str | None = None


# What a caller hears if everything else fails. Made at start, so that nothing can go wrong with it later.
LAST_RESORT: Final = Reply("last-resort", [{"action": "talk", "text": SORRY}])
