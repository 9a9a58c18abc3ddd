"""What was done to a user's side of a call, of the actions in it: see `leg_control`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.domain.calls import Call, CallLeg
from app.domain.conferences import ROOM
from app.domain.conversations import join, moments
from app.domain.leg_control import control_of, done_to
from app.domain.recording import RecordState
from app.domain.sessions import UNTOUCHED, Controls


def controls_of(call: Call, user: str, linked: Iterable[Call] = (), own: Sequence[CallLeg] | None = None) -> Controls:
    """The controls of the session of *user* in *call*. It is on hold while anybody whom the user may have met is.

    In a conference one of them may be on hold while the others go on, as its host who answers another call.

    *own*: the user's legs, if they are of another call.
    """
    calls = (call, *linked)
    mine = [leg for leg in call.legs if leg.user == user] if own is None else own
    legs = [leg for each in calls for leg in each.legs]
    done = done_to(moments(join(*(each.events for each in calls))), {leg.leg.uuid: leg.leg for leg in legs})
    if not done:
        return UNTOUCHED
    here = {stay.conversation for leg in mine for stay in leg.stays}
    controls = [control_of(leg.leg, done) for leg in mine] if own is None else [leg.leg.control for leg in mine]
    conference = any(_is_in_conference(call, leg) for leg in mine)
    held = [
        control_of(leg.leg, done).hold in ("held", "weak", "resuming")
        for leg in legs
        if leg.user != user and any(stay.conversation in here for stay in leg.stays)
        if not conference or leg.leg.state != "completed"
    ]
    return Controls(
        muted=any(control.muted for control in controls),
        paused=all(held) if conference and held else any(held),
        recording=_recording(calls, mine),
        conference=conference,
        ending=any(control.hangup_requested for control in controls),
    )


def _recording(calls: Iterable[Call], mine: Sequence[CallLeg]) -> RecordState:
    """Whether it is recorded where the user's own leg is now."""
    here = {leg.stays[-1].conversation for leg in mine if leg.stays[-1].left is None}
    states = {call.recorded.get(name) for call in calls for name in here}
    return "active" if "active" in states else "paused" if "paused" in states else "inactive"


def _is_in_conference(call: Call, leg: CallLeg) -> bool:
    """Whether *leg* is in the room of an ad hoc conference, or on hold from there."""
    room = call.room_of(leg.leg.uuid)
    return leg.leg.state != "completed" and room is not None and room.name.startswith(ROOM)
