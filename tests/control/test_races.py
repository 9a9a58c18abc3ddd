"""What may go wrong on the way: two at once, too fast, no response, no Redis, a worker that dies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.control.driver import Driver
from app.control.vonage_client import NoReply, NotSent, Response, VonageClient
from app.domain.operations import Entry
from tests import engines
from tests.control.world import AGENT, CALLER, World, world_of
from tests.engines import Engine


class Cut(BaseException):
    """The worker is killed here."""


@contextmanager
def sending(world: World, monkeypatch: pytest.MonkeyPatch, instead: Any) -> Iterator[list[tuple[str, str]]]:
    """What is sent to Vonage; *instead* is called with the real `send`, and what it is called with."""
    client, sent = world.services.control.client, []
    real = client.send

    def send(host: str, method: Any, path: str, body: Any) -> Response:
        sent.append((method, body.get("action", path) if isinstance(body, dict) else path))
        found: Response = instead(lambda: real(host, method, path, body), method, path, body)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(client, "send", send)
        yield sent


def test_of_two_who_move_a_leg_at_once_one_is_refused(world: World) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    scripts = [{"ncco": [{"action": "conversation", "name": name}]} for name in ("one", "two")]
    with ThreadPoolExecutor(2) as pool:
        responses = list(pool.map(lambda body: world.act(customer, "transfer", body), scripts))
    statuses = sorted(response.status_code for response in responses)
    assert statuses in ([200, 409], [200, 200]), [response.text for response in responses]
    if statuses == [200, 200]:  # the first was confirmed before the second came
        assert len(customer.moves) >= 4
    refused = [response for response in responses if response.status_code == 409]
    assert all(response.json["title"] == "Being moved already" for response in refused)


def test_a_second_move_is_refused_until_the_first_is_confirmed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    with sending(world, monkeypatch, lambda *_: Response(204, {})):  # accepted, and no webhook comes
        first = world.act(customer, "hold")
        assert (first.status_code, first.json["state"]) == (200, "accepted")
        assert world.control(customer)["hold"] == "holding"
        second = world.act(customer, "transfer", {"flow": "goodbye"})
    assert (second.status_code, second.json["action_id"]) == (409, first.json["id"])
    assert world.control(customer)["moving"] == first.json["id"]


def test_mute_and_unmute_at_once_end_the_same_at_the_carrier_and_here_or_the_later_number_wins(world: World) -> None:
    leg = world.caller()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda verb: world.act(leg, verb), ["mute", "unmute"] * 4))
    assert {response.status_code for response in found} == {200}
    last = max(
        (event["raw"] for event in world.events(leg) if event["kind"] == "action"), key=lambda raw: raw["sequence"]
    )
    assert world.control(leg)["muted"] == (last["verb"] == "mute")


def test_what_vonage_refuses_as_too_fast_is_sent_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    leg = world.caller()
    refusals = iter([Response(429, {})])

    def once_too_fast(real: Any, *_: Any) -> Response:
        return next(refusals, None) or real()

    with sending(world, monkeypatch, once_too_fast) as sent:
        response = world.act(leg, "mute")
    assert response.status_code == 200, response.text
    assert [action for _, action in sent] == ["mute", "mute"]
    assert leg.muted


def test_without_a_response_vonage_is_asked_what_became_of_a_move(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    room = customer.conversation

    def done_but_cut(real: Any, method: str, *_: Any) -> Response:
        response: Response = real()
        if method == "PUT":
            raise NoReply("cut")
        return response

    with sending(world, monkeypatch, done_but_cut) as sent:
        response = world.act(customer, "hold")
    assert response.status_code == 200, response.text
    assert [method for method, _ in sent] == ["PUT", "GET"], "it was looked up, and not sent again"
    assert customer.conversation is not room


def test_without_a_response_and_without_knowing_more_the_outcome_is_unknown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    leg = world.caller()

    def cut(*_: Any) -> Response:
        raise NoReply("api.example closed the connection")

    with sending(world, monkeypatch, cut):
        response = world.act(leg, "mute")
    assert (response.status_code, response.json["title"]) == (504, "No response from Vonage")
    assert response.json["action"]["state"] == "unknown"
    assert world.control(leg)["muted"] is False


def test_who_cannot_reach_vonage_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    leg = world.caller()

    def away(*_: Any) -> Response:
        raise NotSent("api.nexmo.com cannot be reached")

    with sending(world, monkeypatch, away):
        response = world.act(leg, "mute")
    assert (response.status_code, response.json["title"]) == (502, "Not done")
    assert "api.nexmo.com cannot be reached" in response.json["detail"]


def test_a_leg_that_vonage_knows_no_more_is_gone_and_to_hang_it_up_is_right(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    leg = world.caller()
    with sending(world, monkeypatch, lambda *_: Response(404, {})):
        muted, hung_up = world.act(leg, "mute"), world.act(leg, "hangup")
    assert (muted.status_code, muted.json["title"]) == (404, "Gone at Vonage")
    assert (hung_up.status_code, hung_up.json["state"]) == (200, "confirmed")


def test_a_key_that_vonage_refuses_is_our_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    leg = world.caller()
    with sending(world, monkeypatch, lambda *_: Response(401, {"title": "Unauthorized"})):
        response = world.act(leg, "mute")
    assert (response.status_code, response.json["title"]) == (502, "Vonage refuses the key")


def test_a_hold_whose_webhook_is_lost_counts_as_done_after_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    monkeypatch.setattr("app.domain.leg_actions.CONFIRM_SECONDS", 0.5)
    with sending(world, monkeypatch, lambda *_: Response(204, {})):
        id_ = world.act(customer, "hold").json["id"]
        world.until(lambda: world.action(id_)["confirmed_by"] == "timeout")
    assert world.control(customer)["hold"] == "held"
    assert world.control(customer)["moving"] is None


# -- the worker dies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before it is sent", "after it is sent"])
def test_another_worker_goes_on_and_sends_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    room, control = customer.conversation, world.services.control
    monkeypatch.setattr("app.control.driver.LEASE_SECONDS", 0.5)
    killed = threading.Event()

    def kill(real: Any, method: str, *_: Any) -> Response:
        if method == "PUT" and not killed.is_set():
            killed.set()
            if when.startswith("after"):
                real()
            raise Cut
        response: Response = real()
        return response

    with sending(world, monkeypatch, kill) as sent, monkeypatch.context() as patch:
        # The first worker keeps no result, and does not let the operation go: it is gone.
        patch.setattr(control.store, "release", lambda *_: False)
        patch.setattr(control.driver, "begin", lambda operation, _: control.driver.go_on(operation))
        with pytest.raises(Cut):
            control.hold(customer.uuid, by="operator")
    assert killed.is_set()
    other = Driver(control.store, control.client, control.driver._regions)
    operation = world.until(lambda: next(iter(world.open_operations()), None))
    with sending(world, monkeypatch, lambda real, *_: real()) as then:
        world.until(lambda: _gone_on(world, other, operation))
    moves = [method for method, action in [*sent, *then] if action == "transfer"]
    assert len(moves) == 1, "sent once, by whomever"
    held = when.startswith("after")
    assert (customer.conversation is not room) == held
    state = world.action(operation)["state"]
    assert state in (("accepted", "confirmed") if held else ("failed",))


def _gone_on(world: World, driver: Driver, operation: str) -> bool:
    driver.go_on(operation)
    return any(entry.kind == "result" for entry in world.services.store.log_of(operation))


def test_of_two_workers_that_go_on_at_once_one_sends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    leg = world.caller()
    control = world.services.control
    drivers = [Driver(control.store, control.client, control.driver._regions) for _ in range(4)]
    created = {"verb": "mute", "leg": leg.uuid, "conversation": leg.conversation.uuid, "by": "operator"}
    with sending(world, monkeypatch, lambda real, *_: real()) as sent:
        for number in range(5):
            entry = Entry("created", datetime.now(UTC), "created", "action", created)
            control.store.append(f"operation-{number}", [entry], due_in=60)
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda driver, number=number: driver.go_on(f"operation-{number}"), drivers))
        world.until(lambda: not world.open_operations())
    assert len(sent) == 5


def test_what_is_not_kept_is_not_done(carrier_folder: Path) -> None:
    with engines.single() as engine, world_of(carrier_folder, engine.address.url) as world:
        leg = world.caller()
        engine.nodes[0].kill()
        response = world.act(leg, "mute")
        assert (response.status_code, response.json["title"]) == (503, "Store unavailable")
        assert not leg.muted


def test_without_credentials_the_settings_are_named(valkey: Engine, carrier_folder: Path) -> None:
    valkey.flush()
    with world_of(carrier_folder, valkey.address.url, private_key=None) as world:
        leg = world.caller()
        response = world.act(leg, "mute")
        assert (response.status_code, response.json["title"]) == (503, "Not configured")
        assert response.json["settings"] == ["VONAGE_APPLICATION_ID", "VONAGE_PRIVATE_KEY"]


def test_the_real_vonage_gets_no_token_while_there_is_a_simulated_one() -> None:
    client = VonageClient(None, ("127.0.0.1:8443",))
    assert not client.may_send_to("api-us-3.vonage.com")
    assert client.may_send_to("127.0.0.1:8443")
    real = VonageClient(None, ("api.nexmo.com",))
    assert real.may_send_to("api-us-3.vonage.com")
    assert not real.may_send_to("api.nexmo.com.evil.example")
