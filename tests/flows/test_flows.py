"""From a request to what the caller is given, step after step; and what is given where something is wrong."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.flows.reply import LAST_RESORT
from app.flows.request import Request, Result
from tests.flows.flow_file_of import CALL, CALLER, NOON, address, answered, came_back, flows_in, is_last_resort

MENU = """
    routes:
      - to: "442079460000"
        flow: menu
    flows:
      menu:
        steps:
          hello:
            - action: talk
              text: Hello {{ from }}.
            - go: ask
          ask:
            - action: talk
              text: Press a key. This is time {{ attempt }}.
              bargeIn: true
            - action: input
              type: [dtmf]
              next: {keys: {1: told}, silence: again, else: again, attempts: 3, exhausted: bye}
          again:
            - action: talk
              text: Once more, {{ from_user | default("stranger") }}.
            - go: ask
          told:
            - action: talk
              text: You pressed {{ inputs.ask.digits }}, {{ from }}.
          bye:
            - action: talk
              text: Goodbye.
"""


def said(served: Any) -> list[str]:
    return [action["text"] for action in served.ncco if action["action"] == "talk"]


def test_a_call_goes_from_step_to_step_with_what_it_knows(tmp_path: Path) -> None:
    flows = flows_in(tmp_path, MENU)
    first = answered(flows)
    assert (first.flow, first.step, first.version) == ("menu", "hello", flows.flow_file.flows["menu"].version)  # type: ignore[union-attr]
    assert said(first) == [f"Hello {CALLER}.", "Press a key. This is time 1."]
    assert address(first)[:2] == ("menu", "ask")
    second = came_back(flows, first)
    assert second is not None
    assert said(second) == ["Once more, stranger.", "Press a key. This is time 2."]
    last = came_back(flows, second, digits="1")
    assert said(last) == [f"You pressed 1, {CALLER}."]


def test_a_question_is_not_repeated_for_ever(tmp_path: Path) -> None:
    flows = flows_in(tmp_path, MENU)
    served: Any = answered(flows)
    for _ in range(2):
        served = came_back(flows, served)
        assert len(said(served)) == 2
    assert said(came_back(flows, served)) == ["Goodbye."]


def test_the_same_callback_twice_gives_the_same(tmp_path: Path) -> None:
    """Vonage repeats one whose reply it did not get: the caller's attempts are not used up by that."""
    flows = flows_in(tmp_path, MENU)
    first = answered(flows)
    assert said(came_back(flows, first)) == said(came_back(flows, first))


def test_another_worker_goes_on_where_one_began(tmp_path: Path) -> None:
    first = answered(flows_in(tmp_path, MENU))
    assert said(came_back(flows_in(tmp_path, MENU), first, digits="1")) == [f"You pressed 1, {CALLER}."]


def test_a_call_that_no_route_matches_gets_the_last_resort(tmp_path: Path) -> None:
    is_last_resort(flows_in(tmp_path, MENU).answer(replace(CALL, to="442079460999"), NOON), "no route")


def test_without_a_usable_file_a_call_gets_the_last_resort(tmp_path: Path) -> None:
    is_last_resort(flows_in(tmp_path, "routes: nonsense").answer(CALL, NOON), "no flows file")


def test_a_call_with_too_little_known_about_it_gets_the_last_resort(tmp_path: Path) -> None:
    served = flows_in(tmp_path, MENU).answer(replace(CALL, from_=None), NOON)
    is_last_resort(served, "flow menu, step hello")
    assert "`from`" in (served.fault or "")


def test_an_ncco_that_vonage_would_refuse_is_not_served(tmp_path: Path) -> None:
    flows = flows_in(
        tmp_path,
        """
        routes:
          - flow: through
        flows:
          through:
            - action: connect
              endpoint: [{type: phone, number: "{{ custom_data.number }}"}]
        """,
    )
    request = Request(from_user="Bob", to="Alice", custom_data={"number": "+44 20"})
    is_last_resort(flows.answer(request, NOON), "flow through, step start: [0].endpoint[0].number: It is the text")
    fine = flows.answer(replace(request, custom_data={"number": "442079460001"}), NOON)
    assert fine.ncco == [{"action": "connect", "endpoint": [{"type": "phone", "number": "442079460001"}]}]


def test_a_text_too_long_once_it_is_rendered_is_found_out(tmp_path: Path) -> None:
    flows = flows_in(
        tmp_path,
        """
        routes: [{flow: long}]
        flows:
          long:
            - action: talk
              text: "{{ custom_data.text }}!"
        """,
    )
    assert answered(flows, Request(custom_data={"text": "x" * 1499})).fault is None
    is_last_resort(flows.answer(Request(custom_data={"text": "x" * 1500}), NOON), "1501")


