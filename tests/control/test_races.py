"""What may go wrong on the way: two at once, too fast, no response, no Redis, a worker that dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.control.driver import Driver
from app.control.errors import InOperation
from app.control.vonage_client import NotSent, Response, VonageClient
from app.domain.operations import Entry
from app.store import keys
from app.store.link import Command
from app.store.store import Store
from tests import engines
from tests.control.world import AGENT, CALLER, RINGS, World, world_of
from tests.engines import Engine
from vonage_simulator.voice_api.faults import Fault, FaultRule

SECOND = "447700900105"


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


def test_of_mute_and_unmute_at_once_the_later_number_wins_here_and_at_the_carrier(world: World) -> None:
    leg = world.caller()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda verb: world.act(leg, verb), ["mute", "unmute"] * 4))
    assert {response.status_code for response in found} == {200}
    last = max(
        (event["raw"] for event in world.events(leg) if event["kind"] == "action"), key=lambda raw: raw["sequence"]
    )
    assert world.control(leg)["muted"] == leg.muted == (last["verb"] == "mute")


def test_a_mute_that_takes_long_does_not_undo_a_later_unmute(world: World) -> None:
    leg = world.caller()
    with ThreadPoolExecutor(1) as pool, world.faults(FaultRule(fault="slow", verbs=("mute",), seconds=1.0)) as requests:
        muting = pool.submit(world.act, leg, "mute")
        world.until(requests)
        assert world.act(leg, "unmute").status_code == muting.result().status_code == 200
    assert (leg.muted, world.control(leg)["muted"]) == (False, False)


def test_what_vonage_refuses_as_too_fast_is_sent_again(world: World) -> None:
    leg = world.caller()
    with world.faults(FaultRule(fault="429", verbs=("mute",), count=1)) as requests:
        response = world.act(leg, "mute")
    assert response.status_code == 200, response.text
    assert [(request.verb, request.status) for request in requests()] == [("mute", 429), ("mute", 204)]
    assert leg.muted


def test_a_slow_vonage_is_waited_for_no_longer_than_a_few_seconds(world: World) -> None:
    """It was carried out all the same, and the webhook says so."""
    leg = world.caller()
    began = time.monotonic()
    with world.faults(FaultRule(fault="late", verbs=("hangup",), seconds=30.0)):
        response = world.act(leg, "hangup")
    assert time.monotonic() - began < 15, "five seconds, on a machine that is not busy"
    assert response.status_code in (200, 202), response.text
    world.known(leg, "completed")
    world.until(lambda: world.action(response.json["id"])["confirmed_by"] == "webhook")


@pytest.mark.parametrize(("fault", "moved"), [("lost", True), ("cut", False)])
def test_without_a_response_vonage_is_asked_what_became_of_a_move(world: World, fault: Fault, moved: bool) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    room = customer.conversation
    with world.faults(FaultRule(fault=fault, verbs=("transfer",))) as requests:
        response = world.act(customer, "hold")
        verbs = [request.verb for request in requests()]
    assert verbs == ["transfer", "get"], "it was looked up, and not sent again"
    assert (customer.conversation is not room) == moved
    assert response.status_code == (200 if moved else 502), response.text
    assert world.control(customer)["hold"] in (("holding", "held") if moved else (None,))


def test_what_became_of_a_move_is_looked_up_until_vonage_says_it(world: World) -> None:
    """Else nobody could ever say whether the leg is on hold."""
    _, customer = world.in_room(AGENT, CALLER)
    faults = FaultRule(fault="cut", verbs=("transfer",)), FaultRule(fault="503", verbs=("get",), count=1)
    more = FaultRule(fault="cut", verbs=("get",), first=2, count=1)
    with world.faults(*faults, more) as requests:
        response = world.act(customer, "hold")
        verbs = [request.verb for request in requests()]
    assert verbs == ["transfer", "get", "get", "get"]
    assert (response.status_code, response.json["action"]["state"]) == (502, "failed"), response.text
    assert world.control(customer)["hold"] is None


def test_who_is_left_alone_on_hold_is_hung_up_though_the_first_try_fails(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    assert world.act(customer, "hold").status_code == 200
    world.until(lambda: world.control(customer)["hold"] == "held")
    with world.faults(FaultRule(fault="cut", verbs=("hangup",), count=1)) as requests:
        world.do(lambda: world.carrier.people.hang_up(agent.uuid))
        world.until(lambda: customer.over)
    assert [request.verb for request in requests()] == ["hangup", "get", "hangup"]


def test_without_a_response_and_without_knowing_more_the_outcome_is_unknown(world: World) -> None:
    leg = world.caller()
    with world.faults(FaultRule(fault="cut")):
        response = world.act(leg, "mute")
    assert (response.status_code, response.json["title"]) == (504, "No response from Vonage")
    assert response.json["action"]["state"] == "unknown"
    assert world.control(leg)["muted"] is leg.muted is False


@pytest.mark.parametrize("fault", ["500", "503"])
def test_an_error_of_vonages_is_passed_on(world: World, fault: Fault) -> None:
    leg = world.caller()
    with world.faults(FaultRule(fault=fault, verbs=("mute",))):
        response = world.act(leg, "mute")
    assert response.status_code == 504, response.text
    assert response.json["action"]["vonage_status"] == int(fault)


@pytest.mark.parametrize("verb", ["hold", "resume"])
def test_after_an_error_of_vonages_a_leg_can_be_moved_again(
    world: World, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Whether Vonage can say later what became of it or not: nobody is on hold for ever."""
    monkeypatch.setattr("app.domain.leg_actions.CONFIRM_SECONDS", 0.2)
    _, customer = world.in_room(AGENT, CALLER)
    if verb == "resume":
        world.act(customer, "hold")
        world.until(lambda: world.control(customer)["hold"] == "held")
    with world.faults(FaultRule(fault="500")):  # the question what became of it, too
        unknown = world.act(customer, verb)
        assert (unknown.status_code, unknown.json["action"]["state"]) == (504, "unknown")
        world.until(lambda: world.control(customer)["moving"] is None)
    assert world.control(customer)["hold"] == ("holding" if verb == "hold" else "held")
    with world.faults(FaultRule(fault="500", verbs=("transfer",))) as requests:
        failed = world.act(customer, verb)
        assert [request.verb for request in requests()] == ["transfer", "get"], "it was looked up"
    assert (failed.status_code, failed.json["action"]["state"]) == (502, "failed")
    response = world.act(customer, verb)
    assert response.status_code == 200, response.text
    world.until(lambda: world.control(customer)["hold"] == ("held" if verb == "hold" else None))


