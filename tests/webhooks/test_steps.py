"""/voice/flows/<flow>/<step>: what came back from an action is kept like any event, and what comes next is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.flows.reply import SORRY
from tests.engines import wait_until
from tests.folders import NOWHERE
from tests.webhooks.conftest import Body, Site, Start, bearer, compact

CONVERSATION, LEG = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6", "0779a56d002f1c7f47f82ef5fe84ab79"
CALL: Body = {"from": "447700900123", "to": "442079460000", "uuid": LEG, "conversation_uuid": CONVERSATION}
AT = "2026-11-20T12:00:00.000Z"
INPUT: Body = {"speech": {"error": "Speech was not enabled"}, **CALL, "timestamp": AT}
FLOWS = """
routes:
  - from: "442079460000"
    flow: notice
  - flow: menu
flows:
  menu:
    steps:
      ask:
        - action: talk
          text: Which key?
          bargeIn: true
        - action: input
          type: [dtmf]
          dtmf: {maxDigits: 1}
          next: {keys: {1: one}, silence: ask, else: ask, exhausted: bye}
      one:
        - action: talk
          text: "{{ from }} pressed {{ inputs.ask.digits }}."
        - action: connect
          from: "{{ to }}"
          endpoint: [{type: phone, number: "442079460001", onAnswer: {step: whisper}}]
          next: bye
      whisper:
        - action: talk
          text: A call for you.
      bye:
        - action: talk
          text: Goodbye.
  notice:
    detected: {human: person, beep_start: left}
    steps:
      start: [{action: wait}]
      person: [{action: talk, text: "Hello, {{ to }}."}]
      left: [{action: talk, text: A message.}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "flows.yaml").write_text(FLOWS)
    return tmp_path / "flows.yaml"


@pytest.fixture
def site(start: Start, file: Path) -> Site:
    return start(app_env="production", flows_file=file)


def said(response: Any) -> list[str]:
    """The texts that the caller hears."""
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    return [action["text"] for action in response.json if action["action"] == "talk"]


def next_of(response: Any) -> str:
    """The path and query of the next step."""
    (url,) = (action["eventUrl"][0] for action in response.json if "eventUrl" in action)
    assert url.startswith("https://calls.example.com/voice/flows/")
    return url.removeprefix("https://calls.example.com")


def goes_on(response: Any) -> bool:
    return (response.status_code, response.data) == (200, b"") and "Content-Type" not in response.headers


def keys(digits: str) -> Body:
    return {"dtmf": {"digits": digits, "timed_out": not digits}, **INPUT}


def test_a_step_may_be_signed_with_the_parameters_of_its_address_before_those_of_its_body(site: Site) -> None:
    path = urlsplit(next_of(site.post("/voice/answer", CALL)))
    state = {name: value for name, (value,) in parse_qs(path.query).items()}
    headers = bearer(compact(state | keys("1")))
    assert said(site.post(f"{path.path}?{path.query}", keys("1"), headers)) == ["447700900123 pressed 1."]
    for other in ("", "state=x", f"{path.query}&from=1", f"{path.query}&{path.query}"):
        assert site.post(f"{path.path}?{other}", keys("1"), headers).status_code == 401
    assert site.post(f"{path.path}?{path.query}", keys("2"), headers).status_code == 401


def test_a_later_step_still_knows_the_region(start: Start, file: Path) -> None:
    file.write_text(FLOWS.replace("pressed {{ inputs.ask.digits }}", "is controlled at {{ region_url }}"))
    site = start(flows_file=file)
    answer = site.post("/voice/answer", CALL | {"region_url": "https://api-ap-3.vonage.com"})
    assert said(site.post(next_of(answer), keys("1"))) == ["447700900123 is controlled at https://api-ap-3.vonage.com."]


def test_pressed_keys_are_kept_and_select_the_next_step(site: Site) -> None:
    answer = site.post("/voice/answer", CALL)
    assert said(answer) == ["Which key?"]
    served = site.post(next_of(answer), keys("1"))
    assert said(served) == ["447700900123 pressed 1."]
    first, second = site.answers(CONVERSATION, 2)
    assert (first["flow"], first["step"], second["flow"], second["step"]) == ("menu", "ask", "menu", "one")
    assert first["version"] == second["version"] != None  # noqa: E711
    assert second["ncco"] == served.json
    assert (second["leg"], second["fault"], second["fallback_reason"]) == (LEG, None, None)
    conversation = site.conversation(CONVERSATION)
    assert [(entry["digits"], entry["timed_out"]) for entry in conversation["inputs"]] == [("1", False)]
    (leg,) = conversation["legs"]
    assert (leg["from"], leg["to"]) == ("447700900123", "442079460000")
    kinds = [event["kind"] for event in site.events(CONVERSATION)]
    assert sorted(kinds) == ["answer", "answer", "input"]


