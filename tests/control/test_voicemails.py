"""Messages left for a user, from the call to the list: the app served, the carrier at its other side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.site import OPERATOR, VIEWER, Site, is_problem
from tests.control.world import CALLER, FAR_ENDS, World, world_of
from tests.engines import Engine
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import FarEnd

ALICE, BOB = "token-of-alice-000001", "token-of-bob-00000001"
TOKENS = (("viewer", VIEWER), ("operator", OPERATOR), ("user/Alice", ALICE), ("user/Bob", BOB))
LIST = "/users/Alice/voicemails"
OTHER = "442079460009"  # Bob's voicemail
MESSAGE = "This is Charles. Please call me back about the engine."


@pytest.fixture(scope="module")
def lasting_world(valkey: Engine, carrier_folder: Path) -> Iterator[World]:
    flows = Path(__file__).with_name("voicemail.yaml")
    with world_of(carrier_folder, valkey.address.url, flows_file=flows, access_tokens=TOKENS) as world:
        world.do(lambda: setattr(world.carrier, "callees", {**FAR_ENDS, "Alice": FarEnd(does="busy", after=0.1)}))
        yield world


@pytest.fixture
def world(lasting_world: World, valkey: Engine) -> World:
    return lasting_world.emptied(valkey)


def left(world: World, *says: str, number: str = CALLER, to: str = "442079460000", user: str = "Alice") -> Leg:
    """The leg of a caller who has left a message, once it is in the list."""
    before = len(items(world, user=user))
    leg = world.caller(number, to, FarEnd(says=says, stays_alone=1e6), room=None)
    world.until(lambda: len(items(world, user=user)) > before)
    world.known(leg, "completed")
    return leg


def items(world: World, query: str = "", *, token: str = OPERATOR, user: str = "Alice") -> Any:
    """The voicemails of a user."""
    response = world.ask("GET", f"/users/{user}/voicemails{query}", token=token)
    assert response.status_code in (200, 404), response.text
    return response.json["items"] if response.status_code == 200 else []


def counts(world: World) -> list[Any]:
    """What user and phone say of how many there are."""
    return [world.ask("GET", f"/users/Alice{of}", token=ALICE).json["voicemail"] for of in ("", "/phone")]


def test_a_caller_of_a_busy_user_leaves_a_message_which_is_played(world: World) -> None:
    leg = left(world, MESSAGE)
    (found,) = items(world, token=ALICE)
    (recording,) = leg.conversation.recordings
    assert found["id"] == recording.recording_uuid
    assert (found["from"], found["from_name"], found["call_id"]) == (CALLER, None, leg.uuid)
    assert found["conversation_uuid"] == leg.conversation.uuid
    assert found["seconds"] == (recording.ended - recording.started).total_seconds() > 4
    assert found["size"] == len(recording.audio)
    assert (found["heard"], found["heard_at"]) == (False, None)
    played = world.app.test_client().get(found["url"], headers={"Authorization": f"Bearer {ALICE}"})
    assert (played.status_code, played.data) == (200, recording.audio)
    assert found["url"] == f"/api/v1{LIST}/{found['id']}/audio"
    part = world.ask("GET", f"{LIST}/{found['id']}/audio", token=OPERATOR, Range="bytes=2-9")
    assert (part.status_code, part.data) == (206, recording.audio[2:10])
    assert counts(world) == [{"total": 1, "unheard": 1}] * 2
    (of_call,) = world.ask("GET", f"/calls/{leg.uuid}").json["recordings"]
    assert of_call["voicemail_of"] == "Alice"


def test_it_is_heard_and_deleted(world: World) -> None:
    for _ in range(2):
        left(world, MESSAGE)
    new, old = (found["id"] for found in items(world))
    assert world.ask("PUT", f"{LIST}/{old}", {"heard": True}, token=ALICE).json["heard"] is True
    first = world.ask("GET", f"{LIST}/{old}", token=ALICE).json
    assert world.ask("PATCH", f"{LIST}/{old}", {"heard": True}).json == first, "when it was first heard stays"
    assert counts(world) == [{"total": 2, "unheard": 1}] * 2
    assert [found["id"] for found in items(world, "?heard=true")] == [old]
    assert [found["id"] for found in items(world, "?heard=false")] == [new]
    assert world.ask("PATCH", f"{LIST}/{old}", {"heard": False}, token=ALICE).json["heard_at"] is None
    assert counts(world) == [{"total": 2, "unheard": 2}] * 2
    assert world.ask("DELETE", f"{LIST}/{old}", token=ALICE).status_code == 204
    gone: list[tuple[str, Any]] = [("DELETE", None), ("GET", None), ("PUT", {"heard": True})]
    for method, body in gone:
        is_problem(world.ask(method, f"{LIST}/{old}", body, token=ALICE), 404)
    assert [found["id"] for found in items(world)] == [new]
    assert counts(world) == [{"total": 1, "unheard": 1}] * 2


def test_everybody_sees_what_is_theirs_to_see(world: World) -> None:
    left(world, MESSAGE)
    (found,) = items(world)
    here, sound = f"{LIST}/{found['id']}", f"{LIST}/{found['id']}/audio"
    assert [each["from"] for each in items(world, token=VIEWER)] == ["********0101"]
    assert world.ask("GET", here, token=VIEWER).json["from"] == "********0101"
    for method, path, body in (("GET", sound, None), ("PUT", here, {"heard": True}), ("DELETE", here, None)):
        is_problem(world.ask(method, path, body, token=VIEWER), 403)
        is_problem(world.ask(method, path, body, token=BOB), 403)
    is_problem(world.ask("GET", LIST, token=BOB), 403)
    is_problem(world.ask("GET", "/users/Nobody/voicemails"), 404)
    is_problem(world.ask("GET", f"/users/Bob/voicemails/{found['id']}", token=BOB), 404)
    assert world.ask("GET", sound, token=OPERATOR).status_code == 200
    wrong: list[Any] = [{}, {"heard": "yes"}, {"heard": True, "seen": True}]
    for body in wrong:
        is_problem(world.ask("PUT", here, body, token=ALICE), 422)


def test_each_user_has_a_list(world: World) -> None:
    left(world, MESSAGE)
    leg = left(world, MESSAGE, to=OTHER, user="Bob")
    assert [found["call_id"] for found in items(world, token=BOB, user="Bob")] == [leg.uuid]
    assert len(items(world, token=ALICE)) == 1


def test_it_goes_with_its_conversation(world: World, valkey: Engine) -> None:
    legs = [left(world, MESSAGE, number=number) for number in (CALLER, "447700900188")]
    world.ask("PUT", f"{LIST}/{items(world)[0]['id']}", {"heard": True})
    deleted = world.ask("DELETE", f"/conversations/{legs[0].conversation.uuid}")
    assert deleted.status_code == 204
    assert [found["call_id"] for found in items(world)] == [legs[1].uuid]
    assert counts(world) == [{"total": 1, "unheard": 0}] * 2
    assert world.services.store.forget("447700900188").conversations == 1
    assert items(world) == []
    kept = [key for node in valkey.nodes for key in node.client.scan_iter()]
    assert [key for key in kept if b"}vn:" in key or b"}vh:" in key or b"}m:" in key] == [], "nothing of it is left"


def test_pages_are_whole(world: World) -> None:
    for _ in range(3):
        left(world, MESSAGE)
    whole, found, query = items(world), [], "?limit=2"
    assert [each["at"] for each in whole] == sorted((each["at"] for each in whole), reverse=True)
    while True:
        page = world.ask("GET", f"{LIST}{query}").json
        found += page["items"]
        if page["next"] is None:
            break
        query = f"?limit=2&cursor={page['next']}"
    assert found == whole
    is_problem(world.ask("GET", f"{LIST}?heard=true&cursor={page['next'] or 'x'}"), 422)


def test_a_second_worker_says_the_same(world: World, valkey: Engine) -> None:
    left(world, MESSAGE)
    other = Site(valkey.address.url, access_tokens=TOKENS)
    try:
        here = f"/api/v1{LIST}/{items(world)[0]['id']}"
        assert other.read(here, token=OPERATOR) == items(world)[0]
        assert other.send("PUT", here, token=OPERATOR, json={"heard": True}).status_code == 200
        assert items(world)[0]["heard"] is True
        assert other.send("DELETE", here, token=OPERATOR).status_code == 204
        assert items(world) == []
    finally:
        other.close()


def test_who_hangs_up_while_speaking_has_left_a_message(world: World) -> None:
    before = len(items(world))
    leg = world.caller(far_end=FarEnd(says=(MESSAGE,), stays_alone=1e6, hangs_up_after=8), room=None)
    world.until(lambda: len(items(world)) > before)
    assert leg.over


def test_the_name_of_the_caller_is_shown(world: World) -> None:
    world.services.store.set_name(CALLER, "Charles")
    world.services.names.expire()
    left(world, MESSAGE)
    assert items(world)[0]["from_name"] == "Charles"
