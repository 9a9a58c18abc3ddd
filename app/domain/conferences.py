"""Ad hoc conferences: a host and those whom the host was talking to, one by one, come into one room.

The host's leg goes first, then each participant's; the host's other legs are hung up. Who has joined is said by where
webhooks say that legs are: the host's first one may be about a conversation on the way, so the host has joined when
somebody else is in the same conversation. The host leaves: all are hung up, or the next one is the host. One who is
left is hung up. Behaviour: ad hoc conferences of wazo-calld, https://wazo-platform.org/documentation

As in a transfer, every change is a decision in the log, made once; and for each member there is an aim.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from app.domain.legs import Leg
from app.domain.operations import Decision, Entry, Happened, Plan
from app.domain.step_log import (
    LOOK_SECONDS,
    UNSURE,
    WATCH_SECONDS,
    Aim,
    Ncco,
    Sent,
    Steps,
    confirmation,
    hold_ncco,
    room_ncco,
    timeout,
)

ROOM: Final = "adhoc-"  # how the name of a conference's room begins
Status = Literal["joining", "joined", "leaving", "left"]
Mode = Literal["hangup", "detach"]
# Why it ends. failed: the host could not be moved, and nothing has changed for anybody. returning: the host goes to the
# room of those who were detached. alone: there is only one left, or nobody.
Ending = Literal["requested", "host_left", "alone", "returning", "failed", "unsure", "idle"]


class Order(NamedTuple):
    """What the conference is to be: the data of its `created` entry, as JSON.

    `discard`: the host's other legs, and the participant to whom each one was connected. `homes`: the room of the call
    that each participant comes from, to which it is detached; without one it gets a room of its own.
    """

    host: str
    participants: Sequence[str]
    room: str
    music_url: str
    host_leaves: Literal["end", "hand_over"] = "end"
    discard: Mapping[str, str] = {}
    homes: Mapping[str, str] = {}
    muted: Sequence[str] = ()
    earmuffed: Sequence[str] = ()


class Member(NamedTuple):
    """A leg of the conference. `mode`: how it leaves. `round`: how often that has changed; see `Aim.key`."""

    leg: str
    status: Status
    mode: Mode = "hangup"
    held: bool = False  # it hears music, and the others go on
    has_joined: bool = False
    round: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Conference:
    """A conference as its log and webhooks say."""

    order: Order
    host: str
    members: Mapping[str, Member]  # all there ever were, the first ones first
    conversation: str | None  # the room's, as soon as two are known to be in it
    ending: Ending | None
    finished: bool
    started_at: datetime | None  # when the first one had joined
    detached: Mapping[str, str]  # who is on hold elsewhere, and for whom; a host that waits there, for itself
    discard: Mapping[str, str]
    homes: Mapping[str, str]
    muted: Set[str]
    earmuffed: Set[str]
    history: tuple[Happened, ...]
    since: datetime  # of the last change
    steps: Steps

    @property
    def present(self) -> tuple[Member, ...]:
        """Those who have not left; none when it is finished."""
        return tuple(member for member in self.members.values() if member.status != "left" and not self.finished)

    @property
    def participants(self) -> tuple[str, ...]:
        """The legs of those who have not left, without the host."""
        return tuple(member.leg for member in self.present if member.leg != self.host)


# ---- Who may join


class Fault(NamedTuple):
    """Why a conference cannot be as wanted: Wazo's `error_id`, and the leg that it is about."""

    error_id: str
    leg: str | None = None


class Present(NamedTuple):
    """What is known of calls when a conference is wanted.

    `owned`: the legs of the user who wants it; None: an operator, who may use any. `talking_to`: for each leg those it
    talks to or holds. `taken`: the legs in a conference.
    """

    legs: Mapping[str, Leg]
    talking_to: Mapping[str, Set[str]]
    taken: Set[str] = frozenset()
    owned: Set[str] | None = None

    def up(self, leg: str) -> bool:
        """Whether it can be moved: it has been answered, and is not over."""
        known = self.legs.get(leg)
        return known is not None and known.state == "answered"

    def mine(self, leg: str) -> bool:
        """Whether it is the user's."""
        return self.owned is None or leg in self.owned