def test_by_get_the_addresss_own_parameter_is_not_part_of_the_event(site: Site) -> None:
    path = urlsplit(next_of(site.get("/voice/answer", CALL)))
    state = parse_qs(path.query)["state"][0]
    assert said(site.get(path.path, {"state": state, **keys("1")})) == ["447700900123 pressed 1."]
    (event,) = (event for event in site.events(CONVERSATION) if event["kind"] == "input")
    assert "state" not in event["raw"]
    assert site.post(f"{path.path}?state={state}", keys("1")).status_code == 200
    assert [event["kind"] for event in site.events(CONVERSATION)].count("input") == 1, "the same event, by POST"


def test_a_repeated_callback_gets_the_same_reply_and_is_one_event(site: Site) -> None:
    answer = site.post("/voice/answer", CALL)
    for _ in range(2):
        assert said(site.post(next_of(answer), keys("7"))) == ["Which key?"]
    assert len(site.conversation(CONVERSATION)["inputs"]) == 1
    assert len(site.answers(CONVERSATION, 3)) == 3


def test_the_fallback_url_continues_the_step_that_could_not_be_reached(site: Site) -> None:
    """https://developer.vonage.com/en/voice/voice-api/webhook-reference#fallback-url"""
    answer = site.post("/voice/answer", CALL)
    url = f"https://calls.example.com{next_of(answer)}"
    copy = {**keys("1"), "reason": "Socket timeout.", "original_request": {"url": url, "type": "event"}}
    assert said(site.post("/voice/fallback", copy)) == ["447700900123 pressed 1."]
    conversation = site.conversation(CONVERSATION)
    assert [entry["digits"] for entry in conversation["inputs"]] == ["1"]
    assert [(error["kind"], error["reason"]) for error in conversation["errors"]] == [("fallback", "Socket timeout.")]
    assert [answer["step"] for answer in site.answers(CONVERSATION, 2)] == ["ask", "one"]


@pytest.mark.parametrize("status", ["busy", "timeout", "unanswered", "rejected", "failed"])
def test_a_connect_that_failed_leads_on(site: Site, status: str) -> None:
    through = site.post(next_of(site.post("/voice/answer", CALL)), keys("1"))
    event = {"status": status, "uuid": "callee", "conversation_uuid": CONVERSATION, "timestamp": AT}
    event |= {"from": "442079460000", "to": "442079460001", "direction": "outbound"}
    assert said(site.post(next_of(through), event)) == ["Goodbye."]
    assert next(leg["status"] for leg in site.conversation(CONVERSATION)["legs"] if leg["uuid"] == "callee") == status


@pytest.mark.parametrize("status", ["started", "ringing", "answered", "completed", "cancelled", "human", "machine"])
def test_callbacks_whose_reply_vonage_ignores_get_none(site: Site, status: str) -> None:
    through = site.post(next_of(site.post("/voice/answer", CALL)), keys("1"))
    event = {"status": status, "uuid": "callee", "conversation_uuid": CONVERSATION, "timestamp": AT}
    assert goes_on(site.post(next_of(through), event))
    assert any(event["status"] == status for event in site.events(CONVERSATION))


def test_a_callee_hears_a_step_first(site: Site) -> None:
    through: Any = site.post(next_of(site.post("/voice/answer", CALL)), keys("1"))
    (endpoint,) = (action["endpoint"][0] for action in through.json if action["action"] == "connect")
    path = endpoint["onAnswer"]["url"].removeprefix("https://calls.example.com")
    query = {"from": "442079460000", "to": "442079460001", "uuid": "callee", "conversation_uuid": CONVERSATION}
    assert said(site.post(path, query)) == ["A call for you."]
    served = site.answers(CONVERSATION, 3)[-1]
    assert (served["flow"], served["step"], served["leg"]) == ("menu", "whisper", "callee")


def test_a_step_is_an_answer_url_too(site: Site) -> None:
    assert said(site.post("/voice/flows/menu/bye", CALL)) == ["Goodbye."]
    (served,) = site.answers(CONVERSATION)
    assert (served["flow"], served["step"], served["leg"]) == ("menu", "bye", LEG)


def test_a_detected_person_or_machine_is_served_its_step(site: Site) -> None:
    event: Body = {"call_uuid": "leg", "from": "442079460000", "to": "447700900123", "conversation_uuid": CONVERSATION}
    event |= {"timestamp": AT}
    assert said(site.post("/voice/event", {**event, "status": "human"})) == ["Hello, 447700900123."]
    beep = {**event, "status": "machine", "sub_state": "beep_start"}
    assert said(site.post("/voice/flows/notice/start", beep)) == ["A message."]
    assert goes_on(site.post("/voice/event", {**event, "status": "machine"}))
    assert [(row["step"], row["leg"]) for row in site.answers(CONVERSATION, 2)] == [("person", "leg"), ("left", "leg")]


