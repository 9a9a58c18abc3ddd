"""Reading for whoever asks, API, pages or terminal: from what the store keeps to conversations that are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic

from app.domain.conversations import Conversation, project
from app.services import services
from app.store.pages import Filter, Position

# For one page, where the filter asks for what only telling shows:
MOST_LOOKED_AT = 1000  # conversations told
LONGEST_LOOK = 0.3  # seconds; a request that takes much longer gets no more out of the store


def conversations(names: Sequence[str], now: datetime | None = None) -> list[Conversation]:
    """The conversations *names*, in their order, without those of which nothing is kept. Raises StoreUnavailable."""
    held = services()
    now = now or datetime.now(UTC)
    told = held.store.histories(names)
    each = (
        project(name, told[name], now=now, presume_ended_after=held.presume_ended_after)
        for name in names
        if name in told
    )
    return [conversation for conversation in each if conversation is not None]


def page(
    wanted: Filter, *, limit: int, outcome: str | None = None, after: Position | None = None
) -> tuple[list[Conversation], Position | None]:
    """The next conversations, newest first, and where to go on; None at the end.

    *outcome*: only those with a leg of this outcome. It shows once a conversation is told, so pages are read until
    there are enough, or it has been looked for long enough, or the store's own page is empty: then the page is short,
    though there is more. Raises StoreUnavailable.
    """
    now = datetime.now(UTC)
    wanted = wanted._replace(presumed_before=now - services().presume_ended_after)
    found: list[Conversation] = []
    looked_at, until = 0, monotonic() + LONGEST_LOOK
    while True:
        part = services().store.page(wanted, after, limit - len(found))
        found += [
            told
            for told in conversations(part.conversations, now)
            if outcome is None or any(member.leg.outcome == outcome for member in told.legs)
        ]
        looked_at += len(part.items)
        after = part.next
        tired = looked_at >= MOST_LOOKED_AT or monotonic() >= until or not part.items
        if after is None or outcome is None or len(found) >= limit or tired:
            return found, after
