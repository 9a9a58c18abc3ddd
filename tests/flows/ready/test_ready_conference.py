"""config/ready/conference.yaml: PINs, the music until the moderator comes, and the end when the moderator goes."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.flows.ready.conftest import ENGLISH, FRENCH, OURS, READY, Carrier, Serve, languages, of
from vonage_simulator.scenario import Call, FarEnd

PARTICIPANT, MODERATOR = "2580", "7391"
BOSS = "447700900150"
MUSIC = ["https://nexmo-community.github.io/ncco-examples/assets/voice_api_audio_streaming.mp3"]


class Words(NamedTuple):
    """What callers of one country hear."""

    flow: str
    language: str
    welcome: str
    ask: str
    unheard: str
    wrong: str
    sorry: str
    wait: str
    begins: str


WORDS = {
    ENGLISH: Words(
        "conference",
        "en-GB",
        "Welcome to the conference of Example Limited.",
        "Please enter your PIN.",
        "Sorry, I did not hear you.",
        "Sorry, that is not a PIN of ours.",
        "Sorry, we cannot let you in. Please check your PIN and call again.",
        "Thank you. Please wait for the moderator.",
        "Thank you. The conference begins now.",
    ),
    FRENCH: Words(
        "conference-fr",
        "fr-FR",
        "Bienvenue à la conférence d'Example Limited.",
        "Veuillez composer votre code.",
        "Désolé, je ne vous ai pas entendu.",
        "Désolé, ce code n'est pas valable.",
        "Désolé, nous ne pouvons pas vous laisser entrer. Veuillez vérifier votre code et rappeler.",
        "Merci. Veuillez attendre l'animateur.",
        "Merci. La conférence commence.",
    ),
}
CALLERS = pytest.mark.parametrize("caller", [ENGLISH, FRENCH], ids=["english", "french"])


@pytest.fixture(scope="module")
def conference(serve: Serve) -> Carrier:
    return serve(READY / "conference.yaml")


def calls(who: str, *keys: str, at: float = 0.0, until: float | None = None) -> Call:
    """A caller who calls at *at*, and hangs up *until* seconds after they were answered."""
    return Call(from_=who, to=OURS, at=at, far_end=FarEnd(keys=keys, hangs_up_after=until, stays_alone=600))


@CALLERS
def test_who_knows_the_pin_waits_with_music(conference: Carrier, caller: str) -> None:
    words = WORDS[caller]
    call = conference.call(caller, digits=[PARTICIPANT], hangs_up_after=60)
    assert call.said == [words.welcome, words.ask, words.wait]
    assert call.joined == ["team"]
    assert call.nccos[-1][-1] == {
        "action": "conversation",
        "name": "team",
        "startOnEnter": False,
        "musicOnHoldUrl": MUSIC,
    }
    assert call.ended_by == "user"
    assert languages(call) == {words.language}


@CALLERS
def test_the_moderator_starts_it(conference: Carrier, caller: str) -> None:
    words = WORDS[caller]
    call = conference.call(caller, digits=[MODERATOR], hangs_up_after=60)
    assert call.said == [words.welcome, words.ask, words.begins]
    assert call.joined == ["team"]
    entered = call.nccos[-1][-1]
    assert (entered["startOnEnter"], entered["endOnExit"]) == (True, True)


@CALLERS
def test_when_the_moderator_goes_it_is_over_for_all(conference: Carrier, caller: str) -> None:
    call = conference.play(
        calls(ENGLISH, PARTICIPANT), calls(FRENCH, PARTICIPANT, at=5), calls(BOSS, MODERATOR, at=20, until=90)
    )
    assert [of(call, who).ended_by for who in (ENGLISH, FRENCH, BOSS)] == ["platform", "platform", "user"]
    assert len({leg.conversation.uuid for leg in call.legs}) == 1, "all were in one room, in any language"
    assert of(call, caller).said == [WORDS[caller].welcome, WORDS[caller].ask, WORDS[caller].wait]


def test_who_leaves_before_the_moderator_ends_it_for_nobody_else(conference: Carrier) -> None:
    call = conference.play(
        calls(ENGLISH, PARTICIPANT, until=40), calls(FRENCH, PARTICIPANT), calls(BOSS, MODERATOR, at=10, until=90)
    )
    ended = {
        who: next(item.at for item in of(call, who).happenings if item.what == "hangup") for who in (ENGLISH, FRENCH)
    }
    assert (ended[FRENCH] - ended[ENGLISH]).total_seconds() > 50
    assert [of(call, who).ended_by for who in (ENGLISH, FRENCH)] == ["user", "platform"]


@CALLERS
@pytest.mark.parametrize(
    ("keys", "texts"),
    [
        (["1111", "2222", "3333"], ["wrong", "wrong"]),
        ([], ["unheard", "unheard"]),
        (["25", "", "9999"], ["wrong", "unheard"]),
    ],
    ids=["wrong", "silence", "both"],
)
def test_three_wrong_pins_are_not_let_in(conference: Carrier, caller: str, keys: list[str], texts: list[str]) -> None:
    words = WORDS[caller]
    call = conference.call(caller, digits=keys)
    between = [text for name in texts for text in (getattr(words, name), words.ask)]
    assert call.said == [words.welcome, words.ask, *between, words.sorry]
    assert call.joined == []
    assert len(call.asked_for) == 3
    assert (call.status, call.ended_by) == ("completed", "platform")


@CALLERS
@pytest.mark.parametrize("pin", [PARTICIPANT, MODERATOR])
def test_the_third_attempt_may_be_right(conference: Carrier, caller: str, pin: str) -> None:
    call = conference.call(caller, digits=["1111", "2222", pin], hangs_up_after=60)
    assert call.joined == ["team"]
    assert call.said.count(WORDS[caller].wrong) == 2


def test_the_pin_is_four_digits_and_no_more_are_waited_for(conference: Carrier) -> None:
    call = conference.call(digits=[f"{PARTICIPANT}1"], hangs_up_after=60)
    assert call.pressed == [PARTICIPANT]
    assert call.joined == ["team"]


@CALLERS
def test_a_caller_who_hangs_up_during_the_question_does_not_join(conference: Carrier, caller: str) -> None:
    call = conference.call(caller, hangs_up_after=7)
    assert call.said == [WORDS[caller].welcome, WORDS[caller].ask]
    assert (call.joined, call.ended_by) == ([], "user")


def test_two_callers_at_once_each_have_their_own_attempts(conference: Carrier) -> None:
    call = conference.play(calls(ENGLISH, "1111", "2222", "3333"), calls(FRENCH, "4444", PARTICIPANT, until=60))
    assert of(call, ENGLISH).said[-1] == WORDS[ENGLISH].sorry
    assert of(call, ENGLISH).joined == []
    assert of(call, FRENCH).said[-1] == WORDS[FRENCH].wait
    assert of(call, FRENCH).joined == ["team"]


@CALLERS
def test_the_api_shows_which_steps_were_served(conference: Carrier, caller: str) -> None:
    flow = WORDS[caller].flow
    call = conference.call(caller, digits=["1111", "", MODERATOR], hangs_up_after=60)
    assert conference.served(call) == [(flow, step) for step in ("welcome", "wrong", "again", "moderator")]
    (last,) = (answer["ncco"][-1] for answer in conference.conversation(call)["answers"][-1:])
    assert last["action"] == "conversation"