@pytest.mark.parametrize(
    ("status", "sub_state", "hears"),
    [
        ("human", "human_answered", ["Hello, 447700900123."]),
        ("machine", "screener", ["Please put me through."]),
        ("machine", "beep_start", ["A message."]),
        ("machine", "beep_timeout", None),
        ("machine", "fax", None),
    ],
)
def test_a_sub_state_that_is_not_known_counts_as_its_status_unless_the_flow_names_it(
    site: Site, file: Path, status: str, sub_state: str, hears: list[str] | None
) -> None:
    screener = FLOWS.replace("beep_start: left}", "beep_start: left, screener!: screened}")
    file.write_text(f"{screener}      screened: [{{action: talk, text: Please put me through.}}]\n")
    site.flows.reloader.refresh()
    event = {"status": status, "sub_state": sub_state, "call_uuid": "c1", "from": "442079460000", "to": "447700900123"}
    reply = site.post("/voice/event", {**event, "conversation_uuid": CONVERSATION, "timestamp": AT})
    assert goes_on(reply) if hears is None else said(reply) == hears


def test_what_else_may_have_been_said_counts_after_the_likeliest(site: Site, file: Path) -> None:
    file.write_text(
        FLOWS.replace("{keys: {1: one}", "{words: {sales: one, support: bye}").replace("[dtmf]", "[speech]")
    )
    file.write_text(file.read_text().replace("          dtmf: {maxDigits: 1}\n", ""))
    site.flows.reloader.refresh()

    def said_one_of(*results: tuple[str, float]) -> list[str]:
        speech = {"results": [{"text": text, "confidence": confidence} for text, confidence in results]}
        return said(site.post(next_of(site.post("/voice/answer", CALL)), {**INPUT, "speech": speech}))

    assert said_one_of(("sails", 0.8), ("sales", 0.7)) == ["447700900123 pressed ."]
    assert said_one_of(("sales", 0.6), ("support", 0.9)) == ["Goodbye."]
    assert said_one_of(("sails", 0.8), ("sale", 0.7)) == ["Which key?"]


@pytest.mark.parametrize("path", ["/voice/flows/menu/gone", "/voice/flows/gone/ask", "/voice/flows/menu/ask?state=x"])
def test_a_step_that_is_gone_gets_the_last_resort_and_the_reason_is_shown(site: Site, path: str) -> None:
    site.post("/voice/answer", CALL)
    assert said(site.post(path, keys("1"))) == [SORRY]
    served = site.answers(CONVERSATION, 2)[-1]
    assert served["flow"] == "last-resort"
    assert served["fault"]
    assert served["fault"] in site.log_text
    assert len(site.conversation(CONVERSATION)["inputs"]) == 1


def test_while_neither_redis_nor_the_disk_is_there_the_caller_is_served_all_the_same(start: Start, file: Path) -> None:
    site = start("unix:///nonexistent/socket", flows_file=file, data_dir=NOWHERE)
    answer = site.post("/voice/answer", CALL)
    assert said(site.post(next_of(answer), keys("1"))) == ["447700900123 pressed 1."]
    ringing = {"status": "ringing", "uuid": "callee", "conversation_uuid": CONVERSATION, "timestamp": AT}
    assert site.post(next_of(answer), ringing).status_code == 503, "not answered later: Vonage sends it again"
    wait_until(lambda: site.store.answers_waiting == 3, "what the writer was trying waits again")


def test_a_callback_received_meanwhile_is_kept_once_redis_is_back(start: Start, file: Path, monkeypatch: Any) -> None:
    from app.store.errors import StoreUnavailable

    site = start(flows_file=file, data_dir=NOWHERE)
    answer = site.post("/voice/answer", CALL)

    def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("timeout", "for this test")

    with monkeypatch.context() as patched:
        patched.setattr(site.store, "record", away)
        assert said(site.post(next_of(answer), keys("1"))) == ["447700900123 pressed 1."]
    wait_until(lambda: len(site.conversation(CONVERSATION)["inputs"]) == 1, "what was keyed is kept")


