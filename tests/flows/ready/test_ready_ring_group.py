"""config/ready/ring-group.yaml: who answers, in which order, and what both sides hear."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.flows.ready.conftest import ENGLISH, FRENCH, OURS, READY, STAYS, Carrier, Serve, languages, of
from vonage_simulator.scenario import Call, Does, Endpoint, FarEnd

FIRST, SECOND, THIRD = "442079460001", "442079460002", "442079460003"
GROUP = [FIRST, SECOND, THIRD]


class Words(NamedTuple):
    """What callers of one country hear, and what the group hears of them."""

    flow: str
    language: str
    welcome: str
    wait: str
    nobody: str
    thanks: str
    announced: str


WORDS = {
    ENGLISH: Words(
        "group",
        "en-GB",
        "Welcome to Example Limited. We look for somebody who can talk to you.",
        "Please hold the line. We try one more telephone.",
        "Sorry, nobody is free at the moment. Please leave a message after the tone, then hang up.",
        "Thank you. Goodbye.",
        "A call for the group, from 4 4 7 7 0 0 9 0 0 1 2 3.",
    ),
    FRENCH: Words(
        "group-fr",
        "fr-FR",
        "Bienvenue chez Example Limited. Nous cherchons quelqu'un qui puisse vous répondre.",
        "Veuillez patienter. Nous essayons un dernier poste.",
        "Désolé, personne n'est disponible pour le moment. Veuillez laisser un message après le signal sonore, puis "
        "raccrochez.",
        "Merci. Au revoir.",
        "Un appel en français pour le groupe, du 3 3 1 9 9 0 0 1 2 3 4.",
    ),
}
CALLERS = pytest.mark.parametrize("caller", [ENGLISH, FRENCH], ids=["english", "french"])
FAILURES = pytest.mark.parametrize("does", ["busy", "never_answers", "unreachable", "rejects", "fails"])
STATUS = {
    "busy": "busy",
    "never_answers": "timeout",
    "unreachable": "unanswered",
    "rejects": "rejected",
    "fails": "failed",
}


@pytest.fixture(scope="module")
def group(serve: Serve) -> Carrier:
    return serve(READY / "ring-group.yaml")


@CALLERS
def test_if_the_first_answers_nobody_else_is_rung(group: Carrier, caller: str) -> None:
    words = WORDS[caller]
    call = group.call(caller, to=OURS)
    assert call.rung == [FIRST]
    assert of(call, caller).said == [words.welcome]
    assert of(call, FIRST).said == [words.announced], "the one who answers hears who calls"
    assert languages(call) == {words.language}
    assert (call.status, call.ended_by) == ("completed", "platform")
    assert call.legs[1].from_ == OURS


@CALLERS
@FAILURES
def test_if_the_first_does_not_the_second_is_rung(group: Carrier, caller: str, does: Does) -> None:
    words = WORDS[caller]
    call = group.call(caller, callees={FIRST: FarEnd(does=does)})
    assert call.rung == [FIRST, SECOND]
    assert [leg.status for leg in call.legs] == ["completed", STATUS[does], "completed"]
    assert of(call, caller).said == [words.welcome]
    assert of(call, FIRST).said == []
    assert of(call, SECOND).said == [words.announced]


@CALLERS
@FAILURES
def test_if_the_second_does_not_either_the_third_is_rung(group: Carrier, caller: str, does: Does) -> None:
    words = WORDS[caller]
    callees = {FIRST: FarEnd(does="busy"), SECOND: FarEnd(does=does)}
    call = group.call(caller, callees=callees)
    assert call.rung == GROUP
    assert of(call, caller).said == [words.welcome, words.wait]
    assert of(call, THIRD).said == [words.announced]
    assert call.recorded == []


@CALLERS
@FAILURES
def test_if_nobody_does_a_message_can_be_left(group: Carrier, caller: str, does: Does) -> None:
    words = WORDS[caller]
    call = group.call(caller, callees={"*": FarEnd(does=does)}, says=["Please call me back."])
    assert call.rung == GROUP
    assert call.said == [words.welcome, words.wait, words.nobody, words.thanks]
    assert call.recorded == [{"beepStart": True, "endOnSilence": 5, "timeOut": 120}]
    assert call.spoken == ["Please call me back."]
    assert [leg.status for leg in call.legs] == ["completed", *[STATUS[does]] * 3]
    assert (call.status, call.ended_by) == ("completed", "platform")


@pytest.mark.parametrize(("after", "rung"), [(14, 1), (16, 3)])
def test_each_rings_for_fifteen_seconds_the_last_for_twenty(group: Carrier, after: float, rung: int) -> None:
    call = group.call(callees={"*": FarEnd(after=after, hangs_up_after=STAYS)})
    assert call.rung == GROUP[:rung]
    assert [leg.status for leg in call.legs[1:]] == ["timeout"] * (rung - 1) + ["completed"]


@pytest.mark.parametrize(("seconds", "rung"), [(3, 0), (10, 1), (25, 2), (45, 3)])
def test_who_hangs_up_while_it_rings_lets_nobody_else_be_rung(group: Carrier, seconds: float, rung: int) -> None:
    call = group.call(hangs_up_after=seconds, callees={"*": FarEnd(does="never_answers")})
    assert call.rung == GROUP[:rung]
    assert call.ended_by == "user"
    assert call.recorded == []


def test_a_member_who_hangs_up_during_the_announcement_is_not_put_through(group: Carrier) -> None:
    call = group.call(callees={FIRST: FarEnd(hangs_up_after=1)})
    assert call.rung == [FIRST]
    assert call.status == "completed"


def test_two_callers_at_once_are_announced_each_with_their_own_number(group: Carrier) -> None:
    calls = group.play(
        Call(from_=ENGLISH, to=OURS, far_end=FarEnd()),
        Call(from_=FRENCH, to=OURS, far_end=FarEnd()),
        callees={FIRST: FarEnd(does="rejects")},
    )
    assert of(calls, ENGLISH).said == [WORDS[ENGLISH].welcome]
    assert of(calls, FRENCH).said == [WORDS[FRENCH].welcome]
    assert sorted(of(calls, SECOND).said) == sorted(words.announced for words in WORDS.values())


@pytest.mark.parametrize(
    ("caller", "endpoint"), [("Bob", "app"), ("sip:bob@example.com", "sip"), ("anonymous", "phone")]
)
def test_who_has_no_number_is_announced_without_one(group: Carrier, caller: str, endpoint: Endpoint) -> None:
    call = group.play(Call(from_=caller, to=OURS, endpoint=endpoint, far_end=FarEnd()))
    assert of(call, FIRST).said == ["A call for the group, from an unknown number."]


@CALLERS
def test_the_api_shows_which_steps_were_served(group: Carrier, caller: str) -> None:
    flow = WORDS[caller].flow
    call = group.call(caller, callees={FIRST: FarEnd(does="busy"), SECOND: FarEnd(does="rejects")})
    assert group.served(call) == [(flow, step) for step in ("first", "second", "third", "announcement")]
