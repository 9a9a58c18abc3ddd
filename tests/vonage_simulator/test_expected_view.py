"""The view of a call that a server's API should return."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.calls.schemas import dump
from app.domain.conversations import Kept, history, project
from app.webhooks.schemas import read_event
from tests.vonage_simulator import ledgers
from tests.vonage_simulator.ledgers import BASE, at, bill, leg, pressed, recording
from vonage_simulator import webhook_bodies
from vonage_simulator.ledger import Answer, Conversation, Move
from vonage_simulator.verify.differences import OneOf, differences
from vonage_simulator.verify.expected_view import expected

PUBLISHED = json.loads((Path(__file__).parents[1] / "samples" / "phone-to-app.expected.json").read_text())
HERE, THERE = "CON-here", "CON-there"


def leg_view(call: Conversation, uuid: str = "leg") -> Any:
    """The expected view of one leg."""
    return next(found for found in expected(call)["legs"] if found["uuid"] == uuid)


def test_the_published_call_has_the_published_view():
    right = expected(ledgers.published())
    own = ("from_name", "to_name", "control")
    legs = [{name: value for name, value in leg.items() if name not in own} for leg in PUBLISHED["legs"]]
    published = {name: value for name, value in PUBLISHED.items() if name != "record_state"}
    assert right == published | {"legs": legs}, "names are the server's own, and what it did is compared where given"
    assert differences(right, PUBLISHED) == []


FAILED: dict[str, dict[str, Any]] = {
    "busy": {"detail": None, "sip_code": 486},
    "cancelled": {},
    "failed": {"detail": "number_out_of_service", "sip_code": 404},
    "rejected": {"detail": "declined", "sip_code": 603},
    "timeout": {},
    "unanswered": {"detail": "unavailable", "sip_code": 480},
}


@pytest.mark.parametrize("failure", FAILED)
def test_a_leg_that_failed(failure: str):
    """It has its failure's name and the time until then; what it cost, which is nothing, comes with `completed`."""
    call = Conversation(uuid=HERE)
    paid: dict[str, Any] = {} if failure == "rejected" else {"completed": 9, "bill": bill(0, "0", network=None)}
    times: dict[str, Any] = {"started": 1, "ringing": 1.25, failure: 4}
    leg(call, failure=failure, disconnected_by="user", **times, **paid, **FAILED[failure])
    view = leg_view(call)
    assert (view["state"], view["status"], view["outcome"]) == ("completed", failure, failure)
    assert (view["ring_seconds"], view["talk_seconds"]) == (2.75, None)
    assert (view["detail"], view["sip_code"]) == (FAILED[failure].get("detail"), FAILED[failure].get("sip_code"))
    if paid:
        assert view["times"]["completed"] == "2021-03-29T21:20:09.000Z"
        assert (view["duration_seconds"], view["price"], view["disconnected_by"]) == (0, "0", "user")
    else:
        assert view["times"]["completed"] == "2021-03-29T21:20:04.000Z"
        assert (view["duration_seconds"], view["price"], view["disconnected_by"]) == (None, None, None)
    right = expected(call)
    assert (right["state"], right["answered_at"], right["ended_at"]) == ("ended", None, view["times"]["completed"])
    assert right["price"] == ("0" if paid else None)


def test_a_caller_who_gave_up_has_no_failure():
    """Vonage has no status for it: the leg is completed, and was not answered."""
    call = Conversation(uuid=HERE)
    leg(call, started=0, ringing=0, completed=12, bill=bill(0, "0", network=None), disconnected_by="user")
    view = leg_view(call)
    assert (view["status"], view["outcome"], view["ring_seconds"]) == ("completed", "unanswered", 12)


@pytest.mark.parametrize(
    ("times", "state", "status"),
    [
        ({"started": 0}, "started", "started"),
        ({"ringing": 0}, "ringing", "ringing"),
        ({"started": 0, "ringing": 0, "answered": 2, "human": 4}, "answered", "answered"),
    ],
)
def test_a_call_that_is_still_running(times: dict[str, Any], state: str, status: str):
    """It has no end, no outcome and no bill, even if the ledger has more than was sent."""
    call = Conversation(uuid=HERE)
    known: dict[str, Any] = {"sip_code": 200, "disconnected_by": "user", "bill": bill(3), "detail": "x"}
    leg(call, **times, **known)
    view, right = leg_view(call), expected(call)
    assert (view["state"], view["status"], view["outcome"]) == (state, status, None)
    assert [view[name] for name in ("sip_code", "disconnected_by", "price", "rate", "detail")] == [None] * 5
    assert (view["ring_seconds"], view["talk_seconds"]) == (2 if "answered" in times else None, None)
    assert [right[name] for name in ("state", "ended_at", "duration_seconds", "price")] == ["live", None, None, None]


