"""What can be done to one leg, with the carrier at the other side."""

from __future__ import annotations

from typing import Any

import pytest

from app.control.vonage_client import NotSent, VonageClient
from tests.api.site import OPERATOR, VIEWER
from tests.control.world import AGENT, BUSY, CALLER, NUMBER, RINGS, World
from vonage_simulator.voice_api.faults import FaultRule


def confirmed(response: Any) -> Any:
    """The action of a response that says that it is done."""
    assert response.status_code == 200, response.text
    assert (response.json["state"], response.json["confirmed_by"]) == ("confirmed", "reply"), response.text
    return response.json


@pytest.mark.parametrize(
    ("verb", "back", "name", "of_carrier"),
    [("mute", "unmute", "muted", "muted"), ("earmuff", "unearmuff", "earmuffed", "earmuffed")],
)
def test_a_leg_is_not_heard_or_hears_nobody_and_that_ends(
    world: World, verb: str, back: str, name: str, of_carrier: str
) -> None:
    leg = world.caller()
    confirmed(world.act(leg, verb))
    assert getattr(leg, of_carrier)
    assert world.control(leg)[name] is True
    confirmed(world.act(leg, back))
    assert not getattr(leg, of_carrier)
    assert world.control(leg)[name] is False


def test_a_leg_is_hung_up_and_its_end_confirms_that(world: World) -> None:
    leg = world.caller()
    response = world.act(leg, "hangup")
    assert response.status_code == 200, response.text
    world.known(leg, "completed")
    found = world.action(response.json["id"])
    assert (found["state"], found["confirmed_by"]) == ("confirmed", "webhook")
    assert leg.disconnected_by == "platform"


def test_to_hang_up_twice_is_no_error(world: World) -> None:
    leg = world.caller()
    first, second = world.act(leg, "hangup"), world.act(leg, "hangup")
    assert (first.status_code, second.status_code) == (200, 200)
    world.known(leg, "completed")
    third = world.act(leg, "hangup")
    assert (third.status_code, third.json["state"], third.json["id"]) == (200, "confirmed", "")


def test_what_is_said_and_played_is_known_and_stopped(world: World) -> None:
    leg = world.caller()
    for verb, body in (("talk", {"text": "You are first.", "loop": 0}), ("stream", {"url": "https://a.example/b.mp3"})):
        confirmed(world.act(leg, verb, body))
        assert world.control(leg)["playing"] == verb
        confirmed(world.act(leg, f"{verb}/stop"))
        assert world.control(leg)["playing"] is None
    confirmed(world.act(leg, "dtmf", {"digits": "12p#"}))


def test_each_key_becomes_an_event_of_its_own(world: World) -> None:
    leg = world.caller()
    confirmed(world.act(leg, "listen"))
    assert world.control(leg)["listening"] is True
    confirmed(world.act(leg, "listen/stop"))
    assert world.control(leg)["listening"] is False


def test_a_leg_goes_on_with_another_script(world: World) -> None:
    leg = world.caller()
    room = leg.conversation
    response = world.act(leg, "transfer", {"ncco": [{"action": "conversation", "name": "elsewhere"}]})
    assert response.status_code == 200, response.text
    world.until(lambda: world.is_in(leg, "elsewhere"))
    assert leg.conversation is not room
    assert world.action(response.json["id"])["confirmed_by"] == "webhook"
    assert world.control(leg)["moving"] is None


def test_a_leg_goes_on_with_a_flow(world: World) -> None:
    leg = world.caller()
    response = world.act(leg, "transfer", {"flow": "goodbye"})
    assert response.status_code == 200, response.text
    assert response.json["arguments"]["ncco"] == [{"action": "talk", "text": "Goodbye."}]
    world.known(leg, "completed")  # its script is over


def test_a_transferred_leg_is_not_muted_any_more(world: World) -> None:
    leg = world.caller()
    confirmed(world.act(leg, "mute"))
    world.act(leg, "transfer", {"ncco": [{"action": "conversation", "name": "elsewhere"}]})
    world.until(lambda: world.is_in(leg, "elsewhere"))
    assert world.control(leg)["muted"] is leg.muted is False


def test_a_call_is_placed_and_known_at_once(world: World) -> None:
    body = {"to": {"type": "phone", "number": AGENT}, "from": NUMBER, "flow": "room", "ringing_timer": 20}
    response = world.ask("POST", "/calls", body)
    leg = world.created(response)
    assert (response.json["state"], response.json["leg"]) == ("confirmed", leg.uuid)
    assert world.ask("GET", f"/legs/{leg.uuid}").status_code == 200
    world.known(leg, "answered")
    assert (leg.to, leg.from_) == (AGENT, NUMBER)
    world.until(lambda: leg.conversation.name == "room")


