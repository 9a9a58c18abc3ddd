"""config/ready/survey.yaml: what is said, in which words; keys, silence, and what cannot be understood."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.flows.ready.conftest import ENGLISH, FRENCH, OURS, READY, Carrier, Serve, languages, of
from vonage_simulator.scenario import Call, FarEnd


class Words(NamedTuple):
    """What people in one country hear."""

    flow: str
    language: str
    hello: str
    question: str
    unheard: str
    wrong: str
    happy: str
    fair: str
    unhappy: str
    comment: str
    thanks: str
    stopped: str
    sorry: str


WORDS = {
    ENGLISH: Words(
        "survey",
        "en-GB",
        "Hello, this is Example Limited. You called us today. We have two short questions.",
        "How satisfied are you? Say very, somewhat, or not. You may also press 1, 2, or 3, and star to stop.",
        "Sorry, I did not hear you.",
        "Sorry, I did not understand you.",
        "We are glad to hear that.",
        "Thank you, there is room for more.",
        "We are sorry to hear that.",
        "What could we do better? Please tell us now, or press any key to skip this question.",
        "Thank you for your time. Goodbye.",
        "That is all right. Goodbye.",
        "Sorry, we do not seem to understand each other. Thank you for your time. Goodbye.",
    ),
    FRENCH: Words(
        "survey-fr",
        "fr-FR",
        "Bonjour, ici Example Limited. Vous nous avez appelés aujourd'hui. Nous avons deux questions.",
        "Êtes-vous satisfait ? Dites très, plutôt, ou pas du tout. Vous pouvez aussi taper 1, 2, ou 3, et étoile pour "
        "arrêter.",
        "Désolé, je ne vous ai pas entendu.",
        "Désolé, je ne vous ai pas compris.",
        "Nous en sommes ravis.",
        "Merci, nous pouvons faire mieux.",
        "Nous en sommes désolés.",
        "Que pourrions-nous améliorer ? Dites-le maintenant, ou tapez une touche pour passer cette question.",
        "Merci de votre temps. Au revoir.",
        "C'est entendu. Au revoir.",
        "Désolé, nous ne nous comprenons pas. Merci de votre temps. Au revoir.",
    ),
}
SAID = [
    (ENGLISH, "Very.", "happy"),
    (ENGLISH, "very satisfied thank you", "happy"),
    (ENGLISH, "I am somewhat satisfied", "fair"),
    (ENGLISH, "FAIRLY", "fair"),
    (ENGLISH, "not very", "unhappy"),
    (ENGLISH, "very dissatisfied", "unhappy"),
    (ENGLISH, "I'm unhappy.", "unhappy"),
    (FRENCH, "Très satisfait.", "happy"),
    (FRENCH, "TRÈS", "happy"),
    (FRENCH, "plutôt satisfaite", "fair"),
    (FRENCH, "Assez.", "fair"),
    (FRENCH, "Pas du tout !", "unhappy"),
    (FRENCH, "pas très content", "unhappy"),
    (FRENCH, "mécontente", "unhappy"),
]
NOT_UNDERSTOOD = {ENGLISH: "The weather is everything.", FRENCH: "Le passé est loin."}  # "pas" is no word of it
COMMENT = {ENGLISH: "Answer sooner, please.", FRENCH: "Répondez plus vite, s'il vous plaît."}
CALLEES = pytest.mark.parametrize("callee", [ENGLISH, FRENCH], ids=["english", "french"])


@pytest.fixture(scope="module")
def survey(serve: Serve) -> Carrier:
    return serve(READY / "survey.yaml")


def to(callee: str, *says: str, keys: tuple[str, ...] = (), **far_end: Any) -> Call:
    """A call of ours to somebody who says *says*, one text for each time that somebody listens."""
    known: dict[str, Any] = {
        "says": says,
        "keys": keys,
        "stays_alone": 3.0,
    }  # one of which nothing is said is of `callees`
    return Call(direction="outbound", from_=OURS, to=callee, far_end=FarEnd(**known | far_end))


@pytest.mark.parametrize(("callee", "said", "branch"), SAID)
def test_what_is_said_leads_to_what_is_meant(survey: Carrier, callee: str, said: str, branch: str) -> None:
    words = WORDS[callee]
    call = survey.play(to(callee, said, COMMENT[callee]))
    assert call.said == [words.hello, words.question, getattr(words, branch), words.comment, words.thanks]
    assert call.spoken == [said, COMMENT[callee]]
    assert call.notified == [{"said": said, "pressed": "", "comment": COMMENT[callee]}]
    assert (call.status, call.ended_by) == ("completed", "platform")
    assert languages(call) == {words.language}
    assert {action["speech"]["language"] for action in call.asked_for} == {words.language}


@CALLEES
@pytest.mark.parametrize(("key", "branch"), [("1", "happy"), ("2", "fair"), ("3", "unhappy")])
def test_keys_do_as_well(survey: Carrier, callee: str, key: str, branch: str) -> None:
    words = WORDS[callee]
    call = survey.play(to(callee, COMMENT[callee], keys=(key, "")))
    assert call.said[2] == getattr(words, branch)
    assert call.notified == [{"said": "", "pressed": key, "comment": COMMENT[callee]}]


@CALLEES
def test_the_star_ends_it(survey: Carrier, callee: str) -> None:
    words = WORDS[callee]
    call = survey.play(to(callee, keys=("*",)))
    assert call.said == [words.hello, words.question, words.stopped]
    assert call.notified == []


@CALLEES
@pytest.mark.parametrize("keys", [("1",), ("1", "5")], ids=["silence", "a key"])
def test_no_comment_is_no_fault(survey: Carrier, callee: str, keys: tuple[str, ...]) -> None:
    words = WORDS[callee]
    call = survey.play(to(callee, keys=keys))
    assert call.said[-2:] == [words.comment, words.thanks]
    assert call.notified == [{"said": "", "pressed": "1", "comment": ""}]


@CALLEES
def test_the_question_is_repeated_if_nothing_was_understood(survey: Carrier, callee: str) -> None:
    words = WORDS[callee]
    yes = "Very." if callee == ENGLISH else "Très."
    call = survey.play(to(callee, NOT_UNDERSTOOD[callee], "", yes))
    assert call.said == [
        words.hello,
        words.question,
        words.wrong,
        words.question,
        words.unheard,
        words.question,
        words.happy,
        words.comment,
        words.thanks,
    ]
    assert call.notified[0]["said"] == yes, "the last answer counts"


@CALLEES
@pytest.mark.parametrize("kind", ["silence", "words", "keys"])
def test_after_three_attempts_it_is_given_up(survey: Carrier, callee: str, kind: str) -> None:
    words = WORDS[callee]
    says = [NOT_UNDERSTOOD[callee]] * 3 if kind == "words" else []
    call = survey.play(to(callee, *says, keys=("7", "8", "9") if kind == "keys" else ()))
    again = words.unheard if kind == "silence" else words.wrong
    assert call.said == [words.hello, words.question, again, words.question, again, words.question, words.sorry]
    assert call.notified == []


def test_a_long_comment_is_kept_whole(survey: Carrier) -> None:
    comment = " ".join(f"Point {number}: the music is too loud, and the line too long." for number in range(1, 12))
    call = survey.play(to(ENGLISH, "very", comment))
    assert call.notified == [{"said": "very", "pressed": "", "comment": comment}]


def test_markup_in_a_comment_stays_text(survey: Carrier) -> None:
    comment = '<speak>{{ settings.APP_USER }} & "more"</speak>'
    call = survey.play(to(ENGLISH, "very", comment))
    assert call.notified[0]["comment"] == comment


@CALLEES
@pytest.mark.parametrize("does", ["busy", "never_answers", "rejects", "unreachable", "fails"])
def test_who_does_not_answer_is_asked_nothing(survey: Carrier, callee: str, does: str) -> None:
    call = survey.play(to(callee, does=does))
    assert (call.answered, call.said) == (False, [])


@CALLEES
@pytest.mark.parametrize("seconds", [3.0, 12.0])
def test_who_hangs_up_hears_no_more(survey: Carrier, callee: str, seconds: float) -> None:
    words = WORDS[callee]
    call = survey.play(to(callee, hangs_up_after=seconds))
    assert call.said == [words.hello, words.question][: 1 if seconds < 5 else 2]
    assert (call.ended_by, call.notified) == ("user", [])


@CALLEES
def test_who_calls_is_asked_the_same(survey: Carrier, callee: str) -> None:
    call = survey.call(callee, to=OURS, digits=["1"])
    assert call.said[0] == WORDS[callee].hello
    assert call.said[-1] == WORDS[callee].thanks


def test_two_at_once_each_give_their_own_answers(survey: Carrier) -> None:
    calls = survey.play(to(ENGLISH, "very", COMMENT[ENGLISH]), to(FRENCH, "pas du tout", COMMENT[FRENCH]))
    assert of(calls, ENGLISH).notified == [{"said": "very", "pressed": "", "comment": COMMENT[ENGLISH]}]
    assert of(calls, FRENCH).notified == [{"said": "pas du tout", "pressed": "", "comment": COMMENT[FRENCH]}]


@CALLEES
def test_the_api_shows_which_steps_were_served(survey: Carrier, callee: str) -> None:
    flow = WORDS[callee].flow
    call = survey.play(to(callee, NOT_UNDERSTOOD[callee], keys=("", "", "1")))
    assert survey.served(call) == [(flow, step) for step in ("greeting", "wrong", "again", "happy", "thanks")]
    events = survey.server.api(f"/api/v1/conversations/{call.legs[0].conversation.uuid}/events").json["items"]
    assert sum(event["kind"] == "notify" for event in events) == 1, "the answers are kept with the call"
