"""Calls that users begin: what a user's leg runs once it is answered is in the address at which Vonage gets it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from app.flows.call_state import CallState
from app.flows.model import RenderFault

USER_CALL: Final = "user-call"  # in the place of the name of a flow


class UserCall(NamedTuple):
    """A call of *user*, to whom the action `connect` calls. `place`: by what it has a place of the user until then."""

    user: str
    connect: Mapping[str, Any]
    place: str


def state_for(call: UserCall) -> CallState:
    """What the address carries."""
    return CallState(known={"from_user": call.user, "connect": call.connect, "place": call.place})


def begun_by(state: CallState) -> UserCall:
    """The call that *state* is of. Raises RenderFault."""
    if "connect" not in state.known:
        raise RenderFault("`state` in the address is not that of a call that a user began")
    return UserCall(state.known["from_user"], state.known["connect"], state.known["place"])
