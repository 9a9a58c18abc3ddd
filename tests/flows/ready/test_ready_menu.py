"""config/ready/menu.yaml: every key, wrong ones, silence, and departments that cannot be reached."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.flows.ready.conftest import ENGLISH, FRENCH, OURS, READY, Carrier, Serve, languages, of
from vonage_simulator.scenario import Call, Does, FarEnd


class Words(NamedTuple):
    """What the menu says to callers of one country, and whom it rings."""

    flow: str
    language: str
    welcome: str
    choices: str
    unheard: str
    wrong: str  # {} is the key
    departments: dict[str, tuple[str, str]]  # key -> what is said, who is rung
    nobody: str


WORDS = {
    ENGLISH: Words(
        "menu",
        "en-GB",
        "Welcome to Example Limited.",
        "For sales press 1. For support press 2. To talk to somebody press 0.",
        "Sorry, I did not hear you.",
        "Sorry, {} is none of the choices.",
        {
            "1": ("We put you through to sales.", "442079460001"),
            "2": ("We put you through to support.", "442079460002"),
            "0": ("One moment please.", "442079460003"),
        },
        "Sorry, nobody is free at the moment. Please call again later.",
    ),
    FRENCH: Words(
        "menu-fr",
        "fr-FR",
        "Bienvenue chez Example Limited.",
        "Pour le service commercial, tapez 1. Pour l'assistance, tapez 2. Pour parler à quelqu'un, tapez 0.",
        "Désolé, je ne vous ai pas entendu.",
        "Désolé, {} ne fait pas partie des choix.",
        {
            "1": ("Nous vous mettons en relation avec le service commercial.", "442079460011"),
            "2": ("Nous vous mettons en relation avec l'assistance.", "442079460012"),
            "0": ("Un instant, s'il vous plaît.", "442079460013"),
        },
        "Désolé, personne n'est disponible pour le moment. Veuillez rappeler plus tard.",
    ),
}
CALLERS = pytest.mark.parametrize("caller", [ENGLISH, FRENCH], ids=["english", "french"])
KEYS = pytest.mark.parametrize("key", ["1", "2", "0"])
FAILURES = pytest.mark.parametrize("does", ["busy", "never_answers", "unreachable", "rejects", "fails"])


@pytest.fixture(scope="module")
def menu(serve: Serve) -> Carrier:
    return serve(READY / "menu.yaml")


@CALLERS
@KEYS
def test_each_key_rings_its_department(menu: Carrier, caller: str, key: str) -> None:
    words = WORDS[caller]
    said, number = words.departments[key]
    call = menu.call(caller, to=OURS, digits=[key])
    assert call.said == [words.welcome, words.choices, said]
    assert call.rung == [number]
    assert (call.status, call.ended_by) == ("completed", "platform")
    assert call.legs[1].from_ == OURS, "the department sees which number was called"
    assert languages(call) == {words.language}


@CALLERS
def test_wrong_keys_and_silence_get_a_hint_and_a_repeat(menu: Carrier, caller: str) -> None:
    words = WORDS[caller]
    call = menu.call(caller, digits=["7", "", "2"])
    said, number = words.departments["2"]
    assert call.said == [
        words.welcome,
        words.choices,
        words.wrong.format("7"),
        words.choices,
        words.unheard,
        words.choices,
        said,
    ]
    assert call.rung == [number]


@CALLERS
@pytest.mark.parametrize("digits", [[], ["9", "9", "9"], ["#", "", "*"]], ids=["silence", "wrong", "both"])
def test_after_three_attempts_the_operator_is_rung(menu: Carrier, caller: str, digits: list[str]) -> None:
    words = WORDS[caller]
    call = menu.call(caller, digits=digits)
    said, number = words.departments["0"]
    assert call.said.count(words.choices) == 3
    assert call.said[-1] == said
    assert call.rung == [number]
    assert len(call.asked_for) == 3


@CALLERS
@KEYS
@FAILURES
def test_a_caller_who_cannot_be_put_through_is_reported(menu: Carrier, caller: str, key: str, does: Does) -> None:
    words = WORDS[caller]
    said, number = words.departments[key]
    call = menu.call(caller, digits=[key], callees={number: FarEnd(does=does)})
    assert call.said == [words.welcome, words.choices, said, words.nobody]
    assert call.rung == [number]
    assert (call.status, call.ended_by) == ("completed", "platform")


def test_the_operator_is_rung_for_thirty_seconds(menu: Carrier) -> None:
    call = menu.call(digits=["0"], callees={"442079460003": FarEnd(after=31)})
    assert call.legs[1].status == "timeout"
    assert call.said[-1] == WORDS[ENGLISH].nobody


@CALLERS
def test_who_hangs_up_in_the_menu_is_not_put_through(menu: Carrier, caller: str) -> None:
    call = menu.call(caller, hangs_up_after=6)
    assert call.said == [WORDS[caller].welcome, WORDS[caller].choices]
    assert call.rung == []
    assert call.ended_by == "user"


def test_who_hangs_up_while_it_rings_lets_it_ring_no_longer(menu: Carrier) -> None:
    call = menu.call(digits=["1"], hangs_up_after=12, callees={"442079460001": FarEnd(after=40)})
    assert call.rung == ["442079460001"]
    assert [leg.status for leg in call.legs] == ["completed", "cancelled"]
    assert WORDS[ENGLISH].nobody not in call.said


def test_two_callers_at_once_each_hear_their_own(menu: Carrier) -> None:
    calls = menu.play(
        Call(from_=ENGLISH, to=OURS, far_end=FarEnd(keys=("5", "1"))),
        Call(from_=FRENCH, to=OURS, far_end=FarEnd(keys=("", "2"))),
    )
    english, french = WORDS[ENGLISH], WORDS[FRENCH]
    assert of(calls, ENGLISH).said == [
        english.welcome,
        english.choices,
        english.wrong.format("5"),
        english.choices,
        english.departments["1"][0],
    ]
    assert of(calls, ENGLISH).rung == ["442079460001"]
    assert of(calls, FRENCH).said == [
        french.welcome,
        french.choices,
        french.unheard,
        french.choices,
        french.departments["2"][0],
    ]
    assert of(calls, FRENCH).rung == ["442079460012"]


@CALLERS
def test_the_api_shows_which_steps_were_served(menu: Carrier, caller: str) -> None:
    flow = WORDS[caller].flow
    call = menu.call(caller, digits=["7", "", "0"], callees={"*": FarEnd(does="busy")})
    assert menu.served(call) == [(flow, step) for step in ("greeting", "wrong", "again", "operator", "nobody")]
