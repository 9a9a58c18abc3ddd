"""The status endpoint: how the service is, and how many of everything there are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields

from app.api.render import time
from app.api.schemas import nullable
from app.api.schemas import time as time_field
from app.auth import access
from app.domain.leg_state import STATES
from app.flows.reply import LAST_RESORT_COUNTER
from app.services import services

status = Blueprint("status", __name__, description="How it is.")
WEBHOOKS = ("received", "repeats", "out_of_order", "unknown", "unfiled")


class FlowsStatusSchema(Schema):
    """The call flows that run. `last_resort_served` is a sum over all workers, the rest that of the one who answers."""

    version = nullable(fields.String, example="3f2a91c0")
    loaded_at = time_field("when the file was last found right; null where it never was")
    faults = fields.Integer(required=True, metadata={"description": "of the file as it is now"})
    last_resort_served = fields.Integer(
        required=True, metadata={"description": "answers that no flow could give, since the store was made"}
    )
    python_threads_left_behind = fields.Integer(required=True)


class StatusSchema(Schema):
    """Sums over all workers and partitions since the store was made, but for what is live now."""

    service = fields.Dict(required=True)
    store = fields.Dict(required=True)
    legs = fields.Dict(required=True, keys=fields.String(), values=fields.Integer())
    conversations = fields.Dict(required=True, keys=fields.String(), values=fields.Integer())
    webhooks = fields.Dict(required=True)
    flows = fields.Nested(FlowsStatusSchema, required=True)


@status.before_request
def guard() -> None:
    """Reading takes a viewer."""
    access.require("viewer")


@status.get("/status")
@status.response(200, StatusSchema)
def get_status() -> dict[str, Any]:
    """Tell how the service is.

    `store.answers_waiting` and `answers_lost`, and of `flows` all but `last_resort_served`, are those of the worker
    that answers: each reads a changed flows file for itself, within seconds.
    """
    return told_status()


def told_status() -> dict[str, Any]:
    """The status as JSON. Raises StoreUnavailable."""
    held = services()
    now = datetime.now(UTC)
    counts = held.store.counts(now - held.presume_ended_after)
    counters = counts.counters
    flow_file = held.flows.reloader.flow_file
    return {
        "service": {
            "name": "switchhook",
            "environment": held.settings.app_env,
            "started_at": time(held.started),
            "uptime_seconds": round((now - held.started).total_seconds()),
            "webhook_verify": "off" if held.signatures is None else held.settings.webhook_verify,
        },
        "store": {
            "reachable": True,
            "cluster": held.settings.redis_cluster,
            "retention_days": held.settings.retention_days,
            "answers_waiting": held.store.answers_waiting,
            "answers_lost": held.store.answers_lost,
        },
        "legs": {state: counters.get(state, 0) for state in STATES if state != "completed"},
        "conversations": {"live": counts.live, "presumed_ended": counts.presumed_ended, "ended": counts.ended},
        "webhooks": {name: counters.get(name, 0) for name in WEBHOOKS}
        | {sort: _named(counters, f"{sort}:") for sort in ("refused", "reported")},
        "flows": {
            "version": flow_file.version if flow_file else None,
            "loaded_at": time(flow_file.loaded) if flow_file else None,
            "faults": len(held.flows.reloader.faults),
            "last_resort_served": counters.get(LAST_RESORT_COUNTER, 0),
            "python_threads_left_behind": held.flows.python.left_behind,
        },
    }


def _named(counters: dict[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): value for name, value in sorted(counters.items()) if name.startswith(prefix)}
