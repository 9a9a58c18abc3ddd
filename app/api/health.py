"""Alive and ready are two questions. No token: the platform asks, and is told no more than it needs."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields

from app.errors import Problem
from app.services import services

health = Blueprint("health", __name__, description="For the platform.")


class HealthSchema(Schema):
    """The process is alive."""

    alive = fields.Boolean(required=True)


class ReadySchema(Schema):
    """Events can be kept."""

    degraded = fields.List(fields.String(), required=True, metadata={"description": "parts that are away"})


@health.get("/healthz")
@health.doc(security=[])
@health.response(200, HealthSchema)
def healthz() -> dict[str, Any]:
    """Tell that the process is alive. Asks nothing else: Redis away is no reason to restart it."""
    return {"alive": True}


@health.get("/readyz")
@health.doc(security=[])
@health.response(200, ReadySchema)
def readyz() -> dict[str, Any]:
    """Tell whether an event could be kept now; 503, naming the part, if it could be kept nowhere.

    `flows` is degraded while there is a fault in the flows file, or flows in Python are refused in this worker.
    """
    if reason := services().store.ping():
        detail = f"Redis cannot keep an event ({reason}). See that it runs, is reachable and may be written to."
        raise Problem(503, "Not ready", detail, {"Retry-After": "1"}, degraded=["redis"])
    flows = services().flows
    well = flows.reloader.flow_file is not None and not flows.reloader.faults and not flows.python.refuses
    return {"degraded": [] if well else ["flows"]}
