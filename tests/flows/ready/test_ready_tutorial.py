"""config/ready/tutorial.yaml: telephones and app users, in English and French."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flows.ready.conftest import ENGLISH, FRENCH, OURS, READY, Carrier, Serve, languages, of
from vonage_simulator.scenario import Call, Does, FarEnd

HOLD = {
    "en-GB": "Please hold the line while we connect your call.",
    "fr-FR": "Veuillez patienter, nous vous mettons en relation.",
}
CALLEE = "447700900321"
FAILURES = ["busy", "never_answers", "unreachable", "rejects", "fails"]

# who calls, whom, from what -> the flow, its language, who is rung
CALLS = {
    "phone to app": (ENGLISH, OURS, "phone", "phone-to-app", "en-GB", "Alice"),
    "phone to app, French": (FRENCH, OURS, "phone", "phone-to-app-fr", "fr-FR", "Alice"),
    "app to phone": ("Bob", CALLEE, "app", "app-to-phone", "en-GB", CALLEE),
    "app to phone, French": ("fr-Benoit", CALLEE, "app", "app-to-phone-fr", "fr-FR", CALLEE),
    "app to app": ("Bob", "Carol", "app", "app-to-app", "en-GB", "Carol"),
    "app to app, French": ("fr-Benoit", "Carol", "app", "app-to-app-fr", "fr-FR", "Carol"),
}
EVERY = pytest.mark.parametrize("name", CALLS)


@pytest.fixture(scope="module")
def tutorial(serve: Serve) -> Carrier:
    return serve(READY / "tutorial.yaml")


def made(name: str, **far_end: Any) -> Call:
    """The call of that name."""
    who, whom, endpoint, *_ = CALLS[name]
    return Call(from_=who, to=whom, endpoint=endpoint, far_end=FarEnd(**far_end))  # type: ignore[arg-type]


@EVERY
def test_each_is_greeted_and_put_through(tutorial: Carrier, name: str) -> None:
    *_, language, rung = CALLS[name]
    call = tutorial.play(made(name))
    assert call.said == [HOLD[language]]
    assert languages(call) == {language}
    assert call.rung == [rung]
    assert [leg.status for leg in call.legs] == ["completed", "completed"]


@EVERY
@pytest.mark.parametrize("does", FAILURES)
def test_if_the_other_does_not_answer_the_call_is_over(tutorial: Carrier, name: str, does: Does) -> None:
    *_, language, rung = CALLS[name]
    call = tutorial.play(made(name), callees={rung: FarEnd(does=does)})
    assert call.said == [HOLD[language]]
    assert call.rung == [rung]
    assert call.ended_by == "platform"


@EVERY
def test_who_hangs_up_is_not_put_through(tutorial: Carrier, name: str) -> None:
    call = tutorial.play(made(name, hangs_up_after=1))
    assert call.rung == []
    assert call.ended_by == "user"


def test_an_app_user_sees_who_calls(tutorial: Carrier) -> None:
    assert tutorial.play(made("phone to app")).legs[1].from_ == ENGLISH


def test_a_caller_by_sip_is_put_through_too(tutorial: Carrier) -> None:
    call = tutorial.play(Call(from_="sip:bob@example.com", to=OURS, endpoint="sip", far_end=FarEnd()))
    assert call.rung == ["Alice"]
    assert "from" not in call.nccos[0][-1], "what is no number is not shown"


def test_a_telephone_sees_a_number_of_ours(tutorial: Carrier, serve: Serve) -> None:
    connect = tutorial.play(made("app to phone, French")).nccos[0][-1]
    assert (connect.get("from"), connect.get("randomFromNumber")) == (None, True), "none is set"
    carrier = serve(READY / "tutorial.yaml", CALLER_NUMBER="442079460000")
    connect = carrier.play(made("app to phone")).nccos[0][-1]
    assert (connect.get("from"), connect.get("randomFromNumber")) == ("442079460000", None)


def test_all_at_once_are_each_put_through(tutorial: Carrier) -> None:
    calls = tutorial.play(*(made(name) for name in CALLS if "app to app" not in name))
    for who, _, _, flow, language, rung in CALLS.values():
        if not flow.startswith("app-to-app"):
            assert of(calls, who).said == [HOLD[language]]
            assert of(calls, who).rung == [rung]


@EVERY
def test_the_api_shows_which_step_was_served(tutorial: Carrier, name: str) -> None:
    *_, flow, _, _ = CALLS[name]
    assert tutorial.served(tutorial.play(made(name))) == [(flow, "start")]
