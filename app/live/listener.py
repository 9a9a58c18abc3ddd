"""One listener: what it wants, and what waits for it."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from app.live.changes import TYPES, Change
from app.live.rendering import Form
from app.store.pages import SUFFIXES

MOST_WAITING: Final = 100  # chunks that a listener may be behind, or
MOST_BYTES: Final = 4 * 1024 * 1024  # so many bytes
STATS: Final = "stats"
EVENT_TYPES: Final = (*TYPES, STATS)


class Wanted(NamedTuple):
    """Which changes a listener wants. `number` is digits; unless `whole`, 4 or 7 of them are also the end of one."""

    conversations: frozenset[str] | None = None  # ids; None: any
    number: str | None = None
    whole: bool = False
    user: str | None = None
    types: frozenset[str] = frozenset(EVENT_TYPES)

    def fits(self, change: Change) -> bool:
        """Whether *change* is wanted. A deletion says nothing but the id: it fits any number and user."""
        return (
            change.type in self.types
            and (self.conversations is None or change.conversation_uuid in self.conversations)
            and (self.user is None or change.users is None or self.user in change.users)
            and (self.number is None or change.numbers is None or self._has_number(change.numbers, self.number))
        )

    def _has_number(self, numbers: frozenset[str], number: str) -> bool:
        if number in numbers:
            return True
        ending = len(number) in SUFFIXES and not self.whole
        return ending and any(known.endswith(number) for known in numbers)


class Listener:
    """A stream that is open. Chunks wait in its queue until its reader has taken those before."""

    def __init__(self, wanted: Wanted, form: Form, hang_up: Callable[[], None]) -> None:
        """*hang_up* ends the connection at once, also while something is being sent."""
        self.wanted, self.form, self._hang_up = wanted, form, hang_up
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        self._bytes = 0
        self._taking = True  # whether its reader waits for the next chunk
        self.ended = False
        self.turned_back = False

    @property
    def wants_stats(self) -> bool:
        """Whether it wants the counters."""
        return STATS in self.wanted.types

    @property
    def has_taken_all(self) -> bool:
        """Whether nothing waits for it."""
        return self._queue.empty()

    def give(self, chunk: bytes) -> bool:
        """Let *chunk* wait for it. False, and the connection is ended, if it is too far behind."""
        self._bytes += len(chunk)
        if self._queue.qsize() >= MOST_WAITING or (self._bytes > MOST_BYTES and not self._queue.empty()):
            self.ended = True
            self._hang_up()
            return False
        self._queue.put(chunk)
        return True

    def take(self, seconds: float) -> bytes | None:
        """All that waits, or comes within *seconds*, as one chunk; None if there is nothing, or the stream ends."""
        self._taking = True
        try:
            chunks = [self._queue.get(timeout=seconds)]
        except Empty:
            return None
        while not self._queue.empty():
            chunks.append(self._queue.get())
        self._bytes = 0
        self._taking = False
        return b"".join(chunks) or None

    def turn_back(self) -> None:
        """Let its reader join again: it came while changes were read, and those that it wants were not among them."""
        self.turned_back = True
        self._queue.put(b"")  # wakes it

    def end(self) -> None:
        """End the stream: at once, with what is being sent left unfinished, if its reader does not keep up."""
        self.ended = True
        if self._taking:
            self._queue.put(b"")  # wakes it
        else:
            self._hang_up()
