"""Health checks of the platform: alive and ready are two questions. They need no token and reveal only that."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from app.api.blueprint import Blueprint
from app.errors import Problem
from app.services import services

health = Blueprint("health", __name__, description="Health checks.")


class HealthSchema(Schema):
    """The process is alive."""

    alive = fields.Boolean(required=True)


class ReadySchema(Schema):
    """Events can be stored."""

    degraded = fields.List(fields.String(), required=True, metadata={"description": "parts that do not work fully"})


@health.get("/healthz")
@health.doc(security=[])
@health.response(200, HealthSchema)
def healthz() -> dict[str, Any]:
    """Whether the process is alive. Checks nothing else: a lost Redis is no reason to restart it."""
    return {"alive": True}


@health.get("/readyz")
@health.doc(security=[])
@health.response(200, ReadySchema)
def readyz() -> dict[str, Any]:
    """Tell whether an event could be kept now; 503, naming the part, if it could be kept nowhere.

    `redis` is degraded while it takes no events: then they wait on disk. `spool` is while any do, or the disk takes
    none. `flows` is while there is a fault in the flows file, or flows in Python are refused in this worker.
    """
    parts = services()
    degraded = {part.name: reason for part in parts.parts if (reason := part.ping()) is not None}
    if (reason := degraded.get("redis")) and (fault := parts.spool.fault):
        detail = (
            f"Redis cannot keep an event ({reason}), nor can the disk ({fault}). See that Redis runs, is reachable and "
            "may be written to, and that DATA_DIR may be."
        )
        raise Problem(503, "Not ready", detail, {"Retry-After": "1"}, degraded=[*degraded])
    return {"degraded": [*degraded]}
