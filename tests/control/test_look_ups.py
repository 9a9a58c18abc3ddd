"""Calls of which webhooks were lost are set right by what Vonage's API says of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.control.look_ups import LookUps
from app.control.regions import Regions
from app.domain.call_object import UNKNOWN
from tests.api.site import OPERATOR
from tests.control.test_room_calls import ALONE, FLOWS, call_of, calls
from tests.control.world import AGENT, CALLER, World, world_of
from tests.engines import Engine
from vonage_simulator.delivery.fault_plan import FaultPlan
from vonage_simulator.delivery.sent import Sent
from vonage_simulator.ledger import Leg
from vonage_simulator.voice_api.faults import FaultRule

PRESUMED = timedelta(hours=2)
LOST = FaultPlan({"lose": 1.0})
TO_ROOM = {"ncco": [{"action": "conversation", "name": "room"}]}


@contextmanager
def lost_webhooks(world: World, field: str = "uuid") -> Iterator[None]:
    """No webhook of an event that has this field arrives."""
    sender = world.carrier.sender
    send, usual = sender.send, sender._faults

    def sent(target: Any, body: Any, **more: Any) -> Any:
        sender._faults = LOST if field in body else usual
        try:
            return send(target, body, **more)
        finally:
            sender._faults = usual

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sender, "send", sent)
        yield


@pytest.fixture
def look_ups(world: World) -> LookUps:
    """Those of a worker that has just started; they ask when the test says so."""
    control = world.services.control
    made = LookUps(control.store, control.client, Regions(control.store, control.client), PRESUMED)
    control.store.end_look_ups(world.services.look_ups._holder)
    return made


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def ask(look_ups: LookUps, now: datetime) -> None:
    """Ask about all that there is to be asked about."""
    assert look_ups.ask_next(now)
    while look_ups._waiting:
        assert look_ups.ask_next(now)


def gone(world: World, leg: Leg) -> None:
    """The far end hangs up, and all webhooks of that are lost."""
    with lost_webhooks(world):
        world.do(lambda: world.carrier.people.hang_up(leg.uuid))
        world.until(lambda: [sent for sent in world.carrier.sender.sent if is_end_of(sent, leg) and sent.over.is_set()])


def is_end_of(sent: Sent, leg: Leg) -> bool:
    return sent.leg == leg.uuid and sent.body.get("status") == "completed"


def leg_json(world: World, leg: Leg) -> Any:
    return world.ask("GET", f"/legs/{leg.uuid}").json


def test_an_end_that_no_webhook_brought_is_found_after_a_restart(world: World, look_ups: LookUps) -> None:
    caller = world.caller()
    gone(world, caller)
    assert leg_json(world, caller)["state"] == "answered"
    ask(look_ups, later(0))
    found = leg_json(world, caller)
    assert (found["state"], found["outcome"], found["price"]) == (
        "completed",
        "answered",
        caller.bill and caller.bill.price,
    )
    (said,) = (event for event in world.events(caller) if "looked_up" in event["flags"])
    assert (said["status"], said["lag_ms"]) == ("completed", None)
    assert world.ask("GET", "/conversations?state=live").json["items"] == []
    page = world.app.test_client().get(f"/calls/{caller.uuid}", headers={"Authorization": f"Bearer {OPERATOR}"})
    assert "from Vonage&#39;s API, no webhook" in page.text


def test_a_silent_call_is_asked_about_ever_more_seldom(world: World, look_ups: LookUps) -> None:
    world.caller()
    ask(look_ups, later(0))  # as after each restart
    requests = world.requests_from_now()
    asked = []
    for minute in range(1, 112):
        before = len(requests())
        ask(look_ups, later(60 * minute))
        asked += [minute] if len(requests()) > before else []
    assert asked == [5, 10, 20, 40, 80, 108]


def test_a_call_that_goes_on_is_not_presumed_to_have_ended(world: World, look_ups: LookUps) -> None:
    caller = world.caller()
    ask(look_ups, later(0))
    ask(look_ups, later(6600))
    (said,) = (event for event in world.events(caller) if "looked_up" in event["flags"])
    assert said["status"] == "answered"
    assert leg_json(world, caller)["state"] == "answered"


def test_one_worker_asks_for_all(world: World, look_ups: LookUps) -> None:
    control = world.services.control
    other = LookUps(control.store, control.client, Regions(control.store, control.client), PRESUMED)
    world.caller()
    requests = world.requests_from_now()
    for each in (look_ups, other, look_ups, other):
        ask(each, later(0))
    assert len(requests()) == 1
    look_ups.stop()
    ask(other, later(0))
    assert len(requests()) == 2


def test_what_vonage_does_not_say_is_asked_again(world: World, look_ups: LookUps) -> None:
    caller = world.caller()
    gone(world, caller)
    with world.faults(FaultRule(fault="503", verbs=("get",))):
        assert not look_ups.ask_next(later(0))
        assert leg_json(world, caller)["state"] == "answered"
    ask(look_ups, later(0))
    assert leg_json(world, caller)["state"] == "completed"


def test_a_call_that_no_region_knows_is_said_to_be_unknown_and_over_if_it_was_to_be_hung_up(
    world: World, look_ups: LookUps
) -> None:
    caller, other = world.caller(), world.caller(from_=AGENT)
    for leg in (caller, other):
        gone(world, leg)
        world.do(partial(world.carrier.ledger.legs.pop, leg.uuid))  # as after its time, or of a carrier that died
    world.act(other, "hangup")
    assert world.control(other)["hangup_requested"] is True
    ask(look_ups, later(0))
    assert leg_json(world, caller)["state"] == "answered"
    assert [error["reason"] for error in call_of(world, caller)["errors"]] == [UNKNOWN]
    assert leg_json(world, other)["state"] == "completed"
    assert world.control(other)["hangup_requested"] is False


def test_what_an_operation_waited_for_in_vain_is_asked_about_at_once(world: World) -> None:
    caller, _ = world.in_room(CALLER, AGENT)
    own = world.services.look_ups
    with lost_webhooks(world):
        world.act(caller, "hangup")
        world.until(lambda: caller.uuid in own._doubted)
        assert leg_json(world, caller)["state"] == "answered"
        while own._doubted:
            assert own.ask_next(later(0))
    assert leg_json(world, caller)["state"] == "completed"


def test_a_caller_who_came_into_the_room_unheard_gets_the_user_rung_at_once(
    other_valkey: Engine, carrier_folder: Path
) -> None:
    carrier = {"application": {"calls_per_second": None}}
    with world_of(carrier_folder, other_valkey.address.url, carrier=carrier, flows_file=FLOWS) as rooms:
        control = rooms.services.control
        with lost_webhooks(rooms, "conversation_uuid_to"):
            caller = calls(rooms, ALONE)
            rooms.until(lambda: (caller.conversation.name or "").startswith("call-"))
            assert not [leg for leg in rooms.legs() if leg.to == "Alice"]
            look_ups = LookUps(control.store, control.client, Regions(control.store, control.client), PRESUMED)
            control.store.end_look_ups(rooms.services.look_ups._holder)
            ask(look_ups, later(0))
        rooms.until(lambda: call_of(rooms, caller)["phase"] == "talking", 20)


def test_a_call_is_found_in_another_region_than_the_usual_one(other_valkey: Engine, carrier_folder: Path) -> None:
    carrier = {"regions": ("eu-west", "na-east")}
    with world_of(carrier_folder, other_valkey.address.url, carrier=carrier) as world:
        caller = world.caller(region="na-east")
        agent = world.created(
            world.ask("POST", "/calls", {**TO_ROOM, "to": {"type": "phone", "number": AGENT}, "region": world.hosts[1]})
        )
        world.known(agent, "answered")
        for leg in (caller, agent):
            gone(world, leg)
        requests = world.requests_from_now()
        world.services.look_ups.start()  # its own thread, as in a worker
        for leg in (caller, agent):
            world.known(leg, "completed")
        world.services.look_ups.stop()
        # The answer webhook named the caller's region; of the agent's leg, which we placed, nothing does.
        assert len(requests()) == 3
