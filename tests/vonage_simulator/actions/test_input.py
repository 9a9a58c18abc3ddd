"""The `input` action: keys, speech, timeouts, and the event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vonage_simulator.stage import Json, Played, inbound, play, scenario, talk
from vonage_simulator.scenario import FarEnd

SPEECH_OFF = {"error": "Speech was not enabled"}
THEN: Json = {"action": "talk", "text": "then"}
HELLO = "x" * 50  # takes 3.5 seconds to say


def ask(*types: str, **more: Any) -> Json:
    return {"action": "input", "type": list(types), **more}


def play_input(action: Json, keys: tuple[str, ...] = (), says: tuple[str, ...] = (), reply: Any = None) -> Played:
    """Play one input, followed by THEN; it begins at 0.6 seconds."""
    answers = {"/answer": [action, THEN], "/event": lambda got: reply if "dtmf" in got.data else None}
    return play(scenario(inbound(FarEnd(keys=keys, says=says))), answers)


def result(played: Played) -> Json:
    (event,) = played.having("dtmf")
    return event


def took(played: Played) -> float:
    """Seconds from the beginning of the input until the script went on."""
    (went_on,) = played.when("talk", text="then")
    return round(went_on - 0.6, 3)


# ---- keys


def test_an_event_has_the_keys_and_names_leg_and_call() -> None:
    played = play_input(ask("dtmf"), ("12",))
    assert result(played) == {
        "speech": SPEECH_OFF,
        "dtmf": {"digits": "12", "timed_out": True},
        "from": "447700900123",
        "to": "442079460000",
        "uuid": played.leg.uuid,
        "conversation_uuid": played.leg.conversation.uuid,
        "timestamp": "2026-01-01T00:00:05.200Z",
    }
    assert played.result.pressed == ["12"]


@pytest.mark.parametrize(
    ("keys", "dtmf", "digits", "timed_out", "seconds"),
    [
        # The first key takes a second, each further one a third of a second.
        ("12345", {}, "1234", False, 2.2),  # four are the most unless it says otherwise
        ("12345", {"maxDigits": 1}, "1", False, 1.3),
        ("12345", {"maxDigits": 20}, "12345", True, 5.5),
        ("12", {"timeOut": 10}, "12", True, 11.6),
        ("12", {"timeOut": 0}, "12", True, 1.6),
        ("12#4", {"submitOnHash": True}, "12", False, 1.6),
        ("#", {"submitOnHash": True}, "", False, 1.0),
        ("12#", {"submitOnHash": False}, "12#", True, 4.9),
        ("12#", {"submitOnHash": True, "maxDigits": 2}, "12", False, 1.6),
        ("*0#9", {}, "*0#9", False, 2.2),
        ("", {}, "", True, 3.0),
        ("", {"timeOut": 10}, "", True, 10.0),
        ("", {"timeOut": 0}, "", True, 0.0),
    ],
)
def test_keys_end_with_the_last_with_the_hash_key_or_in_silence(
    keys: str, dtmf: Json, digits: str, timed_out: bool, seconds: float
) -> None:
    played = play_input(ask("dtmf", dtmf=dtmf), (keys,))
    assert result(played)["dtmf"] == {"digits": digits, "timed_out": timed_out}
    assert took(played) == seconds


def test_each_input_gets_the_next_keys() -> None:
    """No keys left, or an empty text, is silence."""
    played = play(scenario(inbound(FarEnd(keys=("1", "", "2")))), [ask("dtmf")] * 4)
    assert [event["dtmf"]["digits"] for event in played.having("dtmf")] == ["1", "", "2", ""]
    assert played.result.pressed == ["1", "2"]


# ---- speech


def test_an_event_has_the_words_and_their_confidence() -> None:
    played = play_input(ask("speech"), says=(HELLO,))
    assert result(played)["speech"] == {
        "timeout_reason": "end_on_silence_timeout",
        "results": [{"confidence": "0.9405097", "text": HELLO}],
    }
    assert result(played)["dtmf"] == {"digits": None, "timed_out": False}, "no keys were requested"
    assert played.result.spoken == [HELLO]


@pytest.mark.parametrize(
    ("says", "speech", "reason", "seconds"),
    [
        (HELLO, {}, "end_on_silence_timeout", 6.5),
        (HELLO, {"endOnSilence": 0.4}, "end_on_silence_timeout", 4.9),
        (HELLO, {"maxDuration": 2}, "max_duration", 3.0),
        ("x" * 1000, {}, "max_duration", 61.0),
        ("", {}, "start_timeout", 10.0),
        ("", {"startTimeout": 1}, "start_timeout", 1.0),
    ],
)
def test_speech_ends_in_silence_or_when_it_is_too_long_or_never_begins(
    says: str, speech: Json, reason: str, seconds: float
) -> None:
    played = play_input(ask("speech", speech=speech), says=(says,))
    assert result(played)["speech"]["timeout_reason"] == reason
    assert len(result(played)["speech"]["results"]) == (1 if says else 0)
    assert took(played) == seconds


@pytest.mark.parametrize(("says", "saved"), [(HELLO, 1), ("", 0)])
def test_saved_speech_can_be_downloaded(says: str, saved: int) -> None:
    played = play_input(ask("speech", speech={"saveAudio": True}), says=(says,))
    url = result(played)["speech"].get("recording_url")
    assert (url is not None) == bool(saved)
    assert len(played.carrier.files) == saved
    if url:
        file = played.carrier.files[url.rpartition("/")[2]]
        assert (url.startswith(played.carrier.files.url), file.kind) == (True, "wav")
        assert file.content.startswith(b"RIFF")


def test_speech_is_saved_only_on_request() -> None:
    assert "recording_url" not in result(play_input(ask("speech"), says=(HELLO,)))["speech"]


# ---- both


def test_after_a_key_speech_is_not_recognised() -> None:
    """What they would have said waits for the next input."""
    played = play(scenario(inbound(FarEnd(keys=("1",), says=(HELLO,)))), [ask("dtmf", "speech")] * 2)
    first, second = played.having("dtmf")
    assert (first["dtmf"]["digits"], first["speech"]) == ("1", {"error": "Speech overridden by DTMF"})
    assert (second["dtmf"]["digits"], second["speech"]["results"][0]["text"]) == ("", HELLO)


def test_in_silence_both_timeouts_are_waited_for() -> None:
    """The longer one counts."""
    played = play_input(ask("dtmf", "speech", dtmf={"timeOut": 2}, speech={"startTimeout": 7}))
    assert result(played)["dtmf"] == {"digits": "", "timed_out": True}
    assert result(played)["speech"] == {"timeout_reason": "start_timeout", "results": []}
    assert took(played) == 7.0
    assert took(play_input(ask("dtmf", "speech", dtmf={"timeOut": 9}, speech={"startTimeout": 7}))) == 9.0


# ---- one by one


def test_keys_may_be_sent_one_by_one_while_the_script_goes_on() -> None:
    played = play(
        scenario(inbound(FarEnd(keys=("7#3",)))),
        {
            "/answer": [ask("dtmf", mode="asynchronous"), talk(10.5)],
            "/event": lambda got: [THEN] if "dtmf" in got.data else None,
        },
    )
    assert [event["dtmf"] for event in played.having("dtmf")] == [
        {"digits": "7", "timed_out": False},
        {"digits": "#", "timed_out": False},
        {"digits": "3", "timed_out": False},
    ]
    assert played.when("keys") == [1.6, 2.6, 3.6]
    assert (played.when("talk"), played.ended) == ([0.6], 11.1), "and the replies to them are not read"


def test_keys_one_by_one_end_with_the_call() -> None:
    played = play(scenario(inbound(FarEnd(keys=("123",)))), [ask("dtmf", mode="asynchronous"), talk(2.1)])
    assert played.result.pressed == ["1", "2"]


# ---- where the result goes, and the reply


@pytest.mark.parametrize("mode", ["synchronous", "asynchronous"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_result_goes_to_the_url_of_the_action(mode: str, method: str) -> None:
    action = ask("dtmf", mode=mode, eventUrl=["stage:/own?from=menu"], eventMethod=method)
    played = play(scenario(inbound(FarEnd(keys=("1",)))), [action, talk(3.0)])
    (request,) = [got for got in played.got if got.path == "/own"]
    assert request.method == method
    assert played.having("dtmf") == []
    if method == "GET":
        assert request.data["dtmf"] == '{"digits":"1","timed_out":%s}' % ("false" if mode == "asynchronous" else "true")
        assert request.data["from"] in ("menu", "447700900123")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ([{"action": "talk", "text": "instead"}], ["instead"]),
        ([], []),
        (None, ["then"]),
        ({}, ["then"]),
        ({"status": "success"}, ["then"]),
    ],
)
def test_an_ncco_in_the_reply_replaces_the_rest_of_the_script(reply: Any, said: list[str]) -> None:
    """An empty one leaves nothing to do; no body, or an object, is no NCCO."""
    assert play_input(ask("dtmf"), reply=reply).result.said == said


@pytest.mark.parametrize("reply", [[{"action": "dance"}], ("text/plain", "hello"), ("text/html", "<p>hello</p>")])
def test_a_reply_that_cannot_be_run_is_reported_and_the_script_goes_on(reply: Any) -> None:
    played = play_input(ask("dtmf"), reply=reply)
    assert played.result.said == ["then"]
    (event,) = played.having("reason")
    assert event["reason"] == "Syntax error in NCCO. Invalid value type or action."
    assert len(played.leg.conversation.errors) == len(played.result.troubles) == 1


def test_if_the_event_url_fails_the_fallback_url_is_requested_or_the_script_goes_on() -> None:
    answers: Json = {"/answer": [ask("dtmf"), THEN], "/event": lambda got: 500 if "dtmf" in got.data else None}
    assert play(scenario(inbound()), answers).result.said == ["then"]
    answers["/fallback"] = [{"action": "talk", "text": "instead"}]
    played = play(scenario(inbound()), answers, fallback=True)
    assert played.result.said == ["instead"]
    (asked_again,) = played.to("/fallback")
    assert asked_again["dtmf"] == '{"digits":"","timed_out":true}', "the fallback URL is requested by GET"
    assert asked_again["reason"] == "Invalid response code."
    assert json.loads(asked_again["original_request"])["type"] == "event"


def test_the_results_of_inputs_are_in_the_ledger() -> None:
    played = play(scenario(inbound(FarEnd(keys=("1",), says=("", HELLO)))), [ask("dtmf", "speech"), ask("speech")] * 2)
    first, second, third, _ = played.leg.conversation.inputs
    assert (first.leg, first.digits, first.error) == (played.leg.uuid, "1", "Speech overridden by DTMF")
    assert (second.digits, second.timeout_reason, second.speech) == (None, "start_timeout", ())
    assert (third.digits, third.speech) == ("", ((HELLO, "0.9405097"),))


@pytest.mark.parametrize(
    ("reply", "ncco"),
    [([THEN], [THEN]), ([], []), (None, None), ({}, None), ({"status": "success"}, None)],
)
def test_the_replies_to_events_are_in_the_ledger(reply: Any, ncco: Any) -> None:
    """After the answer, each with the event that it replied to."""
    played = play_input(ask("dtmf"), ("1",), reply=reply)
    first, second = played.leg.conversation.answers
    assert first.about is None
    assert (second.leg, second.ncco, second.about) == (played.leg.uuid, ncco, result(played))
    assert second.url.endswith("/event")


@pytest.mark.parametrize("reply", [[{"action": "dance"}], 500, ("text/plain", "hello")])
def test_an_unreadable_reply_is_not_in_the_ledger(reply: Any) -> None:
    """The reply of the fallback URL is."""
    assert [answer.about for answer in play_input(ask("dtmf"), reply=reply).leg.conversation.answers] == [None]
    answers: Json = {"/answer": [ask("dtmf"), THEN], "/event": lambda got: reply if "dtmf" in got.data else None}
    played = play(scenario(inbound()), answers | {"/fallback": [THEN]}, fallback=True)
    _, said = played.leg.conversation.answers
    assert (said.ncco, said.url.rpartition("/")[2]) == ([THEN], "fallback")
    assert said.about is not None
    assert said.about["original_request"]["type"] == "event"


# ---- prompts that may be interrupted


@pytest.mark.parametrize("prompt", ["talk", "stream"])
def test_a_prompt_may_be_interrupted_by_a_key(prompt: str) -> None:
    """The input begins with it, and the next action when it is over."""
    action = talk(5.0, bargeIn=True)
    if prompt == "stream":
        action = {"action": "stream", "streamUrl": ["https://example.com/menu.mp3"], "bargeIn": True}
    played = play(scenario(inbound(FarEnd(keys=("1",)))), [action, ask("dtmf", dtmf={"maxDigits": 1}), THEN])
    assert (played.when("input"), took(played)) == ([0.6], 1.3)


def test_in_silence_the_timeout_begins_when_the_prompt_is_over() -> None:
    """This is not documented; otherwise no key could be pressed after a long prompt."""
    played = play(scenario(inbound()), [talk(5.0, bargeIn=True), ask("dtmf"), THEN])
    assert took(played) == pytest.approx(5.0 + 3.0, abs=0.05)


def test_prompts_follow_each_other_and_all_may_be_interrupted_until_an_input() -> None:
    """Also one without `bargeIn` of its own."""
    played = play(scenario(inbound()), [talk(7.0, bargeIn=True), talk(3.5), ask("dtmf"), talk(1.4), THEN])
    assert played.when("input") == [0.6]
    assert took(played) == 7.0 + 3.5 + 3.0 + 1.4


def test_a_prompt_without_end_is_not_waited_for() -> None:
    played = play(scenario(inbound()), [talk(5.0, bargeIn=True, loop=0), ask("dtmf"), talk(1.4), THEN])
    assert took(played) == 3.0 + 1.4, "and it stops at the input"


def test_the_action_after_asynchronous_keys_waits_for_the_prompt() -> None:
    """It can no longer be interrupted."""
    prompt = [talk(7.0, bargeIn=True), ask("dtmf", mode="asynchronous")]
    played = play(scenario(inbound()), [*prompt, talk(3.5), THEN])
    assert (played.when("input"), took(played)) == ([0.6], 7.0 + 3.5)
