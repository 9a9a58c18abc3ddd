"""The steps of an operation that were sent: what came of them, and where they leave its legs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from itertools import combinations, count
from typing import Any, Final, NamedTuple

from app.domain.legs import Leg
from app.domain.moves import MOVED, UNKNOWN_PLACE
from app.domain.operations import Entry, Plan, Step, StepResult

CONFIRM_SECONDS: Final = 5  # until the 204 of a move counts though no webhook says that the leg has moved
RETRY_SECONDS: Final = 2  # a new leg cannot be hung up in its first: help article 10359615124380
IN_FLIGHT_SECONDS: Final = 10  # until a step without a result is looked at again
# Until an operation that waits for webhooks is looked at all the same: the worker that took one may have been killed.
LOOK_SECONDS: Final = 60
# No leg lasts longer than two hours, the default of `length_timer` in https://developer.vonage.com/en/api/voice, and
# clocks differ.
WATCH_SECONDS: Final = 7200 + 60
# Vonage itself ends a call that rings too long. This is for when its webhook is lost; it is longer than clocks differ.
RING_MARGIN_SECONDS: Final = 35
TRIES: Final = 2
# What must not stay undone, as somebody would be alone in a room, or hear ringing while others talk: it is tried more
# often, over minutes, each time after twice as long, and nothing else waits for it.
PERSISTENT: Final = ("hangup", "stop_stream")
PERSISTENT_TRIES: Final = 8
UNSURE: Final = "unsure"  # where a leg is after a move of which nobody can say whether it was made

Ncco = list[dict[str, Any]]


class Sent(NamedTuple):
    """A step that was sent. `result` is None as long as nothing is known."""

    name: str
    verb: str
    leg: str | None
    noted: Mapping[str, Any]
    at: datetime
    result: StepResult | None
    answer: Mapping[str, Any]
    timed_out: bool


class Aim(NamedTuple):
    """What is to be so, and is not yet: a step of that name and verb would make it so.

    `target`: of a move, where the leg is to be. `round`: what failed in one may be tried again in the next.
    """

    name: str
    verb: str
    leg: str | None
    target: str = ""
    round: str = ""

    @property
    def key(self) -> str:
        """The same for every try."""
        return f"{self.round}:{self.verb}:{self.leg or ''}:{self.target}"


# The arguments of the step for an aim, and, of a move, who is where the leg is moved to; see `Steps.arrived`.
Details = Callable[[Aim], tuple[Mapping[str, Any], list[str]]]


class Steps:
    """All steps of one operation, in the order in which they were sent."""

    def __init__(self, log: Sequence[Entry], legs: Mapping[str, Leg]) -> None:
        self.legs = legs
        self.timeouts = {entry.name: entry.at for entry in log if entry.kind == "timeout"}
        results: dict[str, Entry] = {}
        for entry in log:
            if entry.kind == "result":
                results.setdefault(entry.name, entry)
        self.sent = tuple(self._sent(entry, results.get(entry.name)) for entry in log if entry.kind == "step")

    def _sent(self, step: Entry, result: Entry | None) -> Sent:
        data, answer = step.data, result.data if result else {}
        return Sent(
            step.name,
            data["verb"],
            data["leg"],
            data["noted"],
            result.at if result else step.at,
            answer.get("result"),
            answer,
            confirmation(step.name) in self.timeouts,
        )

    # What is known of a leg

    def over(self, leg: str) -> bool:
        """Whether the leg has ended, as its webhooks or an answer of Vonage say.

        Where something is to be stopped that does not play, 404 may be about that.
        """
        known = self.legs.get(leg)
        return (known is not None and known.state == "completed") or any(
            sent.leg == leg and sent.result == "gone" and sent.verb in ("move", "hangup") for sent in self.sent
        )

    def leaving(self, leg: str) -> bool:
        """Whether it is over, or Vonage has accepted to hang it up."""
        return self.over(leg) or any(
            sent.leg == leg and sent.verb == "hangup" and sent.result == "done" for sent in self.sent
        )

    def target(self, leg: str) -> str | None:
        """Where it was moved to last, a target of its steps, or `UNSURE`; None: it was never moved."""
        target: str | None = None
        for sent in self.sent:
            if sent.verb == "move" and sent.leg == leg:
                if self.accepted(sent):
                    target = sent.noted["target"]
                elif sent.result == "unknown":
                    target = UNSURE
        return target

    def moved_after(self, leg: str) -> int:
        """The order of the place in which it was when it was moved last; 0 if it never was."""
        return max((sent.noted["place"] for sent in self.sent if sent.verb == "move" and sent.leg == leg), default=0)

    def playing(self, leg: str) -> bool:
        """Whether something may be played to it."""
        playing = False
        for sent in self.sent:
            if sent.leg == leg and sent.verb == "stream":
                playing |= sent.result in ("done", "unknown")
            elif sent.leg == leg and sent.verb == "stop_stream":
                playing &= not self.accepted(sent)
        return playing

    def earmuff_lost(self, leg: str) -> bool:
        """Whether it was moved since it was earmuffed, or is still on its way: it enters each conversation anew."""
        done = [sent for sent in self.sent if sent.leg == leg and sent.result == "done"]
        moves = [index for index, sent in enumerate(done) if sent.verb == "move"]
        since = [sent for sent in done[moves[-1] + 1 :] if sent.verb == "earmuff"] if moves else []
        known = self.legs.get(leg)
        order = known.place.order if known else 0
        return bool(moves) and not any(sent.noted.get("place", order) >= order for sent in since)

    def place(self, leg: str) -> str | None:
        """The conversation that it is in, as its webhooks say."""
        known = self.legs.get(leg)
        return known.place.conversation if known else None

    def moving(self, leg: str) -> bool:
        """Whether it is on hold, or being moved: somebody else looks after it."""
        known = self.legs.get(leg)
        return known is not None and (known.control.hold is not None or known.control.pending is not None)

    def taken(self, leg: str, room: Set[str]) -> bool:
        """Whether somebody else moved it out of the conversations *room*, if they are known, not to be on hold.

        One of which no move was reported is there all the same: that webhook is lost, or late.
        """
        known = self.legs.get(leg)
        has_moved = known is not None and bool(known.moves)
        return bool(room) and has_moved and self.place(leg) not in room and not self.moving(leg)

    def alone(self, leg: str, room: Set[str]) -> bool:
        """Whether it is in *room*, nobody else is where it is, and it is not on its way to somebody."""
        if self.moving(leg) or self.taken(leg, room):
            return False
        here = self.place(leg)
        return not any(uuid != leg and not self.over(uuid) and self.place(uuid) == here for uuid in self.legs)

    def conversations(self, target: str) -> set[str]:
        """The conversations that legs came into by their moves to *target*, or later ones; see `home`."""
        return {
            move.joined
            for sent in self.sent
            if sent.verb == "move" and sent.noted["target"] == target and (leg := self.legs.get(sent.leg or ""))
            for move in leg.moves
            if move.joined and move.place.order > sent.noted["place"]
        } - self.home

    def shared(self, legs: Iterable[str]) -> set[str]:
        """The conversations into which two of *legs* were moved, as far as webhooks say."""
        joined = [{move.joined for move in known.moves if move.joined} for leg in legs if (known := self.legs.get(leg))]
        return set().union(*(one & other for one, other in combinations(joined, 2))) - self.home

    @property
    def home(self) -> set[str]:
        """The conversations in which legs were before their first move."""
        first: dict[str | None, str | None] = {}
        for sent in self.sent:
            if sent.verb == "move":
                first.setdefault(sent.leg, sent.noted["left"])
        return {place for place in first.values() if place}

    # What is known of a step

    def arrived(self, move: Sent) -> bool:
        """Whether a webhook says that the leg has moved since: to where one of the legs `with` is, if one is left.

        One that was moved later is not there any more: that was done because this one had arrived.
        """
        leg = self.legs.get(move.leg or "")
        if leg is None or leg.place.order < MOVED or leg.place.order <= move.noted["place"]:
            return False
        later = {sent.leg for sent in self.sent[self.sent.index(move) + 1 :] if sent.verb == "move"}
        others = [self.place(other) for other in move.noted["with"] if not self.over(other) and other not in later]
        return not others or self.place(leg.uuid) in others

    def settled(self, sent: Sent) -> bool:
        """Whether nothing more is to be expected of it."""
        if sent.verb == "move" and (sent.result == "done" or _calls_once(sent)):
            return (
                self.latest_move(sent.leg or "") is not sent
                or sent.timed_out
                or self.arrived(sent)
                or self.leaving(sent.leg or "")
            )
        return sent.result is not None

    def accepted(self, sent: Sent) -> bool:
        """Whether it had its effect.

        Nobody can say that of an unknown one: the webhook of a move may be a late one, of another. It is made again.
        """
        if _calls_once(sent):
            return self.arrived(sent)
        return sent.result == "done" or (sent.result == "gone" and sent.verb in PERSISTENT)

    def latest_move(self, leg: str) -> Sent | None:
        """The last step that moved it, or was to."""
        moves = (sent for sent in reversed(self.sent) if sent.verb == "move" and sent.leg == leg)
        return next(moves, None)

    def failures(self, aim: Aim) -> list[Sent]:
        """The steps with this aim that did not have their effect, since the last one that had."""
        failed: list[Sent] = []
        for sent in self.sent:
            if sent.noted["aim"] == aim.key:
                failed = [] if self.accepted(sent) else [*failed, sent]
        return failed

    def hopeless(self, aim: Aim) -> bool:
        """Whether to try it again is of no use. A leg that cannot be hung up yet may well be a moment later."""
        failed = self.failures(aim)
        if aim.verb in PERSISTENT:
            return len(failed) >= PERSISTENT_TRIES
        return len(failed) >= TRIES or any(sent.result in ("refused", "gone") or _calls_once(sent) for sent in failed)

    # What is due

    def waiting(self, now: datetime) -> Plan | None:
        """What to do about steps of which more is to be expected; None if there are none. Others wait for them."""
        for sent in self.sent:
            if self.settled(sent):
                continue
            if sent.result is None:
                return Plan(check_at=now + timedelta(seconds=IN_FLIGHT_SECONDS))
            return timeout(confirmation(sent.name), sent.at, CONFIRM_SECONDS, now)
        return None

    def first_due(self, aims: Iterable[Aim], details: Details, now: datetime) -> Plan | None:
        """The step for the first of *aims* that can be tried; None if there is none.

        What could not be done is tried again a moment later.
        """
        again: list[Plan] = []
        for aim in aims:
            if not self.hopeless(aim):
                due = self._due(aim, details, now)
                if due.step or aim.verb not in PERSISTENT:
                    return due
                again.append(due)
        return min(again, key=lambda due: due.check_at or now, default=None)

    def _due(self, aim: Aim, details: Details, now: datetime) -> Plan:
        if failed := self.failures(aim):
            again = failed[-1].at + timedelta(seconds=RETRY_SECONDS * 2 ** (len(failed) - 1))
            if now < again:
                return Plan(check_at=again)
        arguments, company = details(aim)
        noted: dict[str, Any] = {"aim": aim.key}
        if aim.verb in ("move", "ring", "earmuff"):
            leg = self.legs.get(aim.leg or "")
            order = (leg.place if leg else UNKNOWN_PLACE).order
            noted |= {"target": aim.target, "with": company, "place": order, "left": self.place(aim.leg or "")}
        names = {sent.name for sent in self.sent}
        numbered = (aim.name if number == 1 else f"{aim.name}_{number}" for number in count(1))
        step = Step(next(name for name in numbered if name not in names), aim.verb, aim.leg, arguments, noted)
        return Plan(step=step, check_at=now + timedelta(seconds=IN_FLIGHT_SECONDS))


def _calls_once(sent: Sent) -> bool:
    """Whether it may have had a leg call somebody, who would be called twice if it was made again."""
    return sent.verb == "move" and sent.noted["target"] == "connect" and sent.result == "unknown"


def confirmation(step: str) -> str:
    """The name of the timeout of the step's confirmation."""
    return f"confirm:{step}"


def unconfirmed(timeout: str) -> str:
    """The step of which that is the name of the timeout; any other text for other timeouts."""
    return timeout.removeprefix(confirmation(""))


def timeout(name: str, since: datetime, seconds: float, now: datetime) -> Plan:
    """Wait until *seconds* after *since*; then the timeout *name*."""
    over = since + timedelta(seconds=seconds)
    if now >= over:
        return Plan(timeouts=(name,), check_at=now)
    return Plan(check_at=min(over, now + timedelta(seconds=LOOK_SECONDS)))


# What legs run from now on. https://developer.vonage.com/en/voice/voice-api/ncco-reference


def room_ncco(room: str, *, muted: bool) -> Ncco:
    """Be in *room*. A leg that enters a room anew has lost that it was muted."""
    return [{"action": "conversation", "name": room} | ({"mute": True} if muted else {})]


def hold_ncco(music: str, room: str, *, muted: bool) -> Ncco:
    """Hear music; *room*: where to be should it not be there to be played, for the script's end hangs up."""
    return [{"action": "stream", "streamUrl": [music], "loop": 0}, *room_ncco(room, muted=muted)]
