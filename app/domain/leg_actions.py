"""A single action as an operation: its step or steps, and their confirmation by a webhook where one comes.

Vonage refuses an action on a leg that has only just begun or been answered; that is tried once more.
https://api.support.vonage.com/hc/en-us/articles/10359615124380 (hangup within 1 to 2 seconds after create: 400)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from app.domain.actions import MOVES
from app.domain.legs import Leg
from app.domain.operations import Entry, Plan, Step
from app.domain.step_log import PERSISTENT_TRIES, RETRY_SECONDS
from app.domain.step_log import WATCH_SECONDS as LONGEST_SECONDS

CONFIRM_SECONDS: Final = 10.0  # a webhook that confirms usually comes within one second
AGAIN_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 1.0  # a leg comes into its room by a conversation on the way, where it would lose what it is
WATCH_SECONDS: Final = 15.0  # webhooks of those who could resume come at once; this is for those that are lost
CONFIRM: Final = "confirm"  # what times out
QUEUE_SECONDS: Final = 60.0  # an action that could not be sent by then is not wanted any more
QUEUE: Final = "queue"  # what times out then
SWITCHES: Final = ("mute", "unmute", "earmuff", "unearmuff")  # to do them twice does no harm
UNDO: Final = "undo"  # the step by which half a weak hold is taken back
GIVE_UP: Final = "give_up"  # the step that hangs up who is on hold


@dataclass(frozen=True, slots=True)
class LegAction:
    """An action by its log.

    `steps` are the verbs that it takes, one unless it is a weak hold; `then` those that follow once it is confirmed.
    `results` has the data and time of what came of each step that was sent. A hold, once it is confirmed, waits for the
    end of it: `watches` says so, `back` that the leg was moved again, `alone` that all who could resume it have ended.
    """

    verb: str
    leg: str | None
    arguments: Mapping[str, Any]
    steps: tuple[str, ...]
    then: tuple[str, ...]
    sent: tuple[str, ...]
    results: Mapping[str, tuple[Mapping[str, Any], datetime]]
    ended: bool
    confirmed: bool
    timed_out: frozenset[str]
    created_at: datetime
    young: bool
    watches: bool
    back: bool
    alone: bool

    @property
    def result(self) -> Mapping[str, Any] | None:
        """The result that counts for the whole: of the first step that was not done, or of the last one."""
        main = {name for step in self.steps for name in (step, f"{step}:2")}
        names = [name for name in self.sent if name in self.results and name in main]
        known = [self.results[name][0] for name in names if f"{name}:2" not in self.sent]
        if names and not names[-1].endswith(":2") and self.repeats(names[-1]):
            return None  # it is tried once more
        return next((data for data in known if data["result"] != "done"), known[-1] if known else None)

    def repeats(self, step: str) -> bool:
        """Whether the *step*, which has a result, is made once more: the leg has only just begun, or nobody can say
        what came of it and to do it twice does no harm.
        """
        data, _ = self.results[step]
        unknown = data["result"] == "unknown" and step in SWITCHES
        return unknown or (self.young and step in self.steps and data.get("status") == 400)


def project(log: Sequence[Entry], legs: Mapping[str, Leg]) -> LegAction:
    """The action of *log*, whose first entry is that it was created."""
    created = next(entry for entry in log if entry.kind == "created").data
    leg = legs.get(created.get("leg") or "")
    own = [move for move in leg.moves if move.place.order > created.get("after", 0)] if leg else []
    first = next((move for move in own if move.left == created.get("conversation")), None)
    others = [legs[uuid] for uuid in created.get("others", ()) if uuid in legs]
    ended = leg is not None and leg.state == "completed"
    return LegAction(
        verb=created["verb"],
        leg=created.get("leg"),
        arguments=created.get("arguments", {}),
        steps=tuple(created.get("steps") or (created["verb"],)),
        then=tuple(_to_do_again(created, leg)),
        sent=tuple(entry.name for entry in log if entry.kind == "step"),
        results={entry.name: (entry.data, entry.at) for entry in log if entry.kind == "result"},
        ended=ended,
        confirmed=ended if created["verb"] == "hangup" else first is not None,
        timed_out=frozenset(entry.name for entry in log if entry.kind == "timeout"),
        created_at=next(entry.at for entry in log if entry.kind == "created"),
        young=bool(created.get("young")),
        watches=bool(created.get("others")),
        # A move before it may be reported late: by its other actions the leg is on hold still.
        back=first is not None and own[-1] != first and (leg is None or leg.control.hold is None),
        alone=bool(others) and all(other.state == "completed" for other in others),
    )


def _to_do_again(created: Mapping[str, Any], leg: Leg | None) -> Iterator[str]:
    """What a leg that is back has to be, and may not be: a leg that enters a room anew is what its script says."""
    if created["verb"] != "resume" or created.get("shown", {}).get("weak") or leg is None:
        return
    if leg.control.muted or created.get("shown", {}).get("muted"):
        yield "mute" if leg.control.muted else "unmute"
    if leg.control.earmuffed:
        yield "earmuff"


def plan(action: LegAction, now: datetime) -> Plan:
    """What is to be done at the time *now*."""
    if not action.sent and QUEUE in action.timed_out:
        return Plan()
    if not action.sent and now > action.created_at + timedelta(seconds=QUEUE_SECONDS):
        return Plan(timeouts=(QUEUE,), check_at=now)
    at = now
    for verb in action.steps:
        name = verb
        if name in action.results and action.repeats(name):
            name, at = f"{verb}:2", action.results[verb][1] + timedelta(seconds=AGAIN_SECONDS)
        if name not in action.sent:
            return Plan(step=_step(action, verb, name), check_at=at) if now >= at else Plan(check_at=at)
        if name not in action.results:
            return Plan(check_at=now)  # it is being sent, or has to be looked up
        data, at = action.results[name]
        if data["result"] not in ("done", "unknown"):
            return _undo(action, now)
    if _waits(action) and not (action.confirmed or CONFIRM in action.timed_out or action.ended):
        at += timedelta(seconds=CONFIRM_SECONDS)
        return Plan(timeouts=(CONFIRM,), check_at=now) if now >= at else Plan(check_at=at)
    settled = at + timedelta(seconds=SETTLE_SECONDS)
    if action.verb == "resume" and _waits(action) and not action.ended and now < settled:
        return Plan(check_at=settled)  # a mute of just now may be lost on the way, and is not known yet
    for verb in action.then if not action.ended else ():
        if again := _do_again(action, verb, settled, now):
            return again
    return _watch(action, now)


def _do_again(action: LegAction, verb: str, due: datetime, now: datetime) -> Plan | None:
    """What to do so that the leg, which came back, is muted or earmuffed again from *due* on; None: nothing.

    It is tried as often as the hangups of transfers: else somebody would be heard who believes to be muted.
    """
    tries = [name for name in action.sent if name.partition(":")[0] == verb]
    if tries:
        if (result := action.results.get(tries[-1])) is None:
            return Plan(check_at=now)  # it is being sent, or has to be looked up
        data, at = result
        if data["result"] not in ("failed", "unknown") or len(tries) == PERSISTENT_TRIES:
            return None
        due = at + timedelta(seconds=AGAIN_SECONDS * 2 ** (len(tries) - 1))
    name = f"{verb}:{len(tries) + 1}" if tries else verb
    return Plan(step=_step(action, verb, name), check_at=now) if now >= due else Plan(check_at=due)


def _undo(action: LegAction, now: datetime) -> Plan:
    """A leg that could not be put on hold is heard again."""
    muted = [action.results[name][0]["result"] for name in ("mute", "mute:2") if name in action.results]
    heard_no_more = "done" in muted or "unknown" in muted
    if action.verb != "hold" or not heard_no_more or action.ended or UNDO in action.sent:
        return Plan()
    return Plan(step=Step(UNDO, "unmute", action.leg, {}, {}), check_at=now)


def _watch(action: LegAction, now: datetime) -> Plan:
    """A leg on hold is not left alone: nobody would ever come back. But webhooks of the end may all be lost."""
    if not action.watches or action.ended or action.back:
        return Plan()
    if now > action.created_at + timedelta(seconds=LONGEST_SECONDS):
        return Plan()
    tries = [name for name in action.sent if name.partition(":")[0] == GIVE_UP]
    if tries:
        return _give_up_again(action, tries, now)
    if action.alone:
        return Plan(step=Step(GIVE_UP, "hangup", action.leg, {}, {}), check_at=now)
    return Plan(check_at=now + timedelta(seconds=WATCH_SECONDS))


def _give_up_again(action: LegAction, tries: Sequence[str], now: datetime) -> Plan:
    """It is tried as often as the hangups of transfers, each time after twice as long."""
    if (result := action.results.get(tries[-1])) is None:
        return Plan(check_at=now)  # it is being sent, or has to be looked up
    data, at = result
    if data["result"] in ("done", "gone") or len(tries) == PERSISTENT_TRIES:
        return Plan()
    due = at + timedelta(seconds=RETRY_SECONDS * 2 ** (len(tries) - 1))
    step = Step(f"{GIVE_UP}:{len(tries) + 1}", "hangup", action.leg, {}, {})
    return Plan(step=step, check_at=now) if now >= due else Plan(check_at=due)


def _waits(action: LegAction) -> bool:
    return (action.verb in MOVES and not action.arguments.get("weak")) or action.verb == "hangup"


def _step(action: LegAction, verb: str, name: str) -> Step:
    return Step(name, verb, action.leg, action.arguments if verb == action.verb else {}, {})