@contextmanager
def before_it_is_kept(world: World, monkeypatch: pytest.MonkeyPatch, then: Callable[[], Any]) -> Iterator[list[Any]]:
    """Do *then* just before the next action or operation is kept; yields what it returned."""
    found: list[Any] = []
    real = Store.append

    def append(*args: Any, **more: Any) -> int | None:
        patch.undo()
        found.append(then())
        return real(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "append", append)
        yield found


HOLD, TRANSFER = "hold", "transfer"


@pytest.mark.parametrize("first", [HOLD, TRANSFER])
@pytest.mark.parametrize("second", [HOLD, TRANSFER])
def test_of_two_operators_who_move_legs_at_the_same_moment_one_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    agent, customer = world.in_room(AGENT, CALLER)

    def request(what: str) -> Any:
        if what == HOLD:
            return world.act(customer, "hold")
        return world.ask("POST", "/transfers", {"initiator_call": agent.uuid, "to": RINGS})

    with before_it_is_kept(world, monkeypatch, lambda: request(second)) as between:
        response = request(first)
    assert response.status_code in (200, 201), response.text
    assert between[0].status_code == 409, between[0].text
    assert between[0].json["title"] in ("Being moved already", "Part of a transfer or conference")


def test_a_leg_that_was_not_had_in_the_end_is_free_and_still_watched_over(world: World) -> None:
    """Of two legs the second one is in another transfer: nothing has changed for the first."""
    operations = world.services.control.operations
    agent, customer = world.in_room(AGENT, CALLER)
    done = world.ask("POST", "/transfers", {"initiator_call": agent.uuid, "to": SECOND, "flow": "blind"}).json["id"]
    world.until(lambda: world.ask("GET", f"/transfers/{done}").json["status"] == "ended")
    recipient = world.carrier.ledger.legs[world.ask("GET", f"/transfers/{done}").json["recipient_call"]]
    other, _ = world.in_room(AGENT, CALLER, room="another")
    rings = world.ask("POST", "/transfers", {"initiator_call": other.uuid, "to": RINGS}).json["id"]
    with pytest.raises(InOperation) as refused:
        operations.take([customer.uuid, other.uuid], "third")
    assert refused.value.operation == rings
    assert operations.holder_of(customer.uuid) is None
    assert operations.holder_of(other.uuid) == rings
    world.act(customer, "hangup")
    world.known(recipient, "completed")


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
    other = Driver(control.store, control.client, control.driver._sender._regions)
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
    drivers = [Driver(control.store, control.client, control.driver._sender._regions) for _ in range(4)]
    created = {"verb": "mute", "leg": leg.uuid, "conversation": leg.conversation.uuid, "by": "operator"}
    with sending(world, monkeypatch, lambda real, *_: real()) as sent:
        for number in range(5):
            entry = Entry("created", datetime.now(UTC), "created", "action", created)
            control.store.append(f"operation-{number}", [entry], due_in=60)
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda driver, number=number: driver.go_on(f"operation-{number}"), drivers))
        world.until(lambda: not world.open_operations())
    assert len(sent) == 5


