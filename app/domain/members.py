"""Which other users are in a call with a user, on hold or not."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.calls import Call, CallLeg
from app.domain.leg_control import held_from
from app.domain.sessions import Session


def home_of(call: Call, leg: CallLeg) -> str | None:
    """The conversation that *leg* of *call* is in, or will come back to from hold; None if it is in none."""
    if leg.leg.control.hold in ("held", "resuming") and (home := held_from(leg.leg.uuid, call.actions)):
        return home
    return leg.stays[-1].conversation if leg.stays and leg.stays[-1].left is None else None


def members_of(session: Session, consultations: Iterable[Session], calls: Iterable[Call]) -> dict[str, str]:
    """The answered legs of other users who are in the call of *session*, with their users.

    *consultations*: those of the same user that are for *session*; while there is one, the user is away from a call
    that goes on. *calls*: that of *session* and all that are tied to it. Of a session that has ended: who was there at
    last.
    """
    apart = {each.id for each in consultations}
    known = [(call, leg) for call in calls if call.id not in apart for leg in call.legs]
    own = next(((call, leg) for call, leg in known if leg.leg.uuid == session.leg), None)
    if own is None:
        return {}
    homes = _homes(session, own, away=bool(apart))
    return {
        leg.leg.uuid: leg.user
        for call, leg in known
        if leg.user not in (None, session.user) and leg.leg.state == "answered" and home_of(call, leg) in homes
    }


def _homes(session: Session, own: tuple[Call, CallLeg], *, away: bool) -> set[str]:
    """Where who is in the call may be. In a consultation the user may be with the other party just now, or not."""
    call, leg = own
    stays = {stay.conversation for stay in leg.stays}
    if away:
        return stays
    if session.controls.parent is not None:
        return stays & set(session.call.everywhere)
    home = home_of(call, leg) if session.live else leg.stays[-1].conversation if leg.stays else None
    return {home} if home else set()