def test_a_conversation_without_known_legs_is_live():
    call = Conversation(uuid=HERE)
    leg(call)  # nothing was sent of it yet
    right = expected(call)
    assert (right["legs"], right["state"], right["started_at"]) == ([], "live", None)


def test_a_leg_that_was_put_on_hold_and_came_back():
    """It has its latest arrival, and no departure while it is there."""
    call = Conversation(uuid=HERE)
    moves = [Move(at(5), HERE, THERE), Move(at(8), THERE, HERE)]
    leg(call, started=0, answered=1, completed=20, bill=bill(19), moves=moves)
    view, right = leg_view(call), expected(call)
    assert view["moved_from"] == {"conversation_uuid": THERE, "at": "2021-03-29T21:20:08.000Z"}
    assert view["moved_to"] is None
    assert (right["started_at"], right["ended_at"]) == ("2021-03-29T21:20:00.000Z", "2021-03-29T21:20:20.000Z")


def test_a_conversation_ends_when_its_legs_have_left():
    """Over or moved away; a leg that moved is billed in the conversation where it ended."""
    call = Conversation(uuid=HERE)
    leg(call, "gone", started=0, answered=2, completed=60, bill=bill(58, "7"), moves=[Move(at(9), HERE, THERE)])
    leg(call, "stays", started=3, answered=4, completed=8, bill=bill(4, "0.5"), direction="outbound")
    view, right = leg_view(call, "gone"), expected(call)
    assert (view["moved_from"], view["moved_to"]["conversation_uuid"], view["price"]) == (None, THERE, "7")
    assert (right["state"], right["ended_at"], right["price"]) == ("ended", "2021-03-29T21:20:09.000Z", "0.5")
    assert right["answered_at"] == "2021-03-29T21:20:02.000Z"


def test_a_leg_that_moved_twice():
    """Its next conversation is shown, not its last one."""
    call = Conversation(uuid=HERE)
    leg(call, started=0, answered=2, moves=[Move(at(9), HERE, THERE)]).moves.append(Move(at(12), THERE, "CON-yonder"))
    assert leg_view(call)["moved_to"] == {"conversation_uuid": THERE, "at": "2021-03-29T21:20:09.000Z"}
    assert expected(call)["ended_at"] == "2021-03-29T21:20:09.000Z"


def test_a_conference_begins_with_the_first_to_enter_it():
    room = Conversation(uuid=THERE, name="standup")
    for number, moved in enumerate((4.0, 2.5)):
        moves = [Move(at(moved), f"CON-{number}", THERE)]
        leg(
            room, f"leg-{number}", started=number, answered=2.5, completed=30 + number, bill=bill(9, "0.1"), moves=moves
        )
    right = expected(room)
    assert right["started_at"] == right["answered_at"] == "2021-03-29T21:20:02.500Z"
    assert (right["ended_at"], right["duration_seconds"], right["price"]) == ("2021-03-29T21:20:31.000Z", 28.5, "0.2")
    assert [member["moved_from"]["conversation_uuid"] for member in right["legs"]] == ["CON-0", "CON-1"]


def test_a_leg_answered_elsewhere_was_not_answered_here():
    """It left while it rang; a leg answered at the moment of the transfer was answered in both."""
    call = Conversation(uuid=HERE)
    leg(call, started=0, ringing=0, answered=3, moves=[Move(at(2), HERE, THERE)])
    assert expected(call)["answered_at"] is None
    leg(call, "other", started=0, answered=3, moves=[Move(at(3), HERE, THERE)])
    assert expected(call)["answered_at"] == "2021-03-29T21:20:03.000Z"


def test_lists_have_the_items_of_the_webhooks():
    right = expected(ledgers.eventful())
    assert right["answers"] == [
        {"leg": "caller", "ncco": ledgers.NCCO},
        {"leg": "agent", "ncco": [{"action": "talk", "text": "A call"}]},
        {"leg": "caller", "ncco": [{"action": "talk", "text": "2021-03-29T21:20:03.000Z"}]},
        {"leg": None, "ncco": [{"action": "talk", "text": "2021-03-29T21:20:05.000Z"}]},
        {"leg": "agent", "ncco": []},
    ], "also those in reply to events, each with the leg that the event names; a reply with none in it is no answer"
    keyed, spoken = right["inputs"]
    assert (keyed["at"], keyed["digits"], keyed["speech"]) == ("2021-03-29T21:20:03.000Z", "12", [])
    assert spoken["speech"] == [{"text": "sales", "confidence": 0.9405097}, {"text": "sails", "confidence": 0.05}]
    assert (spoken["digits"], spoken["speech_timeout_reason"]) == (None, "end_on_silence_timeout")
    assert [recording["transcription_url"] for recording in right["recordings"]] == [None, "https://example.com/text"]
    assert [recording["size"] for recording in right["recordings"]] == [200, 200]
    assert right["errors"][0] == {
        "at": "2021-03-29T21:20:02.000Z",
        "kind": "error",
        "leg": None,
        "reason": "Syntax error in NCCO.",
        "failed_url": None,
    }


