"""The feed: what changed, partition by partition, for those who listen. `lua/common.lua` writes the entries.

Each partition has a stream of about `keys.FEED_LENGTH` entries, one for each change of a conversation, in the order in
which they were made; nothing is said about the order between partitions. A repeat makes no entry, nor does expiry: it
is no news, and tidying would push real entries out of the capped stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from app.domain.leg_state import STATES, LegState
from app.store import keys

CARRY: Final = "carry"
DELETE: Final = "delete"


class FeedEntry(NamedTuple):
    """One change.

    `position` is the event's index in the list of its conversation: a listener that reads the events up to it sees what
    the script saw. 0 begins a conversation, also anew, after it expired or was deleted. None if no event was kept: then
    `kind`, else the event's, is CARRY (news of the leg came from another conversation) or DELETE. `before` and `after`
    are the state of the leg; None while it is not in the conversation, and without a leg. So a transfer takes a leg out
    of one conversation (`after` is None) and into another, and a leg's state changes in one entry only.
    """

    id: str
    conversation: str
    position: int | None
    kind: str
    leg: str | None
    before: LegState | None
    after: LegState | None


def read_entry(entry: bytes, fields: Sequence[bytes]) -> FeedEntry:
    """An element of the reply to XRANGE or XREAD: its id, and its fields, each name before its value."""
    conversation, index, kind, leg, states = fields[1::2]
    before, after = (STATES[int(digit)] if digit != "-" else None for digit in states.decode())
    return FeedEntry(
        entry.decode(),
        keys.decode(conversation),
        int(index) if index else None,
        kind.decode(),
        keys.decode(leg) or None,
        before,
        after,
    )
