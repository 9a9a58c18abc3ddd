"""The call flows in use, and what is wrong with the flows file."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from app.api.blueprint import Blueprint
from app.auth.access import guard
from app.calls.fields import ObjectSchema, Timestamp, listed, nullable
from app.flows.model import Flow, Hours, Route
from app.services import services

flows = Blueprint("flows", __name__, url_prefix="/api/v1/flows", description="What callers hear.")
flows.before_request(guard(read="operator"))  # flows may hold PINs and whole numbers


class RouteSchema(ObjectSchema):
    """Which calls get which flow. A condition that is null is not checked."""

    line = fields.Integer(required=True, metadata={"description": "of the file"})
    flow = fields.String(required=True)
    to = nullable(fields.String, description="who is called: one number or name, a prefix*, number, or * for anybody")
    from_ = nullable(fields.String, data_key="from", description="who calls; written like `to`")
    from_user = nullable(fields.String, description="which app user calls; written like `to`")
    when = nullable(fields.String, description="the opening hours; with not before them, while they are closed")

    def get_attribute(self, obj: Route, attr: str, default: Any) -> Any:
        value = getattr(obj, attr, default)
        return f"{'not ' if obj.closed else ''}{value.name}" if isinstance(value, Hours) else value


class FlowSchema(ObjectSchema):
    """The steps a caller goes through."""

    name = fields.String(required=True)
    version = fields.String(required=True, metadata={"description": "changes only with the content of the flow"})
    about = fields.String(required=True)
    steps = fields.List(fields.String(), required=True, metadata={"description": "empty if written in Python"})
    python = fields.Boolean(required=True)

    def get_attribute(self, obj: Flow, attr: str, default: Any) -> Any:
        return obj.python is not None if attr == "python" else super().get_attribute(obj, attr, default)


class FlowsFaultSchema(ObjectSchema):
    """One thing that is wrong with the file; line and column are null if it is not about one line."""

    line = nullable(fields.Integer)
    column = nullable(fields.Integer)
    field = fields.String(required=True)
    words = fields.String(required=True)


class FlowsSchema(Schema):
    """The latest version of the file without a fault; nulls if there was none, and callers hear the last resort."""

    file = fields.String(required=True)
    version = nullable(fields.String, description="eight hexadecimal digits")
    loaded_at = Timestamp("when this version was read")
    looked_at = Timestamp("when the file was last read; if it had faults then, `faults` lists them")
    text = nullable(fields.String, description="the content of the file, in this version")
    routes = listed(RouteSchema, description="the first that matches is taken")
    flows = listed(FlowSchema)
    faults = listed(FlowsFaultSchema, description="of the file as it is now")
    advice = listed(FlowsFaultSchema, description="what of this version should be otherwise, though it is served")
    python_threads_left_behind = fields.Integer(
        required=True, metadata={"description": "Python flows of this worker that did not return in time"}
    )


@flows.get("")
@flows.response(200, FlowsSchema)
def get_flows() -> dict[str, Any]:
    """Get the call flows in use by the worker that replies; each worker reads a changed file within seconds."""
    flows = services().flows
    flow_file = flows.flow_file
    return {
        "file": flows.file,
        "version": flows.version,
        "loaded_at": flows.loaded_at,
        "looked_at": flows.read_at,
        "text": flow_file and flow_file.text,
        "routes": flow_file.routes if flow_file else (),
        "flows": flow_file.flows.values() if flow_file else (),
        "faults": flows.faults,
        "advice": flow_file.advices if flow_file else (),
        "python_threads_left_behind": flows.python_threads_left_behind,
    }
