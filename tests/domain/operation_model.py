"""A small carrier, and workers that drive one operation over it: as unlucky as both can be.

Webhooks come late, twice, in any order or never; steps are refused, fail, or end as nobody knows how; workers are
killed between any two entries of the log and have clocks 30 seconds apart. Seconds are true time, from 0.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from app.domain.events import CallStatus, Event, Transfer
from app.domain.legs import Leg, Moment, project_leg
from app.domain.operations import Entry, Plan, Step
from tests.domain.builders import at
from tests.generated import BASE
from vonage_simulator import ncco

HOP_SECONDS = 0.1
REQUEST_SECONDS = 0.02
NO_HANGUP_SECONDS = 1.0
LEASE_SECONDS = 10.0
SKEWS = (-15.0, 15.0)
QUIET_SECONDS = 150.0  # in which nothing has changed: the operation waits for people
NEVER_LOST = ("completed", "busy", "timeout", "cancelled", "rejected")


@dataclass
class Party:
    """A leg as it truly is."""

    uuid: str
    conversation: str
    direction: str = "outbound"
    answered: bool = False
    over: bool = False
    hears: str = "nothing"  # room, music, script, nothing
    played: bool = False  # a stream by the API
    muted: bool = False
    earmuffed: bool = False
    born: float = 0.0
    ncco: list[dict[str, Any]] = field(default_factory=list)
    run: int = 0  # its script is another one since


class Carrier:
    """Legs and rooms as they truly are, and what the server was sent about them."""

    def __init__(self, chance: Random, *, unlucky: bool = True) -> None:
        self.chance = chance
        self.unlucky = unlucky
        self.now = 0.0
        self.parties: dict[str, Party] = {}
        self.delivered: list[Moment] = []
        self.callees: list[tuple[str, float]] = []  # what the next one who is called does, and when
        self.pairs: set[str] = set()  # conversations of which who is left alone is ended
        self.may_lose_moves = unlucky and chance.random() < 0.5
        self.on_webhook: Callable[[], None] = lambda: None
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._known: tuple[int, dict[str, Leg]] = (0, {})  # after so many webhooks

    # Time

    def after(self, seconds: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._number), work))

    @property
    def next_at(self) -> float | None:
        return self._queue[0][0] if self._queue else None

    def advance(self) -> None:
        """Let the next thing happen."""
        due, _, work = heapq.heappop(self._queue)
        self.now = max(self.now, due)
        work()

    # What the server knows

    def legs(self) -> dict[str, Leg]:
        if len(self.delivered) != self._known[0]:
            self._known = (len(self.delivered), legs_of(self.delivered))
        return self._known[1]

    def _send(self, event: Event, *, may_be_lost: bool) -> None:
        moment = Moment(at(self.now), event)
        for _ in range(2 if self.unlucky and self.chance.random() < 0.1 else 1):
            if may_be_lost and self.unlucky and self.chance.random() < 0.1:
                continue
            late = self.unlucky and self.chance.random() < 0.2
            self.after(self.chance.uniform(1, 60) if late else 0.05, lambda: self._deliver(moment))

    def _deliver(self, moment: Moment) -> None:
        self.delivered.append(moment)
        self.on_webhook()

    def _status(self, party: Party, status: str) -> None:
        self._send(
            CallStatus(
                canonical=json.dumps([status, party.uuid, self.now]).encode(),
                conversation=party.conversation,
                leg=party.uuid,
                occurred=at(self.now),
                status=status,
                direction=party.direction,
            ),
            may_be_lost=status not in NEVER_LOST,
        )

    # What legs do

    def begin(self, uuid: str, conversation: str, *, direction: str = "inbound") -> None:
        """A leg that has been talking for a minute; the server knows it."""
        self.parties[uuid] = Party(uuid, conversation, direction, answered=True, hears="room", born=-60.0)
        answered = json.dumps([uuid, "answered"]).encode()
        self.delivered.append(
            Moment(
                at(-60),
                CallStatus(
                    canonical=answered,
                    conversation=conversation,
                    leg=uuid,
                    occurred=at(-60),
                    status="answered",
                    direction=direction,
                ),
            )
        )

    def end(self, uuid: str, status: str = "completed") -> None:
        party = self.parties[uuid]
        if party.over:
            return
        party.over = True
        party.run += 1
        self._status(party, status)
        self._parted(party.conversation)

    def end_callees(self) -> None:
        """Those who were called hang up."""
        for party in self.alive():
            if party.uuid.startswith("callee"):
                self.end(party.uuid)

    def ring(self, party: Party, seconds: float) -> None:
        """Ring until the callee does what it is to do."""
        does, when = self.callees.pop(0) if self.callees else ("answers", 3.0)
        self._status(party, "started")
        if does == "never" or when >= seconds:
            does, when = "timeout", seconds
        self.after(when, lambda: None if party.over else self._picks_up(party, does))

    def _picks_up(self, party: Party, does: str) -> None:
        if does != "answers":
            self.end(party.uuid, does)
            return
        party.answered = True
        self._status(party, "answered")
        self._run(party)

    def _move(self, party: Party, conversation: str, hears: str) -> None:
        left, party.conversation, party.hears = party.conversation, conversation, hears
        canonical = json.dumps([left, conversation, party.uuid, self.now]).encode()
        self._send(
            Transfer(canonical=canonical, leg=party.uuid, occurred=at(self.now), left=left, joined=conversation),
            may_be_lost=self.may_lose_moves,
        )
        self._parted(left)

    def _parted(self, conversation: str) -> None:
        there = [party for party in self.parties.values() if party.conversation == conversation and not party.over]
        if conversation in self.pairs and len(there) == 1:
            self.after(0.2, lambda: self.end(there[0].uuid))

    def _run(self, party: Party) -> None:
        """Begin the script of *party*."""
        party.run += 1
        run, first = party.run, party.ncco[0]
        if first["action"] == "stream":
            party.hears = "music"
        elif first["action"] == "conversation":
            party.muted = first.get("mute", False)
            self._move(party, f"CON-{first['name']}", "room")
        elif first["action"] == "connect":
            self.pairs.add(party.conversation)
            party.hears = "ringing"
            callee = Party(f"callee-{len(self.parties)}", party.conversation, born=self.now)
            callee.ncco = [{"action": "talk"}]
            self.parties[callee.uuid] = callee
            self.after(0, lambda: self._connect(party, callee, first))
        else:
            party.hears = "script"
            self.after(5, lambda: None if party.run != run else self.end(party.uuid))

    def _connect(self, party: Party, callee: Party, connect: dict[str, Any]) -> None:
        does, when = self.callees.pop(0) if self.callees else ("answers", 3.0)
        self._status(callee, "started")
        if does == "never" or when >= connect["timeout"]:
            does, when = "timeout", float(connect["timeout"])
        run = party.run

        def picks_up() -> None:
            if callee.over or party.over or party.run != run:
                self.end(callee.uuid, "cancelled")
            elif does == "answers":
                callee.answered = True
                callee.hears = party.hears = "room"
                self._status(callee, "answered")
            else:
                self.pairs.discard(party.conversation)
                self.end(callee.uuid, does)
                party.ncco = [{"action": "talk", "text": "Sorry"}]  # the reply to the synchronous event
                self._run(party)

        self.after(when, picks_up)

    # What it is asked to do

    def perform(self, step: Step) -> tuple[str, dict[str, Any]]:
        """Carry out *step*: its result, and what the answer has."""
        self.now += REQUEST_SECONDS
        if script := step.arguments.get("ncco"):
            assert not ncco.faults(script)
            assert script[-1]["action"] in ("conversation", "connect", "talk"), "the script's end hangs up"
        if step.verb in ("create", "ring"):
            party = Party(f"callee-{len(self.parties)}", f"CON-born-{len(self.parties)}", born=self.now)
            party.ncco = step.arguments["ncco"]
            self.parties[party.uuid] = party
            self.ring(party, step.arguments["ringing_timer"])
            return "done", {"uuid": party.uuid, "conversation_uuid": party.conversation}
        if step.verb == "begin_conference":
            for uuid in [step.arguments["host"], *step.arguments["participants"]]:
                if not self.parties[uuid].over:
                    self._move(self.parties[uuid], "CON-adhoc", "room")
            return "done", {"conference": "conference"}
        return self._act(self.parties[step.leg or ""], step), {}

    def _act(self, party: Party, step: Step) -> str:
        """Act on a leg: the result."""
        if party.over:
            return "gone"
        if step.verb == "hangup":
            if self.now - party.born < NO_HANGUP_SECONDS:
                return "refused"
            self.end(party.uuid, "completed" if party.answered else "cancelled")
            return "done"
        if not party.answered:
            return "refused"
        match step.verb:
            case "move":
                self._transfer(party, step.arguments.get("ncco") or [{"action": "talk", "text": "By its URL."}])
            case "stream" | "stop_stream":
                party.played = step.verb == "stream"
            case "earmuff":
                party.earmuffed = True
            case _:
                raise AssertionError(step.verb)
        return "done"

    def _transfer(self, party: Party, script: list[dict[str, Any]]) -> None:
        party.run += 1
        run, party.ncco, party.muted, party.earmuffed = party.run, script, False, False
        if script[0]["action"] == "conversation" and self.unlucky and self.chance.random() < 0.3:
            self._run(party)  # it moves at once
            return
        self._move(party, f"CON-on-its-way-{len(self.delivered)}-{self.now}", "nothing")
        self.after(HOP_SECONDS, lambda: None if party.run != run or party.over else self._run(party))

    def company(self, uuid: str) -> list[str]:
        """Who *uuid* talks with."""
        me = self.parties[uuid]
        return [
            party.uuid
            for party in self.parties.values()
            if party is not me and not party.over and party.hears == me.hears == "room"
            if party.conversation == me.conversation
        ]

    def alive(self) -> list[Party]:
        return [party for party in self.parties.values() if not party.over and party.answered]


def legs_of(webhooks: Sequence[Moment]) -> dict[str, Leg]:
    """The legs as *webhooks* say, each of them counted once as the store does."""
    known = list(dict.fromkeys(webhooks))
    uuids = sorted({moment.event.leg for moment in known if moment.event.leg})
    return {uuid: project_leg(uuid, known) for uuid in uuids}


class Workers:
    """Two workers that drive one operation, whenever a webhook comes or it is due."""

    def __init__(
        self,
        carrier: Carrier,
        project: Callable[[Sequence[Entry], Mapping[str, Leg]], Any],
        plan: Callable[[Any, datetime], Plan],
        created: Mapping[str, Any],
        *,
        skews: tuple[float, float] = SKEWS,
    ) -> None:
        self.carrier = carrier
        self.skews = skews
        self.chance = carrier.chance
        self.project, self.plan = project, plan
        self.log: list[Entry] = []
        self.states: list[Any] = []  # of each time that it was driven
        self.performed: dict[str, tuple[str, dict[str, Any]] | None] = {}  # steps whose worker was killed
        self.faults: dict[str, str] = {}  # the result of the step of that name, whose effect there is not
        self.due_at: float | None = 0.0
        self.due_for = 0  # the worker that will look
        self.killed_at = -1  # at so many entries of the log a worker is killed
        self._append("created", "created", created, 0)
        carrier.on_webhook = self._on_webhook

    def request(self, name: str, **data: Any) -> None:
        self._append("request", name, data, self.chance.randrange(2))
        self.drive()

    @property
    def steps(self) -> list[str]:
        """The names of the steps that were sent."""
        return [entry.name for entry in self.log if entry.kind == "step"]

    def arguments(self, step: str) -> Any:
        """The arguments of the step of that name."""
        return next(entry.data["arguments"] for entry in self.log if entry.kind == "step" and entry.name == step)

    def state(self) -> Any:
        return self.project(self.log, self.carrier.legs())

    def run(self, seconds: float = float("inf")) -> None:
        """Until nothing more happens by itself; for so many *seconds* at most."""
        changed_at, length, until = self.carrier.now, len(self.log), self.carrier.now + seconds
        for _ in range(3000):
            soonest = min(
                (moment for moment in (self.carrier.next_at, self.due_at) if moment is not None), default=None
            )
            at_rest = soonest is None or (self.carrier.next_at is None and soonest > changed_at + QUIET_SECONDS)
            if soonest is None or soonest > until or (at_rest and seconds == float("inf")):
                self.carrier.now = max(self.carrier.now, until) if seconds < float("inf") else self.carrier.now
                return
            if soonest == self.carrier.next_at:
                self.carrier.advance()
                changed_at = self.carrier.now
            else:
                self.carrier.now = max(self.carrier.now, soonest)
                self.drive(self.due_for)
            if len(self.log) > length:
                changed_at, length = self.carrier.now, len(self.log)
        raise AssertionError("it never comes to rest")

    def run_out(self) -> None:
        """Until there is nothing to do any more, however long that takes."""
        for _ in range(1000):
            self.run()
            if self.due_at is None:
                return
            self.carrier.now = max(self.carrier.now, self.due_at)
            self.drive(self.due_for)
        raise AssertionError("it never ends")

    def drive(self, worker: int | None = None) -> None:
        worker = self.chance.randrange(2) if worker is None else worker
        self._look_up(worker)
        for _ in range(200):
            state = self.state()
            self.states.append(state)
            now = BASE + timedelta(seconds=self.carrier.now + self.skews[worker])
            plan = self.plan(state, now)
            if plan.decision:
                self._append("decision", plan.decision.name, plan.decision.data, worker)
            elif plan.timeouts:
                for name in plan.timeouts:
                    assert not any(entry.kind == "timeout" and entry.name == name for entry in self.log), name
                    self._append("timeout", name, {}, worker)
            elif plan.step:
                if not self._perform(plan.step, worker):
                    return
            else:
                self._next(plan.check_at)
                return
            if self._killed():
                return
        raise AssertionError("it goes round in circles")

    def _perform(self, step: Step, worker: int) -> bool:
        """Send *step*; False if the worker was killed before it had the result."""
        assert not any(entry.kind == "step" and entry.name == step.name for entry in self.log), f"twice: {step.name}"
        json.dumps([step.arguments, step.noted])
        data = {"verb": step.verb, "leg": step.leg, "arguments": step.arguments, "noted": step.noted}
        self._append("step", step.name, data, worker)
        if self._killed():
            self.performed[step.name] = None
            return False
        result, answer = self._outcome(step)
        if self._killed():
            self.performed[step.name] = (result, answer)
            return False
        self._append("result", step.name, {"result": result, **answer}, worker)
        return True

    def _outcome(self, step: Step) -> tuple[str, dict[str, Any]]:
        fault = self.faults.get(step.name)
        if not fault and self.carrier.unlucky and self.chance.random() < 0.15:
            fault = self.chance.choice(["refused", "failed", "unknown", "unknown, but done"])
            if step.verb in ("create", "ring") and self.carrier.may_lose_moves and fault == "unknown, but done":
                fault = "unknown"  # with neither an answer nor a webhook, nobody could know the leg
        if fault in ("refused", "failed", "unknown"):
            return fault, {}
        if fault == "gone":
            self.carrier.end(step.leg or "")
        result, answer = self.carrier.perform(step)
        if fault and result == "done" and step.verb != "begin_conference":
            return "unknown", {}
        return result, answer

    def _look_up(self, worker: int) -> None:
        """What came of the step whose worker was killed."""
        for name, performed in list(self.performed.items()):
            step = next(entry for entry in self.log if entry.kind == "step" and entry.name == name)
            result, answer = performed or ("failed", {})
            known_anyway = step.data["verb"] in ("create", "ring") and self.carrier.may_lose_moves
            if self.chance.random() < 0.3 and step.data["verb"] != "begin_conference" and not known_anyway:
                result, answer = "unknown", {}
            self._append("result", name, {"result": result, **answer}, worker)
            del self.performed[name]

    def _killed(self) -> bool:
        if len(self.log) == self.killed_at or (self.carrier.unlucky and self.chance.random() < 0.05):
            self.due_at, self.due_for = self.carrier.now + LEASE_SECONDS, self.chance.randrange(2)
            return True
        return False

    def _on_webhook(self) -> None:
        if not self.performed and not (self.carrier.unlucky and self.chance.random() < 0.1):
            self.drive()
        elif self.due_at is None:  # the webhook of an operation that has ended
            self.due_at = self.carrier.now

    def _next(self, check_at: datetime | None) -> None:
        self.due_for = self.chance.randrange(2)
        if check_at is None:
            self.due_at = None
        else:
            self.due_at = max((check_at - BASE).total_seconds() - self.skews[self.due_for], self.carrier.now)

    def _append(self, kind: Any, name: str, data: Mapping[str, Any], worker: int) -> None:
        moment = BASE + timedelta(seconds=self.carrier.now + self.skews[worker])
        self.log.append(Entry(f"{len(self.log)}", moment, kind, name, json.loads(json.dumps(data))))


def assert_order_does_not_matter(workers: Workers) -> None:
    """At each length of the log the same is due, in whatever order webhooks came, and however often."""
    webhooks, chance = workers.carrier.delivered, workers.chance
    for length in range(1, len(workers.log) + 1):
        log, now = workers.log[:length], workers.log[length - 1].at
        usual = workers.plan(workers.project(log, legs_of(webhooks)), now)
        again = [*webhooks, *chance.choices(webhooks, k=3)]
        chance.shuffle(again)
        assert workers.plan(workers.project(log, legs_of(again)), now) == usual


def assert_nobody_is_left_alone(workers: Workers, left_alone: Callable[[Workers], list[Any]]) -> None:
    """Not once everything has happened, nor while one after the other hangs up; then nothing is left to do."""
    carrier = workers.carrier
    workers.run()
    assert left_alone(workers) == []
    for leg in workers.chance.sample(sorted(carrier.parties), len(carrier.parties)):
        carrier.end(leg)
        workers.run()
        assert left_alone(workers) == []
    workers.run_out()
