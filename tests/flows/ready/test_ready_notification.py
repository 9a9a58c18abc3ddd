"""config/ready/notification.yaml: calls placed by us, to people and to answering machines of all kinds."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.flows.ready.conftest import ENGLISH, FRENCH, OURS, READY, Carrier, Serve, languages, of
from vonage_simulator.call_result import CallResult
from vonage_simulator.scenario import Call, FarEnd


class Words(NamedTuple):
    """What people in one country hear, and what their machines do."""

    flow: str
    language: str
    message: str
    question: str
    unheard: str
    wrong: str
    confirmed: str
    cancelled: str
    unanswered: str
    left: str
    called_back: str


WORDS = {
    ENGLISH: Words(
        "notification",
        "en-GB",
        "Hello, this is Example Limited. Your appointment is tomorrow at nine o'clock.",
        "To confirm press 1. To cancel press 2. To hear this again press 3.",
        "Sorry, I did not hear you.",
        "Sorry, that key has no meaning here.",
        "Thank you. We look forward to seeing you. Goodbye.",
        "Your appointment is cancelled. Goodbye.",
        "We keep your appointment as it is. Goodbye.",
        "Hello, this is Example Limited. Your appointment is tomorrow at nine o'clock. To change it, please call us. "
        "Goodbye.",
        "This is Example Limited. We called to remind you of an appointment. Goodbye.",
    ),
    FRENCH: Words(
        "notification-fr",
        "fr-FR",
        "Bonjour, ici Example Limited. Votre rendez-vous est demain à neuf heures.",
        "Pour confirmer, tapez 1. Pour annuler, tapez 2. Pour réécouter, tapez 3.",
        "Désolé, je ne vous ai pas entendu.",
        "Désolé, cette touche ne sert à rien ici.",
        "Merci. À demain. Au revoir.",
        "Votre rendez-vous est annulé. Au revoir.",
        "Votre rendez-vous est maintenu. Au revoir.",
        "Bonjour, ici Example Limited. Votre rendez-vous est demain à neuf heures. Pour le modifier, veuillez nous "
        "appeler. Au revoir.",
        "Ici Example Limited. Nous vous avons appelé pour vous rappeler un rendez-vous. Au revoir.",
    ),
}
CALLEES = pytest.mark.parametrize("callee", [ENGLISH, FRENCH], ids=["english", "french"])
MODES = pytest.mark.parametrize("mode", ["detect_beep", "default"])


@pytest.fixture(scope="module")
def notification(serve: Serve) -> Carrier:
    return serve(READY / "notification.yaml")


def to(callee: str, mode: str | None = "detect_beep", at: float = 0.0, **far_end: Any) -> Call:
    """A call of ours."""
    found = {"behavior": "continue", "mode": mode, "beep_timeout": 45} if mode else None
    return Call(
        direction="outbound",
        from_=OURS,
        to=callee,
        at=at,
        advanced_machine_detection=found,
        far_end=FarEnd(**{"stays_alone": 3.0} | far_end),  # a far end of which nothing is said is one of `callees`
    )


def detected(call: CallResult) -> list[str]:
    """What was detected to have picked up."""
    return [
        event.get("sub_state") or event["status"]
        for event in call.events
        if event.get("status") in ("human", "machine")
    ]


@CALLEES
@MODES
@pytest.mark.parametrize(("key", "branch"), [("1", "confirmed"), ("2", "cancelled")])
def test_somebody_confirms_or_cancels(notification: Carrier, callee: str, mode: str, key: str, branch: str) -> None:
    words = WORDS[callee]
    call = notification.play(to(callee, mode, keys=(key,)))
    assert detected(call) == ["human"]
    assert call.said == [words.message, words.question, getattr(words, branch)]
    assert call.notified == [{"appointment": branch, "number": callee}]
    assert (call.status, call.ended_by) == ("completed", "platform")
    assert languages(call) == {words.language}


@CALLEES
@MODES
def test_somebody_hears_it_again(notification: Carrier, callee: str, mode: str) -> None:
    words = WORDS[callee]
    call = notification.play(to(callee, mode, keys=("3", "1")))
    assert call.said == [words.message, words.question, words.message, words.question, words.confirmed]


@CALLEES
@MODES
def test_wrong_keys_and_silence_get_a_hint_and_a_repeat(notification: Carrier, callee: str, mode: str) -> None:
    words = WORDS[callee]
    call = notification.play(to(callee, mode, keys=("8", "", "1")))
    assert call.said[1:] == [
        words.question,
        words.wrong,
        words.question,
        words.unheard,
        words.question,
        words.confirmed,
    ]


@CALLEES
@MODES
@pytest.mark.parametrize("keys", [(), ("8", "9", "#")], ids=["silence", "wrong"])
def test_after_three_attempts_nothing_is_changed(
    notification: Carrier, callee: str, mode: str, keys: tuple[str, ...]
) -> None:
    words = WORDS[callee]
    call = notification.play(to(callee, mode, keys=keys))
    assert call.said.count(words.question) == 3
    assert call.said[-1] == words.unanswered
    assert call.notified == []


@CALLEES
@pytest.mark.parametrize(("mode", "events"), [("detect_beep", ["beep_start"]), ("default", ["machine", "beep_start"])])
def test_a_machine_is_left_the_message_after_its_beep(
    notification: Carrier, callee: str, mode: str, events: list[str]
) -> None:
    call = notification.play(to(callee, mode, does="machine", greeting=8.0))
    assert detected(call) == events
    assert call.said == [WORDS[callee].left], "nothing was said while the machine spoke"
    assert call.asked_for == []
    assert seconds_to_speech(call) == pytest.approx(8, abs=0.5)


@CALLEES
@pytest.mark.parametrize(
    ("mode", "events"), [("detect_beep", ["beep_timeout"]), ("default", ["machine", "beep_timeout"])]
)
def test_a_machine_without_a_beep_is_left_the_message_anyway(
    notification: Carrier, callee: str, mode: str, events: list[str]
) -> None:
    call = notification.play(to(callee, mode, does="machine", beep=False))
    assert detected(call) == events
    assert call.said == [WORDS[callee].left]
    assert seconds_to_speech(call) == pytest.approx(47.5, abs=0.5)


@MODES
def test_a_person_hears_the_message_once_it_is_known_that_they_are_one(notification: Carrier, mode: str) -> None:
    assert seconds_to_speech(notification.play(to(ENGLISH, mode, keys=("1",)))) == pytest.approx(2.5, abs=0.5)


def test_a_call_without_detection_waits_in_vain_then_speaks_anyway(notification: Carrier) -> None:
    call = notification.play(to(ENGLISH, None, keys=("1",)))
    assert detected(call) == []
    assert seconds_to_speech(call) == pytest.approx(60, abs=0.5)
    assert call.said[-1] == WORDS[ENGLISH].confirmed


@pytest.mark.parametrize(
    ("does", "status"),
    [
        ("busy", "busy"),
        ("never_answers", "timeout"),
        ("rejects", "rejected"),
        ("unreachable", "unanswered"),
        ("fails", "failed"),
    ],
)
def test_who_does_not_answer_hears_nothing(notification: Carrier, does: str, status: str) -> None:
    call = notification.play(to(ENGLISH, does=does))
    assert (call.status, call.answered) == (status, False)
    assert (call.said, call.nccos) == ([], [])
    assert notification.conversation(call)["answers"] == []


@MODES
@pytest.mark.parametrize(("seconds", "texts"), [(1.0, 0), (6.0, 1), (12.0, 2)])
def test_who_hangs_up_hears_no_more(notification: Carrier, mode: str, seconds: float, texts: int) -> None:
    words = WORDS[ENGLISH]
    call = notification.play(to(ENGLISH, mode, hangs_up_after=seconds))
    assert call.said == [words.message, words.question][:texts]
    assert (call.ended_by, call.notified) == ("user", [])


def test_two_calls_at_once_each_have_their_own_answer(notification: Carrier) -> None:
    calls = notification.play(to(ENGLISH, keys=("1",)), to(FRENCH, keys=("2",)), to("447700900124", does="machine"))
    assert of(calls, ENGLISH).notified == [{"appointment": "confirmed", "number": ENGLISH}]
    assert of(calls, FRENCH).notified == [{"appointment": "cancelled", "number": FRENCH}]
    assert of(calls, "447700900124").said == [WORDS[ENGLISH].left]


@MODES
@pytest.mark.parametrize(("far_end", "text"), [({"keys": ("1",)}, "confirmed"), ({"does": "machine"}, "left")])
def test_a_step_can_be_asked_for_by_its_own_address(
    notification: Carrier, mode: str, far_end: dict[str, Any], text: str
) -> None:
    call = notification.play(to(FRENCH, mode, **far_end), step="notification/start")
    assert call.said[-1] == getattr(WORDS[ENGLISH], text), "in spite of the routes"


@CALLEES
def test_a_callback_gets_an_explanation_of_who_called(notification: Carrier, callee: str) -> None:
    call = notification.call(callee, to=OURS)
    assert call.said == [WORDS[callee].called_back]


@CALLEES
def test_the_api_shows_which_steps_were_served(notification: Carrier, callee: str) -> None:
    flow = WORDS[callee].flow
    person = notification.play(to(callee, keys=("8", "", "1")))
    assert notification.served(person) == [(flow, step) for step in ("message", "wrong", "again", "confirmed")]
    machine = notification.play(to(callee, "default", does="machine"))
    assert notification.served(machine) == [(flow, "start"), (flow, "left")]


def seconds_to_speech(call: CallResult) -> float:
    """Seconds from when it was answered until something was said."""
    said = next(happening.at for happening in call.happenings if happening.what == "talk")
    return (said - call.legs[0].times["answered"]).total_seconds()
