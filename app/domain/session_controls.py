"""What was done to a user's side of a call, of the actions in it: see `leg_control`."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.calls import Call
from app.domain.conversations import join, moments
from app.domain.leg_control import control_of, done_to
from app.domain.recording import RecordState
from app.domain.sessions import UNTOUCHED, Controls


def controls_of(call: Call, user: str, linked: Iterable[Call] = ()) -> Controls:
    """The controls of the session of *user* in *call*. It is on hold while anybody whom the user may have met is."""
    calls = (call, *linked)
    legs = [leg for each in calls for leg in each.legs]
    done = done_to(moments(join(*(each.events for each in calls))), {leg.leg.uuid: leg.leg for leg in legs})
    if not done:
        return UNTOUCHED
    here = {stay.conversation for leg in call.legs if leg.user == user for stay in leg.stays}
    own = [control_of(leg.leg, done) for leg in call.legs if leg.user == user]
    others = [
        control_of(leg.leg, done)
        for leg in legs
        if leg.user != user and any(stay.conversation in here for stay in leg.stays)
    ]
    return Controls(
        muted=any(control.muted for control in own),
        paused=any(control.hold in ("held", "weak", "resuming") for control in others),
        recording=_recording(call, user),
        ending=any(control.hangup_requested for control in own),
    )


def _recording(call: Call, user: str) -> RecordState:
    """Whether it is recorded where the user's own leg is now."""
    legs = (leg for leg in call.legs if leg.user == user and leg.stays[-1].left is None)
    states = {call.recorded.get(leg.stays[-1].conversation, "inactive") for leg in legs}
    return "active" if "active" in states else "paused" if "paused" in states else "inactive"