CHAIN = """
    routes: [{flow: chain}]
    flows:
      chain:
        steps:
          a: [{action: notify, payload: {much: "{{ custom_data.much }}", none: "{{ custom_data.none }}"}, next: b}]
          b:
            - {action: talk, text: "{{ custom_data.few }} {{ headers['X-Few'] }} {{ inputs.c.digits }}"}
            - {action: input, type: [speech], next: c}
          c: [{action: input, type: [dtmf], next: d}]
          d: [{action: talk, text: "{{ inputs.c.digits }}."}]
"""


def test_a_call_takes_along_what_its_flow_uses_and_no_more(tmp_path: Path) -> None:
    """An address holds 4,000 letters; a minute of speech, and what a page sends along, may be more."""
    noise = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(4000))
    flows = flows_in(tmp_path, CHAIN.replace("{{ custom_data.much }}", "{{ custom_data.few }}"))
    sent = {"few": "A", "none": None, "unused": noise}
    call = replace(CALL, custom_data=sent, headers={"X-Few": "B", "X-Unused": noise})
    first = answered(flows, call)
    second: Any = came_back(flows, first, kind="notify", payload={"unused": noise})
    assert said(second) == ["A B "], "what was not asked for yet is empty"
    third: Any = came_back(flows, second, speech=noise)
    last: Any = came_back(flows, third, digits="7")
    assert said(last) == ["7."]


def test_more_than_an_address_holds_is_the_last_resort(tmp_path: Path) -> None:
    flows = flows_in(tmp_path, CHAIN)
    noise = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(4000))
    is_last_resort(flows.answer(replace(CALL, custom_data={"few": "A", "much": noise, "none": 1}), NOON), "an address")


def test_a_payload_keeps_what_is_none(tmp_path: Path) -> None:
    """It is no option of Vonage's: its receiver may want to see that there was none."""
    flows = flows_in(tmp_path, CHAIN)
    (notify,) = answered(flows, replace(CALL, custom_data={"few": "A", "much": "B", "none": None})).ncco
    assert notify["payload"] == {"much": "B", "none": None}


def test_what_a_connect_detects_is_reported_to_its_step_and_changes_nothing(tmp_path: Path) -> None:
    """Sent where all events go, it would be taken for an event of the call itself."""
    flows = flows_in(
        tmp_path,
        """
        routes: [{flow: ring}]
        flows:
          ring:
            detected: {machine: left}
            steps:
              start:
                - action: connect
                  machineDetection: continue
                  endpoint: [{type: app, user: Alice}]
              left: [{action: talk, text: A message.}]
        """,
    )
    served = answered(flows)
    (connect,) = served.ncco
    assert "eventType" not in connect
    assert address(served)[:2] == ("ring", "start")
    for result in (Result(kind="detection", status="machine"), Result(kind="connect", status="busy")):
        assert flows.follow(*address(served), Request(), result) is None


def test_notifies_that_lead_nowhere_may_be_several(tmp_path: Path) -> None:
    flows = flows_in(
        tmp_path,
        """
        routes: [{flow: f}]
        flows:
          f:
            - {action: notify, payload: {a: 1}}
            - {action: talk, text: Hello}
            - {action: notify, payload: {b: 2}}
        """,
    )
    urls = [action["eventUrl"][0] for action in answered(flows).ncco if "eventUrl" in action]
    assert len(urls) == 2
    state = urls[0].split("state=")[1]
    assert flows.follow("f", "start", state, Request(), Result(kind="notify", payload={"a": 1})) is None


def test_a_step_that_is_gone_after_a_reload_gets_the_last_resort(tmp_path: Path) -> None:
    flows = flows_in(tmp_path, MENU)
    first = answered(flows)
    (tmp_path / "flows.yaml").write_text("routes: [{flow: menu}]\nflows: {menu: [{action: talk, text: Hi}]}\n")
    assert flows.reloader.refresh()
    is_last_resort(came_back(flows, first, digits="1"), "no step ask")
    (tmp_path / "flows.yaml").write_text("routes: [{flow: other}]\nflows: {other: [{action: talk, text: Hi}]}\n")
    assert flows.reloader.refresh()
    is_last_resort(came_back(flows, first, digits="1"), "no flow menu")


