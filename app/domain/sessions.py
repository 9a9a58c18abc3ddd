"""A session: a call as one user of the application takes part in it, computed from the call whenever it is read.

Its names at Wazo (CallSession) and at Yeastar (Session) are those of `app/calls/session_schemas.py`; docs/sessions.md
has them side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from app.domain.calls import Call, CallLeg
from app.domain.leg_state import FAILURES
from app.domain.legs import seconds_between
from app.domain.numbers import number_of
from app.domain.ringing import Ring, began, ended, rings_alone, rings_of
from app.domain.timeline import Segment, length
from app.domain.users import Chosen

Media = Literal["ok", "reconnecting", "lost", "denied"]  # denied: there is no microphone, or it may not be used
SipStatus = Literal["Initial", "Establishing", "Established", "Terminating", "Terminated"]
Phase = Literal["ringing", "connecting", "calling", "talking"]
RecordingState = Literal["inactive", "active", "paused"]
AnsweredBy = Literal["app", "phone", "sip", "websocket", "system"]
MACHINES: Final = frozenset({"machine", "beep_start", "beep_timeout"})
SIP_STATUS: Final[dict[str, SipStatus]] = {
    "started": "Initial",
    "ringing": "Establishing",
    "answered": "Established",
    "completed": "Terminated",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What was done to the user's side of a call, for which Vonage sends no webhook.

    `parent` is the session that this one is the consultation of, before an attended transfer; `ending`: hanging up was
    requested.
    """

    muted: bool = False
    paused: bool = False
    recording: RecordingState = "inactive"
    conference: bool = False
    parent: str | None = None
    ending: bool = False


UNTOUCHED: Final = Controls()


class Remarks(NamedTuple):
    """What the user or their page says of a session.

    `manual`: no contact book has priority over `name`. `screensharing`: the page shares the screen. What the page
    reports of its side is believed by nothing that acts: `sdk_call_id`, by which the Client SDK knows the call;
    `media`, its sound; `mos`, how good that is, 1 to 5.
    """

    name: str | None = None
    avatar: str | None = None
    company: str | None = None
    manual: bool = False
    ignored: bool = False
    screensharing: bool = False
    sdk_call_id: str | None = None
    media: Media | None = None
    mos: float | None = None


NO_REMARKS: Final = Remarks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What is known of a session.

    `leg` is the user's own leg: None while Vonage has reported none, as while it rings in a browser. `from_` calls and
    `to` is called: numbers, or users. `number` is that of the other party, or a user's name; then `other_user` is it,
    too, and `other_name` what that user is shown as. `cause` says how it ended: completed, or the failure's name;
    `detail` is that in Vonage's words. `parent` is the session, as it is now, that this one is the consultation of.
    `pair`: a `connect` joined the two, and no room. Seconds are numbers, up to now while it goes on; None where an end
    is not known.
    """

    user: str
    call: Call
    leg: str | None
    live: bool
    is_caller: bool
    from_: str | None
    to: str | None
    number: str | None
    other_user: str | None
    other_name: str | None = None
    talking_to: tuple[str, ...]
    created: datetime
    ringing: bool
    answered: bool
    answered_at: datetime | None
    answered_by: AnsweredBy | None
    answered_by_system: bool
    ended: datetime | None
    cause: str | None
    detail: str | None
    sip_status: SipStatus
    phase: Phase | None
    auto_answer: bool
    ring_seconds: float | None
    call_seconds: float | None
    hold_seconds: float
    pair: bool
    controls: Controls
    remarks: Remarks
    parent: Session | None = None

    @property
    def id(self) -> str:
        """The call's."""
        return self.call.id

    @property
    def sdk_agrees(self) -> bool | None:
        """Whether the page's Client SDK has the user's own leg as its call; None while one of the two is not known.

        Vonage's guides do not say that it is so: https://developer.vonage.com/en/vonage-client-sdk
        """
        known = self.leg is not None and self.remarks.sdk_call_id is not None
        return self.leg == self.remarks.sdk_call_id if known else None

    @property
    def incoming(self) -> bool:
        """Whether it rings at the user."""
        return self.ringing and not self.is_caller

    @property
    def screensharing(self) -> bool:
        """Whether the user's page shares the screen. Hold does not end it: the page may stop and go on by itself."""
        return self.remarks.screensharing and self.live

    @property
    def taken(self) -> datetime | None:
        """When the user began to take part: by calling, or once both sides had answered. None: not yet."""
        return self.answered_at or (self.created if self.is_caller else None)


