"""The commands that act on calls, with the simulated carrier at the server's other side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.site import VIEWER
from tests.cli.listening import listening
from tests.cli.shell import Inside
from tests.control.world import AGENT, CALLER, RINGS, World, world_of
from tests.engines import Engine, free_ports

ROOM = '[{"action": "conversation", "name": "room"}]'

Flask = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def lasting_world(valkey: Engine, carrier_folder: Path) -> Iterator[World]:
    """One app and carrier for all tests here."""
    with world_of(carrier_folder, valkey.address.url, carrier={"application": {"calls_per_second": None}}) as world:
        yield world


@pytest.fixture
def world(lasting_world: World, valkey: Engine) -> World:
    """An app over an empty store, and its carrier."""
    return lasting_world.emptied(valkey)


@pytest.fixture
def flask(world: World, inside: Inside) -> Flask:
    """Exit status, standard output and standard error of `flask` with words, at the app of `world`."""

    def run(*words: str, typed: str = "") -> tuple[int, str, str]:
        return inside.run(*words, "--to", world.base, typed=typed)

    return run


def test_a_leg_is_put_on_hold_resumed_and_muted(world: World, flask: Flask) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    room = customer.conversation
    code, out, err = flask("hold", customer.uuid)
    assert (code, err) == (0, "")
    assert out.startswith(f"hold: confirmed  (leg {customer.uuid}, action ")
    assert customer.conversation is not room
    code, _, err = flask("hold", customer.uuid)
    assert (code, err) == (1, "Error: The leg is on hold already.\n")
    assert flask("resume", customer.uuid)[0] == 0
    world.until(lambda: customer.conversation is room)
    for verb, muted in (("mute", True), ("unmute", False)):
        assert flask(verb, customer.uuid)[0] == 0
        assert customer.muted is muted
    for verb, earmuffed in (("earmuff", True), ("unearmuff", False)):
        assert flask(verb, customer.uuid)[0] == 0
        assert customer.earmuffed is earmuffed


def test_hanging_up_asks_first_and_yes_says_it_beforehand(world: World, flask: Flask) -> None:
    leg = world.caller()
    code, out, err = flask("hangup", leg.uuid, typed="n\n")
    assert (code, out) == (1, "")
    assert f"Hang up leg {leg.uuid}?" in err
    assert not leg.over
    code, out, _ = flask("hangup", leg.uuid, "--yes", "--json")
    assert code == 0
    action = json.loads(out)
    assert (action["verb"], action["leg"], action["state"]) == ("hangup", leg.uuid, "confirmed")
    assert leg.over
    code, out, err = flask("hangup", leg.uuid, typed="y\n")
    assert (code, out.startswith("hang up: confirmed")) == (0, True), "it is over: that is what was wanted"


def test_calls_are_placed_transferred_and_recorded(world: World, flask: Flask, tmp_path: Path) -> None:
    ncco = tmp_path / "room.json"
    ncco.write_text(ROOM)
    code, out, err = flask("place", "+44 7700 900101", "--ncco", str(ncco), "--json")
    assert (code, err) == (0, "")
    leg = world.carrier.ledger.legs[json.loads(out)["leg"]]
    assert leg.to == CALLER
    world.known(leg, "answered")
    world.until(lambda: world.is_in(leg, "room"))
    conversation = leg.conversation.uuid
    code, out, _ = flask("record", conversation, "start")
    assert (code, out.partition("  ")[0]) == (0, "start recording: confirmed")
    assert flask("record", conversation, "stop")[0] == 0
    code, _, err = flask("record", conversation, "pause")
    assert (code, err) == (1, "Error: It is not being recorded.\n")
    assert flask("say", leg.uuid, "You are third in line.", "--language", "en-GB")[0] == 0
    assert flask("say", leg.uuid, "--stop")[0] == 0
    assert flask("play", leg.uuid, "https://example.com/wait.mp3", "--loop", "0")[0] == 0
    assert flask("play", leg.uuid, "--stop")[0] == 0
    assert flask("keys", leg.uuid, "12p#")[0] == 0
    assert flask("transfer", leg.uuid, "--flow", "goodbye", "--step", "start")[0] == 0
    world.known(leg, "completed")
    for verb in ("hold", "mute", "resume"):
        assert flask(verb, leg.uuid) == (1, "", "Error: The leg has ended.\n")


def test_what_is_wrong_is_named(world: World, flask: Flask, tmp_path: Path) -> None:
    leg = world.caller()
    code, _, err = flask("keys", leg.uuid, "12x")
    assert code == 1
    assert "digits: " in err
    assert "Give digits" in err
    code, out, err = flask("keys", leg.uuid, "12x", "--json")
    assert (code, json.loads(out)["status"]) == (1, 422)
    assert flask("transfer", leg.uuid, "--flow", "nothing")[2] == "Error: There is no flow nothing.\n"
    wrong = tmp_path / "wrong.json"
    wrong.write_text("[nothing")
    code, _, err = flask("transfer", leg.uuid, "--ncco", str(wrong))
    assert code == 1
    assert "wrong.json is not JSON" in err
    for words in (["transfer", leg.uuid], ["transfer", leg.uuid, "--step", "x"], ["say", leg.uuid], ["place", "Alice"]):
        assert flask(*words)[0] == 2, words
    assert flask("play", leg.uuid, "https://example.com/a.mp3", "--stop")[0] == 2
    assert flask("mute", "nobody") == (1, "", "Error: No such leg is stored.\n")
    assert not leg.over


def test_what_vonage_refuses_ends_with_1_and_its_words(world: World, flask: Flask) -> None:
    """A leg that only rings, though the server was sent otherwise; by now the carrier may know it no more."""
    body = {"to": {"type": "phone", "number": RINGS}, "ncco": [{"action": "talk", "text": "Hello."}]}
    leg = world.created(world.ask("POST", "/calls", body))
    code, out, err = flask("say", leg.uuid, "Hello.")
    assert (code, out) == (1, "")
    assert "Vonage says: " in err


def test_what_is_no_switchhook_or_does_not_answer_is_named(inside: Inside) -> None:
    code, _, err = inside.run("mute", "leg", "--to", f"http://127.0.0.1:{free_ports(1)[0]}")
    assert code == 1
    assert "Is it running?" in err
    for body in (b"<!doctype html>", b"[]", b"{}"):
        with listening(200, body) as other:
            code, _, err = inside.run("mute", "leg", "--to", other.url)
        assert code == 1
        assert "is no Switchhook" in err, body
    with listening(302, Location="https://elsewhere.example") as other:
        assert "https://elsewhere.example" in inside.run("mute", "leg", "--to", other.url)[2]


def test_a_viewers_token_does_not_act(world: World, valkey: Engine) -> None:
    viewers = Inside(valkey.address.url, access_tokens=(("viewer", VIEWER),))
    try:
        code, _, err = viewers.run("mute", "leg", "--to", world.base)
    finally:
        viewers.site.close()
    assert code == 1
    assert "This needs the token of an operator" in err


def test_a_call_shows_what_was_done_to_it_and_by_whom(world: World, inside: Inside) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    for verb in ("mute", "hold"):
        assert world.act(customer, verb).status_code == 200
    world.until(lambda: world.control(customer)["hold"] == "held")
    out = inside.output("call", customer.uuid)
    done = out.partition("done to the call:\n")[2].partition("\n\n")[0].splitlines()
    sentences = [line.split("  ")[2] for line in done]
    assert [sentence.split(" by operator ")[0] for sentence in sentences] == ["place the call", "mute", "hold"]
    assert all(sentence.endswith(": confirmed") for sentence in sentences)
    assert "on hold, muted" in out, "and how its leg is now"
    assert "hold: confirmed" in out.partition("done to the call:")[0], "in the ladder"
