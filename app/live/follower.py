"""Follows the feed for all listeners of this process.

One thread looks at the feed every tenth of a second, while anybody listens, over a connection of its own. What it finds
is projected and rendered once, apart from requests, and handed to the listeners' queues: it never waits for one of
them. A listener that was away gets what it missed from the changes that are kept in memory or, if it missed more, from
the feed; then it goes on with the others.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import chain
from typing import Final, NamedTuple

from app.domain.leg_state import STATES
from app.live import position, rendering
from app.live.changes import Change, Entries, changes_of, now
from app.live.listener import STATS, Listener, Wanted
from app.live.rendering import Form, Renderer
from app.store.apart import apart
from app.store.errors import StoreUnavailable, TooMuchAtOnce
from app.store.feed import Feed, FeedEntry, FeedPosition

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 0.1
LONGEST_REST: Final = 1.0
REST: Final = 1.0  # times as long as a look at the feed took, it rests: requests of callers come first
STATS_SECONDS: Final = 1.0  # between two looks at the counters, and
STATS_AT_LEAST: Final = 10.0  # also while nothing happens: conversations become presumed ended
AWAY_SECONDS: Final = 1.0  # how long Redis has to be away before listeners are informed
JOIN_SECONDS: Final = 5.0
AT_ONCE: Final = 50  # entries of one partition that are read in one look
KEPT: Final = 500  # changes in memory
MOST_LISTENERS: Final = 600  # of one worker, which has 1000 places (config/gunicorn.py): the others are for webhooks
AT_A_TIME: Final = 50  # listeners that are woken before others have their turn
GAP_WORDS: Final = "Changes before this are lost to you: read again what you show, and go on from here."
AWAY: Final = rendering.event(
    "away", rendering.to_json({"detail": "Redis is away: nothing is lost, the stream goes on once it is back."})
)


class Joined(NamedTuple):
    """Where a listener joined the others, and what it missed until then, piece by piece; None where it is lost."""

    at: FeedPosition
    missed: Iterable[Sequence[Change] | None] | None


class Live:
    """The live feed. Of the threads here only that of `_run` changes what has been read."""

    name = "live"

    def __init__(self, store: Feed, follower: Feed, presume_ended_after: timedelta) -> None:
        """*store* is what requests read with; *follower* has a connection of its own."""
        self._store, self._follower = store, follower
        self._presume_ended_after = presume_ended_after
        self._renderers: dict[str, Renderer] = {rendering.JSON: rendering.as_json}
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._catching_up = threading.Lock()  # one at a time: the next may find in memory what it needs
        self._open = 0  # streams
        self._wake = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None
        self._listeners: set[Listener] = set()
        self._at: FeedPosition | None = None  # None while nobody listens
        self._kept: deque[Change] = deque()  # the latest changes, up to `_at`, and
        self._kept_after: FeedPosition = ()  # the position they begin at
        self._lost = False  # whether listeners have to learn of a gap at the next look
        self._looks = 0
        self._away: StoreUnavailable | None = None
        self._failing_since: float | None = None
        self._stats: str | None = None
        self._stats_at = 0.0
        self._stats_may_differ = True

    def start(self) -> None:
        """Nothing: it begins with the first listener."""

    def stop(self) -> None:
        """End all streams."""
        self.end()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(1.0)
        self._follower.close()

    def ping(self) -> str | None:
        """Always None: its errors are those of the store."""
        return None

    def end(self) -> None:
        """End all streams at once, and those that begin from now on; the worker is about to stop."""
        with self._news:
            self._ended = True
            for listener in self._listeners:
                listener.end()
            self._news.notify_all()

    def add_format(self, name: str, render: Renderer) -> None:
        """Let listeners have changes rendered in another way."""
        self._renderers[name] = render

    @property
    def is_full(self) -> bool:
        """Whether this worker has as many streams as it takes."""
        return self._open >= MOST_LISTENERS

    @property
    def ended(self) -> bool:
        """Whether the worker is about to stop."""
        return self._ended

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return self._open

    def enter(self) -> None:
        """A stream begins. Call `leave` at its end."""
        with self._news:
            self._open += 1
            if self._thread is None:  # started with the first stream: after any fork
                self._thread = threading.Thread(target=self._run, name="live", daemon=True)
                self._thread.start()
            self._wake.set()

    def leave(self) -> None:
        """A stream has ended."""
        with self._news:
            self._open -= 1
            if not self._open:
                self._wake.clear()

    def join(self, listener: Listener, since: FeedPosition | None) -> Joined:
        """Let *listener* get all changes from now on, and find what it missed since *since*. Call `part` at the end.

        Raises StoreUnavailable, from reading `missed` as well.
        """
        self._wait_for_a_look(since)
        with self._catching_up:
            with self._news:
                if self._at is None:  # something was lost just now
                    raise StoreUnavailable("timeout", "the feed is being read again")
                self._listeners.add(listener)
                if self._stats is not None and listener.wants_stats:
                    listener.give(rendering.event(STATS, self._stats))
                at, kept_after, kept = self._at, self._kept_after, list(self._kept)
            if since is None:
                return Joined(at, ())
            if not position.is_before(since, at):
                return Joined(at, None)
            return Joined(at, self._missed(since, kept_after, kept))

    def part(self, listener: Listener) -> None:
        """Give *listener* nothing more."""
        with self._news:
            self._listeners.discard(listener)

    def position_of(self, listener: Listener) -> FeedPosition | None:
        """How far the feed was read, if *listener* has taken all that was found in it; else None."""
        with self._news:
            return self._at if listener in self._listeners and listener.has_taken_all else None

    def render(self, listener: Listener, changes: Sequence[Change], after: FeedPosition) -> tuple[bytes, FeedPosition]:
        """Those of *changes* that *listener* wants, as events, and the position after all of them."""
        wanted = [change for change in changes if listener.wanted.fits(change)]
        apart(lambda: self._render(wanted, [listener.form]))
        events = []
        for change in changes:
            after = _moved(after, change)
            if listener.wanted.fits(change):
                events.append(_event(change, listener.form, None if change.extra else position.write(after)))
        return b"".join(events), after

    def _wait_for_a_look(self, since: FeedPosition | None) -> None:
        """Wait until the feed was read up to *since*: elsewhere it may have been read further.

        After a whole look that began later we have everything, too.
        """
        with self._news:
            enough = self._looks + 2
            self._news.wait_for(
                lambda: (
                    self._ended
                    or self._away
                    or (self._at and (since is None or position.is_before(since, self._at) or self._looks >= enough))
                ),
                JOIN_SECONDS,
            )
            if self._ended or self._away or self._at is None:
                raise self._away or StoreUnavailable("timeout", "the feed was not read in time")

    def _missed(
        self, since: FeedPosition, kept_after: FeedPosition, kept: Sequence[Change]
    ) -> Iterable[Sequence[Change] | None] | None:
        """The changes between *since* and the end of *kept*, piece by piece; None where some are lost."""
        newer = [change for change in kept if change.entry > since[change.partition]]
        if position.is_before(kept_after, since):
            return (newer,)
        begin = tuple(map(min, since, kept_after))
        pieces, older = self._pieces(begin, kept_after), list[Change]()
        for piece in pieces:
            if piece is None:
                return None
            older += piece
            if len(older) > KEPT:
                return chain([older], pieces, [newer])
        with self._news:
            if self._kept_after == kept_after and len(older) + len(self._kept) <= KEPT:
                self._kept.extendleft(reversed(older))
                self._kept_after = begin
        return ([*older, *newer],)

    def _pieces(self, after: FeedPosition, until: FeedPosition) -> Iterator[list[Change] | None]:
        """The changes between two positions, read with the connections of requests."""
        while True:
            found = self._store.entries(after, AT_ONCE, until)
            if found is None:
                yield None
                return
            entries = _in_order(found)
            if not entries:
                return
            yield self._changes(self._store, entries, ())
            after = _after(after, found)

    def _run(self) -> None:
        while not self._ended:
            if self._rests():
                self._wake.wait()
                continue
            began, more = time.monotonic(), False
            try:
                more = self._look()
                self._look_at_counters()
                self._failing_since = self._away = None
            except TooMuchAtOnce:
                pass  # requests read a lot just now
            except StoreUnavailable as away:
                self._fail(away)
            except Exception:  # a bug, or a call that nobody thought of: the others go on
                log.exception("an error of ours in the live feed")
                self._at, self._lost = None, True
            pause = min(REST * (time.monotonic() - began), LONGEST_REST)
            time.sleep(pause if more else max(pause, EVERY_SECONDS))

    def _rests(self) -> bool:
        """Whether nobody listens; then it forgets what it has read."""
        with self._news:
            if self._open:
                return False
            self._at = self._stats = self._failing_since = self._away = None
            self._stats_at = 0.0
            self._lost = bool(self._listeners)  # one that is no stream (the board's) will have missed what comes now
            self._kept.clear()
            return True

    def _begin(self) -> None:
        """Go on from the end of the feed."""
        at = self._follower.latest()
        with self._news:
            self._at = self._kept_after = at
            self._kept.clear()
            self._looks += 1
            if self._lost:
                gap = gap_event(at)
                self._hand_out((listener, gap) for listener in self._listeners)
            self._lost, self._stats_may_differ = False, True
            self._news.notify_all()

    def _look(self) -> bool:
        """Read what is new, and hand it out. Returns whether there may be more."""
        found = None
        if self._at is not None:
            found = self._follower.entries(self._at, AT_ONCE)
            self._lost = self._lost or found is None
        if self._at is None or found is None:
            self._begin()
            return False
        entries = _in_order(found)
        changes = self._changes(self._follower, entries, self._forms()) if entries else []
        with self._news:
            before, self._at = self._at, _after(self._at, found)
            self._kept.extend(changes)
            while len(self._kept) > KEPT:
                self._kept_after = _moved(self._kept_after, self._kept.popleft())
            self._hand_out(self._chunks(changes, before))
            self._looks += 1
            self._stats_may_differ = self._stats_may_differ or bool(entries)
            self._news.notify_all()
        return any(len(part) == AT_ONCE for part in found)

    def _changes(self, reader: Feed, entries: Entries, forms: Iterable[Form]) -> list[Change]:
        """The changes of *entries*, rendered in *forms*."""
        known = reader.ordered(entry for _, entry in entries)
        at = now()

        def work() -> list[Change]:
            changes = changes_of(entries, known, now=at, presume_ended_after=self._presume_ended_after)
            self._render(changes, forms)
            return changes

        return apart(work)

    def _render(self, changes: Iterable[Change], forms: Iterable[Form]) -> None:
        for change in changes:
            for form in forms:
                if form not in change.rendered:
                    change.rendered[form] = self._renderers[form.format](change, form.masked)

    def _forms(self) -> set[Form]:
        with self._news:
            return {listener.form for listener in self._listeners}

    def _chunks(self, changes: Sequence[Change], after: FeedPosition) -> Iterator[tuple[Listener, bytes]]:
        """For each listener what it wants of *changes*, made once for those who want the same."""
        positions = []
        for change in changes:
            after = _moved(after, change)
            positions.append(None if change.extra else position.write(after))
        chunks: dict[tuple[Wanted, Form], bytes] = {}
        for listener in list(self._listeners):
            group = listener.wanted, listener.form
            if group not in chunks:
                self._render(changes, [listener.form])  # nearly always done: unless it joined while they were read
                chunks[group] = b"".join(
                    _event(change, listener.form, at)
                    for change, at in zip(changes, positions, strict=True)
                    if listener.wanted.fits(change)
                )
            if chunks[group]:
                yield listener, chunks[group]

    def _hand_out(self, chunks: Iterable[tuple[Listener, bytes]]) -> None:
        """Give each listener its chunk, and drop those that are too far behind. The lock is held."""
        for number, (listener, chunk) in enumerate(list(chunks), 1):
            if not listener.give(chunk):
                self._listeners.discard(listener)
            if number % AT_A_TIME == 0:
                time.sleep(0)

    def _look_at_counters(self) -> None:
        """Hand out the counters if they have changed."""
        waited = time.monotonic() - self._stats_at
        if waited < (STATS_SECONDS if self._stats_may_differ else STATS_AT_LEAST):
            return
        counts = self._follower.counts(now() - self._presume_ended_after)
        self._stats_at, self._stats_may_differ = time.monotonic(), False
        stats = rendering.to_json(
            {
                "conversations": {"live": counts.live, "presumed_ended": counts.presumed_ended},
                "legs": {state: counts.counters.get(state, 0) for state in STATES if state != "completed"},
            }
        )
        with self._news:
            if stats != self._stats:
                self._stats = stats
                chunk = rendering.event(STATS, stats)
                self._hand_out((listener, chunk) for listener in self._listeners if listener.wants_stats)

    def _fail(self, error: StoreUnavailable) -> None:
        """Redis is away: say so, once, if it lasts."""
        started = self._failing_since = self._failing_since or time.monotonic()
        if self._away is None and time.monotonic() - started >= AWAY_SECONDS:
            with self._news:
                self._away, self._stats, self._stats_at, self._stats_may_differ = error, None, 0.0, True
                self._hand_out((listener, AWAY) for listener in self._listeners)
                self._news.notify_all()


def gap_event(at: FeedPosition) -> bytes:
    """Tells a listener that it missed something; it is at *at* now."""
    return rendering.event("gap", rendering.to_json({"detail": GAP_WORDS}), position.write(at))


def _event(change: Change, form: Form, at: str | None) -> bytes:
    return rendering.event(change.type, change.rendered[form], at)


def _in_order(found: Sequence[Sequence[FeedEntry]]) -> list[tuple[int, FeedEntry]]:
    """The entries of all partitions, each with its partition, in the order of their times."""
    entries = [(partition, entry) for partition, part in enumerate(found) for entry in part]
    return sorted(entries, key=lambda item: (item[1].entry_id, item[0]))


def _after(at: FeedPosition, found: Sequence[Sequence[FeedEntry]]) -> FeedPosition:
    return tuple(part[-1].entry_id if part else before for before, part in zip(at, found, strict=True))


def _moved(at: FeedPosition, change: Change) -> FeedPosition:
    """The position after *change*; an extra one comes before the change of its entry."""
    if change.extra:
        return at
    return (*at[: change.partition], change.entry, *at[change.partition + 1 :])
