"""Hold and resume: music, mute, and nobody who is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.events import Transfer
from app.store.apart import goes_first
from app.store.store import Store
from tests.control.world import AGENT, CALLER, World
from vonage_simulator.voice_api.faults import FaultRule


def test_who_is_on_hold_hears_music_elsewhere_until_that_is_confirmed_and_resumed(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    room = customer.conversation
    response = world.act(customer, "hold")
    assert response.status_code == 200, response.text
    assert response.json["state"] in ("accepted", "confirmed")
    world.until(lambda: world.control(customer)["hold"] == "held")
    assert customer.conversation is not room
    assert world.action(response.json["id"])["confirmed_by"] == "webhook"
    assert world.control(customer)["held_by"].startswith("operator ")
    assert world.act(customer, "resume").status_code == 200
    world.until(lambda: customer.conversation is room)
    world.until(lambda: world.control(customer) | {"hold": None, "moving": None} == world.control(customer))
    assert not agent.over


def test_what_a_hold_reads_goes_before_what_others_only_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    went_first: list[bool] = []
    read = Store.leg_history

    def noted(store: Store, uuid: str) -> Any:
        went_first.append(goes_first.get())
        return read(store, uuid)

    agent, customer = world.in_room(AGENT, CALLER)
    world.known(agent, "answered")
    room = customer.conversation
    monkeypatch.setattr(Store, "leg_history", noted)
    assert world.act(customer, "hold").status_code == 200
    world.until(lambda: customer.conversation is not room)
    assert went_first, "the action and its operation read the leg"
    assert all(went_first)
    went_first.clear()
    assert world.ask("GET", f"/legs/{customer.uuid}").status_code == 200
    assert went_first
    assert not any(went_first)


def test_mute_survives_hold_and_is_set_again_after_it(world: World) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    room = customer.conversation
    for verb in ("mute", "earmuff"):
        assert world.act(customer, verb).status_code == 200
    assert world.act(customer, "hold").status_code == 200
    world.until(lambda: world.control(customer)["hold"] == "held")
    assert world.control(customer)["muted"] is True
    assert world.act(customer, "resume").status_code == 200
    world.until(lambda: customer.conversation is room and customer.muted and customer.earmuffed)
    world.until(lambda: world.control(customer)["earmuffed"] and world.control(customer)["muted"])


def test_who_was_unmuted_while_on_hold_comes_back_unmuted(world: World) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    room = customer.conversation
    world.act(customer, "mute")
    world.act(customer, "hold")
    world.until(lambda: world.control(customer)["hold"] == "held")
    assert world.act(customer, "unmute").status_code == 200
    assert world.act(customer, "resume").status_code == 200
    world.until(lambda: customer.conversation is room and world.control(customer)["hold"] is None)
    assert (customer.muted, world.control(customer)["muted"]) == (False, False)


def test_who_is_on_hold_is_hung_up_once_the_holder_has(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    world.act(customer, "hold")
    world.until(lambda: world.control(customer)["hold"] == "held")
    assert world.act(agent, "hangup").status_code == 200
    world.known(customer, "completed")
    assert customer.disconnected_by == "platform"


def test_who_was_resumed_stays_though_the_former_holder_hangs_up(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    world.act(customer, "hold")
    world.until(lambda: world.control(customer)["hold"] == "held")
    world.act(customer, "resume")
    world.until(lambda: world.is_in(customer, world.room) and world.control(customer)["hold"] is None)
    world.act(agent, "hangup")
    world.known(agent, "completed")
    world.until(lambda: not world.open_operations())
    assert not customer.over


def test_to_hold_twice_or_to_resume_who_is_not_on_hold_is_refused(world: World) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    assert world.act(customer, "resume").status_code == 409
    world.act(customer, "hold")
    world.until(lambda: world.control(customer)["hold"] == "held")
    response = world.act(customer, "hold")
    assert (response.status_code, response.json["title"]) == (409, "Not in a state for it")


def test_who_is_in_no_room_is_not_put_on_hold(world: World) -> None:
    leg = world.caller()
    world.act(leg, "transfer", {"ncco": [{"action": "talk", "text": "Please wait.", "loop": 0}]})
    world.until(lambda: world.control(leg)["moving"] is None)
    response = world.act(leg, "hold")
    assert response.status_code == 409
    assert "in no room" in response.json["detail"]


def test_a_recording_goes_on_while_somebody_is_on_hold(world: World) -> None:
    """One file, without the music. signalwire/freeswitch issues 248 and 980"""
    agent, customer = world.in_room(AGENT, CALLER)
    room = customer.conversation

    def records(action: str) -> None:
        response = world.ask("POST", f"/conversations/{room.uuid}/record", {"action": action})
        assert response.status_code == 200, response.text

    records("start")
    recording = room.recording
    world.act(customer, "hold")
    world.until(lambda: world.control(customer)["hold"] == "held")
    assert customer.conversation.recording is None
    assert room.recording is recording is not None
    world.act(customer, "resume")
    world.until(lambda: agent.hears(customer))
    assert room.recording is recording
    records("stop")
    world.until(lambda: len(world.ask("GET", f"/conversations/{room.uuid}").json["recordings"]) == 1)


def test_the_music_is_a_sound_that_vonage_can_fetch(world: World) -> None:
    response = world.app.test_client().get("/static/sound/hold.wav")
    assert (response.status_code, response.content_type) == (200, "audio/wav")
    assert response.data[:4] == b"RIFF"
    assert response.headers["Cache-Control"] == "public, max-age=86400"


def test_a_conversation_of_many_loses_one_to_hold_and_the_rest_go_on(world: World) -> None:
    first, second, third = world.in_room(AGENT, CALLER, "447700900104")
    world.act(second, "hold")
    world.until(lambda: world.control(second)["hold"] == "held")
    assert first.hears(third)
    assert not first.hears(second)
    world.act(first, "hangup")
    world.known(first, "completed")
    assert not second.over, "the third can resume the call"
    assert world.act(second, "resume").status_code == 200
    world.until(lambda: third.hears(second))


def test_a_transfer_that_vonage_refused_leads_nowhere(world: World) -> None:
    """The leg comes back from hold to where it was, and not to the room of the transfer, where nobody is."""
    agent, customer = world.in_room(AGENT, CALLER)
    ncco = [{"action": "conversation", "name": "elsewhere"}]
    with world.faults(FaultRule(fault="400", verbs=("transfer",))):
        assert world.act(customer, "transfer", {"ncco": ncco}).status_code == 409
    assert world.act(customer, "hold").status_code == 200
    world.until(lambda: world.control(customer)["hold"] == "held")
    assert world.act(customer, "resume").status_code == 200
    world.until(lambda: customer.hears(agent))


def test_a_leg_that_is_held_again_before_its_return_is_reported_is_not_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes back to the room by way of another conversation; the webhook of the second move is late."""
    agent, customer = world.in_room(AGENT, CALLER, room="late")
    assert world.act(customer, "hold").status_code == 200
    world.until(lambda: world.control(customer)["hold"] == "held")
    store, room = world.services.store, agent.conversation.uuid
    record, late = type(store).record, list[Any]()

    def kept_later(self: Any, event: Any, *args: Any, **more: Any) -> bool:
        if isinstance(event, Transfer) and event.leg == customer.uuid and event.joined == room:
            late.append(lambda: record(self, event, *args, **more))
            return True
        return record(self, event, *args, **more)

    monkeypatch.setattr(type(store), "record", kept_later)
    assert world.act(customer, "resume").status_code == 200
    world.until(lambda: late and customer.hears(agent))
    assert world.act(customer, "hold").status_code == 200
    world.until(lambda: not customer.hears(agent))
    monkeypatch.undo()
    for keep in late:
        keep()
    world.until(lambda: world.control(customer)["hold"] == "held")
    world.do(lambda: world.carrier.people.hang_up(agent.uuid))
    world.known(customer, "completed")