def first_fault(host: str, participants: Sequence[str], present: Present) -> Fault | None:
    """What is wrong with a conference of *host* and *participants*, before anything moves; None: nothing."""
    if not participants or len({host, *participants}) <= len(participants):
        return Fault("invalid-data")
    if not present.up(host) or not present.mine(host):
        return Fault("host-call-not-found", host)
    peers = {peer for peer in present.talking_to.get(host, ()) if present.up(peer)}
    if host in present.taken or len(peers) > 1:
        return Fault("host-already-in-conference", host)
    if not peers:
        return Fault("host-call-creation-error", host)
    return next((fault for leg in participants if (fault := fault_of_participant(leg, present))), None)


def fault_of_participant(leg: str, present: Present, back: Container[str] | None = None) -> Fault | None:
    """What is wrong with *leg* as a participant: it must talk to one leg of the user, and nobody else.

    *back*: the legs it comes back to. A leg that was detached is alone, or on hold for them.
    """
    if leg in present.taken:
        return Fault("participant-already-in-conference", leg)
    peers = present.talking_to.get(leg, set())
    if back is not None and present.up(leg) and all(peer in back for peer in peers):
        return None
    if not present.up(leg) or len(peers) != 1 or not all(map(present.mine, peers)):
        return Fault("participant-call-not-found", leg)
    return None


class Party(NamedTuple):
    """Who comes into a conference, and the host's other legs with the participant to whom each one talks."""

    participants: tuple[str, ...]
    discard: Mapping[str, str]


def party_of(host: str, participants: Sequence[str], present: Present) -> Party:
    """Who comes if *host* wants *participants*, with whom there is no fault: whoever talks to the host comes, too."""
    peers = sorted(peer for peer in present.talking_to.get(host, ()) if present.up(peer))
    everybody = tuple(dict.fromkeys([*peers, *participants]))
    others = {own: leg for leg in everybody for own in present.talking_to.get(leg, ()) if own != host}
    return Party(everybody, others)


# ---- What it is


def allows(conference: Conference, request: str, leg: str | None = None) -> bool:
    """Whether *request* can be made now, of *leg*; if not, it changes nothing."""
    if conference.finished or conference.ending:
        return False
    if request == "end":
        return True
    member = conference.members.get(leg or "")
    if request == "add":
        return leg not in conference.discard and (member is None or member.status == "left")
    if member is None:
        return False
    if request == "remove":
        return member.status in ("joining", "joined") and leg != conference.host
    if request == "hold" and all(other.held or other.leg == leg for other in conference.present):
        return False  # nobody would be there to come back to
    return member.status == "joined" and member.held == (request == "resume") and request in ("hold", "resume")


def project(log: Sequence[Entry], legs: Mapping[str, Leg]) -> Conference:
    """The conference after *log*, which begins with its `created` entry."""
    order = Order(**log[0].data)
    conference = Conference(
        order=order,
        host=order.host,
        members={leg: Member(leg, "joining") for leg in (order.host, *order.participants)},
        conversation=None,
        ending=None,
        finished=False,
        started_at=None,
        detached={},
        discard=dict(order.discard),
        homes=dict(order.homes),
        muted=frozenset(order.muted),
        earmuffed=frozenset(order.earmuffed),
        history=(Happened("conference_adhoc_created"),),
        since=log[0].at,
        steps=Steps(log, legs),
    )
    for entry in log:
        if entry.kind == "request" and (changes := _requested(conference, entry)):
            conference = replace(conference, since=entry.at, **changes)
        elif entry.kind == "decision":
            conference = replace(conference, since=entry.at, **_decided(conference, entry))
    return conference


def events_between(before: Conference | None, after: Conference) -> tuple[Happened, ...]:
    """The events that follow from what was added to the log between *before*, None at its beginning, and *after*."""
    return after.history[len(before.history) if before else 0 :]