def read_session(
    call: Call,
    user: str,
    *,
    now: datetime,
    linked: Iterable[Call] = (),
    auto_answer: bool = False,
    controls: Controls = UNTOUCHED,
    remarks: Remarks = NO_REMARKS,
    consulting: CallLeg | None = None,
    consulted_by: CallLeg | None = None,
) -> Session | None:
    """The session of *user* in *call* at the time *now*; None if the user takes no part in it.

    *linked*: the calls that *call* shares a conference with. Whom the user meets there is the other party, too: each
    leg that is placed into a room is a call of its own. *consulting*: the user's leg, in a call that is a consultation.
    *consulted_by*: the leg of who consults the user, which is the other party also before they have met.
    """
    own = [leg for leg in call.legs if leg.user == user] if consulting is None else [consulting]
    rings = rings_of(call)
    mine = [ring for ring in rings if ring.user == user]
    if not own and not mine:
        return None
    others = [leg for leg in call.legs if leg.user != user]
    others += _in_reach(own, linked)
    leg = max(own, key=lambda each: (ended(each) is None, _was_answered(each), began(each)), default=None)
    is_caller = consulting is not None or _calls(own, user)
    calls = own[0].calls if own and consulting is None else None
    rings_here = any(ring.goes_on(now) for ring in mine) or any(rings_alone(each, now) for each in own)
    takes_part = any(ended(each) is None and _was_answered(each) for each in own) or (is_caller and _goes_on(own))
    live = call.state == "live" and (rings_here or takes_part)
    met = [(other, at, last) for each in own for other in others for at, last in _met(each, other)]
    known = [(at, last) for _, at, last in met if at]
    answered_at, last = min(known, key=lambda each: each[0], default=(None, None))
    answered = bool(met)
    machine = any(other.leg.machine in MACHINES for other in others)
    other = _other(others, leg, {found.leg.uuid for found, *_ in met}, others[:1] if not is_caller else ())
    other = other or consulted_by
    if is_caller:
        ringing = live and not answered and _rings_elsewhere(leg, others, rings, now)
    else:
        ringing = live and rings_here and not takes_part  # also again, after the user has talked
    waits = is_caller and ringing  # and hears ringing, not a call flow
    by_system = machine or (not answered and not waits and any(_was_answered(each) for each in call.legs))
    created = min([*(began(each) for each in own), *(ring.since for ring in mine)])
    over = None if live else _over(own, mine)
    if consulting is not None:
        created, over = call.began, None if live else min(filter(None, (over, call.ended)), default=None)
    called = others if is_caller and not answered else []
    cause, detail = (None, None) if live else _cause(call, leg, mine, called)
    return Session(
        user=user,
        call=call,
        leg=leg.leg.uuid if leg else None,
        live=live,
        is_caller=is_caller,
        from_=user if calls else call.from_,
        to=calls or call.to,
        number=_party(other) if other else calls or (call.to if is_caller else call.from_),
        other_user=other.user if other else None,
        talking_to=_together(leg, others) if live else (),
        created=created,
        ringing=ringing,
        answered=answered,
        answered_at=answered_at,
        answered_by="system" if by_system else _kind(last) if last else None,
        answered_by_system=by_system,
        ended=over,
        cause=cause,
        detail=detail,
        sip_status=_sip_status(leg, live=live, ending=controls.ending),
        phase=_phase(live=live, answered=answered, ringing=ringing, is_caller=is_caller),
        auto_answer=calls is not None or (auto_answer and not is_caller),
        ring_seconds=seconds_between(created, answered_at if answered else now if live else over),
        call_seconds=seconds_between(answered_at, now if live else over) if answered else 0,
        hold_seconds=_on_hold([(found, at) for found, at, _ in met if at], over or now),
        pair=live and answered and leg is not None and not _in_room(call, [leg, *others]),
        controls=controls,
        remarks=remarks,
    )


