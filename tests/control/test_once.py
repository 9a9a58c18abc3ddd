"""A request with an Idempotency-Key is done once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from app.store import operations
from tests.control.world import AGENT, World

BODY = {"to": {"type": "phone", "number": AGENT}, "ncco": [{"action": "conversation", "name": "room"}]}


def test_a_repeat_gets_the_first_ones_response_and_places_no_second_call(world: World) -> None:
    before = len(world.legs())
    first = world.ask("POST", "/calls", BODY, Idempotency_Key="one")
    world.until(lambda: world.services.store._writer.waiting == 0)
    repeats = [world.ask("POST", "/calls", BODY, Idempotency_Key="one") for _ in range(3)]
    assert first.status_code == 201, first.text
    assert {(repeat.status_code, repeat.data) for repeat in repeats} == {(201, first.data)}
    assert {repeat.headers["Idempotent-Replayed"] for repeat in repeats} == {"true"}
    assert len(world.legs()) == before + 1


def test_many_at_once_place_one_call(world: World) -> None:
    before = len(world.legs())
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: world.ask("POST", "/calls", BODY, Idempotency_Key="many"), range(8)))
    statuses = sorted(response.status_code for response in found)
    assert statuses.count(201) >= 1
    assert set(statuses) <= {201, 409}
    assert len({response.json["leg"] for response in found if response.status_code == 201}) == 1
    assert len(world.legs()) == before + 1


def test_the_key_of_another_request_is_refused(world: World) -> None:
    world.ask("POST", "/calls", BODY, Idempotency_Key="two")
    response = world.ask("POST", "/calls", BODY | {"ringing_timer": 20}, Idempotency_Key="two")
    assert (response.status_code, response.json["title"]) == (422, "Idempotency-Key used before")


def test_another_key_is_another_request(world: World) -> None:
    legs = {world.ask("POST", "/calls", BODY, Idempotency_Key=key).json["leg"] for key in ("three", "four")}
    assert len(legs) == 2


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_a_wrong_key_is_named(world: World, key: str) -> None:
    response = world.ask("POST", "/calls", BODY, Idempotency_Key=key)
    assert (response.status_code, response.json["title"]) == (422, "Wrong Idempotency-Key")


def test_a_repeat_of_a_request_whose_worker_died_gets_what_that_did(world: World) -> None:
    """The reply was not kept, but the operation was: nothing is sent again."""
    before = len(world.legs())
    first = world.ask("POST", "/calls", BODY, Idempotency_Key="five")
    world.until(lambda: world.services.store._writer.waiting == 0)
    with redis.from_url(world.services.settings.redis_url or "") as client:
        kept = list(client.scan_iter("switchhook:once:*"))
        assert len(kept) == 1
        client.delete(*kept)
    again = world.ask("POST", "/calls", BODY, Idempotency_Key="five")
    assert (again.status_code, again.json["leg"]) == (201, first.json["leg"])
    assert len(world.legs()) == before + 1


def test_while_too_many_operations_are_under_way_nothing_is_done_and_a_repeat_does_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(world.legs())
    monkeypatch.setattr(operations, "MOST_OPEN", 0)
    refused = world.ask("POST", "/calls", BODY, Idempotency_Key="three")
    assert (refused.status_code, refused.json["title"]) == (503, "Too many operations")
    assert refused.headers["Retry-After"] == "1"
    assert len(world.legs()) == before
    monkeypatch.undo()
    again = world.ask("POST", "/calls", BODY, Idempotency_Key="three")
    assert again.status_code == 201, again.text
    assert len(world.legs()) == before + 1
