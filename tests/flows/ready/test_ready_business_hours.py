"""config/ready/business-hours.yaml, open and closed: put through, nobody there, a message, a holiday."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.flows.ready.conftest import ENGLISH, FRENCH, OURS, READY, Carrier, Serve, languages, of
from vonage_simulator.call_result import CallResult
from vonage_simulator.scenario import Call, Does, FarEnd

FILE = READY / "business-hours.yaml"
OPEN, HOLIDAYS = '    open: { mon-fri: "09:00-17:30" }', "    holidays: ["
ALWAYS = '    open: { mon-sun: "00:00-24:00" }'


class Words(NamedTuple):
    """What callers of one country hear, and whom it rings."""

    suffix: str
    language: str
    welcome: str
    number: str
    nobody: str
    closed: str
    leave: str
    thanks: str


WORDS = {
    ENGLISH: Words(
        "",
        "en-GB",
        "Welcome to Example Limited. We put you through.",
        "442079460001",
        "Sorry, nobody can take your call at the moment.",
        "Thank you for calling Example Limited. We are closed now. We are open from Monday to Friday, nine to half "
        "past five.",
        "Please leave a message after the tone. Press the hash key when you are done.",
        "Thank you. We call you back. Goodbye.",
    ),
    FRENCH: Words(
        "-fr",
        "fr-FR",
        "Bienvenue chez Example Limited. Nous vous mettons en relation.",
        "442079460011",
        "Désolé, personne ne peut prendre votre appel pour le moment.",
        "Merci d'appeler Example Limited. Nous sommes fermés. Nos bureaux sont ouverts du lundi au vendredi, de neuf "
        "heures à dix-sept heures trente, heure de Londres.",
        "Veuillez laisser un message après le signal sonore. Tapez dièse pour terminer.",
        "Merci. Nous vous rappellerons. Au revoir.",
    ),
}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LEAP_YEAR = date(2028, 1, 1)
MESSAGE = "Please call me back."
CALLERS = pytest.mark.parametrize("caller", [ENGLISH, FRENCH], ids=["english", "french"])


def changed(folder: Path, *changes: tuple[str, str]) -> Path:
    """A copy of the file with other hours; what is replaced must be there."""
    text = FILE.read_text()
    for old, new in changes:
        assert text.count(old) == 1, f"{FILE} has one line with {old}"
        text = text.replace(old, new)
    made = folder / "business-hours.yaml"
    made.write_text(text)
    return made


@pytest.fixture(scope="module")
def opened(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Carrier:
    """The office, open day and night, without holidays."""
    return serve(changed(tmp_path_factory.mktemp("open"), (OPEN, ALWAYS), (own_holidays(), "    holidays: []")))


@pytest.fixture(scope="module", params=["holiday", "hours"])
def closed(request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Carrier:
    """The office on a holiday, for every day is one; or outside of its hours: it opens in three days."""
    folder = tmp_path_factory.mktemp("closed")
    if request.param == "hours":
        day = DAYS[(datetime.now(UTC).weekday() + 3) % 7]
        return serve(changed(folder, (OPEN, f'    open: {{ {day}: "09:00-17:30" }}')))
    every = (date.fromordinal(LEAP_YEAR.toordinal() + day) for day in range(366))
    holidays = ", ".join(f'"{day:%m-%d}"' for day in every)
    return serve(changed(folder, (OPEN, ALWAYS), (own_holidays(), f"{HOLIDAYS}{holidays}]")))


def own_holidays() -> str:
    """The line of the file."""
    return next(line for line in FILE.read_text().splitlines() if line.startswith(HOLIDAYS))


@CALLERS
def test_while_it_is_open_calls_are_put_through(opened: Carrier, caller: str) -> None:
    words = WORDS[caller]
    call = opened.call(caller, to=OURS)
    assert call.said == [words.welcome]
    assert call.rung == [words.number]
    assert call.recorded == []
    assert (call.legs[1].from_, call.ended_by) == (OURS, "platform")
    assert languages(call) == {words.language}


@CALLERS
@pytest.mark.parametrize("does", ["busy", "never_answers", "unreachable", "rejects", "fails"])
def test_if_nobody_answers_a_message_can_be_left(opened: Carrier, caller: str, does: Does) -> None:
    words = WORDS[caller]
    callees = {words.number: FarEnd(does=does)}
    call = opened.call(caller, callees=callees, says=[MESSAGE], digits=["#"])
    assert call.said == [words.welcome, words.nobody, words.leave, words.thanks]
    assert_left(call, words)


def test_it_rings_for_twenty_seconds(opened: Carrier) -> None:
    call = opened.call(callees={WORDS[ENGLISH].number: FarEnd(after=21)})
    assert call.legs[1].status == "timeout"
    assert len(call.recorded) == 1


@CALLERS
def test_while_it_is_closed_callers_hear_when_it_is_open_and_leave_a_message(closed: Carrier, caller: str) -> None:
    words = WORDS[caller]
    call = closed.call(caller, says=[MESSAGE], digits=["#"])
    assert call.said == [words.closed, words.leave, words.thanks]
    assert call.rung == []
    assert_left(call, words)


@CALLERS
def test_a_message_ends_by_silence_too(closed: Carrier, caller: str) -> None:
    call = closed.call(caller, says=[MESSAGE])
    assert call.said[-1] == WORDS[caller].thanks
    assert call.pressed == []


def test_a_message_takes_two_minutes_at_most(closed: Carrier) -> None:
    call = closed.call(says=["word " * 1000])
    (recording,) = closed.conversation(call)["recordings"]
    started, ended = (datetime.fromisoformat(recording[name]) for name in ("started_at", "ended_at"))
    assert (ended - started).total_seconds() == pytest.approx(120, abs=1)
    assert call.said[-1] == WORDS[ENGLISH].thanks


def test_who_hangs_up_while_they_speak_has_left_a_message(closed: Carrier) -> None:
    call = closed.call(says=["word " * 100], hangs_up_after=30)
    assert call.ended_by == "user"
    assert WORDS[ENGLISH].thanks not in call.said
    assert len(closed.conversation(call)["recordings"]) == 1


def test_two_callers_at_once_each_leave_their_own(closed: Carrier) -> None:
    calls = closed.play(
        Call(from_=ENGLISH, to=OURS, far_end=FarEnd(says=("One.",))),
        Call(from_=FRENCH, to=OURS, far_end=FarEnd(says=("Deux.",))),
    )
    for caller, words in ((ENGLISH, "One."), (FRENCH, "Deux.")):
        call = of(calls, caller)
        assert call.said == [WORDS[caller].closed, WORDS[caller].leave, WORDS[caller].thanks]
        assert call.spoken == [words]
        assert len(call.recorded) == 1


@CALLERS
def test_the_api_shows_which_steps_were_served(opened: Carrier, closed: Carrier, caller: str) -> None:
    words = WORDS[caller]
    call = opened.call(caller, callees={"*": FarEnd(does="busy")})
    assert opened.served(call) == [(f"open{words.suffix}", "greeting"), (f"open{words.suffix}", "nobody")]
    assert closed.served(closed.call(caller)) == [(f"closed{words.suffix}", "greeting")]


def test_the_file_as_it_is_has_hours_and_holidays() -> None:
    text = FILE.read_text()
    assert text.count(OPEN) == 1
    assert text.count(HOLIDAYS) == 1


def assert_left(call: CallResult, words: Words) -> None:
    """That a message was recorded, and written down, and that the caller hung up only then."""
    (recorded,) = call.recorded
    assert recorded == {
        "beepStart": True,
        "endOnKey": "#",
        "endOnSilence": 5,
        "timeOut": 120,
        "transcription": {"language": words.language},
    }
    assert call.spoken == [MESSAGE]
    assert call.pressed == ["#"]
    assert [event["recording_url"] != "" for event in call.events if "recording_url" in event] == [True]
    assert [event["status"] for event in call.events if event.get("type") == "record"] == ["transcribed"]
    assert (call.status, call.ended_by) == ("completed", "platform")