def _in_room(call: Call, legs: Iterable[CallLeg]) -> bool:
    """Whether the latest NCCO of any of *legs* leads into a room; of legs of other calls, which meet in rooms."""
    return any(each not in call.legs or call.room_of(each.leg.uuid) for each in legs if ended(each) is None)


def _calls(own: Sequence[CallLeg], user: str) -> bool:
    """Whether the user called: by the first of the *own* legs."""
    if not own or own[0].calls is not None:
        return bool(own)
    return (own[0].leg.direction or ("inbound" if own[0].leg.from_ == user else "")) == "inbound"


def is_full(sessions: Iterable[Session], max_calls: int) -> bool:
    """Whether a user with these live *sessions* takes no other call. Consultations do not count."""
    return sum(session.controls.parent is None for session in sessions) >= max_calls


def current_of(sessions: Sequence[Session], chosen: Chosen | None) -> Session | None:
    """The current one of the live *sessions*: whichever the user chose, called or answered last.

    Once the chosen one has ended, a consultation comes first, then the newest. One that only rings is current if it is
    chosen.
    """
    taken = {session.id: (session.taken, session) for session in sessions}
    if chosen and chosen.session in taken:
        taken[chosen.session] = max(chosen.at, taken[chosen.session][0] or chosen.at), taken[chosen.session][1]
    known = [(at, session) for at, session in taken.values() if at]
    if not known:
        return None
    at, latest = max(known, key=lambda each: (each[0], each[1].id))
    if chosen is None or chosen.session in taken or at > chosen.at:
        return latest
    return max(
        (session for _, session in known),
        key=lambda each: (each.controls.parent is not None, each.created, each.id),
    )


def _was_answered(leg: CallLeg) -> bool:
    """Whether *leg* was answered, though it may not be known when."""
    return leg.leg.answered is not None or leg.leg.state == "answered" or leg.leg.outcome == "answered"


def _goes_on(legs: Iterable[CallLeg]) -> bool:
    return any(ended(leg) is None for leg in legs)


def _in_reach(own: Iterable[CallLeg], linked: Iterable[Call]) -> list[CallLeg]:
    """The legs of *linked* calls that have been where the user's *own* legs were."""
    here = {stay.conversation for leg in own for stay in leg.stays}
    return [leg for call in linked for leg in call.legs if any(stay.conversation in here for stay in leg.stays)]


def _met(one: CallLeg, other: CallLeg) -> Iterator[tuple[datetime | None, CallLeg]]:
    """When both legs, answered, came to be in one conversation, and which of them was answered last; each time."""
    if not (_was_answered(one) and _was_answered(other)):
        return
    last = max(one, other, key=lambda leg: leg.leg.answered or began(leg))
    answered = max(leg.leg.answered or began(leg) for leg in (one, other))
    for stay in one.stays:
        for with_it in other.stays:
            if stay.conversation == with_it.conversation:
                since = max(stay.arrived, with_it.arrived, answered)
                if all(left is None or since <= left for left in (stay.left, with_it.left)):
                    yield since if one.leg.answered and other.leg.answered else None, last


