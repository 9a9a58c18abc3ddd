"""What transfers and conferences share: how one is begun, and how something is wanted of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from app.control.driver import Driver
from app.control.errors import InOperation, MovePending
from app.control.machines import decides
from app.domain.actions import Action
from app.domain.conversations import History, moments
from app.domain.legs import project_leg
from app.domain.operations import HOLD, Entry, as_id
from app.store.errors import StoreUnavailable, TooManyOperations
from app.store.reader import not_waiting
from app.store.store import Store

REPLY_SECONDS: Final = 4.5  # how long a request waits for the first steps
BEGIN_SECONDS: Final = 10.0  # in which what has taken a leg is kept, unless its worker has died
BEGUN: Final = "begun"  # the request that says who began it


def new_id() -> str:
    """An id of an operation."""
    return as_id(secrets.token_hex(12))


def requested_by(entries: Sequence[Entry]) -> str:
    """Who began the operation."""
    return next((str(entry.data["by"]) for entry in entries if entry.name == BEGUN), "")


def is_kept(action: str, history: History) -> bool:
    """Whether *action* is among the events of a leg: until then it has only been numbered, or taken the leg."""
    return any(isinstance(kept.event, Action) and kept.event.action == action for kept in history.values())


def _begun(now: datetime, kind: str, order: Mapping[str, Any], by: str, conversation: str | None) -> list[Entry]:
    """The first entries of a log."""
    return [
        Entry("created", now, "created", kind, order),
        Entry(BEGUN, now, "request", BEGUN, {"by": by, "conversation": conversation}),
    ]


@dataclass(frozen=True, slots=True)
class Operations:
    """Operations of several steps. All that reads or keeps raises StoreUnavailable: what is not kept is not done."""

    store: Store
    driver: Driver

    def begin(
        self,
        id_: str,
        kind: str,
        order: Mapping[str, Any],
        legs: Iterable[str],
        *,
        by: str,
        conversation: str | None,
        seconds: float | None = None,
        spent: float = 0.0,
    ) -> list[Entry]:
        """Keep the operation of *legs*, and go on with it; its log after the first steps, or after so many *seconds*.

        *spent*: what the request has taken of them before. Raises InOperation, MovePending.
        """
        now = datetime.now(UTC)
        self.take(legs, id_)
        self.store.append(id_, _begun(now, kind, order, by, conversation), due_in=REPLY_SECONDS + 1)
        return self._go_on(id_, (REPLY_SECONDS if seconds is None else seconds) - spent)

    def begin_within(
        self, seconds: float, id_: str, kind: str, order: Mapping[str, Any], *, by: str, conversation: str | None
    ) -> bool:
        """Whether the operation was kept in so many *seconds*; any worker goes on with it at once.

        For a caller who is being answered. If it may have been kept all the same, it is released; not if the request
        was repeated, and another answer relies on it: see `is_released`.
        """
        now, hold = datetime.now(UTC), f"{HOLD} {new_id()}"
        entries = [*_begun(now, kind, order, by, conversation), Entry(hold, now, "request", HOLD, {"by": by})]
        try:
            self.store.append(id_, entries, due_in=0, within=seconds)
        except TooManyOperations:
            return False
        except StoreUnavailable:
            release = Entry(f"release {hold}", datetime.now(UTC), "request", "release", {"by": by, "of": hold})
            self.store.append(id_, [*entries, release], later=True)  # all of it: a log begins with how it was created
            return False
        self.driver.wake([id_])
        return True

    def want(self, id_: str, verb: str, *, by: str, **data: Any) -> list[Entry]:
        """Append a request, and go on; the log after that."""
        entry = Entry(f"request {new_id()}", datetime.now(UTC), "request", verb, {"by": by, **data})
        self.store.append(id_, [entry], due_in=0)
        return self._go_on(id_)

    def log_of(self, id_: str, kind: str) -> list[Entry] | None:
        """The log of the operation *id_* of this *kind*; None if there is none."""
        entries = self.store.log_of(id_)
        return entries if entries and entries[0].name == kind else None

    def open(self, kind: str) -> list[tuple[str, list[Entry]]]:
        """The operations of this *kind* that have not ended, with their logs; the oldest first."""
        found = [(id_, entries) for id_, entries in self.store.open_logs().items() if entries[0].name == kind]
        return sorted(found, key=lambda operation: (operation[1][0].at, operation[0]))

    def take(self, legs: Iterable[str], id_: str) -> None:
        """Let the operation *id_* decide where *legs* are: all of them, or none. Raises InOperation, MovePending."""
        before: dict[str, str | None] = {}
        try:
            for leg in legs:
                before[leg] = self._occupy(leg, id_)
                self._see_no_move(leg)
        except (InOperation, MovePending):
            for leg, other in before.items():
                self.store.occupy(leg, other or "", ended=id_)
            raise
        for leg, other in before.items():
            if other not in (None, id_) and self.store.is_open(other):
                self.want(other, "release", by=id_, leg=leg)

    def holder_of(self, leg: str) -> str | None:
        """The operation that decides where *leg* is; None if there is none."""
        found = self.store.operation_of(leg)
        return found[0] if found is not None and self._decides(*found, leg) else None

    def _decides(self, operation: str, seconds: float, leg: str) -> bool:
        """Whether *operation*, which got *leg* so many *seconds* ago, still moves it."""
        entries = self.store.log_of(operation)
        if not entries:
            return seconds < BEGIN_SECONDS  # it is about to be kept
        return self.store.is_open(operation) and decides(self.store, entries, leg)

    def _occupy(self, leg: str, operation: str) -> str | None:
        """The operation that had *leg* before. Raises InOperation."""
        before = self.store.operation_of(leg)
        other = before[0] if before else None
        if before and other != operation and self._decides(*before, leg):
            raise InOperation(before[0])
        if again := self.store.occupy(leg, operation, ended=other):
            raise InOperation(again)
        return other

    def _see_no_move(self, leg: str) -> None:
        """Raise MovePending if *leg* is being moved by hand: a webhook of that would be taken for one of ours."""
        events, known = self.store.leg_history(leg)
        pending = project_leg(leg, moments(events), known).control.pending if events else None
        if pending is not None:
            raise MovePending(pending.action)
        latest = self.store.latest_move(leg)
        if latest and latest[1] < BEGIN_SECONDS and not is_kept(latest[0], events):
            raise MovePending(latest[0])

    def _go_on(self, id_: str, seconds: float | None = None) -> list[Entry]:
        with not_waiting():
            self.driver.begin(id_, REPLY_SECONDS if seconds is None else max(0.0, seconds))
        return self.store.log_of(id_)
