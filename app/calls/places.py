"""Which users may be in one more call: what an answer to a caller depends on, and so must not wait for.

A call takes one of the places of a user in one short exchange with Redis, and its end frees the place by itself
(`app/store/events.py`). Where all places seem to be taken some may be free that only reading the calls can show: of a
call that moved, and went on without the user; of a caller who leaves a message; of a worker that died. Such a look
takes a while on a busy machine. Callers wait for it only if nothing was found a moment ago.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Final, Protocol

from app.calls.sessions import SessionQueries
from app.domain.calls import Call
from app.domain.users import Availability
from app.store.apart import goes_first
from app.store.errors import StoreUnavailable
from app.store.reader import taking

log = logging.getLogger(__name__)

RECONCILE_SECONDS: Final = 0.25  # that a caller waits for looks, however many users the answer may ring
LOOK_SECONDS: Final = 2.0  # that a look waits for Redis, which may be far away
FRESH_SECONDS: Final = 0.25  # after a look that found no place there is no other: a flood must not be looked through
KNOWN_SECONDS: Final = 0.5  # after it, in which another look begins beside callers: they do not wait until it is done
MOST_KNOWN: Final = 1000  # users of whom that is remembered
RECORDED_SECONDS: Final = 2.0  # the record of the answer that rings a user is written by then
SEEN_SECONDS: Final = 10.0  # something of a call is kept by then, unless the worker that answered it has died


class PlaceStore(Protocol):
    """What this needs of the store."""

    def engage(self, name: str, call: str, ended: Iterable[str] = (), *, own: bool = False) -> Availability:
        """Let *call* have one of the places of the user *name*, who makes it if it is their *own*.

        Places of calls that have *ended* are free. Never raises.
        """

    def engaged(self, name: str) -> dict[str, float]:
        """The calls that have a place of the user *name*, and for how many seconds. Raises StoreUnavailable."""

    def disengage(self, name: str, calls: Iterable[str]) -> None:
        """Give back the places that *calls* have of the user *name*. Never raises."""


@dataclass(slots=True)
class _Look:
    """A look at the calls that have a place of a user."""

    beside: bool  # nobody waits for it
    done: threading.Event = field(default_factory=threading.Event)
    over: list[str] = field(default_factory=list)  # those that keep it no longer


class Places:
    """Gives calls the places of users. One for all requests of a process; needs no request itself."""

    def __init__(self, sessions: SessionQueries, store: PlaceStore) -> None:
        self._sessions, self._store = sessions, store
        self._lock = threading.Lock()
        self._looks: dict[str, _Look] = {}  # those under way, by user
        self._full_at: dict[str, float] = {}  # when a look ended that found no place of a user (monotonic)

    def availability(self, name: str, call: str, until: float | None = None) -> Availability:
        """Whether the user *name* may be rung for *call* (its first leg's uuid); if so, the call has a place now.

        Call it before a user is rung. *until* (monotonic): after that it waits for no look. Calls that have ended, that
        ring there no more, and consultations have no place; nor has one of which nothing was ever kept, as its worker
        died. Never raises, and waits 300 ms at most, 50 ms unless all places seem to be taken and nobody has looked
        lately.
        """
        return self._place(name, call, until, own=False)

    def may_call(self, name: str, call: str, until: float | None = None) -> Availability:
        """Whether the user *name* may make *call*: the same, also while not to be disturbed."""
        return self._place(name, call, until, own=True)

    def _place(self, name: str, call: str, until: float | None, *, own: bool) -> Availability:
        found = self._store.engage(name, call, own=own)
        if found != "busy" or (look := self._look(name)) is None or look.beside:
            return found
        seconds = RECONCILE_SECONDS if until is None else min(RECONCILE_SECONDS, until - monotonic())
        look.done.wait(max(seconds, 0.0))
        return self._store.engage(name, call, look.over, own=own) if look.over else found

    def _look(self, name: str) -> _Look | None:
        """The look at the user *name* that is under way, begun now if there is none; None if one has just ended."""
        with self._lock:
            if look := self._looks.get(name):
                return look
            ago = monotonic() - self._full_at.get(name, -inf)
            if ago < FRESH_SECONDS:
                return None
            look = self._looks[name] = _Look(beside=ago < KNOWN_SECONDS)
        threading.Thread(target=self._run, args=(name, look), name="looks for a place", daemon=True).start()
        return look

    def _run(self, name: str, look: _Look) -> None:
        goes_first.set(True)  # a caller waits
        try:
            look.over = self._over(name)
        except StoreUnavailable:
            pass
        except Exception:
            log.exception("whether a user has a place is not known")
        finally:
            with self._lock:
                del self._looks[name]
                self._full_at.pop(name, None)
                if not look.over:
                    if len(self._full_at) >= MOST_KNOWN:
                        self._full_at.clear()
                    self._full_at[name] = monotonic()
            look.done.set()
        if look.over:
            self._store.disengage(name, look.over)

    def _over(self, name: str) -> list[str]:
        """The calls that keep their place of the user *name* no longer. Raises StoreUnavailable."""
        with taking(LOOK_SECONDS):
            live = self._sessions.phone(name, self._sessions.user(name)).sessions
            counted = {one.id for one in live if one.controls.parent is None}
            others = {one: age for one, age in self._store.engaged(name).items() if one not in counted}
            return [one for one, age in others.items() if _is_over(self._sessions.queries.call(one), age)]


def _is_over(call: Call | None, age: float) -> bool:
    """Whether *call*, in which the user takes no part, keeps a place that it has had for *age* seconds no longer."""
    if call is None:
        return age > SEEN_SECONDS
    return call.state != "live" or age > RECORDED_SECONDS
