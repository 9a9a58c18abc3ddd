"""One leg, over all conversations it has been in."""

from __future__ import annotations

from typing import Any

from app.api.blueprint import Blueprint
from app.auth.access import current_role, guard
from app.auth.reveals import reveal
from app.calls.schemas import LegSchema
from app.errors import Problem
from app.services import services

legs = Blueprint("legs", __name__, url_prefix="/api/v1/legs", description="Connections between Vonage and an endpoint.")
legs.before_request(guard())


@legs.get("/<id:uuid>")
@legs.alt_response(200, schema=LegSchema)
def get_leg(uuid: str) -> dict[str, Any]:
    """Get one leg. `moved_from` and `moved_to` are of its latest move."""
    calls = services().calls
    leg = calls.leg(uuid)
    if leg is None:
        detail = (
            "No such leg is stored: there was none, it is older than RETENTION_DAYS, or its conversation was deleted."
        )
        raise Problem(404, "Unknown leg", detail, uuid=uuid)
    reveal([uuid])
    return calls.dump(leg, current_role())