def test_an_error_is_shown_beside_the_ncco_that_caused_it(site: Site) -> None:
    """https://developer.vonage.com/en/voice/voice-api/webhook-reference#error-event"""
    answer = site.post("/voice/answer", CALL)
    site.answers(CONVERSATION)
    reason = "Syntax error in NCCO. Invalid value type or action."
    site.post("/voice/event", {"reason": reason, "conversation_uuid": CONVERSATION, "timestamp": AT})
    (error,) = site.conversation(CONVERSATION)["errors"]
    assert (error["reason"], error["answer"]["flow"], error["answer"]["step"]) == (reason, "menu", "ask")
    assert error["answer"]["ncco"] == answer.json


def test_nobody_forges_a_step(site: Site) -> None:
    answer = site.post("/voice/answer", CALL)
    response = site.post(next_of(answer), keys("1"), headers={"Authorization": "Bearer x.y.z"})
    assert response.status_code == 401
    site.answers(CONVERSATION)
    assert site.conversation(CONVERSATION)["inputs"] == []


def test_no_number_or_state_is_in_a_log_line(site: Site) -> None:
    answer = site.post("/voice/answer", CALL)
    site.post(next_of(answer), keys("1"))
    state = next_of(answer).split("state=")[1]
    assert "447700900123" not in site.log_text
    assert state not in site.log_text
    assert "answered:menu/one" in site.log_text


def test_a_detected_person_or_machine_is_served_then_too(start: Start, file: Path) -> None:
    site = start("unix:///nonexistent/socket", flows_file=file, data_dir=NOWHERE)
    event: Body = {"call_uuid": "leg", "from": "442079460000", "to": "447700900123", "conversation_uuid": CONVERSATION}
    assert said(site.post("/voice/event", {**event, "status": "human"})) == ["Hello, 447700900123."]
    assert site.post("/voice/event", {**event, "status": "machine"}).status_code == 503


def test_a_fallback_copy_that_was_replied_to_meanwhile_is_kept_with_its_reason(
    start: Start, file: Path, monkeypatch: Any
) -> None:
    from app.store.errors import StoreUnavailable

    site = start(flows_file=file, data_dir=NOWHERE)
    url = f"https://calls.example.com{next_of(site.post('/voice/answer', CALL))}"

    def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("refused", "for this test")

    copy = {**keys("1"), "reason": "Socket timeout.", "original_request": {"url": url, "type": "event"}}
    with monkeypatch.context() as patched:
        patched.setattr(site.store, "record", away)
        assert said(site.post("/voice/fallback", copy)) == ["447700900123 pressed 1."]
    wait_until(lambda: len(site.conversation(CONVERSATION)["inputs"]) == 1, "what was keyed is kept")
    wait_until(
        lambda: [row["reason"] for row in site.conversation(CONVERSATION)["errors"]] == ["Socket timeout."], "why, too"
    )


def test_a_callback_is_one_webhook_though_its_reply_is_recorded_too(site: Site) -> None:
    answer = site.post("/voice/answer", CALL)
    site.post(next_of(answer), keys("1"))
    site.answers(CONVERSATION, 2)
    assert site.counters()["received"] == 2


def test_the_last_of_two_states_counts(site: Site) -> None:
    path = next_of(site.post("/voice/answer", CALL)).replace("?state=", "?state=x&state=")
    assert said(site.post(path, keys("1"))) == ["447700900123 pressed 1."]


def test_a_call_that_was_answered_before_a_change_still_knows_who_calls_whom(site: Site, file: Path) -> None:
    """Though the old text had no use for it."""
    file.write_text(FLOWS.replace('text: "{{ from }} pressed', 'text: "Somebody pressed'))
    site.flows.reloader.refresh()
    answer = site.post("/voice/answer", CALL)
    file.write_text(FLOWS)
    assert site.flows.reloader.refresh()
    assert said(site.post(next_of(answer), keys("1"))) == ["447700900123 pressed 1."]


@pytest.mark.parametrize("levels", [5, 24, 27, 28, 29, 30, 31])
def test_everything_served_can_be_read_again(start: Start, tmp_path: Path, levels: int) -> None:
    """At any depth of what an app user's page sent: either it is served and can be read, or it is not served."""
    text = """
        routes: [{flow: f}]
        flows:
          f:
            - {action: notify, payload: {data: "{{ custom_data.x }}"}}
            - {action: talk, text: Hello}
    """
    (tmp_path / "deep.yaml").write_text(text)
    site = start(flows_file=tmp_path / "deep.yaml")
    value: Any = "here"
    for _ in range(levels - 1):
        value = {"a": value}
    query = {"from_user": "Bob", "to": "x", "uuid": LEG, "conversation_uuid": CONVERSATION, "custom_data": {"x": value}}
    response = site.post("/voice/answer", query)
    if response.status_code == 400:
        assert "nested deeper" in response.text
        return
    (answer,) = site.answers(CONVERSATION)
    assert answer["ncco"] == response.json
    assert site.api("/api/v1/conversations")["items"]
