"""config/ready/phone.yaml: who has the phone is reached, and reaches telephones, SIP addresses and other users."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engines import wait_until
from tests.flows.ready.conftest import ENGLISH, FRENCH, OURS, READY, Carrier, Serve, languages
from vonage_simulator.scenario import Call, Does, FarEnd

PHONE, DESK = "447700900321", "sip:desk@example.com"
FAILURES: list[Does] = ["busy", "never_answers", "rejects", "unreachable"]
# whom a user calls -> the flow
CALLED = {PHONE: "to-number", DESK: "to-sip", "Carol": "to-user"}
SORRY = {
    "to-number": "The number you called does not answer.",
    "to-number-fr": "Le numéro que vous avez appelé ne répond pas.",
    "to-sip": "The address you called does not answer.",
    "to-sip-fr": "L'adresse que vous avez appelée ne répond pas.",
}


@pytest.fixture(scope="module")
def carrier(serve: Serve) -> Carrier:
    return serve(READY / "phone.yaml")


def voicemails(carrier: Carrier, user: str) -> list[Any]:
    response = carrier.server.api(f"/api/v1/users/{user}/voicemails")
    return response.json["items"] if response.status == 200 else []


def calls(user: str, whom: str, **far_end: Any) -> Call:
    return Call(from_=user, to=whom, endpoint="app", far_end=FarEnd(**far_end))


@pytest.mark.parametrize("does", FAILURES)
def test_who_does_not_reach_alice_leaves_a_message(carrier: Carrier, does: Does) -> None:
    before = len(voicemails(carrier, "Alice"))
    call = carrier.call(to=OURS, says=["Please call me back."], callees={"Alice": FarEnd(does=does)})
    assert (call.rung, languages(call)) == (["Alice"], {"en-GB"})
    wait_until(lambda: len(voicemails(carrier, "Alice")) == before + 1, "the message is in the list")
    assert voicemails(carrier, "Alice")[0]["from"] == ENGLISH


def test_callers_from_france_hear_french(carrier: Carrier) -> None:
    assert languages(carrier.call(FRENCH, to=OURS, callees={"Alice": FarEnd(does="busy")})) == {"fr-FR"}


@pytest.mark.parametrize("whom", CALLED)
@pytest.mark.parametrize("user", ["Bob", "fr-Benoit"])
def test_a_user_is_put_through_without_a_word(carrier: Carrier, user: str, whom: str) -> None:
    call = carrier.play(calls(user, whom))
    assert (call.rung, call.said) == ([whom], [])
    assert [leg.status for leg in call.legs] == ["completed", "completed"]
    assert carrier.served(call) == [(CALLED[whom] + ("-fr" if user.startswith("fr-") else ""), "ring")]


@pytest.mark.parametrize("does", FAILURES)
@pytest.mark.parametrize(("user", "whom"), [("Bob", PHONE), ("Bob", DESK), ("fr-Benoit", PHONE), ("fr-Benoit", DESK)])
def test_a_user_hears_that_nobody_answers(carrier: Carrier, user: str, whom: str, does: Does) -> None:
    call = carrier.play(calls(user, whom), callees={whom: FarEnd(does=does)})
    (flow, _), *rest = carrier.served(call)
    assert call.said == [SORRY[flow]]
    assert rest == [(flow, "sorry")]


@pytest.mark.parametrize("user", ["Bob", "fr-Benoit"])
def test_a_user_leaves_a_message_for_another(carrier: Carrier, user: str) -> None:
    before = len(voicemails(carrier, "Carol"))
    call = carrier.play(calls(user, "Carol", says=["Hello."]), callees={"Carol": FarEnd(does="busy")})
    assert languages(call) == {"fr-FR" if user.startswith("fr-") else "en-GB"}
    wait_until(lambda: len(voicemails(carrier, "Carol")) == before + 1, "the message is in the list")
    assert voicemails(carrier, "Carol")[0]["from"] == user
    assert voicemails(carrier, user) == []
