"""What the API should say of the recording of a conversation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vonage_simulator import ledgers
from tests.vonage_simulator.checking import HERE
from tests.vonage_simulator.ledgers import at
from vonage_simulator.ledger import ApiRequest, Conversation, Ledger, RunningRecording
from vonage_simulator.verify.expected_recording import recording_differences

Request = tuple[str, float, int | None]
START, STOP = ("record", 10.0, 204), ("stop_record", 20.0, 204)


def world(*requests: Request, running: bool = False, left: float | None = None) -> tuple[Ledger, Conversation]:
    """A conversation with one leg from the beginning, until *left*, after *requests*: verb, second, status."""
    room = Conversation(uuid=HERE)
    leg = ledgers.leg(room, started=0, answered=1)
    leg.stays.begin(HERE, at(0), None if left is None else at(left))
    if running:
        room.recording = RunningRecording(at(10), {}, leg, room.recorded.begin(None, at(10)))
    made = [ApiRequest(at=at(second), verb=verb, about=HERE, status=status) for verb, second, status in requests]
    return Ledger(legs={leg.uuid: leg}, conversations={HERE: room}, requests=made), room


def differs(ledger: Ledger, state: str, files: int = 0, paused: bool | None = None) -> list[str]:
    view: dict[str, Any] = {"conversation_uuid": HERE, "record_state": state, "recordings": [{}] * files}
    return [str(difference) for difference in recording_differences(ledger, view, paused)]


@pytest.mark.parametrize(
    ("requests", "more", "paused", "right"),
    [
        ([], {}, None, {"inactive"}),
        ([START], {"running": True}, False, {"active"}),
        ([START, STOP], {}, False, {"inactive"}),
        ([START, STOP], {}, True, {"paused"}),
        ([START, STOP], {}, None, {"inactive", "paused"}),
        ([START, STOP], {"left": 30}, True, {"inactive"}),
        ([START], {"left": 30}, False, {"inactive"}),
        ([("record", 10.0, None)], {"running": True}, None, {"inactive", "paused", "active"}),
        ([("record", 10.0, None), STOP], {}, False, {"inactive"}),
        ([START, ("stop_record", 20.0, None)], {}, None, {"inactive", "paused", "active"}),
        ([START, ("stop_record", 20.0, 429)], {"running": True}, False, {"active"}),
    ],
)
def test_the_state_is_what_the_carrier_does(
    requests: list[Request], more: dict[str, Any], paused: bool | None, right: set[str]
) -> None:
    ledger, _ = world(*requests, **more)
    for state in ("inactive", "paused", "active"):
        assert (differs(ledger, state, paused=paused) == []) == (state in right), state


def test_each_file_is_there() -> None:
    ledger, room = world(START, STOP)
    room.recordings = ledgers.published().recordings or [object()]  # type: ignore[list-item]
    assert differs(ledger, "inactive", files=1) == []
    assert differs(ledger, "inactive") == ["files: expected 1, got 0"]
    assert differs(ledger, "active", files=1) == ["record_state: expected inactive or paused, got active"]