def test_a_thread_that_slept_while_its_claim_ended_sends_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one goes on with the operation, be it in the same worker."""
    leg, control = world.caller(), world.services.control
    driver = Driver(control.store, control.client, control.driver._sender._regions)
    created = {"verb": "mute", "leg": leg.uuid, "conversation": leg.conversation.uuid, "by": "operator"}
    control.store.append("slept", [Entry("created", datetime.now(UTC), "created", "action", created)], due_in=60)
    slept, looked_up, over = threading.Event(), threading.Event(), threading.Event()

    def instead(_real: Any, method: str, *_: Any) -> Response:
        if method == "GET":
            looked_up.set()
            over.wait(60)
            return Response(404, {})
        slept.set()
        looked_up.wait(60)
        return Response(429, {})  # so it is to be sent again

    def go_on(until: threading.Event) -> None:
        while not until.is_set():  # Redis may be slow on a busy machine
            driver.go_on("slept")

    claim = keys.of("slept").claim(b"slept")
    with sending(world, monkeypatch, instead) as sent, ThreadPoolExecutor(2) as pool:
        monkeypatch.setattr("app.control.driver.LEASE_SECONDS", 60.0)
        first = pool.submit(go_on, slept)
        assert slept.wait(60)
        control.store._writer.send([Command(claim, ("DEL", claim))])
        second = pool.submit(go_on, looked_up)
        assert looked_up.wait(60)
        first.result(60)
        over.set()
        second.result(60)
    assert [method for method, _ in sent] == ["PUT", "GET"]


def test_what_is_not_kept_is_not_done(carrier_folder: Path) -> None:
    with engines.single() as engine, world_of(carrier_folder, engine.address.url) as world:
        leg = world.caller()
        engine.nodes[0].kill()
        response = world.act(leg, "mute")
        assert (response.status_code, response.json["title"]) == (503, "Store unavailable")
        assert not leg.muted


def test_without_credentials_the_settings_are_named(other_valkey: Engine, carrier_folder: Path) -> None:
    with world_of(carrier_folder, other_valkey.address.url, private_key=None) as world:
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


def test_a_connect_that_is_served_takes_a_turn_of_ours(
    other_valkey: Engine, carrier_folder: Path, tmp_path: Path
) -> None:
    """Vonage counts the calls that it places for a `connect`, too."""
    flows = tmp_path / "flows.yaml"
    connect = "{action: connect, from: '442079460000', endpoint: [{type: phone, number: '447700900102'}]}"
    flows.write_text(f"routes:\n  - flow: pair\nflows:\n  pair:\n    - {connect}\n")
    with world_of(carrier_folder, other_valkey.address.url, flows_file=flows) as world:
        world.caller(room=None)
        store = world.services.store
        world.until(lambda: store.answers_waiting == 0)
        turns = [store.take_turn("calls", 3, 0.0) for _ in range(3)]
    assert turns == [0, 0, None]


def test_a_leg_is_controlled_in_its_region(other_valkey: Engine, carrier_folder: Path) -> None:
    """The answer webhook names the region; a leg of which that is not known is found by trying."""
    with world_of(carrier_folder, other_valkey.address.url, carrier={"regions": ("eu-west", "na-east")}) as world:
        caller = world.caller(region="na-east")
        requests = world.requests_from_now()
        assert world.act(caller, "mute").status_code == 200
        assert caller.muted
        assert [request.status for request in requests()] == [204], "straight to its region"
        body = {"to": {"type": "phone", "number": AGENT}, "ncco": [{"action": "conversation", "name": "room"}]}
        placed = world.created(world.ask("POST", "/calls", body | {"region": world.hosts[1]}))
        world.known(placed, "answered")
        requests = world.requests_from_now()
        assert world.act(placed, "mute").status_code == 200
        assert placed.muted
        assert [request.status for request in requests()] == [404, 204]


def test_all_workers_together_keep_to_the_limits(other_valkey: Engine, carrier_folder: Path) -> None:
    """Three calls and fifteen other requests a second.

    Of fifty at once the carrier would refuse most. It refuses a few, for on a busy machine some are late and come
    together with the next ones; these are sent again, and all are done.
    """
    limits = {"application": {"calls_per_second": 3}, "other_requests_per_second": 15, "speed": 1.0}
    with world_of(carrier_folder, other_valkey.address.url, carrier=limits) as world:
        leg = world.caller()
        control = world.services.control
        second = Driver(control.store, control.client, control.driver._sender._regions)
        second._thread.start()
        with ThreadPoolExecutor(12) as pool:
            found = list(pool.map(lambda number: world.act(leg, ("mute", "unmute")[number % 2]), range(40)))
            body = {"to": {"type": "phone", "number": AGENT}, "ncco": [{"action": "conversation", "name": "room"}]}
            found += pool.map(lambda _: world.ask("POST", "/calls", body), range(9))
        assert [response.text for response in found if response.status_code not in (200, 201, 202)] == []
        world.until(lambda: not [id_ for id_ in world.open_operations() if not world.has_result(id_)])
        second.stop()
        assert world.carrier.ledger.throttled < 10
        results = [world.action(response.json["id"])["state"] for response in found]
        assert set(results) == {"confirmed"}