def _requested(conference: Conference, request: Entry) -> dict[str, Any]:
    """What *request* changes; nothing if it cannot be."""
    name, data = request.name, request.data
    leg: str = data.get("leg", "")
    if name in ("muted", "unmuted", "earmuffed", "unearmuffed"):
        field = name.removeprefix("un")
        before: Set[str] = getattr(conference, field)
        return {field: before - {leg} if name.startswith("un") else before | {leg}}
    if name == "release":
        return {"detached": {other: holder for other, holder in conference.detached.items() if other != leg}}
    if not allows(conference, name, leg):
        return {}
    if name == "end":
        return {"ending": "requested"}
    if name == "remove":
        return _with(conference, leg, status="leaving", mode=data.get("mode", "hangup"), held=False)
    if name in ("hold", "resume"):
        return _with(conference, leg, held=name == "hold")
    others = {other: member for other, member in conference.members.items() if other != leg}
    earlier = conference.members.get(leg)
    return {
        "members": {**others, leg: Member(leg, "joining", round=earlier.round + 1 if earlier else 0)},
        "detached": {other: holder for other, holder in conference.detached.items() if other != leg},
        "discard": {**conference.discard, **({data["discard"]: leg} if data.get("discard") else {})},
        "homes": {**conference.homes, **({leg: data["home"]} if data.get("home") else {})},
        "muted": conference.muted | ({leg} if data.get("muted") else set()),
        "earmuffed": conference.earmuffed | ({leg} if data.get("earmuffed") else set()),
    }


def _decided(conference: Conference, decision: Entry) -> dict[str, Any]:
    """What *decision* changes."""
    data = decision.data
    leg = data.get("leg", "")
    match decision.name:
        case "joined":
            return {
                **_with(conference, leg, status="joined", has_joined=True),
                "conversation": conference.conversation or data["conversation"],
                "started_at": conference.started_at or decision.at,
                "history": (*conference.history, Happened("conference_adhoc_participant_joined", {"call_id": leg})),
            }
        case "left":
            changes = _with(conference, leg, status="left")
            if data["detached"]:
                changes["detached"] = {**conference.detached, leg: conference.host}
            if conference.members[leg].has_joined:
                left = Happened("conference_adhoc_participant_left", {"call_id": leg})
                changes["history"] = (*conference.history, left)
            return changes
        case "lost":
            return _with(conference, leg, status="leaving", mode="hangup")
        case "stays":
            return _with(conference, leg, status="joined")
        case "resumed":
            return _with(conference, leg, held=False)
        case "handed_over":
            return {"host": leg}
        case "ending":
            return {"ending": data["reason"]}
        case _:
            return {"finished": True, "history": (*conference.history, Happened("conference_adhoc_deleted"))}


def _with(conference: Conference, leg: str, **changes: Any) -> dict[str, Any]:
    """The members, with *changes* to one of them."""
    member = conference.members[leg]
    return {"members": {**conference.members, leg: member._replace(round=member.round + 1, **changes)}}


# ---- What is due


def plan(conference: Conference, now: datetime) -> Plan:
    """What to do at the time *now*, which matters for time limits only."""
    if decision := _decision(conference):
        return Plan(decision=decision, check_at=now)
    steps = conference.steps
    waiting = steps.waiting(now) or steps.first_due(_aims(conference), lambda aim: _details(conference, aim), now)
    if waiting:
        return waiting
    for member in conference.present:
        hangup = _hangup(conference, member)
        if hangup and not hangup.timed_out:
            return timeout(confirmation(hangup.name), hangup.at, LOOK_SECONDS, now)
    if conference.finished and not _watched(conference):
        return Plan()
    return timeout(_watch(conference), conference.since, WATCH_SECONDS, now)


def _decision(conference: Conference) -> Decision | None:
    """What has come about; None: nothing new."""
    if conference.finished:
        return None
    for member in conference.present:
        if decision := _about(conference, member):
            return decision
    if not conference.ending:
        return _end(conference)
    discarding = any(not _hopeless(conference, aim) for aim in _discards(conference))
    return None if conference.present or discarding else Decision("deleted")


def _end(conference: Conference) -> Decision | None:
    """Whether it comes to an end now, or goes on with another host."""
    present = conference.present
    if _watch(conference) in conference.steps.timeouts:
        return Decision("ending", {"reason": "idle"})
    if len(present) <= 1:
        returns = [member.leg for member in present] == [conference.host] and any(_on_hold(conference))
        return Decision("ending", {"reason": "returning" if returns else "alone"})
    if conference.host in [member.leg for member in present]:
        everybody = all(member.held for member in present)  # as the others have left
        return Decision("resumed", {"leg": conference.host}) if everybody else None
    following = next((member.leg for member in present if member.status == "joined"), None)
    if conference.order.host_leaves == "hand_over" and following:
        return Decision("handed_over", {"leg": following})
    return Decision("ending", {"reason": "host_left"})


