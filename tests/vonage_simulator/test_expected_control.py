"""What the API should say of how legs are controlled, and of who is in a conference."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vonage_simulator import ledgers
from tests.vonage_simulator.checking import HERE, verdict
from tests.vonage_simulator.checking import Server as FakeServer
from tests.vonage_simulator.ledgers import at, kept, sent, webhooks
from vonage_simulator.ledger import ApiRequest, Conversation, Ledger, Leg, Move, Played, Room
from vonage_simulator.verify.differences import OneOf
from vonage_simulator.verify.expected_control import (
    EITHER,
    UNTOUCHED,
    conference_differences,
    early,
    expected_controls,
)


def world() -> tuple[Ledger, Conversation, Leg]:
    """A leg in a room."""
    room = Conversation(uuid=HERE, name="room", room=Room())
    leg = ledgers.leg(room, started=0, answered=1)
    leg.stays.begin(HERE, at(0))
    room.present[leg.uuid] = leg
    return Ledger(legs={leg.uuid: leg}, conversations={HERE: room}), room, leg


def requested(ledger: Ledger, verb: str, seconds: float, status: int | None = 204) -> None:
    ledger.requests.append(ApiRequest(at=at(seconds), verb=verb, about="leg", status=status))


def put_on_hold(ledger: Ledger, leg: Leg, seconds: float) -> None:
    requested(ledger, "transfer", seconds)
    music = Conversation(uuid="CON-music", legs={leg.uuid: leg}, present={leg.uuid: leg})
    ledger.conversations[music.uuid] = music
    del leg.conversation.present[leg.uuid]
    leg.stays.end(at(seconds))
    leg.stays.begin(music.uuid, at(seconds))
    leg.moves.append(Move(at(seconds), HERE, music.uuid))
    leg.conversation = music
    leg.played.begin(Played("stream", "https://example.com/music.mp3", True, "script"), at(seconds))


def test_what_a_script_does_is_no_control_of_the_servers() -> None:
    ledger, _, leg = world()
    leg.muted = True
    assert expected_controls(ledger) == {"leg": UNTOUCHED}
    requested(ledger, "mute", 3)
    assert expected_controls(ledger)["leg"] == UNTOUCHED | {"muted": True}


def test_after_a_lost_response_nobody_can_say_until_the_next_one_or_a_move() -> None:
    ledger, _, leg = world()
    requested(ledger, "mute", 3, None)
    assert expected_controls(ledger)["leg"] == UNTOUCHED | {"muted": EITHER}
    requested(ledger, "unmute", 4)
    assert expected_controls(ledger)["leg"] == UNTOUCHED
    requested(ledger, "earmuff", 5, None)
    leg.moves.append(Move(at(6), "CON-elsewhere", HERE))
    assert expected_controls(ledger)["leg"] == UNTOUCHED


def test_who_is_on_hold_is_held_until_it_ends() -> None:
    ledger, _, leg = world()
    put_on_hold(ledger, leg, 5)
    held = {"muted": EITHER, "earmuffed": EITHER, "hold": "held"}
    assert expected_controls(ledger)["leg"] == held
    leg.times["completed"] = at(9)
    leg.stays.end(at(9))
    assert expected_controls(ledger)["leg"] == held | {"hold": None}


def test_who_is_muted_and_earmuffed_in_a_pair_may_be_on_hold_and_neither_when_it_comes_back() -> None:
    ledger, pair, leg = world()
    pair.name, leg.muted, leg.earmuffed = None, True, True
    for seconds, verb in ((3, "mute"), (4, "earmuff")):
        requested(ledger, verb, seconds)
    assert expected_controls(ledger)["leg"] == {
        "muted": EITHER,
        "earmuffed": EITHER,
        "hold": OneOf((None, "weak")),
    }
    leg.times["completed"] = at(9)
    assert expected_controls(ledger)["leg"] == {"muted": EITHER, "earmuffed": EITHER, "hold": None}
    leg.earmuffed = False
    assert expected_controls(ledger)["leg"] == UNTOUCHED | {"muted": True}


def test_the_check_compares_controls_and_leaves_out_what_the_server_did() -> None:
    ledger, room, _ = world()
    requested(ledger, "mute", 3)
    server, sents = FakeServer([room]), [sent(body) for body in webhooks(room)]
    server.keep(*kept(webhooks(room)), {"kind": "action", "leg": "leg", "raw": {"verb": "mute"}, "flags": []})
    (shown,) = server.views[HERE]["legs"]
    shown["control"] = UNTOUCHED | {"hold_by": None}
    assert verdict(server, [room], sents, controls=expected_controls(ledger)).ok
    shown["control"] = UNTOUCHED | {"muted": True}
    found = verdict(server, [room], sents, controls=expected_controls(ledger))
    assert [str(difference) for _, difference in found.found] == ["leg leg control.muted: expected false, got true"]


def conference(status: str, room: str | None = HERE, *, finished: bool = False) -> dict[str, Any]:
    members = [{"call_id": "leg", "status": status}]
    return {"conference_id": "one", "members": members, "conversation_uuid": room, "finished": finished}


@pytest.mark.parametrize(
    ("view", "wrong"),
    [
        (conference("joined"), []),
        (conference("left"), ["conference one leg leg: expected joined, got left"]),
        (conference("joined", None), ["conference one leg leg: expected not in the room, got joined"]),
        (conference("left", finished=True), ["conference one finished: expected nobody in its room, got ['leg']"]),
    ],
)
def test_who_has_joined_is_in_the_room(view: dict[str, Any], wrong: list[str]) -> None:
    ledger, _, _ = world()
    assert [str(difference) for difference in conference_differences(ledger, view)] == wrong


def test_a_member_may_be_on_hold() -> None:
    ledger, _, leg = world()
    put_on_hold(ledger, leg, 5)
    assert conference_differences(ledger, conference("joined")) == []


def test_nothing_is_so_before_it_is() -> None:
    ledger, room, leg = world()
    held = {"uuid": "leg", "control": {"hold": "held"}}
    assert early(ledger, held, at(4))
    assert early(ledger, conference("joined", None), at(4))
    assert not early(ledger, {"uuid": "leg", "control": {"hold": "holding"}}, at(4))
    assert not early(ledger, conference("joined"), at(4)), "it is there"
    put_on_hold(ledger, leg, 5)
    assert not early(ledger, held, at(4))
    del room.legs["leg"]
    assert early(ledger, conference("joined"), at(4))
