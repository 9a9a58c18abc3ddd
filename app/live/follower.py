"""Follows the feed for all listeners of this process.

One thread looks at the feed every tenth of a second, while anybody listens, over a connection of its own. Those changes
that somebody wants are projected and rendered once, apart from requests, and handed to the listeners' queues: it never
waits for one of them. A listener that was away gets what it missed from the entries that are kept in memory or, if it
missed more, from the feed; then it goes on with the others. While one node of a cluster is away, it goes on with what
the others have; what was shown in that time is shown again afterwards, as more may be known of its legs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, NamedTuple

from app.calls.names import NOBODY, Known
from app.domain.leg_state import STATES
from app.live import position, rendering
from app.live.changes import Change, changes_of, now
from app.live.listener import STATS, Listener
from app.live.listeners import Group, Listeners
from app.live.rendering import IDS, Form, Renderer
from app.store.apart import apart
from app.store.errors import StoreUnavailable, TooMuchAtOnce
from app.store.feed import CARRY, EntryId, Feed, FeedEntry, FeedPosition

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 0.1
LONGEST_REST: Final = 1.0
REST: Final = 1.0  # times as long as a look at the feed took, it rests: requests of callers come first
REST_FOR_EACH: Final = (
    0.001  # seconds of it, for each listener that was sent something: about ten times what that takes
)
STATS_SECONDS: Final = 1.0  # between two looks at the counters, and
STATS_FOR_EACH: Final = 0.01  # for each listener that gets them: so many are sent in a second that webhooks do not wait
STATS_AT_LEAST: Final = 10.0  # also while nothing happens: conversations become presumed ended
AWAY_SECONDS: Final = 1.0  # how long Redis has to be away before listeners are informed
JOIN_SECONDS: Final = 5.0
AT_ONCE: Final = 50  # entries of one partition that are read in one look
KEPT: Final = 500  # entries in memory
MOST_LISTENERS: Final = 600  # of one worker, which has 1000 places (config/gunicorn.py): the others are for webhooks
AT_A_TIME: Final = 10  # listeners that are woken before others have their turn
GAP_WORDS: Final = "Changes before this are lost to you: read again what you show, and go on from here."
AWAY: Final = rendering.event(
    "away", rendering.to_json({"detail": "Redis is away: nothing is lost, the stream goes on once it is back."})
)


class Joined(NamedTuple):
    """Where a listener joined the others, and what it missed until then, piece by piece; None where it is lost."""

    at: FeedPosition
    missed: Iterable[Sequence[Change] | None] | None


@dataclass(slots=True, eq=False)
class Kept:
    """An entry of the feed. `concerns`: its conversation, and others that its leg was in.

    `changes`: what it changed, as far as that was read; None while nobody wanted it.
    """

    partition: int
    entry: FeedEntry
    concerns: tuple[str, ...]
    changes: tuple[Change, ...] | None = None

    def is_wanted(self, conversations: Set[str] | None) -> bool:
        """Whether it may change what is known of one of *conversations*; None: any."""
        return conversations is None or not conversations.isdisjoint(self.concerns)


class Live:
    """The live feed. Of the threads here only that of `_run` changes what has been read."""

    name = "live"

    def __init__(
        self,
        store: Feed,
        follower: Feed,
        presume_ended_after: timedelta,
        names: Callable[[], Known] = lambda: NOBODY,
    ) -> None:
        """*store* is what requests read with; *follower* has a connection of its own. *names* are those of numbers."""
        self._store, self._follower = store, follower
        self._presume_ended_after = presume_ended_after
        self._read_names, self._names = names, NOBODY
        self._renderers: dict[str, Renderer] = {
            rendering.JSON: lambda change, masked: rendering.as_json(change, masked, self._names),
            rendering.NEWS: lambda _change, _masked: "",
        }
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._catching_up = threading.Lock()  # one at a time: the next may find in memory what it needs
        self._open = 0  # streams
        self._wake = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None
        self._listeners = Listeners()
        self._joined: list[Listener] = []  # since the look at the feed that is under way began
        self._at: FeedPosition | None = None  # None while nobody listens
        self._kept: deque[Kept] = deque()  # the latest entries, up to `_at`, and
        self._kept_after: FeedPosition = ()  # the position they begin at
        self._lost = False  # whether listeners have to learn of a gap at the next look
        self._looks = 0
        self._sent = 0  # chunks, in this look
        self._away: StoreUnavailable | None = None  # nothing can be read
        self._missing: list[StoreUnavailable] = []  # why some could not be read in this look, though others were
        self._said_away = False
        self._doubtful: dict[str, Kept] = {}  # the latest of each conversation that was read while some were missing
        self._failing_since: float | None = None
        self._stats: str | None = None
        self._stats_at, self._stats_pause = 0.0, STATS_SECONDS
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
        if since is None:  # it waits for nobody who catches up
            return Joined(self._add(listener)[0], ())
        with self._catching_up:
            at, kept_after, kept = self._add(listener)
            if not position.is_before(since, at):
                if self._missing:
                    raise self._missing[0]  # it was read further elsewhere, before a node was away
                return Joined(at, None)
            return Joined(at, self._missed(listener.wanted.conversations, since, kept_after, kept))

    def _add(self, listener: Listener) -> tuple[FeedPosition, FeedPosition, list[Kept]]:
        """Give *listener* all changes from now on. Returns up to where the feed was read, and what is kept of it."""
        with self._news:
            if self._at is None:  # something was lost just now
                raise StoreUnavailable("timeout", "the feed is being read again")
            self._listeners.add(listener)
            self._joined.append(listener)
            if self._stats is not None and listener.wants_stats:
                listener.give(rendering.event(STATS, self._stats))
            if self._said_away:
                listener.give(AWAY)
            return self._at, self._kept_after, list(self._kept)

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
        self._names = self._read_names()
        apart(lambda: self._render(wanted, [listener.form]))
        events = []
        for change in changes:
            if not change.extra:  # that comes before the change of its entry
                after = _moved(after, change.partition, change.entry)
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
        self, conversations: Set[str] | None, since: FeedPosition, kept_after: FeedPosition, kept: Sequence[Kept]
    ) -> Iterable[Sequence[Change] | None] | None:
        """The changes of *conversations* between *since* and the end of *kept*, piece by piece; None: some are lost."""
        newer = [each for each in kept if each.entry.entry_id > since[each.partition]]
        if position.is_before(kept_after, since):
            return (self._changes_of(newer, conversations),)
        begin = tuple(map(min, since, kept_after))
        pieces, older = self._pieces(begin, kept_after, conversations), list[Kept]()
        for piece in pieces:
            if piece is None:
                return None
            older += piece
            if len(older) > KEPT:
                return self._piece_by_piece(older, pieces, newer, conversations)
        with self._news:
            if self._kept_after == kept_after and len(older) + len(self._kept) <= KEPT:
                self._kept.extendleft(reversed(older))
                self._kept_after = begin
        return (self._changes_of(older, conversations) + self._changes_of(newer, conversations),)

    def _piece_by_piece(
        self,
        first: Sequence[Kept],
        pieces: Iterable[Sequence[Kept] | None],
        last: Sequence[Kept],
        conversations: Set[str] | None,
    ) -> Iterator[Sequence[Change] | None]:
        yield self._changes_of(first, conversations)
        for piece in pieces:
            yield None if piece is None else self._changes_of(piece, conversations)
        yield self._changes_of(last, conversations)

    def _pieces(
        self, after: FeedPosition, until: FeedPosition, conversations: Set[str] | None
    ) -> Iterator[list[Kept] | None]:
        """What is between two positions, read with the connections of requests; None where something is lost."""
        while True:
            found = self._store.entries(after, AT_ONCE, until)
            if found is None:
                yield None
                return
            if not any(found):
                return
            yield self._read(self._store, found, conversations)
            after = _after(after, found)

    def _changes_of(self, entries: Sequence[Kept], conversations: Set[str] | None) -> list[Change]:
        """The changes of those *entries* that concern *conversations*, which are read now if they were not yet."""
        wanted = [each for each in entries if each.is_wanted(conversations)]
        known = [each.changes for each in wanted]
        found = self._project(self._store, wanted) if None in known else known
        return [change for changes in found for change in changes or ()]

    def _run(self) -> None:
        while not self._ended:
            if self._rests():
                self._wake.wait()
                continue
            began, more, self._sent = time.monotonic(), False, 0
            try:
                more = self._look()
                if self._missing:
                    self._fail(self._missing[0], wholly=False)
                else:
                    self._look_at_counters()
            except TooMuchAtOnce:
                pass  # requests read a lot just now
            except StoreUnavailable as away:
                self._fail(away)
            except Exception:  # a bug, or a call that nobody thought of: the others go on
                log.exception("an error of ours in the live feed")
                self._at, self._lost = None, True
            pause = min(max(REST * (time.monotonic() - began), REST_FOR_EACH * self._sent), LONGEST_REST)
            time.sleep(pause if more else max(pause, EVERY_SECONDS))

    def _rests(self) -> bool:
        """Whether nobody listens; then it forgets what it has read."""
        with self._news:
            if self._open:
                return False
            self._at = self._stats = self._failing_since = self._away = None
            self._stats_at, self._said_away = 0.0, False
            self._lost = bool(self._listeners)  # one that is no stream (the board's) will have missed what comes now
            self._kept.clear()
            self._doubtful.clear()
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
            self._joined.clear()
            self._doubtful.clear()
            self._away, self._said_away, self._failing_since = None, False, None
            self._lost, self._stats_may_differ = False, True
            self._news.notify_all()

    def _look(self) -> bool:
        """Read what is new, and hand it out. Returns whether there may be more."""
        found, self._missing = None, []
        if self._at is not None:
            found = self._follower.entries(self._at, AT_ONCE, missing=self._missing)
            self._lost = self._lost or found is None
            self._lost = self._lost or (not self._missing and len(self._doubtful) > KEPT)
        if self._at is None or self._lost or found is None:
            self._begin()
            return False
        with self._news:
            conversations, forms = self._listeners.conversations, self._listeners.forms
            self._joined.clear()
        kept = self._read(self._follower, found, conversations, forms, self._missing) if any(found) else []
        again = self._again(forms) if self._doubtful and not self._missing else []
        if self._missing and len(self._doubtful) <= KEPT:
            self._doubtful |= {each.entry.conversation: each for each in kept if each.changes}
        with self._news:
            before, self._at = self._at, _after(self._at, found)
            self._kept.extend(kept)
            while len(self._kept) > KEPT:
                oldest = self._kept.popleft()
                self._kept_after = _moved(self._kept_after, oldest.partition, oldest.entry.entry_id)
            self._turn_back(kept)
            self._hand_out(self._chunks(again, before))
            self._hand_out(self._chunks(kept, before))
            self._away = None
            if not self._missing:
                self._said_away, self._failing_since = False, None
            self._looks += 1
            self._stats_may_differ = self._stats_may_differ or bool(kept)
            self._news.notify_all()
        return any(len(part) == AT_ONCE for part in found)

    def _turn_back(self, kept: Sequence[Kept]) -> None:
        """Let those join again who came during this look and want what was not read in it. The lock is held."""
        for listener in self._joined:
            conversations = listener.wanted.conversations
            if listener.form.format != IDS and any(
                each.changes is None and each.is_wanted(conversations) for each in kept
            ):
                self._listeners.discard(listener)
                listener.turn_back()

    def _read(
        self,
        reader: Feed,
        found: Sequence[Sequence[FeedEntry]],
        conversations: Set[str] | None,
        forms: Iterable[Form] = (),
        missing: list[StoreUnavailable] | None = None,
    ) -> list[Kept]:
        """The entries that were *found*; what they changed of *conversations* (None: of any), rendered in *forms*."""
        entries = _in_order(found)
        moved = reader.moved([entry for _, entry in entries], missing)
        kept = [
            Kept(partition, entry, (entry.conversation, *moved.get(entry.leg or "", ())))
            for partition, entry in entries
        ]
        self._project(reader, [each for each in kept if each.is_wanted(conversations)], forms, missing)
        return kept

    def _again(self, forms: Iterable[Form]) -> list[Kept]:
        """The conversations that were read while something was missing, with what is known now."""
        wanted = [replace(each) for each in self._doubtful.values()]
        for each, changes in zip(wanted, self._project(self._follower, wanted, forms), strict=True):
            each.changes = tuple(_as_again(change) for change in changes if not change.deleted)
        for each in self._kept:
            if each.entry.conversation in self._doubtful:
                each.changes = None  # who comes back gets it as it is known now
        self._doubtful.clear()
        return wanted

    def _project(
        self,
        reader: Feed,
        wanted: Sequence[Kept],
        forms: Iterable[Form] = (),
        missing: list[StoreUnavailable] | None = None,
    ) -> list[tuple[Change, ...]]:
        """Find what each of *wanted* changed, and render it in *forms*."""
        if not wanted:
            return []
        entries = [(each.partition, each.entry) for each in wanted]
        known = reader.ordered([entry for _, entry in entries], missing)
        at, self._names = now(), self._read_names()

        def work() -> list[Change]:
            changes = changes_of(entries, known, now=at, presume_ended_after=self._presume_ended_after)
            self._render(changes, forms)
            return changes

        of_entries: dict[tuple[int, EntryId], list[Change]] = {}
        for change in apart(work):
            of_entries.setdefault((change.partition, change.entry), []).append(change)
        found = [tuple(of_entries.get((each.partition, each.entry.entry_id), ())) for each in wanted]
        for each, changes_of_entry in zip(wanted, found, strict=True):
            each.changes = changes_of_entry
        return found

    def _render(self, changes: Iterable[Change], forms: Iterable[Form]) -> None:
        for change in changes:
            for form in forms:
                if form not in change.rendered:
                    change.rendered[form] = self._renderers[form.format](change, form.masked)

    def _chunks(self, kept: Sequence[Kept], after: FeedPosition) -> Iterator[tuple[Listener, bytes]]:
        """For each listener what it wants of *kept*, made once for those who want the same."""
        pieces: dict[Group, list[bytes]] = {}
        for each in kept:
            after = _moved(after, each.partition, each.entry.entry_id)
            for change in each.changes or ():
                groups = [
                    group for group in self._listeners.groups_of(change.conversation_uuid) if group.wanted.fits(change)
                ]
                forms = {group.form for group in groups}
                self._render([change], forms)  # nearly always done: unless one of them joined while they were read
                at = position.write(after) if groups and not change.extra else None
                events = {form: _event(change, form, at) for form in forms}
                for group in groups:
                    pieces.setdefault(group, []).append(events[group.form])
        names = dict.fromkeys(name for each in kept for name in each.concerns)
        ids = [rendering.event("conversation", rendering.to_json(name)) for name in names]
        if ids:
            pieces |= dict.fromkeys(self._listeners.of_ids, ids)
        for group, chunks in pieces.items():
            chunk = b"".join(chunks)
            yield from ((listener, chunk) for listener in self._listeners.of(group))

    def _hand_out(self, chunks: Iterable[tuple[Listener, bytes]]) -> None:
        """Give each listener its chunk, and drop those that are too far behind. The lock is held."""
        for number, (listener, chunk) in enumerate(list(chunks), 1):
            self._sent += 1
            if not listener.give(chunk):
                self._listeners.discard(listener)
            if number % AT_A_TIME == 0:
                time.sleep(0.001)

    def _look_at_counters(self) -> None:
        """Hand out the counters if they have changed."""
        waited = time.monotonic() - self._stats_at
        if waited < (self._stats_pause if self._stats_may_differ else max(self._stats_pause, STATS_AT_LEAST)):
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
                wanting = [listener for listener in self._listeners if listener.wants_stats]
                self._stats_pause = STATS_SECONDS + STATS_FOR_EACH * len(wanting)
                self._hand_out((listener, chunk) for listener in wanting)

    def _fail(self, error: StoreUnavailable, *, wholly: bool = True) -> None:
        """Redis is away, or a node of it: say so, once, if it lasts."""
        started = self._failing_since = self._failing_since or time.monotonic()
        if time.monotonic() - started < AWAY_SECONDS:
            return
        with self._news:
            self._away = error if wholly else None
            self._stats, self._stats_at, self._stats_may_differ = None, 0.0, True
            if not self._said_away:
                self._said_away = True
                self._hand_out((listener, AWAY) for listener in self._listeners)
            self._news.notify_all()


def gap_event(at: FeedPosition) -> bytes:
    """Tells a listener that it missed something; it is at *at* now."""
    return rendering.event("gap", rendering.to_json({"detail": GAP_WORDS}), position.write(at))


def _event(change: Change, form: Form, at: str | None) -> bytes:
    return rendering.event(change.type, change.rendered[form], at)


def _as_again(change: Change) -> Change:
    """*change* as one of which nothing is known but the state that it led to, with nothing rendered yet."""
    nothing: dict[str, Any] = {"index": None, "before": None, "after": None, "event": None}
    return replace(change, type="conversation", kind=CARRY, extra=True, rendered={}, **nothing)


def _in_order(found: Sequence[Sequence[FeedEntry]]) -> list[tuple[int, FeedEntry]]:
    """The entries of all partitions, each with its partition, in the order of their times."""
    entries = [(partition, entry) for partition, part in enumerate(found) for entry in part]
    return sorted(entries, key=lambda item: (item[1].entry_id, item[0]))


def _after(at: FeedPosition, found: Sequence[Sequence[FeedEntry]]) -> FeedPosition:
    return tuple(part[-1].entry_id if part else before for before, part in zip(at, found, strict=True))


def _moved(at: FeedPosition, partition: int, entry: EntryId) -> FeedPosition:
    """The position after *entry* of *partition*."""
    return (*at[:partition], entry, *at[partition + 1 :])