def _about(conference: Conference, member: Member) -> Decision | None:
    """What has become of *member*."""
    steps, leg = conference.steps, member.leg
    if steps.over(leg) or conference.ending == "failed":
        return _left(leg)
    if conference.ending or member.status == "leaving":
        return _gone(conference, member)
    lost = any(_hopeless(conference, aim) for aim in _moves(conference, member))
    if lost and member.held:
        return Decision("resumed", {"leg": leg})  # as it could not be put on hold
    if member.status == "joined" and not lost:
        return _left(leg) if _taken_away(conference, member) else None
    if lost and leg == conference.host and not member.has_joined:
        return Decision("ending", {"reason": "unsure" if steps.target(leg) == UNSURE else "failed"})
    if lost:
        return Decision("lost", {"leg": leg})
    return _arrival(conference, member)


def _gone(conference: Conference, member: Member) -> Decision | None:
    """Whether *member*, who is to leave, has left or cannot."""
    steps, leg = conference.steps, member.leg
    if target := _goes_to(conference, member):
        latest = steps.latest_move(leg)
        if latest and latest.noted["target"] == target and steps.accepted(latest) and steps.settled(latest):
            return _left(leg, detached=True)
    hangup = _hangup(conference, member)
    if hangup and hangup.timed_out:
        return _left(leg)
    leave = list(_leave(conference, member))
    if leave and all(_hopeless(conference, aim) for aim in leave):
        if member.has_joined and not conference.ending:
            return Decision("stays", {"leg": leg})
        return Decision("lost", {"leg": leg}) if _goes_to(conference, member) else _left(leg)
    return None


def _left(leg: str, *, detached: bool = False) -> Decision:
    return Decision("left", {"leg": leg, "detached": detached})


def _arrival(conference: Conference, member: Member) -> Decision | None:
    """Whether *member* has joined."""
    steps, leg = conference.steps, member.leg
    latest = steps.latest_move(leg)
    if steps.target(leg) != "room" or not latest or not steps.settled(latest):
        return None
    others = [other for other in conference.present if other.leg != leg and steps.target(other.leg) == "room"]
    here = steps.place(leg)
    there = {
        steps.place(other.leg) for other in others if (move := steps.latest_move(other.leg)) and steps.arrived(move)
    }
    together = steps.arrived(latest) and (here in there or here == conference.conversation)
    if together or latest.timed_out or any(other.status == "joined" for other in others):
        return Decision("joined", {"leg": leg, "conversation": here if together else None})
    return None


def _taken_away(conference: Conference, member: Member) -> bool:
    """Whether somebody else has moved *member*: it was in the room after it was moved there, and is not any more."""
    steps, leg = conference.steps, conference.steps.legs.get(member.leg)
    latest = steps.latest_move(member.leg)
    if leg is None or latest is None or steps.target(member.leg) != "room" or member.held:
        return False
    made = [sent for sent in steps.sent if sent.leg == leg.uuid and sent.noted["aim"] == latest.noted["aim"]]
    since = [move for move in leg.moves if move.place.order > made[0].noted["place"]]
    here = [move for move in since if move.joined == conference.conversation]
    if not here or leg.place == here[-1].place:
        return False
    # A move that was made again may have been made twice, each time with a conversation on the way.
    return len(made) == 1 or len({move.joined for move in since} - {conference.conversation}) > len(made)


def _hangup(conference: Conference, member: Member) -> Sent | None:
    """The accepted request to hang up *member*, who is not over yet."""
    return next(
        (
            sent
            for sent in conference.steps.sent
            if sent.leg == member.leg and sent.verb == "hangup" and sent.result == "done"
        ),
        None,
    )


# ---- What is missing to how it is to be, in the order in which to do it


def _aims(conference: Conference) -> Iterator[Aim]:
    if conference.ending != "failed":
        for member in conference.present:
            if conference.ending or member.status == "leaving":
                yield from _leave(conference, member)
            else:
                yield from _moves(conference, member)
        yield from _discards(conference)
    steps = conference.steps
    for member in () if conference.ending else conference.present:
        deaf = member.status == "joined" and not member.held and member.leg in conference.earmuffed
        if deaf and steps.earmuff_lost(member.leg):
            yield Aim(f"earmuff_{member.leg}", "earmuff", member.leg, round=f"{member.round}")
    for leg in _abandoned(conference):
        yield from _hang_up(conference, leg, "abandoned")