def test_an_address_without_a_state_may_be_where_all_events_of_a_call_go(tmp_path: Path) -> None:
    """Of a call by the Voice API, say. That nobody picked it up is reported there, too."""
    flows = flows_in(tmp_path, MENU)
    assert flows.follow("menu", "ask", None, CALL, Result(kind="connect", status="busy")) is None


def test_a_state_that_is_not_ours_gets_the_last_resort(tmp_path: Path) -> None:
    flows = flows_in(tmp_path, MENU)
    result = Result(kind="input", digits="1")
    is_last_resort(flows.follow("menu", "ask", "forged", Request(), result), "none of this server's")
    is_last_resort(flows.enter("menu", "ask", "forged", Request()), "none of this server's")


CONNECT = """
    routes: [{flow: through}]
    flows:
      through:
        steps:
          ring:
            - action: connect
              endpoint:
                - type: phone
                  number: "442079460001"
                  onAnswer: {step: whisper}
              next: {busy: engaged}
            - action: notify
              payload: {asked: "{{ uuid }}"}
              next: after
          whisper:
            - action: talk
              text: A call from {{ from }}.
          engaged:
            - action: talk
              text: Engaged.
          after:
            - action: talk
              text: Over, {{ uuid }}.
"""


def test_connect_and_notify_lead_on_too_and_a_callee_hears_a_step_first(tmp_path: Path) -> None:
    flows = flows_in(tmp_path, CONNECT)
    connect, notify = answered(flows).ncco
    assert connect["eventType"] == "synchronous"
    assert notify["payload"] == {"asked": "leg"}
    state = connect["eventUrl"][0].split("state=")[1]
    busy = flows.follow("through", "ring", state, Request(), Result(kind="connect", status="busy"))
    assert said(busy) == ["Engaged."]
    assert flows.follow("through", "ring", state, Request(), Result(kind="connect", status="timeout")) is None
    over = flows.follow("through", "ring", state, Request(), Result(kind="notify", payload={}))
    assert said(over) == ["Over, leg."]
    whisper = connect["endpoint"][0]["onAnswer"]["url"]
    assert whisper.startswith("https://calls.example.com/voice/flows/through/whisper?state=")
    reply = flows.enter("through", "whisper", whisper.split("state=")[1], Request(to="442079460001"))
    assert said(reply) == [f"A call from {CALLER}."]
    assert flows.enter("through", "ring", state, Request()) is None  # that address is for what came back


def test_a_step_can_be_asked_for_like_an_answer(tmp_path: Path) -> None:
    """By a call that is made with it as its answer URL: it begins there."""
    served = flows_in(tmp_path, MENU).enter("menu", "ask", None, CALL)
    assert served is not None
    assert (said(served), served.step) == (["Press a key. This is time 1."], "ask")
    is_last_resort(flows_in(tmp_path, MENU).enter("menu", "nowhere", None, CALL), "no such step")


DETECTED = """
    routes: [{from: "442079460000", flow: notice}]
    flows:
      notice:
        detected: {human: person, beep_start: message}
        steps:
          start: [{action: wait, timeout: 5}]
          person: [{action: talk, text: "Hello {{ to }}"}]
          message: [{action: talk, text: A message.}]
"""


def test_the_detected_person_or_machine_selects_the_step(tmp_path: Path) -> None:
    flows = flows_in(tmp_path, DETECTED)
    request = Request(from_="442079460000", to=CALLER, uuid="leg", conversation_uuid="CON-1")

    def texts_after(status: str) -> Any:
        result = Result(kind="detection", status=status)
        both = flows.detected(request, result, NOON), flows.follow("notice", "start", None, request, result)
        assert both[0] == both[1]
        return both[0] and said(both[0])

    assert texts_after("human") == [f"Hello {CALLER}"]
    assert texts_after("beep_start") == ["A message."]
    assert texts_after("machine") is None
    elsewhere = replace(request, from_="442079460999")
    assert flows.detected(elsewhere, Result(kind="detection", status="human"), NOON) is None


def test_whom_a_connect_reached_does_not_change_the_callers_script(tmp_path: Path) -> None:
    """Its detection events come to the address of the step, which has a state."""
    flows = flows_in(tmp_path, DETECTED + "          again: [{action: input, type: [dtmf], next: person}]\n")
    assert flows.flow_file is None or flows.faults == ()
    state = flows._codec.seal(flows._begun(flows._flow("notice"), CALL)) if flows.flow_file else ""
    if flows.flow_file:
        assert flows.follow("notice", "start", state, CALL, Result(kind="detection", status="human")) is None


