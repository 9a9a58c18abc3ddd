"""What a user's stream says of what was done to calls: each event once, in the order of what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app.api.operation_events import session_events
from tests.control.test_session_verbs import ALICE, THIRD, acts, call_of_alice, done, lasting_world, to
from tests.control.test_user_operations import conference_of_alice
from tests.control.world import World
from tests.sse import Event, Parser

__all__ = ["lasting_world"]
UPDATES = ("call_updated", "current_session_changed")  # how many depends on when somebody looks
Seen = Callable[..., list[Any]]


@pytest.fixture
def seen(world: World) -> Seen:
    """Waits until events with these names are there, looking as readers of the stream do; returns all but updates."""
    looks, store = session_events(world.services), world.services.store

    def wait_for(*names: str) -> list[Any]:
        def there() -> list[Any] | None:
            looks.catch_up("Alice")
            found = [event.data for event in store.user_events("Alice", "0-0", 500) or ()]
            sent = [data["event"] for data in found]
            return found if all(sent.count(name) >= names.count(name) for name in names) else None

        return [data for data in world.until(there) if data["event"] not in UPDATES]

    return wait_for


def names_of(events: Sequence[Any], prefix: str) -> list[str]:
    return [data["event"] for data in events if data["event"].startswith(prefix)]


def test_what_is_done_to_a_session(world: World, seen: Seen) -> None:
    _, _, session = call_of_alice(world)
    seen("call_answered")
    for verb, event in (("mute", "call_muted"), ("unmute", "call_unmuted"), ("hold", "call_held")):
        done(acts(world, session, verb))
        (last,) = [data for data in seen(event) if data["event"] == event]
        assert last["session"]["id"] == session
        assert (last["session"]["muted"], last["session"]["paused"]) == (verb == "mute", verb == "hold")
    done(acts(world, session, "unhold"))
    seen("call_resumed")
    done(acts(world, session, "terminate"))
    events = seen("call_ended")
    assert [data["event"] for data in events if data["session"] and data["session"]["id"] == session] == [
        *("call_created", "call_incoming", "session_started", "call_answered"),
        *("call_muted", "call_unmuted", "call_held", "call_resumed", "call_ended"),
    ]


def test_what_is_done_while_nobody_follows_is_sent_afterwards(world: World, seen: Seen) -> None:
    """Each event has the session as it was right after that."""
    customer, _, session = call_of_alice(world)
    seen("call_answered")
    for verb in ("mute", "unmute", "hold"):
        done(acts(world, session, verb))
    world.until(lambda: world.control(customer)["hold"] == "held")
    done(acts(world, session, "unhold"))
    world.until(lambda: world.control(customer)["hold"] is None)
    names = ["call_muted", "call_unmuted", "call_held", "call_resumed"]
    events = seen(*names)[-4:]
    assert [data["event"] for data in events] == names
    assert [(data["session"]["muted"], data["session"]["paused"]) for data in events] == [
        *((True, False), (False, False), (False, True), (False, False))
    ]
    assert [data["at"] for data in events] == sorted({data["at"] for data in events})
    assert seen("call_resumed")[-4:] == events, "and once"


def test_a_stream_that_is_resumed_gets_the_hold_and_the_resume_that_it_missed(world: World, seen: Seen) -> None:
    customer, _, session = call_of_alice(world)
    seen("call_answered")
    after = world.services.store.latest_user_event("Alice")
    done(acts(world, session, "hold"))
    world.until(lambda: world.control(customer)["hold"] == "held")
    done(acts(world, session, "unhold"))
    world.until(lambda: world.control(customer)["hold"] is None)
    response = world.ask("GET", "/users/Alice/stream", token=ALICE, Last_Event_ID=after)
    events, parser = list[Event](), Parser()
    for piece in response.iter_encoded():
        events += [event for event in parser.feed(piece) if event.type not in UPDATES]
        if events and events[-1].type == "call_resumed":
            break
    response.close()
    assert [(event.type, event.data["session"]["paused"]) for event in events] == [
        *(("call_held", True), ("call_resumed", False))
    ]


def test_a_transfer_that_began_and_ended_while_nobody_followed(world: World, seen: Seen) -> None:
    _, alice, session = call_of_alice(world)
    seen("call_answered")
    transfer = done(acts(world, session, "transfer", {"to": THIRD}))
    at = f"/users/Alice/transfers/{transfer['id']}"
    world.until(lambda: world.ask("GET", f"/transfers/{transfer['id']}").json["status"] == "answered")
    done(world.ask("POST", f"{at}/complete", {}, token=ALICE))
    world.until(lambda: world.ask("GET", f"/transfers/{transfer['id']}").json["status"] == "ended")
    world.known(alice, "completed")
    events = [data for data in seen("transfer_ended", "call_ended") if data["event"].startswith("transfer_")]
    assert [(data["event"], data["transfer"]["status"]) for data in events] == [
        *(("transfer_created", "starting"), ("transfer_answered", "answered")),
        *(("transfer_completed", "completed"), ("transfer_ended", "ended")),
    ]
    assert [data["session"]["state"] for data in events[:2]] == ["live", "live"], "as it was then"
    assert names_of(seen("transfer_ended"), "transfer_") == [data["event"] for data in events], "and once"


def test_an_attended_transfer(world: World, seen: Seen) -> None:
    _, alice, session = call_of_alice(world)
    seen("call_answered")
    transfer = done(acts(world, session, "transfer", {"to": THIRD}))
    at = f"/users/Alice/transfers/{transfer['id']}"
    (answered,) = [data for data in seen("transfer_answered") if data["event"] == "transfer_answered"]
    assert answered["transfer"]["initiator_call"] == alice.uuid
    assert answered["transfer"]["to"]["number"] == THIRD
    assert answered["session"]
    done(world.ask("POST", f"{at}/complete", {}, token=ALICE))
    events = seen("transfer_ended")
    assert names_of(events, "transfer_") == [
        *("transfer_created", "transfer_answered", "transfer_completed", "transfer_ended")
    ]
    ended = [data["session"]["id"] for data in seen("call_ended", "call_ended") if data["event"] == "call_ended"]
    assert ended.count(session) == 1, "the user has left"


def test_a_consultation_is_a_session_of_its_own(world: World, seen: Seen) -> None:
    customer, alice, session = call_of_alice(world)
    seen("call_answered")
    done(world.ask("PATCH", f"/users/Alice/sessions/{session}", {"name": "Mrs Lovelace"}, token=ALICE))
    transfer = done(acts(world, session, "transfer", {"to": THIRD}))
    world.until(lambda: world.ask("GET", f"/transfers/{transfer['id']}").json["status"] == "answered")
    (third,) = world.until(lambda: [leg for leg in world.legs() if leg.to == THIRD and alice.hears(leg)])

    def phone() -> Any:
        found = world.ask("GET", "/users/Alice/phone", token=ALICE).json
        here = (session, third.uuid)  # webhooks of the test before may still come
        return {**found, "sessions": [one for one in found["sessions"] if one["id"] in here]}

    world.until(lambda: len(phone()["sessions"]) == 2 and phone()["sessions"][0]["answered"])
    consultation, first = phone()["sessions"]
    assert (first["id"], first["paused"], first["number"]) == (session, True, customer.to)
    assert (consultation["id"], consultation["leg"]) == (third.uuid, alice.uuid)
    assert consultation["status"]["isTransfer"]
    parent = consultation["status"]["transferParent"]
    assert parent == {"callId": session, "number": customer.to, "name": "Mrs Lovelace", "avatar": None} | {
        name: first["timer"][name] for name in ("callDuration", "holdDuration")
    }
    assert (consultation["isCaller"], consultation["number"]) == (True, THIRD)
    assert phone()["currentSessionID"] == third.uuid, "a consultation comes first"
    assert world.ask("GET", f"/calls/{customer.uuid}").json["phase"] == "on_hold", "it hears music"
    alone = world.ask("GET", f"/users/Alice/sessions/{third.uuid}", token=ALICE).json
    assert alone["status"]["isTransfer"]
    events = [(data["event"], (data["session"] or {}).get("id")) for data in seen("transfer_answered")]
    assert ("call_created", third.uuid) in events
    assert ("call_answered", third.uuid) in events
    assert events.count(("call_answered", session)) == 1
    done(world.ask("DELETE", f"/users/Alice/transfers/{transfer['id']}", token=ALICE))
    world.until(
        lambda: [one["id"] for one in phone()["sessions"]] == [session] and not phone()["sessions"][0]["paused"]
    )
    ended = [data for data in seen("call_ended") if data["event"] == "call_ended"]
    found = [
        (data["session"]["id"], data["answered"]) for data in ended if data["session"]["id"] in (session, third.uuid)
    ]
    assert found == [(third.uuid, True)]
    over = world.ask("GET", "/users/Alice/sessions?state=ended", token=ALICE).json["items"]
    assert third.uuid in [one["id"] for one in over]


def test_a_conference(world: World, seen: Seen) -> None:
    alice, first, second, id_ = conference_of_alice(world)
    at = f"/users/Alice/conferences/{id_}"
    joined = "conference_adhoc_participant_joined"
    found = [data["call_id"] for data in seen(joined, joined, joined) if data["event"] == joined]
    assert sorted(found) == sorted([alice.uuid, first.uuid, second.uuid])

    def only() -> Any:  # the host's other leg is hung up a moment later
        found = world.ask("GET", "/users/Alice/sessions", token=ALICE).json["items"]
        return found if len(found) == 1 else None

    (session,) = world.until(only)
    assert (session["conference"], session["status"]["isConference"]) == (True, True)
    assert session["displayName"] == session["status"]["name"] == "Conference"
    done(world.ask("DELETE", f"{at}/participants/{second.uuid}", token=ALICE))
    left = [data for data in seen("conference_adhoc_participant_left") if data["event"].endswith("_left")]
    assert [(data["call_id"], data["conference"]["conference_id"]) for data in left] == [(second.uuid, id_)]
    done(world.ask("DELETE", at, token=ALICE))
    names = names_of(seen("conference_adhoc_deleted"), "conference_")
    assert names[0] == "conference_adhoc_created"
    assert names[-1] == "conference_adhoc_deleted"


def test_a_conference_that_began_and_ended_while_nobody_followed(world: World, seen: Seen) -> None:
    """Each event has the conference as it was then."""
    alice, first, second, id_ = conference_of_alice(world)

    def shown() -> Any:
        return world.ask("GET", f"/conferences/{id_}").json

    world.until(lambda: all(member["status"] == "joined" for member in shown()["members"]))
    done(world.ask("DELETE", f"/users/Alice/conferences/{id_}", token=ALICE))
    world.until(lambda: shown()["finished"])
    events = [data for data in seen("conference_adhoc_deleted") if data["event"].startswith("conference_")]
    assert [data["conference"]["finished"] for data in events] == [*[False] * (len(events) - 1), True]
    assert (events[0]["event"], events[-1]["event"]) == ("conference_adhoc_created", "conference_adhoc_deleted")
    joined = [data["call_id"] for data in events if data["event"].endswith("_joined")]
    assert sorted(joined) == sorted([alice.uuid, first.uuid, second.uuid])
    assert names_of(seen("conference_adhoc_deleted"), "conference_") == [data["event"] for data in events], "and once"


def test_a_call_that_many_others_followed_is_there_and_ends(world: World, seen: Seen) -> None:
    """Calls end between two looks; by then it is none of the latest of the user, which alone are looked at."""
    _, alice, session = call_of_alice(world)
    seen("call_answered")
    for number in range(25):
        other = to(world, {"type": "app", "user": "Alice"}, f"{world.room}-{number}")
        done(world.act(other, "hangup"))
        world.known(other, "completed")
        seen(*["call_ended"] * (number + 1))
    listed = world.ask("GET", "/users/Alice/sessions", token=ALICE).json["items"]
    assert [each["id"] for each in listed] == [session]
    done(world.act(alice, "hangup"))
    world.known(alice, "completed")
    ended = [data for data in seen(*["call_ended"] * 26) if data["event"] == "call_ended"]
    assert ended[-1]["session"]["id"] == session