@pytest.mark.parametrize(
    "to",
    [
        {"type": "sip", "uri": "sip:alice@example.com"},
        {"type": "app", "user": "Alice"},
        {"type": "websocket", "uri": "wss://example.com/socket", "content-type": "audio/l16;rate=16000"},
        {"type": "vbc", "extension": "123"},
    ],
    ids=lambda to: to["type"],
)
def test_a_call_is_placed_to_every_kind_of_endpoint(world: World, to: dict[str, Any]) -> None:
    body = {"to": to, "from": NUMBER, "ncco": [{"action": "conversation", "name": "room"}]}
    leg = world.created(world.ask("POST", "/calls", body))
    assert leg.endpoint == to["type"]
    world.known(leg, "answered")


def test_a_call_to_somebody_who_is_busy_ends_as_busy(world: World) -> None:
    body = {"to": {"type": "phone", "number": BUSY}, "ncco": [{"action": "talk", "text": "Hello."}]}
    leg = world.created(world.ask("POST", "/calls", body))
    world.known(leg, "completed")
    assert world.ask("GET", f"/legs/{leg.uuid}").json["outcome"] == "busy"


def test_what_was_done_is_among_the_events_with_who_did_it(world: World) -> None:
    leg = world.caller()
    id_ = confirmed(world.act(leg, "mute"))["id"]
    call = world.ask("GET", f"/legs/{leg.uuid}").json
    events = world.ask("GET", f"/calls/{call['uuid']}/events").json["items"]
    found = {event["kind"]: event["raw"] for event in events if event["kind"].startswith("action")}
    assert found["action"]["verb"] == "mute"
    assert found["action"]["by"].startswith("operator ")
    assert found["action_result"] | {"action": id_, "result": "done", "status": 204} == found["action_result"]


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("talk", {}, "text"),
        ("talk", {"text": "x" * 1501}, "text"),
        ("talk", {"text": "x", "level": 2}, "level"),
        ("stream", {"url": "ftp://a.example/b"}, "url"),
        ("dtmf", {"digits": "1a"}, "digits"),
        ("transfer", {}, "ncco"),
        ("transfer", {"ncco": [], "flow": "room"}, "ncco"),
        ("transfer", {"flow": "room", "ncco": [{"action": "talk", "text": "x"}]}, "ncco"),
        ("hangup", {"why": "x"}, "why"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_sent(world: World, path: str, body: Any, wrong: str) -> None:
    leg = world.caller()
    response = world.act(leg, path, body)
    assert response.status_code == 422
    assert wrong in response.json["errors"], response.text
    assert not leg.moves[1:]


@pytest.mark.parametrize(
    "ncco",
    [
        [{"action": "talk"}],
        [{"action": "dance"}],
        [{"action": "conversation", "name": "a", "mute": True, "canSpeak": []}],
        [{"action": "connect", "endpoint": [{"type": "phone", "number": "12"}]}],
    ],
)
def test_an_ncco_that_vonage_would_refuse_is_not_sent(world: World, ncco: Any) -> None:
    leg = world.caller()
    response = world.act(leg, "transfer", {"ncco": ncco})
    assert (response.status_code, response.json["title"]) == (422, "NCCO refused")
    assert "[0]" in response.json["detail"]


def test_an_ncco_is_a_list(world: World) -> None:
    """Vonage/vonage-node-sdk issue 986"""
    requests = world.requests_from_now()
    response = world.act(world.caller(), "transfer", {"ncco": {"action": "talk", "text": "Goodbye."}})
    assert (response.status_code, list(response.json["errors"])) == (422, ["ncco"])
    assert requests() == []


def test_an_unknown_leg_or_flow_is_named(world: World) -> None:
    assert world.act("none", "mute").status_code == 404
    response = world.act(world.caller(), "transfer", {"flow": "none"})
    assert (response.status_code, response.json["detail"]) == (422, "There is no flow none.")


def test_nothing_is_done_to_a_leg_that_has_ended(world: World) -> None:
    leg = world.caller()
    world.act(leg, "hangup")
    world.known(leg, "completed")
    for verb, body in (("mute", {}), ("hold", {}), ("talk", {"text": "x"})):
        response = world.act(leg, verb, body)
        assert (response.status_code, response.json["title"]) == (409, "Leg ended")


def test_viewers_do_not_act_but_see_what_was_done(world: World) -> None:
    leg = world.caller()
    response = world.ask("POST", f"/legs/{leg.uuid}/mute", {}, token=VIEWER)
    assert response.status_code == 403
    assert not leg.muted
    id_ = confirmed(world.act(leg, "mute"))["id"]
    assert world.ask("GET", f"/actions/{id_}", token=VIEWER).json["state"] == "confirmed"


def test_who_is_not_answered_yet_cannot_be_moved_and_vonages_words_are_passed_on(world: World) -> None:
    """The carrier refuses it with 400; a leg that has only just begun is tried once more."""
    body = {"to": {"type": "phone", "number": RINGS}, "ncco": [{"action": "conversation", "name": "room"}]}
    leg = world.created(world.ask("POST", "/calls", body))
    response = world.act(leg, "transfer", {"flow": "goodbye"})
    assert response.status_code == 409, response.text
    assert response.json["title"] == "Refused by Vonage"
    assert response.json["action"]["vonage_status"] == 400
    assert world.control(leg)["moving"] is None


def test_in_a_pair_hold_is_weak_and_moves_nobody(world: World) -> None:
    caller, callee = world.pair()
    response = world.act(callee, "hold")
    assert response.status_code == 200, response.text
    assert response.json["confirmed_by"] == "reply"
    assert (callee.muted, callee.earmuffed) == (True, True)
    assert world.control(callee)["hold"] == "weak"
    call = f"/calls/{caller.uuid}"
    assert world.ask("GET", call).json["phase"] == "on_hold"
    assert callee.conversation is caller.conversation
    assert world.act(callee, "resume").status_code == 200
    assert (callee.muted, callee.earmuffed) == (False, False)
    assert world.control(callee)["hold"] is None
    assert world.ask("GET", call).json["phase"] == "talking"


def test_who_could_be_put_on_hold_only_by_half_is_heard_again(world: World) -> None:
    _, callee = world.pair()
    with world.faults(FaultRule(fault="400", verbs=("earmuff",))):
        response = world.act(callee, "hold")
    assert response.status_code == 409, response.text
    world.until(lambda: not callee.muted)
    assert (callee.muted, callee.earmuffed) == (False, False)
    control = world.control(callee)
    assert (control["hold"], control["muted"]) == (None, False)


def test_who_is_muted_and_weakly_on_hold_is_muted_after_it(world: World) -> None:
    _, callee = world.pair()
    world.act(callee, "mute")
    for verb, deaf in (("hold", True), ("resume", False)):
        assert world.act(callee, verb).status_code == 200
        assert (callee.muted, callee.earmuffed) == (True, deaf)
        assert world.control(callee)["muted"] is True


@pytest.mark.parametrize("path", ["/calls", "/transfers", "/conferences"])
def test_json_that_is_nested_too_deeply_is_no_fault_of_the_server(world: World, path: str) -> None:
    body, headers = "[" * 30_000 + "]" * 30_000, {"Authorization": f"Bearer {OPERATOR}"}
    client = world.app.test_client()
    response = client.post(f"/api/v1{path}", data=body, headers=headers, content_type="application/json")
    assert (response.status_code, response.json["title"]) == (400, "Bad body")


@pytest.mark.parametrize("region", ["evil.example", "", "api.nexmo.com@evil.example"])
def test_a_region_that_is_no_setting_gets_neither_call_nor_token(
    world: World, monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(VonageClient, "_send", lambda _self, _method, _path, _body, host: sent.append(host))
    body = {"to": {"type": "phone", "number": AGENT}, "ncco": [{"action": "talk", "text": "x"}], "region": region}
    response = world.ask("POST", "/calls", body)
    assert (response.status_code, sent) == (422, []), response.text
    assert "region" in response.json["detail"]


def test_no_host_that_is_not_a_setting_gets_the_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VonageClient, "_send", lambda *_: pytest.fail("it was sent"))
    with pytest.raises(NotSent, match=r"evil\.example"):
        world.services.control.client.send("evil.example", "POST", "/v1/calls", {})


def test_viewers_see_no_whole_number_in_what_was_done(world: World) -> None:
    agent, _ = world.in_room(AGENT, CALLER)
    ncco = [{"action": "talk", "text": f"Call {CALLER}."}]
    placed = world.ask("POST", "/calls", {"to": {"type": "phone", "number": AGENT}, "ncco": ncco, "from": NUMBER})
    begun = world.ask("POST", "/transfers", {"initiator_call": agent.uuid, "to": RINGS})
    for path in (f"/actions/{placed.json['id']}", f"/transfers/{begun.json['id']}", "/transfers"):
        shown = world.ask("GET", path, token=VIEWER).text
        assert not [number for number in (AGENT, CALLER, NUMBER, RINGS) if number in shown], shown
        whole = world.ask("GET", path).text
        assert AGENT in whole or RINGS in whole, "operators see whole ones"
    assert begun.json["id"] in world.ask("GET", "/transfers", token=VIEWER).text
    assert agent.uuid in shown
