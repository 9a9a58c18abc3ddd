"""The state of the service, and how many calls and webhooks there are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Response
from marshmallow import Schema, fields

from app.api.blueprint import Blueprint
from app.auth.access import guard
from app.calls.fields import Timestamp, nullable, timestamp
from app.domain.leg_state import STATES
from app.errors import without_store
from app.flows.reply import LAST_RESORT_COUNTER
from app.services import Services, services
from app.spool.errors import SpoolUnavailable
from app.spool.file import Depth
from app.spool.spool import Spool
from app.store.errors import StoreUnavailable

status = Blueprint("status", __name__, description="The state of the service.")
status.before_request(guard())
WEBHOOKS = ("received", "repeats", "out_of_order", "unknown", "capped", "unfiled")


class FlowsStatusSchema(Schema):
    """The call flows in use by the worker that replies. `last_resort_served` is a sum over all workers."""

    alarm = nullable(fields.String, description="that no flow can be used, and every caller hears the last resort")
    version = nullable(fields.String, description="eight hexadecimal digits")
    loaded_at = Timestamp("when this version of the file was read; null if none was without a fault")
    faults = fields.Integer(required=True, metadata={"description": "of the file as it is now"})
    last_resort_served = fields.Integer(
        required=True, metadata={"description": "answers that no flow could give, since the store was created"}
    )
    python_threads_left_behind = fields.Integer(required=True)


class GetHashSchema(Schema):
    """Signed GET webhooks by their payload hash. While none is wrong, VERIFY_GET_HASH can be set on."""

    right = fields.Integer(required=True, metadata={"description": "the hash is of the query it came with"})
    wrong = fields.Integer(
        required=True, metadata={"description": "it is not, or is missing: accepted while VERIFY_GET_HASH is off"}
    )


class WebhooksStatusSchema(Schema):
    """Webhooks by what became of them. `refused` and `reported` are by what is wrong with the signature."""

    received = fields.Integer(required=True)
    repeats = fields.Integer(required=True)
    out_of_order = fields.Integer(required=True)
    unknown_ = fields.Integer(
        required=True, data_key="unknown", metadata={"description": "of a kind or status not known here"}
    )
    capped = fields.Integer(
        required=True,
        metadata={"description": "not kept, for their conversation has too many: they count all the same"},
    )
    unfiled = fields.Integer(required=True, metadata={"description": "of no conversation, or not readable"})
    refused = fields.Dict(required=True, keys=fields.String(), values=fields.Integer())
    reported = fields.Dict(required=True, keys=fields.String(), values=fields.Integer())
    get_hash = fields.Nested(GetHashSchema, required=True)


class SpoolStatusSchema(Schema):
    """Events that wait on the disk of the machine that replies, until Redis takes them."""

    waiting = fields.Integer(required=True)
    refused = fields.Integer(
        required=True,
        metadata={"description": "of these, what Redis refused for itself; it is tried again later"},
    )
    oldest_seconds = nullable(fields.Float, description="how long the oldest has waited")
    fault = nullable(fields.String, description="why the disk took nothing when it was last written to")
    put_aside = fields.List(
        fields.String(), required=True, metadata={"description": "names of files that could not be read"}
    )


class StatusSchema(Schema):
    """Sums over all workers since the store was created, except for what is live now."""

    service = fields.Dict(required=True)
    store = fields.Dict(required=True)
    spool = fields.Nested(SpoolStatusSchema, required=True)
    legs = fields.Dict(required=True, keys=fields.String(), values=fields.Integer())
    conversations = fields.Dict(required=True, keys=fields.String(), values=fields.Integer())
    webhooks = fields.Nested(WebhooksStatusSchema, required=True)
    flows = fields.Nested(FlowsStatusSchema, required=True)


@status.get("/status")
@status.alt_response(200, schema=StatusSchema)
def get_status() -> dict[str, Any] | Response:
    """Get the state of the service.

    While Redis is away it is a 503 with `service`, `store` (`reachable` is false), `spool` and `flows` all the same.

    `store.answers_waiting` and `answers_lost`, and of `flows` all but `last_resort_served`, are of the worker that
    replies: each worker reads a changed flows file within seconds.
    """
    parts = services()
    try:
        return read_status(parts)
    except StoreUnavailable as away:
        return without_store(away, **_here(parts, datetime.now(UTC)))


def read_status(parts: Services) -> dict[str, Any]:
    """The status as JSON. Raises StoreUnavailable."""
    now = datetime.now(UTC)
    counts = parts.store.counts(now - parts.presume_ended_after)
    eviction = parts.eviction()
    counters, found = counts.counters, _here(parts, now, reachable=True)
    found["service"]["warnings"] += [eviction] if eviction else []
    found["flows"]["last_resort_served"] = counters.get(LAST_RESORT_COUNTER, 0)
    return found | {
        "legs": {state: counters.get(state, 0) for state in STATES if state != "completed"},
        "conversations": {"live": counts.live, "presumed_ended": counts.presumed_ended, "ended": counts.ended},
        "webhooks": {name: counters.get(name, 0) for name in WEBHOOKS}
        | {group: _in_group(counters, f"{group}:") for group in ("refused", "reported")}
        | {"get_hash": {name: counters.get(f"get_hash:{name}", 0) for name in ("right", "wrong")}},
    }


def _here(parts: Services, now: datetime, *, reachable: bool = False) -> dict[str, Any]:
    """What is known without the store; *reachable*: whether that is there."""
    settings, store, flows = parts.settings, parts.store, parts.flows
    return {
        "service": {
            "name": "switchhook",
            "environment": settings.app_env,
            "started_at": timestamp(parts.started),
            "uptime_seconds": round((now - parts.started).total_seconds()),
            "webhook_verify": "off" if parts.signatures is None else settings.webhook_verify,
            "warnings": [*settings.notes()],
        },
        "store": {
            "reachable": reachable,
            "cluster": settings.redis_cluster,
            "retention_days": settings.retention_days,
            "answers_waiting": store.answers_waiting,
            "answers_lost": store.answers_lost,
        },
        "spool": _of_spool(parts.spool, now),
        "flows": {
            "alarm": flows.alarm,
            "version": flows.version,
            "loaded_at": timestamp(flows.loaded_at),
            "faults": len(flows.faults),
            "python_threads_left_behind": flows.python_threads_left_behind,
        },
    }


def _of_spool(spool: Spool, now: datetime) -> dict[str, Any]:
    try:
        depth = spool.depth()
    except SpoolUnavailable:
        depth = Depth()
    age = depth.age(now.timestamp())
    return {
        "waiting": depth.rows,
        "refused": depth.refused,
        "oldest_seconds": None if age is None else round(age, 1),
        "fault": spool.fault,
        "put_aside": spool.put_aside,
    }


def _in_group(counters: dict[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): value for name, value in sorted(counters.items()) if name.startswith(prefix)}
