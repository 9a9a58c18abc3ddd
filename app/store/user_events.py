"""What happened to the sessions of a user: a stream to which each event is appended once, by the first to find it.

Each session has a mark, which says what was sent of it (`app/domain/session_events.py`). Events are appended together
with the marks that follow them, and only if nobody has appended any since the look at the calls began. So two workers
that find the same send it once, none goes by calls that it read before others did, one that is killed leaves nothing
half done, and the next one begins where it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from app.domain.events import CANONICAL
from app.domain.session_events import NOTHING_SENT, Mark
from app.store import keys, scripts
from app.store.connected import Connected
from app.store.link import Command

MOST_EVENTS: Final = 1000  # that are kept of a user
BEGINNING: Final = "0-0"  # before the first event of all
ID: Final = re.compile(r"\d{1,19}-\d{1,19}")


class UserEvent(NamedTuple):
    """An event; `id` is where a stream goes on after it."""

    id: str
    data: Mapping[str, Any]


class UserEvents(Connected):
    """All raise StoreUnavailable."""

    def marks(self, name: str, sessions: Iterable[str]) -> list[Mark]:
        """What the user *name* was sent of each of *sessions*."""
        named = [keys.of(name).published(name, session) for session in sessions]
        return [read_mark(raw) for raw in self._reader.fetch([Command(key, ("GET", key)) for key in named])]

    def published(self, name: str) -> int:
        """How often something was published to the user *name*."""
        key = keys.of(name).times_published(name)
        (found,) = self._reader.fetch([Command(key, ("GET", key))])
        return int(found or 0)

    def publish(self, name: str, after: int, marks: Mapping[str, Mark], events: Sequence[Mapping[str, Any]]) -> bool:
        """Append *events*, and keep *marks*, by session, unless something was published *after* so many times.

        False: it was, and nothing was changed.
        """
        part = keys.of(name)
        named = (part.user_events(name), part.times_published(name), *(part.published(name, each) for each in marks))
        args = (part.tag, self._ttl, MOST_EVENTS, after, len(marks))
        texts = (CANONICAL.encode(each) for each in (*marks.values(), *events))
        (done,) = self._writer.send([Command(named[0], (*args, *texts), scripts.PUBLISH, named)])
        return bool(done)

    def latest_user_event(self, name: str) -> str:
        """The id of the latest event of the user *name*; BEGINNING if there is none."""
        key = keys.of(name).user_events(name)
        (found,) = self._reader.fetch([Command(key, ("XREVRANGE", key, "+", "-", "COUNT", 1))])
        return found[0][0].decode() if found else BEGINNING

    def user_events(self, name: str, after: str, limit: int) -> list[UserEvent] | None:
        """At most *limit* events of the user *name* after the one with the id *after*, oldest first.

        None if it is not there, or no more: some after it may be gone as well.
        """
        if not ID.fullmatch(after):
            return None
        key = keys.of(name).user_events(name)
        # With the one at the position: while it is there, none of those after it was removed.
        commands = [("XRANGE", key, after, "+", "COUNT", limit + 1), ("XLEN", key)]
        found, length = self._reader.fetch([Command(key, command) for command in commands])
        events = [UserEvent(id_.decode(), json.loads(fields[1])) for id_, fields in found]
        if after == BEGINNING:
            return events[:limit] if length < MOST_EVENTS else None
        return events[1:] if events and events[0].id == after else None


def read_mark(raw: bytes | None) -> Mark:
    """A mark as it is kept; None: there is none."""
    if raw is None:
        return NOTHING_SENT
    fields = [tuple(field) if isinstance(field, list) else field for field in json.loads(raw)]
    mark = Mark._make(fields)
    return mark._replace(read=tuple((name, length) for name, length in mark.read))
