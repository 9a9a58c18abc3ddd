"""What the log of an operation says in the events of its calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from app.control.kept_events import events_of
from app.domain.legs import Moment, project_leg
from app.domain.operations import Entry
from tests.domain.test_leg_control import ANSWERED, LEG, ROOM

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MOVE = {"verb": "move", "leg": LEG, "conversation": ROOM, "by": "operator", "sequence": 1}
MOVE |= {"shown": {"ncco": [{"action": "conversation", "name": "consult"}]}}


def log(*entries: tuple[Any, str, dict[str, Any]]) -> list[Entry]:
    first = Entry("created", AT, "created", "transfer", {})
    return [first, *(Entry(f"{kind} {name}", AT, kind, name, data) for kind, name, data in entries)]


@pytest.mark.parametrize(
    ("then", "pending"),
    [
        ((), True),
        ((("result", "consult", {"result": "done"}),), True),
        ((("result", "consult", {"result": "done"}), ("timeout", "confirm:consult", {})), False),
        ((("result", "consult", {"result": "unknown"}),), False),
        ((("result", "consult", {"result": "refused"}),), False),
        ((("result", "consult", {"result": "done"}), ("timeout", "ring", {})), True),
    ],
)
def test_a_move_is_pending_no_longer_than_the_operation_waits_for_it(then: Any, pending: bool) -> None:
    """Else the leg could not be moved by hand after the operation, by nobody."""
    entries = log(("step", "consult", MOVE), *then)
    happened = [ANSWERED, *(Moment(AT, event) for event in events_of("operation", entries))]
    assert (project_leg(LEG, happened).control.pending is not None) is pending
