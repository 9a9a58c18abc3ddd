"""The live board: one follower of the feed per process keeps what is on it, and hands out what changes.

It follows the feed as a listener that wants of each change the id of its conversation alone. A quarter of a second
after something changed it reads the calls of all conversations that did, once, and what is new in the logs of transfers
and conferences, whose decisions are changes, too. It renders the row of each call once for each language and mask that
somebody looks at, and gives it to the queues of all who do. Whoever begins, or comes back, gets the whole board at
first: so nothing is missing, however long they were away, and no position has to be remembered.
Whenever something went wrong, or is lost, the board is read anew.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from random import randrange
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import Flask, current_app, g

from app.calls.figures import read_figures
from app.domain.calls import Call
from app.domain.operations import Entry
from app.live import rendering
from app.live.changes import TYPES
from app.live.follower import AWAY
from app.live.listener import Listener, Wanted
from app.live.rendering import IDS, Form
from app.live.stream import HEARTBEAT_SECONDS, RETRY_AFTER_A_STOP_MS, RETRY_MS
from app.pages import board_rows
from app.pages.board_rows import Figures, Shown, conversations, figures_of, on_board
from app.pages.frame import state_of_notices
from app.services import Services, services
from app.store.apart import apart
from app.store.errors import StoreUnavailable, TooMuchAtOnce

log = logging.getLogger(__name__)

TOUCHED: Final = Wanted(types=frozenset(TYPES))
TICK_SECONDS: Final = 0.25  # between two looks at what changed; after a long one it rests as long as that took
FIGURES_SECONDS: Final = 5.0
TIDY_SECONDS: Final = 10.0  # after which calls may be elsewhere, though nothing came
AGAIN_SECONDS: Final = 0.5
AT_ONCE: Final = 200  # conversations that are read in one look
ROWS_AT_ONCE: Final = 50  # in one event: a browser that takes in a thousand at once does nothing else meanwhile
MOST_REMEMBERED: Final = 10_000  # conversations that one has been shown; the log itself leaves out what it has
BEAT: Final = rendering.event("beat", "{}")  # a browser does not notice a lost connection: its script does, by this
UTC_ZONE: Final = ZoneInfo("UTC")


class Lost(Exception):
    """The feed does not reach back to where it was read: the board has to be read anew."""


class Looking(Listener):
    """One who looks at the board."""

    def __init__(self, form: Form, hang_up: Callable[[], None], reveal: Callable[[Iterable[str]], None]) -> None:
        super().__init__(TOUCHED, form, hang_up)
        self._reveal, self._revealed = reveal, set[str]()

    def reveal(self, shown: Iterable[str]) -> None:
        """Note which conversations are shown, each once."""
        new = set(shown) - self._revealed
        self._revealed = self._revealed | new if len(self._revealed) < MOST_REMEMBERED else new
        if new:
            self._reveal(sorted(new))


class Board:
    """What is on the board. Of the threads here only that of `_run` changes it."""

    def __init__(self, app: Flask, parts: Services) -> None:
        self._app, self._parts = app, parts
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._listeners: set[Looking] = set()
        self._new: list[Looking] = []  # that have nothing yet
        self._source: Listener | None = None
        self._shown: dict[str, Shown] | None = None  # None: it has to be read
        self._logs: dict[str, list[Entry]] = {}  # of operations, as read last
        self._rows: dict[Form, dict[str, str]] = {}  # as rendered, for each form that somebody looks at
        self._hour: Mapping[str, Any] = {}
        self._notices = ""
        self._hour_at = 0.0
        self._figures: dict[str, tuple[Figures, bytes]] = {}  # by language, as handed out last

    def live_calls(self) -> list[Call]:
        """The calls that are live now. Raises StoreUnavailable."""
        shown = self._shown
        if shown is None or not self._listeners:
            return board_rows.live_calls(self._parts.call_queries)
        return [one.call for one in shown.values() if one.group == "live"]

    def now(self) -> tuple[dict[str, Shown], Figures]:
        """The board as it is. Raises StoreUnavailable."""
        shown = self._shown
        if shown is None or not self._listeners:  # without any the feed is not followed
            shown = self._read()
        return shown, self._figures_of(shown)

    def stream(
        self,
        form: Form,
        hang_up: Callable[[], None],
        goes_on: Callable[[], bool],
        reveal: Callable[[Iterable[str]], None],
    ) -> Iterator[bytes]:
        """Server-sent events for one who looks at it: all that is on the board, then what changes.

        `calls` are rows, `board` the keys of all that there are, after them, `gone` keys of rows that left, `figures`
        what is above them, `away` that Redis is away, all HTML or JSON; `beat` comes every 15 seconds. *form*: its
        format is a language. *reveal* is called with the conversations of calls that are shown for the first time.
        """
        live, listener = self._parts.live, Looking(form, hang_up, reveal)
        live.enter()
        try:
            yield rendering.retry(RETRY_MS)
            self._join(listener)
            due = time.monotonic() + HEARTBEAT_SECONDS
            while not live.ended and not listener.ended:
                if chunk := listener.take(max(0.0, due - time.monotonic())):
                    yield chunk
                if time.monotonic() >= due:
                    due = time.monotonic() + HEARTBEAT_SECONDS
                    if not _goes_on(goes_on):
                        return
                    yield BEAT
            if live.ended:
                yield rendering.retry(randrange(*RETRY_AFTER_A_STOP_MS))  # noqa: S311 - spreads the load
        finally:
            with self._lock:
                self._listeners.discard(listener)
            live.leave()

    def _join(self, listener: Looking) -> None:
        with self._lock:
            self._listeners.add(listener)
            self._new.append(listener)
            if self._thread is None:  # with the first listener: after any fork
                self._thread = threading.Thread(target=self._run, name="board", daemon=True)
                self._thread.start()
            if self._source is not None:
                self._source.give(b":\n\n")  # wakes it

    def _run(self) -> None:
        away = False
        with self._app.app_context():
            while self._goes_on():
                try:
                    self._follow()
                    continue
                except (TooMuchAtOnce, Lost):
                    away = False
                except StoreUnavailable:
                    if not away:
                        self._hand_out(AWAY)
                    away = True
                except Exception:  # a bug, or a call that nobody thought of: the board is read anew
                    log.exception("an error of ours in the board")
                finally:
                    self._forget()
                time.sleep(AGAIN_SECONDS)

    def _goes_on(self) -> bool:
        """Whether anybody listens. If not, or at the end of the worker, the thread is over."""
        with self._lock:
            if self._listeners and not self._parts.live.ended:
                return True
            self._thread = None
            for listener in self._listeners:
                listener.end()
            return False

    def _forget(self) -> None:
        with self._lock:
            self._source = self._shown = None
            self._logs = {}
            self._new = list(self._listeners)
        self._rows.clear()
        self._figures.clear()

    def _follow(self) -> None:
        """Read the board, then follow what changes, as long as anybody listens."""
        live = self._parts.live
        source = Listener(TOUCHED, Form(IDS, masked=False), lambda: None)
        live.join(source, None)
        try:
            self._source = source
            self._read_hour()
            self._shown = self._read()
            touched: set[str] = set()
            tidied = time.monotonic()
            while self._listeners and not live.ended:
                began = time.monotonic()
                if source.ended:
                    raise Lost  # it was too far behind
                self._welcome()
                if began - tidied > TIDY_SECONDS:
                    touched |= self._silent()
                if touched or began - tidied > TIDY_SECONDS:
                    now, touched = list(touched)[:AT_ONCE], set(list(touched)[AT_ONCE:])
                    self._show_again(now)
                    tidied = began
                self._show_figures()
                time.sleep(max(TICK_SECONDS, time.monotonic() - began))
                touched |= _touched(source.take(0 if touched else FIGURES_SECONDS) or b"")
        finally:
            live.part(source)

    def _read(self) -> dict[str, Shown]:
        now = datetime.now(UTC)
        calls, logs = board_rows.read(self._parts.call_queries, now), self._parts.store.open_logs()
        return apart(lambda: on_board(calls, now, logs))

    def _figures_of(self, shown: Mapping[str, Shown]) -> Figures:
        self._read_hour()
        return figures_of(shown.values(), self._hour, self._notices)

    def _read_hour(self) -> None:
        """Read the figures of the last hour, and what the banner is of, after a few seconds again, for all who look."""
        if time.monotonic() - self._hour_at > FIGURES_SECONDS:
            self._hour = read_figures(self._parts.store, "hour", UTC_ZONE, datetime.now(UTC), mask_numbers=True)
            self._notices = state_of_notices(self._parts)
            self._hour_at = time.monotonic()

    def _silent(self) -> set[str]:
        """Conversations of calls that are presumed ended by now, as nothing came."""
        before = datetime.now(UTC) - self._parts.presume_ended_after
        calls = [shown.call for shown in (self._shown or {}).values() if shown.group == "live"]
        return {name for call in calls if call.last_received < before for name in call.conversations}

    def _show_again(self, touched: Iterable[str]) -> None:
        """Read the calls of *touched* conversations and what is new of operations, and hand out what that changes."""
        before = self._shown or {}
        names = set(touched)
        known = {key: shown for key, shown in before.items() if not names.isdisjoint(shown.call.everywhere)}
        names.update(name for shown in known.values() for name in shown.call.everywhere)
        read = self._parts.call_queries.calls_of(names)
        calls: dict[str, Call] = {shown.call.id: shown.call for key, shown in before.items() if key not in known}
        calls |= {call.id: call for call in read}
        self._logs = logs = self._parts.store.open_logs(self._logs)
        after = apart(lambda: on_board(calls.values(), datetime.now(UTC), logs))
        changed = [shown for key, shown in after.items() if before.get(key) != shown]
        gone = sorted(before.keys() - after.keys())
        self._shown = after
        forms = self._forms()
        self._rows = {form: rows for form, rows in self._rows.items() if form in forms}
        for form in forms:
            rows, new = self._rows.setdefault(form, {}), self._render(changed, form)
            for key in gone:
                rows.pop(key, None)
            rows |= new
            events = _calls(list(new.values()))
            events += rendering.event("gone", json.dumps(gone)) if gone else b""
            for listener in self._hand_out(events, form):
                listener.reveal(conversations(changed))

    def _welcome(self) -> None:
        """Give all that is on the board to who has nothing yet."""
        with self._lock:
            new, self._new = self._new, []
        boards: dict[Form, bytes] = {}
        for listener in new:
            form = listener.form
            if form not in boards:
                shown, rows = self._shown or {}, self._rows.setdefault(form, {})
                rows |= self._render([one for key, one in shown.items() if key not in rows], form)
                boards[form] = _calls([rows[key] for key in shown]) + rendering.event("board", json.dumps(list(shown)))
            _, figures = self._figures.get(form.format, (None, b""))
            self._give(listener, boards[form] + figures)
            listener.reveal(conversations((self._shown or {}).values()))

    def _show_figures(self) -> None:
        """Hand out the figures where they have changed."""
        figures, forms = self._figures_of(self._shown or {}), self._forms()
        for language in {form.format for form in forms}:
            before, sent = self._figures.get(language, (None, b""))
            if before == figures:
                continue
            g.language = language
            event = rendering.event("figures", board_rows.render_figures(figures))
            self._figures[language] = figures, event
            for form in forms if event != sent else ():
                if form.format == language:
                    self._hand_out(event, form)

    def _render(self, shown: list[Shown], form: Form) -> dict[str, str]:
        g.language = form.format
        rows = board_rows.render(shown, form, self._parts.names.current())
        return {one.key: row for one, row in zip(shown, rows, strict=True)}

    def _forms(self) -> set[Form]:
        """Those of all who have something already."""
        with self._lock:
            return {listener.form for listener in self._listeners.difference(self._new)}

    def _hand_out(self, chunk: bytes, form: Form | None = None) -> list[Looking]:
        """Give *chunk* to all who look at *form*, or at any; returns them."""
        with self._lock:
            found = self._listeners.difference(self._new) if form else set(self._listeners)
        listeners = [listener for listener in found if chunk and form in (None, listener.form)]
        for listener in listeners:
            self._give(listener, chunk)
        return listeners

    def _give(self, listener: Looking, chunk: bytes) -> None:
        if not listener.give(chunk):
            with self._lock:
                self._listeners.discard(listener)


def _calls(rows: list[str]) -> bytes:
    pieces = ("".join(rows[begin : begin + ROWS_AT_ONCE]) for begin in range(0, len(rows), ROWS_AT_ONCE))
    return b"".join(rendering.event("calls", html) for html in pieces)


def _touched(chunk: bytes) -> set[str]:
    """The conversations that *chunk* of the feed names. Raises Lost if there is a gap, StoreUnavailable if it ended."""
    found = set()
    for line in chunk.split(b"\n"):
        if line == b"event: away":
            raise StoreUnavailable("timeout", "the feed is not read")
        if line == b"event: gap":
            raise Lost
        if line.startswith(b"data: "):
            found.add(json.loads(line.removeprefix(b"data: ")))
    return found


def _goes_on(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except StoreUnavailable:
        return True


def board() -> Board:
    """Of the app that handles this request."""
    found: Board = current_app.extensions["board"]
    return found


def install(app: Flask) -> None:
    """Keep the board of *app*."""
    app.extensions["board"] = Board(app, services(app))