def test_silence_is_no_keys():
    call = Conversation(uuid=HERE, inputs=[pressed(3, "", timed_out=True)])
    assert (expected(call)["inputs"][0]["digits"], expected(call)["inputs"][0]["timed_out"]) == (None, True)


def test_a_recording_has_whole_seconds():
    made = recording("one", 20)
    made.started += timedelta(milliseconds=600)
    made.ended += timedelta(milliseconds=600)
    (shown,) = expected(Conversation(uuid=HERE, recordings=[made]))["recordings"]
    assert (shown["started_at"], shown["ended_at"]) == ("2021-03-29T21:20:10.000Z", "2021-03-29T21:20:19.000Z")


@pytest.mark.parametrize("nobody", ["Unknown", "unknown", " ", "", None])
def test_an_unknown_party_is_null(nobody: str | None):
    call = Conversation(uuid=HERE)
    leg(call, started=0, from_=nobody)
    leg(call, "other", started=0, from_=" 447700900123 ")
    assert (leg_view(call)["from"], leg_view(call, "other")["from"]) == (None, "447700900123")


def test_an_app_caller_has_a_name_once_something_names_it():
    """Its statuses have null, and its own name as `to`; an answer request has both names, and so has an input."""
    app: dict[str, Any] = {"from_": None, "from_user": "Bob", "to": "Bob", "dialled": "Alice", "endpoint": "app"}
    call = Conversation(uuid=HERE)
    leg(call, started=0, **app)
    assert (leg_view(call)["from"], leg_view(call)["to"]) == (None, "Bob")
    for named in (
        Conversation(uuid=HERE, answers=[Answer("leg", "https://example.com", None)]),
        Conversation(uuid=HERE, inputs=[pressed(3, "1")]),
    ):
        leg(named, started=0, **app)
        assert (leg_view(named)["from"], leg_view(named)["to"]) == ("Bob", "Alice")
    replied = Conversation(
        uuid=HERE, answers=[ledgers.replied_to(webhook_bodies.notify(HERE, {}, at(1)), [], leg="leg")]
    )
    leg(replied, started=0, **app)
    assert (leg_view(replied)["from"], leg_view(replied)["to"]) == (None, "Bob"), "the record of a reply names nobody"
    nobody = Conversation(uuid=HERE, answers=[Answer("leg", "https://example.com", None)])
    leg(nobody, started=0, **(app | {"dialled": ""}))
    assert leg_view(nobody)["to"] == "Bob", "it called nobody"
    room = Conversation(uuid=THERE)
    leg(room, started=0, moves=[Move(at(1), HERE, THERE)], **app)
    assert leg_view(room)["from"] == OneOf((None, "Bob")), "the conversation it came from may have the answer request"
    for name, to, right in (
        (None, "Bob", True),
        ("Bob", "Alice", True),
        ("Eve", "Alice", False),
        ("Bob", "Eve", False),
    ):
        says = expected(room) | {"legs": [leg_view(room) | {"from": name, "to": to}]}
        assert (differences(expected(room), says) == []) is right


def test_money_never_has_an_exponent():
    call = Conversation(uuid=HERE)
    leg(call, started=0, answered=1, completed=2, bill=bill(1, "1.5E-4"))
    assert (leg_view(call)["price"], expected(call)["price"]) == ("0.00015", "0.00015")


@pytest.mark.parametrize("make", [ledgers.published, ledgers.eventful])
def test_the_server_makes_the_same_view_of_the_webhooks(make: Any):
    """Two implementations of one design agree on a call with everything in it, in any order of arrival."""
    call = make()
    events = [*ledgers.webhooks(call)]
    for order in (events, events[::-1]):
        known = history(Kept(read_event(body), BASE) for body in order)
        says = project(call.uuid, known, now=at(60), presume_ended_after=timedelta(hours=2))
        assert says is not None
        assert differences(expected(call) | {"answers": []}, dump(says, mask_numbers=False)) == []
