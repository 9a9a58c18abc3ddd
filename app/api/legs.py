"""One leg, over all conversations it has been in."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint

from app.api import render
from app.api.schemas import LegSchema
from app.auth import access
from app.domain.conversations import moments
from app.domain.legs import project_leg
from app.errors import Problem
from app.services import services

legs = Blueprint("legs", __name__, url_prefix="/api/v1/legs", description="Connections between Vonage and an endpoint.")


@legs.before_request
def guard() -> None:
    """Reading takes a viewer."""
    access.require("viewer")


@legs.get("/<id:uuid>")
@legs.response(200, LegSchema)
def get_leg(uuid: str) -> dict[str, Any]:
    """Tell one leg. `moved_from` and `moved_to` tell its latest move."""
    heard = services().store.leg_history(uuid)
    if not heard:
        detail = "No such leg is kept: it never was, it is past RETENTION_DAYS, or its conversation was deleted."
        raise Problem(404, "Unknown leg", detail, uuid=uuid)
    told: dict[str, Any] = access.shown(render.leg(project_leg(uuid, moments(heard))))
    return told