def _other(others: Sequence[CallLeg], leg: CallLeg | None, met: set[str], callers: Sequence[CallLeg]) -> CallLeg | None:
    """The leg of the other party: who is with the user now, else who was, else who calls or is called."""
    here = leg.stays[-1].conversation if leg else None
    return max(
        others,
        key=lambda each: (
            each.leg.uuid in met and ended(each) is None,
            each.leg.uuid in met and each.stays[-1].conversation == here,
            each.leg.uuid in met,
            ended(each) is None,
            each in callers,
            began(each),
        ),
        default=None,
    )


def _party(leg: CallLeg) -> str | None:
    """Who is at the other end of *leg*: who calls on it, or whom it calls."""
    return leg.leg.to if leg.leg.direction == "outbound" else leg.leg.from_


def _kind(leg: CallLeg) -> AnsweredBy:
    """What answered on *leg*, by where it leads."""
    party = _party(leg) or ""
    if leg.user is not None:
        return "app"
    if party.startswith(("ws:", "wss:")):
        return "websocket"
    return "sip" if number_of(party) is None and ("@" in party or party.startswith("sip")) else "phone"


def _together(leg: CallLeg | None, others: Iterable[CallLeg]) -> tuple[str, ...]:
    """The answered legs that can hear *leg* now."""
    if leg is None or not _was_answered(leg):
        return ()
    here = leg.stays[-1].conversation
    return tuple(
        other.leg.uuid
        for other in others
        if _was_answered(other) and ended(other) is None and other.stays[-1].conversation == here
    )


def _rings_elsewhere(leg: CallLeg | None, others: Iterable[CallLeg], rings: Iterable[Ring], now: datetime) -> bool:
    """Whether it rings at somebody whom the user of *leg* calls."""
    caller = leg.leg.uuid if leg else None
    return any(ring.caller == caller and ring.goes_on(now) for ring in rings) or any(
        rings_alone(other, now) for other in others
    )


def _over(own: Iterable[CallLeg], rings: Iterable[Ring]) -> datetime | None:
    """When the user's part ended; None if the end was never reported."""
    ends = [*(ended(leg) for leg in own), *(() if own else (ring.ended or ring.until for ring in rings))]
    known = [end for end in ends if end]
    return max(known) if len(known) == len(ends) else None


def _cause(
    call: Call, leg: CallLeg | None, rings: Sequence[Ring], called: Sequence[CallLeg]
) -> tuple[str | None, str | None]:
    """How the user's part ended, and in Vonage's words; None if that was never reported.

    *called*: the legs that a user called and did not reach. The latest of them says how the call failed: the user's
    own leg is answered, and just ends.
    """
    failed = [each for each in called if each.leg.direction == "outbound" and each.leg.outcome in FAILURES]
    if failed:
        latest = max(failed, key=began).leg
        return latest.outcome, latest.detail
    if leg is not None:
        answered = _was_answered(leg) and leg.leg.state == "completed"
        return "completed" if answered else leg.leg.outcome, leg.leg.detail
    if (end := rings[-1].ended) is None:
        return "timeout", None
    caller_ended = any(ended(each) == end for each in call.legs if each.leg.uuid == rings[-1].caller)
    return "cancelled" if caller_ended else "unanswered", None


def _on_hold(met: Iterable[tuple[CallLeg, datetime]], until: datetime) -> float:
    """For how many seconds one of those whom the user had met was alone."""
    alone = [
        Segment("hold", max(start, since), min(end or until, until))
        for other, since in met
        for doing, start, end in other.segments
        if doing in ("hold", "wait") and start >= since and start < until
    ]
    return length(alone, "hold")


def _sip_status(leg: CallLeg | None, *, live: bool, ending: bool) -> SipStatus:
    if not live:
        return "Terminated"
    if ending:
        return "Terminating"
    return SIP_STATUS[leg.leg.state] if leg and ended(leg) is None else "Establishing"


def _phase(*, live: bool, answered: bool, ringing: bool, is_caller: bool) -> Phase | None:
    if not live:
        return None
    if ringing:
        return "calling" if is_caller else "ringing"
    return "talking" if answered else "connecting"
