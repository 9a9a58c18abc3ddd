"""Transfers of live calls, with a consultation or without."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, jsonify, url_for
from marshmallow import RAISE

from app.api import once
from app.api.acting import masked_for_reader, who
from app.api.acting_errors import as_problems
from app.api.acting_schemas import NoArgs, RunningTransferSchema, TransferCallArgs, TransfersSchema
from app.api.blueprint import Blueprint
from app.auth.access import guard
from app.control.operations import requested_by
from app.control.transfers import Running
from app.services import services

transfers = Blueprint("transfers", __name__, url_prefix="/api/v1/transfers", description="Transfers of live calls.")
transfers.before_request(guard())
once.install(transfers)

SCHEMA: Final = RunningTransferSchema()


@transfers.post("")
@transfers.arguments(TransferCallArgs, unknown=RAISE)
@transfers.alt_response(201, schema=RunningTransferSchema)
def begin_transfer(args: dict[str, Any]) -> Response:
    """Begin a transfer. Attended: the other leg hears music, and the initiator hears the recipient being called."""
    return created(args)


def created(args: dict[str, Any]) -> Response:
    """The response to a transfer that is begun."""
    with as_problems():
        running = services().transfers.begin(args, by=who(), id_=once.action_id())
    response = shown(running)
    response.status_code = 201
    response.headers["Location"] = url_for("transfers.get_transfer", transfer_id=running.id)
    return response


@transfers.get("")
@transfers.alt_response(200, schema=TransfersSchema)
def list_transfers() -> dict[str, Any]:
    """List the transfers that have not ended, the oldest first."""
    items = [masked_for_reader(as_json(running)) for running in services().transfers.list()]
    return {"items": items, "next": None}


@transfers.get("/<transfer_id>")
@transfers.alt_response(200, schema=RunningTransferSchema)
def get_transfer(transfer_id: str) -> Response:
    """Get one transfer."""
    with as_problems():
        return shown(services().transfers.get(transfer_id))


@transfers.delete("/<transfer_id>")
@transfers.alt_response(200, schema=RunningTransferSchema)
def cancel_transfer(transfer_id: str) -> Response:
    """Cancel a transfer: the recipient is hung up, and the two talk to each other again."""
    return wanted(transfer_id, "cancel")


@transfers.post("/<transfer_id>/complete")
@transfers.arguments(NoArgs, unknown=RAISE, required=False)
@transfers.alt_response(200, schema=RunningTransferSchema)
def complete_transfer(_args: dict[str, Any], transfer_id: str) -> Response:
    """Complete a transfer, also while the recipient still rings: the initiator leaves, the other two talk."""
    return wanted(transfer_id, "complete")


@transfers.post("/<transfer_id>/swap")
@transfers.arguments(NoArgs, unknown=RAISE, required=False)
@transfers.alt_response(200, schema=RunningTransferSchema)
def swap_transfer(_args: dict[str, Any], transfer_id: str) -> Response:
    """Talk to the other one of the two; whom the initiator talked to hears music."""
    return wanted(transfer_id, "swap")


@transfers.post("/<transfer_id>/merge")
@transfers.arguments(NoArgs, unknown=RAISE, required=False)
@transfers.alt_response(200, schema=RunningTransferSchema)
def merge_transfer(_args: dict[str, Any], transfer_id: str) -> Response:
    """Let all three talk to each other: the transfer becomes a conference, whose host is the initiator."""
    return wanted(transfer_id, "merge")


def wanted(id_: str, request: str) -> Response:
    """The response to a *request* to complete, cancel, swap or merge a transfer."""
    with as_problems():
        return shown(services().transfers.want(id_, request, by=who()))


def shown(running: Running) -> Response:
    """The response that shows a transfer."""
    return jsonify(masked_for_reader(as_json(running)))


def as_json(running: Running) -> dict[str, Any]:
    """What is shown of it, numbers whole."""
    return dict(SCHEMA.dump(_json(running)))


def _json(running: Running) -> dict[str, Any]:
    """A transfer as RunningTransferSchema has it."""
    transfer, order = running.transfer, running.transfer.order
    talks = order.transferred if transfer.swapped else transfer.recipient
    return {
        "id": running.id,
        "flow": order.flow,
        "form": order.form,
        "status": transfer.status,
        "pending": transfer.pending,
        "talking_to": talks if transfer.status == "answered" else None,
        "initiator_call": order.initiator,
        "transferred_call": order.transferred,
        "recipient_call": transfer.recipient,
        "to": order.to,
        "conference_id": transfer.conference,
        "outcome": transfer.outcome,
        "requested_by": requested_by(running.log),
        "created_at": running.log[0].at,
        "since": transfer.since,
    }