def _moves(conference: Conference, member: Member) -> Iterator[Aim]:
    """Have *member* in the room, or on hold."""
    target = "hold" if member.held else "room"
    if conference.steps.target(member.leg) != target and not conference.steps.leaving(member.leg):
        yield Aim(f"{target}_{member.leg}", "move", member.leg, target, f"{member.round}")


def _goes_to(conference: Conference, member: Member) -> str | None:
    """Where a member who leaves is moved to; None: it is hung up."""
    if conference.ending:
        returns = conference.ending == "returning" and member.leg == conference.host and any(_on_hold(conference))
        return "return" if returns else None
    return "detach" if member.mode == "detach" else None


def _leave(conference: Conference, member: Member) -> Iterator[Aim]:
    """Have *member* out of the room: elsewhere, or hung up."""
    if (target := _goes_to(conference, member)) and not conference.steps.leaving(member.leg):
        move = Aim(f"{target}_{member.leg}", "move", member.leg, target, f"{member.round}")
        if target == "detach" or not _hopeless(conference, move):
            if conference.steps.target(member.leg) != target:
                yield move
            return
    yield from _hang_up(conference, member.leg, f"{member.round}:{conference.ending}")


def _discards(conference: Conference) -> Iterator[Aim]:
    """Have the host's other legs hung up, each one when its participant has been moved."""
    if conference.ending == "failed":
        return
    for leg, participant in conference.discard.items():
        member = conference.members.get(participant)
        if conference.ending or member is None or member.status != "joining":
            yield from _hang_up(conference, leg, "discarded")


def _hang_up(conference: Conference, leg: str, round_: str) -> Iterator[Aim]:
    if not conference.steps.leaving(leg):
        yield Aim(f"hang_up_{leg}", "hangup", leg, round=round_)


def _on_hold(conference: Conference) -> Iterator[str]:
    """Those who were detached, and are not known to have been moved again since.

    Each move may come by one conversation on the way, and late: more of them than moves are somebody else's. Where no
    webhook has said which one is the room, it counts, too.
    """
    steps = conference.steps
    rooms = {conference.conversation, *steps.shared(conference.members)} - {None}
    for leg in conference.detached:
        moves = [sent for sent in steps.sent if sent.verb == "move" and sent.leg == leg]
        known = steps.legs.get(leg)
        since = {move.joined for move in known.moves if move.place.order > moves[0].noted["place"]} if known else set()
        if not steps.leaving(leg) and len(since - rooms - steps.home) <= len(moves) + (not rooms):
            yield leg


def _abandoned(conference: Conference) -> Iterator[str]:
    """Those on hold whose holder has hung up, and a holder who waits for nobody any more."""
    steps = conference.steps
    for leg in _on_hold(conference):
        holder = conference.detached[leg]
        held = [other for other, of in conference.detached.items() if of == leg and other != leg]
        if steps.leaving(holder) if holder != leg else all(map(steps.over, held)):
            yield leg


def _watch(conference: Conference) -> str:
    """The name of the timeout after which no leg of now can be left."""
    return f"watch:{conference.since.isoformat()}"


def _watched(conference: Conference) -> bool:
    """Whether somebody is on hold, and may have to be hung up."""
    return _watch(conference) not in conference.steps.timeouts and any(_on_hold(conference))


def _hopeless(conference: Conference, aim: Aim) -> bool:
    return conference.steps.hopeless(aim)


# ---- The steps


def _details(conference: Conference, aim: Aim) -> tuple[Mapping[str, Any], list[str]]:
    """The arguments of the step, and whose conversation the leg comes to."""
    if aim.verb != "move" or not aim.leg:
        return {}, []
    steps = conference.steps
    company = [member.leg for member in conference.present if steps.target(member.leg) == "room"]
    return {"ncco": _ncco(conference, aim.leg, aim.target)}, company if aim.target == "room" else []


def _ncco(conference: Conference, leg: str, target: str) -> Ncco:
    order, muted = conference.order, leg in conference.muted
    match target:
        case "hold":
            return hold_ncco(order.music_url, order.room, muted=muted)
        case "detach":
            return hold_ncco(order.music_url, _home(conference, leg), muted=muted)
        case "return":
            return room_ncco(_home(conference, [*_on_hold(conference)][-1]), muted=muted)
    return room_ncco(order.room, muted=muted)


def _home(conference: Conference, leg: str) -> str:
    return conference.homes.get(leg, f"{conference.order.room}-{leg}")