PYTHON = """
    import time
    from vonage_voice.models.ncco import Input, Talk


    def flow(request):
        what = (request.to or "")[-1]
        if what == "1":
            raise LookupError("nobody is there")
        if what == "2":
            return "nonsense"
        if what == "3":
            return [{"action": "talk"}]
        if what == "4":
            time.sleep(30)
        if what == "5":
            return [Talk(text="x"), object()]
        if request.step == "on" or what == "6":
            return None
        if request.step == "pin":
            return [Talk(text=f"{request.result.digits}, time {request.attempt}, {request.from_}")]
        return [Talk(text="PIN?", bargeIn=True), Input(type=["dtmf"], eventUrl=[request.url("pin")])]
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from textwrap import dedent

    name = f"flow_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(dedent(PYTHON))
    monkeypatch.syspath_prepend(tmp_path)
    return flows_in(tmp_path, f"routes: [{{flow: own}}]\nflows: {{own: {{python: '{name}:flow'}}}}\n")


def test_a_flow_in_python_goes_from_step_to_step(written: Any) -> None:
    first = answered(written)
    assert (first.flow, first.step) == ("own", "start")
    assert address(first)[:2] == ("own", "pin")
    assert said(came_back(written, first, digits="4711")) == [f"4711, time 1, {CALLER}"]


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("1", "flow own, step start: it raised LookupError: nobody is there"),
        ("2", "it returned str, but must return a list of actions"),
        ("3", "[0].text: "),
        ("5", "it returned what is no action"),
    ],
)
def test_a_wrong_python_flow_gets_the_last_resort(written: Any, to: str, words: str) -> None:
    is_last_resort(written.answer(replace(CALL, to=to), NOON), words)


def test_it_is_logged_where_it_raised(
    written: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("app"), "handlers", [caplog.handler])
    fault = written.answer(replace(CALL, to="1"), NOON).fault
    assert "(line 9 of flow_" in fault
    assert 'raise LookupError("nobody is there")' in caplog.text


def test_it_may_let_the_script_go_on_and_be_asked_by_a_callee(written: Any) -> None:
    state = address(answered(written))[2]
    assert written.follow("own", "on", state, Request(), Result(kind="notify", payload={})) is None
    whisper = written.enter("own", "pin?", state, Request())
    assert said(whisper) == ["PIN?"], "it serves a step as it serves an answer"
    assert written.follow("own", "on", None, CALL, Result(kind="detection", status="human")) is None
    assert written.follow("own", "on", state, CALL, Result(kind="detection", status="human")) is None
    is_last_resort(written.answer(replace(CALL, to="6"), NOON), "it returned None, but must")


def test_a_python_flow_that_takes_too_long_gets_the_last_resort(written: Any) -> None:
    started = time.monotonic()
    is_last_resort(written.answer(replace(CALL, to="4"), NOON), "longer than 2 s")
    assert time.monotonic() - started < 60
    assert written.python.left_behind == 1
    assert answered(written).step == "start"


def test_the_state_has_the_faults_and_the_running_version(tmp_path: Path) -> None:
    flows = flows_in(tmp_path, MENU)
    assert (flows.name, flows.read_at) == ("flows", None)
    flows.start()
    assert flows.ping() is None
    assert flows.flow_file is not None
    assert (flows.file, flows.version, flows.loaded_at) == (
        tmp_path / "flows.yaml",
        flows.flow_file.version,
        flows.flow_file.loaded,
    )
    assert flows.read_at is not None
    flows.stop()
    flows.file.write_text(MENU.replace("flow: menu", "flow: mneu"))
    flows.reloader.refresh()
    assert flows.ping() == "the flows file has 1 fault"
    assert len(flows.faults) == 1
    broken = flows_in(tmp_path, "routes: []")
    assert broken.ping() == "no flows file could be loaded"
    assert (broken.version, broken.loaded_at) == (None, None)


def test_too_many_python_flows_that_do_not_return_degrade_it(tmp_path: Path) -> None:
    flows = flows_in(tmp_path, MENU)
    assert flows.ping() is None
    flows.python.left_behind = 8
    assert flows.python_threads_left_behind == 8
    assert flows.ping() == "Python flows are refused: too many did not return"


def test_a_reply_is_serialised_once(tmp_path: Path) -> None:
    reply = answered(flows_in(tmp_path, MENU))
    assert json.loads(reply.body) == reply.ncco
    assert reply.body is reply.body
    assert b", " not in replace(LAST_RESORT, fault="x").body.partition(b"Sorry")[0]
