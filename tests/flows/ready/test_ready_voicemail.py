"""config/ready/voicemail.yaml: a user who is not reached gets the message, and finds it in her list."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engines import wait_until
from tests.flows.ready.conftest import ENGLISH, FRENCH, OURS, READY, Carrier, Serve, languages
from vonage_simulator.scenario import Does, FarEnd

LIST = "/api/v1/users/Alice/voicemails"


@pytest.fixture(scope="module")
def carrier(serve: Serve) -> Carrier:
    return serve(READY / "voicemail.yaml")


def voicemails(carrier: Carrier) -> list[Any]:
    response = carrier.server.api(LIST)
    return response.json["items"] if response.status == 200 else []


@pytest.mark.parametrize("does", ["busy", "never_answers", "rejects", "unreachable"])
def test_who_does_not_reach_alice_leaves_a_message(carrier: Carrier, does: Does) -> None:
    before = len(voicemails(carrier))
    call = carrier.call(to=OURS, says=["Please call me back."], callees={"Alice": FarEnd(does=does)})
    assert call.rung == ["Alice"]
    assert call.said[-2:] == [
        "Alice cannot take your call. Please leave a message after the tone.",
        "Thank you. Goodbye.",
    ]
    wait_until(lambda: len(voicemails(carrier)) == before + 1, "the message is in the list")
    assert voicemails(carrier)[0]["call_id"] == call.legs[0].uuid
    assert voicemails(carrier)[0]["from"] == ENGLISH


def test_callers_from_france_hear_french(carrier: Carrier) -> None:
    call = carrier.call(FRENCH, to=OURS, callees={"Alice": FarEnd(does="busy")})
    assert languages(call) == {"fr-FR"}


def test_who_reaches_alice_leaves_none(carrier: Carrier) -> None:
    before = len(voicemails(carrier))
    call = carrier.call(to=OURS)
    assert call.rung == ["Alice"]
    assert "Thank you. Goodbye." not in call.said
    assert len(voicemails(carrier)) == before
