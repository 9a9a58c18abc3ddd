"""The call flows as they run here: what callers hear, and what is wrong with the file as it is now."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import Schema, fields

from app.api import render
from app.api.schemas import nullable, time
from app.auth import access
from app.flows.model import Flow, Route
from app.services import services
from vonage_simulator.yaml_source import Fault

flows = Blueprint("flows", __name__, url_prefix="/api/v1/flows", description="What callers hear.")


class RouteSchema(Schema):
    """Which calls get which flow; what is null does not matter."""

    line = fields.Integer(required=True, metadata={"description": "of the file"})
    flow = fields.String(required=True)
    to = nullable(fields.String, description="who is called: one, a prefix*, number, or * for anybody")
    from_ = fields.String(
        required=True,
        allow_none=True,
        data_key="from",
        attribute="from",
        metadata={"description": "who calls; the same"},
    )
    from_user = nullable(fields.String, description="which app user calls; the same")
    when = nullable(fields.String, description="the opening hours; with not before them, while they are closed")


class FlowSchema(Schema):
    """What a caller goes through."""

    name = fields.String(required=True)
    version = fields.String(required=True, metadata={"description": "changes with what it says, and only with that"})
    about = fields.String(required=True)
    steps = fields.List(fields.String(), required=True, metadata={"description": "none where it is written in Python"})
    python = fields.Boolean(required=True)


class FlowsFaultSchema(Schema):
    """One thing that is wrong with the file; line and column are null where it is about all of it."""

    line = nullable(fields.Integer)
    column = nullable(fields.Integer)
    field = fields.String(required=True)
    words = fields.String(required=True)


class FlowsSchema(Schema):
    """The file as it was last found right; where it never was, there are nulls, and callers hear the last resort."""

    file = fields.String(required=True)
    version = nullable(fields.String, example="3f2a91c0")
    loaded_at = time("when it was last found right")
    looked_at = time("when it was last read; if it was found wrong then, `faults` says why")
    text = nullable(fields.String, description="the file itself, as it runs")
    routes = fields.List(
        fields.Nested(RouteSchema), required=True, metadata={"description": "the first that fits is taken"}
    )
    flows = fields.List(fields.Nested(FlowSchema), required=True)
    faults = fields.List(
        fields.Nested(FlowsFaultSchema), required=True, metadata={"description": "of the file as it is now"}
    )
    python_threads_left_behind = fields.Integer(
        required=True, metadata={"description": "Python flows of this worker that did not come back in time"}
    )


@flows.before_request
def guard() -> None:
    """It takes an operator: flows may hold PINs, and whole numbers."""
    access.require("operator")


@flows.get("")
@flows.response(200, FlowsSchema)
def get_flows() -> dict[str, Any]:
    """Tell the call flows that run, as the worker that answers has them; each reads a changed file within seconds."""
    held = services().flows
    flow_file = held.reloader.flow_file
    return {
        "file": str(held.reloader.file),
        "version": flow_file.version if flow_file else None,
        "loaded_at": render.time(flow_file.loaded) if flow_file else None,
        "looked_at": render.time(held.reloader.looked),
        "text": flow_file.text if flow_file else None,
        "routes": [told_route(route) for route in flow_file.routes] if flow_file else [],
        "flows": [_told_flow(flow) for flow in flow_file.flows.values()] if flow_file else [],
        "faults": [_told_fault(fault) for fault in held.reloader.faults],
        "python_threads_left_behind": held.python.left_behind,
    }


def told_route(route: Route) -> dict[str, Any]:
    """A route as JSON."""
    return {
        "line": route.line,
        "flow": route.flow,
        "to": route.to.text if route.to else None,
        "from": route.from_.text if route.from_ else None,
        "from_user": route.from_user.text if route.from_user else None,
        "when": f"{'not ' if route.closed else ''}{route.when.name}" if route.when else None,
    }


def _told_flow(flow: Flow) -> dict[str, Any]:
    return {
        "name": flow.name,
        "version": flow.version,
        "about": flow.about,
        "steps": [*flow.steps],
        "python": flow.python is not None,
    }


def _told_fault(fault: Fault) -> dict[str, Any]:
    return {"line": fault.line, "column": fault.column, "field": fault.field, "words": fault.words}
