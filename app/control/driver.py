"""Goes on with operations: decides what is due, lets it be sent, and keeps what came of it.

Whoever claims an operation in the store goes on with it: the worker that it was requested of, the one that kept a
webhook which concerns it, or any, once it is due. A step is kept before it is sent. One that was kept, and of which no
result is, is looked up at Vonage and not sent again: whoever sent it may have died just after.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from app.control.kept_events import ACTION, events_of, kind_of
from app.control.machines import MACHINES, decides, legs_of
from app.control.regions import Regions
from app.control.requests import CREATING, MOVING, RECORDS
from app.control.sending import Overtaken, Sender
from app.control.vonage_client import VonageClient
from app.domain import actions, conferences
from app.domain.conversations import moments
from app.domain.events import CANONICAL
from app.domain.leg_actions import SWITCHES
from app.domain.leg_control import done_to
from app.domain.legs import Leg
from app.domain.operations import Entry, Step
from app.domain.room_calls import RING
from app.store.apart import goes_first
from app.store.errors import StoreError, StoreUnavailable, TooMuchAtOnce
from app.store.store import Store

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0  # for operations whose worker died, and those that wait for a time; others are woken
LEASE_SECONDS: Final = 6.0  # more than one request takes; it is renewed before each
AGAIN_SECONDS: Final = 0.5
UNKNOWN_SECONDS: Final = 60.0  # for which it is looked often whether something was received of a leg
STOP_SECONDS: Final = 5.0
AT_ONCE: Final = 32  # operations
REMEMBERED: Final = 4096  # events that were kept already
BEGIN_CONFERENCE: Final = "begin_conference"  # the verb of a step that sends nothing to Vonage
SWITCH_SECONDS: Final = 0.1  # when it is tried again to switch something of a leg that is being switched


class Driver:
    """Goes on with operations of *store*, over *client*; in each worker there is one."""

    name = "driver"

    def __init__(self, store: Store, client: VonageClient, regions: Regions) -> None:
        self._store, self._client = store, client
        self._sender = Sender(store, client, regions, self._goes_on)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="driver")
        self._thread = threading.Thread(target=self._poll, name="driver", daemon=True)
        self._kept: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()
        self._waiting: dict[str, Future[None]] = {}  # operations that wait for a thread of the pool
        self._put_off: set[str] = set()  # those that could not be gone on with, as Redis was away
        self._claim = threading.local()  # `holder` and `till`, of the operation with which this thread goes on
        self._watched: dict[str, set[str]] = {}  # conversations that wake the operations which go on here
        self.on_doubt: Callable[[Sequence[str]], None] | None = (
            None  # gets legs of which what was expected did not come
        )
        store.on_news = self.wake

    def start(self) -> None:
        """Begin to look for what is due."""
        self._client.prepare()
        self._thread.start()

    def stop(self) -> None:
        """End, once what was sent has a result; another worker goes on."""
        with self._lock:
            self._stop.set()
        closing = threading.Thread(target=self._pool.shutdown, kwargs={"cancel_futures": True}, daemon=True)
        closing.start()
        closing.join(STOP_SECONDS)

    def ping(self) -> str | None:
        """Always None: its errors are those of the store and of Vonage."""
        return None

    def wake(self, operations: Sequence[str]) -> None:
        """Go on with *operations*; the caller does not wait."""
        for operation in operations:
            self._submit(operation)

    def begin(self, operation: str, seconds: float) -> None:
        """Go on with *operation*, and return once nothing is left to send, or after *seconds*."""
        running = self._submit(operation)
        if running is not None:
            wait([running], seconds)

    def _submit(self, operation: str) -> Future[None] | None:
        """Go on with *operation* once there is room; one that waits for that does not wait twice. None: at the end."""
        with self._lock:
            waiting = self._waiting.get(operation)
            if waiting is None and not self._stop.is_set():
                waiting = self._waiting[operation] = self._pool.submit(self._begun, operation)
            return waiting

    def _begun(self, operation: str) -> None:
        with self._lock:
            self._waiting.pop(operation, None)
        self.go_on(operation)

    def go_on(self, operation: str) -> None:
        """Do what is due of *operation*, unless somebody else does."""
        goes_first.set(True)
        try:
            while not self._stop.is_set():
                # A new name each time: a thread that slept while its claim ended must not go on with another's.
                holder = uuid4().hex
                till = self._claimed(operation, holder)
                with self._lock:
                    self._put_off.discard(operation)
                if till is None:
                    return
                self._claim.holder, self._claim.till = holder, till
                due_in: float | None = AGAIN_SECONDS
                try:
                    due_in = self._one_step(operation)
                finally:
                    woken = self._released(operation, holder, self._claim.till, due_in)
                if due_in != 0 and not woken:
                    return
        except Overtaken:
            log.warning("operation %s took too long here: another worker goes on with it", operation)
        except (StoreUnavailable, TooMuchAtOnce) as away:
            self._put_off_for_now(operation, away)
        except StoreError:
            log.exception("operation %s", operation)
        except Exception:  # a bug of ours must not end the thread; the operation is looked at again
            log.exception("an error of ours in operation %s", operation)

    def _claimed(self, operation: str, holder: str) -> int | None:
        """See `Operations.claim`. Without a reply it may be claimed all the same: then it is let go.

        Not each time again while Redis is away: what is sent later has its place among the records of answers. If it
        was a later one that Redis took, that ends by itself.
        """
        try:
            return self._store.claim(operation, holder, LEASE_SECONDS)
        except StoreUnavailable:
            with self._lock:
                is_known = operation in self._put_off
            if not is_known:
                self._store.release(operation, holder, 0, 0, later=True)
            raise

    def _released(self, operation: str, holder: str, till: int, due_in: float | None) -> bool:
        """See `Operations.release`. Nobody has to wait until the claim ends because Redis is away just now."""
        try:
            return self._store.release(operation, holder, till, due_in)
        except StoreUnavailable:
            self._store.release(operation, holder, till, due_in, later=True)
            raise

    def _put_off_for_now(self, operation: str, away: StoreError) -> None:
        """Go on with it a second later: what it was woken by is noted nowhere else."""
        self._watched.pop(operation, None)  # a Redis that took over may have lost the latest notes
        with self._lock:
            is_known = operation in self._put_off
            self._put_off.add(operation)
        if not is_known:
            log.warning("operation %s waits: %s", operation, away)

    def _poll(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            with self._lock:
                put_off = sorted(self._put_off)
            self.wake(put_off)
            try:
                self.wake(self._store.due())
            except StoreError as away:
                log.debug("nothing is known to be due: %s", away)
            except Exception:
                log.exception("an error of ours while looking for what is due")

    def _one_step(self, operation: str) -> float | None:
        """Do one thing; returns in how many seconds to look again, 0: at once, None: it has ended."""
        entries = self._store.log_of(operation)
        if not entries or entries[0].kind != "created":
            return None
        self._keep_events(operation, entries)
        machine, now = MACHINES[kind_of(entries)], datetime.now(UTC)
        results = {entry.name for entry in entries if entry.kind == "result"}
        open_ = next((entry for entry in entries if entry.kind == "step" and entry.name not in results), None)
        if open_ is not None:
            self._keep_result(operation, open_, self._sender.look_up(operation, open_))
            return 0
        legs = legs_of(self._store, entries)
        plan = machine.plan(machine.project(entries, legs), now)
        if plan.decision:
            name, data = plan.decision
            decided = Entry(f"decision {len(entries)}", now, "decision", name, data)
            if self._append(operation, [decided], expected=len(entries)):
                self._announce(entries, legs)
            return 0
        if plan.timeouts:
            late = [Entry(f"timeout {name}", now, "timeout", name, {}) for name in plan.timeouts]
            self._append(operation, late, expected=len(entries))
            self._doubt(uuid for uuid, leg in legs.items() if leg.state != "completed")
            return 0
        if plan.step:
            return self._send(operation, entries, plan.step, legs)
        if plan.check_at is None:
            self._watched.pop(operation, None)
            return None
        more, nowhere = self._watch(operation, legs.values())
        if more:
            return 0  # what came before it did wakes nobody
        wait = max(0.05, (plan.check_at - now).total_seconds())
        # Nothing was received yet of one of its legs, or nothing is kept yet in the conversation into which one has
        # moved, for a transfer is kept in the other one first: what comes there would wake nobody.
        placed = {uuid for uuid, leg in legs.items() if leg.place.order or leg.state == "completed"}
        age = (now - max([entries[-1].at, *(leg.place.at for leg in nowhere)])).total_seconds()
        unknown = ({*machine.legs(entries)} - placed or nowhere) and age < UNKNOWN_SECONDS
        return min(wait, max(AGAIN_SECONDS, age / 2)) if unknown else wait

    def _doubt(self, legs: Iterable[str]) -> None:
        if self.on_doubt is not None:
            self.on_doubt(list(legs))

    def _announce(self, entries: Sequence[Entry], legs: Mapping[str, Leg]) -> None:
        """Announce a decision to those who follow its calls: it is no event of theirs."""
        names = {_conversation(entries), *(leg.place.conversation for leg in legs.values())}
        self._store.announce(sorted(name for name in names if name))

    def _watch(self, operation: str, legs: Iterable[Leg]) -> tuple[bool, list[Leg]]:
        """Let *operation* be woken by what is kept where its *legs* are. Returns whether that is new, and the legs that
        are in conversations of which nothing is kept.
        """
        present = [leg for leg in legs if leg.state != "completed"]
        known = self._watched.get(operation, set())
        new = sorted({name for leg in present if (name := leg.place.conversation) and name not in known})
        there = self._store.watch(operation, new) if new else []
        if len(self._watched) > REMEMBERED:
            self._watched.clear()  # they are noted in the store; to note them again does no harm
        self._watched.setdefault(operation, set()).update(there)
        missing = {*new} - {*there}
        return bool(there), [leg for leg in present if leg.place.conversation in missing]

    def _keep_result(self, operation: str, step: Entry, outcome: Mapping[str, Any]) -> None:
        """Keep what came of *step*. A leg that an operation called is the operation's, as those it began with are."""
        self._append(operation, [_result_entry(step, outcome)])
        if outcome["result"] == "gone" and step.data.get("leg"):
            self._doubt([step.data["leg"]])
        called = outcome.get("uuid")
        if called and step.data.get("by"):  # not of a single action
            self._store.occupy(called, operation)

    def _send(self, operation: str, entries: Sequence[Entry], step: Step, legs: Mapping[str, Leg]) -> float:
        if step.verb == BEGIN_CONFERENCE:
            return self._begin_conference(operation, entries, step)
        if step.verb == RING and not self._takes(operation, step.leg or ""):
            return AGAIN_SECONDS
        one = step.leg if step.verb in (*SWITCHES, *MOVING) else None
        if step.verb in RECORDS:
            one = _conversation(entries)
        if one is None:
            return self._send_now(operation, entries, step, legs)
        # One after the other, by their numbers: else mute and unmute could reach Vonage in the other order, or the
        # start and the stop of a recording.
        if not self._store.take(one, operation, LEASE_SECONDS):
            return SWITCH_SECONDS
        try:
            if overtaken := self._overtaken(entries, step):
                entry = self._step_entry(entries, step, legs)
                self._append(operation, [entry, _result_entry(entry, overtaken)], expected=len(entries))
                return 0
            return self._send_now(operation, entries, step, legs)
        finally:
            self._store.give_back(one, operation)

    def _takes(self, operation: str, caller: str) -> bool:
        """Whether the caller, who waits in a room, is this operation's now; not while the one that led here decides."""
        before = self._store.operation_of(caller)
        other = before[0] if before else None
        if other is not None and other != operation and self._store.is_open(other):
            entries = self._store.log_of(other)
            if entries and decides(self._store, entries, caller):
                return False
        return self._store.occupy(caller, operation, ended=other) is None

    def _send_now(self, operation: str, entries: Sequence[Entry], step: Step, legs: Mapping[str, Leg]) -> float:
        turn = self._sender.turn(step.verb)
        if turn is None:
            return AGAIN_SECONDS
        entry = self._step_entry(entries, step, legs)
        if not self._append(operation, [entry], expected=len(entries)):
            return 0
        time.sleep(turn)
        self._keep_result(operation, entry, self._sender.outcome(operation, entry, step))
        return 0

    def _overtaken(self, entries: Sequence[Entry], step: Step) -> dict[str, Any] | None:
        """What came of *step* if a later action on the leg, or on the recording, was sent before it; None: it is to be
        sent.
        """
        number = entries[0].data.get("sequence")
        if step.verb in RECORDS and number:
            return self._recorded_since(_conversation(entries) or "", number)
        if step.verb not in SWITCHES or not step.leg or not number or not _is_own(entries, step):
            return None
        sent = [
            done.action.verb
            for done in done_to(moments(self._store.leg_history(step.leg).events), {})
            if done.action.leg == step.leg and done.action.sequence > number and done.state != "requested"
        ]
        if any(verb in MOVING for verb in sent):
            return {"result": "failed", "detail": "the leg was moved meanwhile"}
        kind = step.verb.removeprefix("un")
        return {"result": "done"} if any(verb.removeprefix("un") == kind for verb in sent) else None

    def _recorded_since(self, conversation: str, number: int) -> dict[str, Any] | None:
        """What came of an action on the recording, of that *number*, if a later one was sent before it."""
        history = self._store.histories([conversation]).conversations.get(conversation, {})
        done = done_to(moments(history), {})
        if any(d.action.verb in RECORDS and d.action.sequence > number and d.state != "requested" for d in done):
            return {"result": "failed", "detail": "a later action on the recording was sent before it"}
        return None

    def _begin_conference(self, operation: str, entries: Sequence[Entry], step: Step) -> float:
        """Hand the legs of a transfer over to a conference. It may be done again: the id is the same."""
        id_, now = f"{operation}-merged", datetime.now(UTC)
        who: dict[str, Any] = {"by": _who(entries), "conversation": _conversation(entries)}
        order = {**step.arguments, "room": f"{conferences.ROOM}{id_}", "music_url": entries[0].data["music_url"]}
        created = [Entry("created", now, "created", "conference", order), Entry("begun", now, "request", "begun", who)]
        self._store.append(id_, created, due_in=0)
        for leg in (order["host"], *order["participants"]):
            self._store.occupy(leg, id_, ended=operation)
        done = {"verb": step.verb, "leg": None, "noted": dict(step.noted)} | who
        result = {"result": "done", "conference": id_}
        self._append(
            operation,
            [
                Entry(f"step {step.name}", now, "step", step.name, done),
                Entry(f"result {step.name}", now, "result", step.name, result),
            ],
            expected=len(entries),
        )
        self.wake([id_])
        return 0

    def _step_entry(self, entries: Sequence[Entry], step: Step, legs: Mapping[str, Leg]) -> Entry:
        """What is kept of *step* before it is sent; of the step of a single action most was kept with the action."""
        created = entries[0].data
        data: dict[str, Any] = {"verb": step.verb, "leg": step.leg, "noted": dict(step.noted)}
        if step.verb in CREATING:
            data["to"] = step.arguments["to"][0]
        if _is_own(entries, step):
            data |= {"conversation": created.get("conversation")}
        else:
            leg = legs.get(step.leg or "")
            here = (leg and leg.place.conversation) or _placed_in(entries, step.leg)
            begun = _conversation(entries)
            if step.verb == RING:  # the new leg is of the call in which it was begun
                here, begun = begun, here
            data |= {"conversation": here or begun, "by": _who(entries)}
            data |= {"after": leg.place.order if leg else 0}
            if "ncco" in step.arguments:
                data["shown"] = {"ncco": step.arguments["ncco"]}
            if step.verb == RING:
                data["shown"] |= {"to": step.arguments["to"]}
            if step.leg:
                data["sequence"] = self._store.number(step.leg).sequence
        return Entry(f"step {step.name}", datetime.now(UTC), "step", step.name, data)

    def _goes_on(self, operation: str) -> bool:
        """Whether this worker still goes on with *operation*; it does so for a request longer."""
        till = self._store.renew(operation, self._claim.holder, self._claim.till, LEASE_SECONDS)
        if till is not None:
            self._claim.till = till
        return till is not None

    def _append(self, operation: str, entries: Sequence[Entry], *, expected: int | None = None) -> bool:
        """Whether *entries* are in the log now, and nobody else had decided otherwise before. What came of a step is
        kept even if Redis is away just now.
        """
        try:
            appended = self._store.append(operation, entries, expected=expected)
        except StoreUnavailable:
            if expected is None:
                self._store.append(operation, entries, later=True)
            raise
        if appended is not None:
            self._keep_events(operation, self._store.log_of(operation))
        return appended is not None

    def _keep_events(self, operation: str, entries: Sequence[Entry]) -> None:
        """Keep in the conversations concerned what the log says, unless this process did already."""
        for event in events_of(operation, entries):
            if event.canonical not in self._kept and event.conversation and event.occurred:
                self._store.record(event, CANONICAL.encode(actions.kept(event)).encode(), event.occurred, counted=False)
                self._kept[event.canonical] = None
                while len(self._kept) > REMEMBERED:
                    self._kept.popitem(last=False)


def _is_own(entries: Sequence[Entry], step: Step) -> bool:
    """Whether *step* is what a single action is, and not what follows from it."""
    created = entries[0].data
    return kind_of(entries) == ACTION and step.name.removesuffix(":2") in (created.get("steps") or (created["verb"],))


def _placed_in(entries: Sequence[Entry], leg: str | None) -> str | None:
    """The conversation in which the operation of this log placed *leg*; None: it did not."""
    results = (entry.data for entry in entries if entry.kind == "result")
    return next((found.get("conversation_uuid") for found in results if leg and found.get("uuid") == leg), None)


def _conversation(entries: Sequence[Entry]) -> str | None:
    """The conversation in which the operation was begun."""
    return next((entry.data["conversation"] for entry in entries if entry.data.get("conversation")), None)


def _who(entries: Sequence[Entry]) -> str:
    """Who requested what is being done: the latest who wanted something."""
    return next(str(entry.data["by"]) for entry in reversed(entries) if "by" in entry.data)


def _result_entry(step: Entry, outcome: Mapping[str, Any]) -> Entry:
    return Entry(f"result {step.name}", datetime.now(UTC), "result", step.name, outcome)
