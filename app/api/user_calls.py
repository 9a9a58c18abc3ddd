"""Calls that a user begins: the user's own page rings first, then the number."""

from __future__ import annotations

from typing import Any, Final

from flask import Response
from marshmallow import RAISE, Schema, fields

from app.api import once
from app.api.acting import acted
from app.api.acting_schemas import ActionSchema, EndpointOrNumber
from app.api.blueprint import Blueprint
from app.api.session_verbs import hold_talking, own_leg
from app.api.sessions import session_of
from app.api.transfers import created
from app.api.users import user_of
from app.auth.access import guard_own
from app.control.control import Control, Requested
from app.control.operations import new_id
from app.errors import Problem
from app.services import services

user_calls = Blueprint("user_calls", __name__, url_prefix="/api/v1/users", description="Calls that a user begins.")
user_calls.before_request(guard_own())
once.install(user_calls)

AGAIN: Final = {"Retry-After": "1"}


class UserCallArgs(Schema):
    """Whom the user calls."""

    number = EndpointOrNumber(required=True)
    transfer_id = fields.String(
        data_key="transferId",
        metadata={"description": "the session whose other party is to be transferred: begins an attended transfer"},
    )


@user_calls.post("/<user:name>/calls")
@user_calls.arguments(UserCallArgs, unknown=RAISE)
@user_calls.alt_response(201, schema=ActionSchema)
def begin_own_call(args: dict[str, Any], name: str) -> Response:
    """Call a number: it rings at the user's page first; whom the user talks to is put on hold.

    With `transferId` the response is the transfer that began.
    """
    live, _, is_full = services().sessions.phone(name, user_of(name))
    if any(not one.answered for one in live):
        raise Problem(409, "A call is not connected yet", "Wait until it is, or end it: there may be one such call.")
    if not services().store.begins_call(name):
        raise Problem(429, "One call in a second", "The user began another call less than a second ago.", AGAIN)
    if "transfer_id" in args:
        initiator = own_leg(session_of(name, args["transfer_id"]))
        return created({"initiator_call": initiator, "to": args["number"], "flow": "attended"})
    # The place is the new leg's as soon as that has a uuid. Who does not want to be disturbed may still call.
    place = once.action_id() or new_id()
    if is_full or services().places.may_call(name, place) == "busy":
        raise Problem(409, "No other call", "The user has max_calls of them.")
    leg: str | None = None
    try:
        hold_talking(live)

        def placed(control: Control, how: Any) -> Requested:
            nonlocal leg
            requested = control.place_for(name, args["number"], **how | {"id_": place})
            leg = requested.done.action.leg
            return requested

        return acted(placed, created=True)
    finally:
        if leg:
            services().store.engage(name, leg, [place], own=True)
        else:
            services().store.disengage(name, [place])
