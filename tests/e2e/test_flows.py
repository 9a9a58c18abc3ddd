"""For any request, and with any fault of the flows, a caller gets in time an NCCO that Vonage can run.

Faults: the flows file is broken, Redis is gone, a Python flow hangs, raises or returns nonsense, an
expression cannot be evaluated. A real server with two workers receives many requests at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.flows.reply import SORRY
from tests.e2e.conftest import Serve
from tests.engines import wait_until
from tests.generated import PARTIES
from tests.serving import OPERATOR, ROOT, Reply, Server
from vonage_simulator import ncco

# Vonage gives up on an answer after 5 seconds; a Python flow has 2, Redis less than one.
# https://developer.vonage.com/en/application/technical-details#webhook-timeouts
IN_TIME = 5.0
CALLER, CALLED = "447700900123", "442079460000"
PYTHON = '''
    """Flows with faults."""

    import time

    from vonage_voice.models.ncco import Talk


    def good(request):
        return [Talk(text=f"Hello {request.from_user or request.from_ or 'whoever you are'}"[:1000])]


    def raises(request):
        raise SystemExit(1)


    def nonsense(request):
        return [{"action": "connect", "endpoint": [{"type": "phone", "number": request.from_}]}, 5]


    def hangs(request):
        while True:
            time.sleep(0.01)
'''
FLOWS = """
    routes:
      - {to: "1", flow: good}
      - {to: "2", flow: raises}
      - {to: "3", flow: nonsense}
      - {to: "4", flow: hangs}
      - {to: "5", flow: raising}
      - {to: "6", flow: long}
      - {to: "7", flow: structure}
      - {from_user: "*", flow: menu}
      - flow: menu
    flows:
      good: {python: "odd_flows:good"}
      raises: {python: "odd_flows:raises"}
      nonsense: {python: "odd_flows:nonsense"}
      hangs: {python: "odd_flows:hangs"}
      raising:
        - {action: talk, text: "{{ 1 / (custom_data.n | default(0)) }} {{ headers['X-A'] }}"}
      long:
        - {action: talk, text: "{{ from | default('') }}{{ from | default('') }}{{ custom_data.text | default('') }}!"}
      structure:
        - {action: talk, text: "{{ custom_data }}", loop: "{{ custom_data.loop | default(none) }}"}
        - action: connect
          endpoint: "{{ custom_data.endpoint }}"
      menu:
        steps:
          ask:
            - {action: talk, text: "<speak>Hello {{ from_user | default(from) | default('you') }}</speak>"}
            - action: input
              type: [dtmf, speech]
              next: {keys: {1: told}, words: {stop: told}, silence: ask, else: ask, exhausted: told}
          told:
            - {action: talk, text: "You said {{ inputs.ask.digits }} {{ inputs.ask.speech }}."}
            - action: notify
              payload: {caller: "{{ from | default(none) }}", data: "{{ custom_data }}"}
              next: through
          through:
            - action: connect
              endpoint: [{type: phone, number: "{{ to | digits | default('442079460001') }}"}]
              next: {else: told, attempts: 2, exhausted: bye}
          bye:
            - {action: talk, text: Goodbye.}
"""
TEXTS = (
    st.sampled_from([*(party for party in PARTIES if party is not None), *"1234567"])
    | st.text(st.characters(exclude_categories=()), max_size=40)
    | st.sampled_from(["<speak>", "{{ 1 }}", "]}]", "x" * 3000, "\ud800", "\0"])
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    *("from", "to", "from_user", "uuid", "conversation_uuid", "endpoint_type", "custom_data", "SipHeader_X-A"),
    *("dtmf", "speech", "status", "payload", "reason", "original_request", "sub_state", "timestamp", "type", "state"),
)
BODIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8) | st.fixed_dictionaries(
    {"to": st.sampled_from("123567"), "conversation_uuid": st.just("CON-1")},
    optional={"from": TEXTS, "custom_data": VALUES, "from_user": TEXTS},
)


def compact(body: Any) -> bytes:
    return json.dumps(body).encode()


def faults_of(reply: Reply) -> list[str]:
    """Why Vonage could not run the reply; empty if it can."""
    return [str(fault) for fault in ncco.read(reply.body, reply.headers.get("Content-Type", ""))[1]]


def is_run(reply: Reply) -> None:
    """Fail unless Vonage can run the reply and it came in time."""
    assert (reply.status, faults_of(reply)) == (200, []), reply.body
    assert reply.json
    assert reply.seconds < IN_TIME


def is_run_or_empty(reply: Reply) -> None:
    """The same for a reply that may be empty, with which the call goes on as it is."""
    if reply.body or reply.status != 200:
        is_run(reply)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "odd_flows.py").write_text(dedent(PYTHON))
    (tmp_path / "flows.yaml").write_text(dedent(FLOWS))
    return tmp_path


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with faulty flows."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "odd_flows.py").write_text(dedent(PYTHON))
    (folder / "flows.yaml").write_text(dedent(FLOWS))
    server = Server(folder, FLOWS_FILE=str(folder / "flows.yaml"), PYTHONPATH=f"{folder}:{ROOT}", WEB_CONCURRENCY="2")
    yield server.ready()
    server.kill()


def ask(server: Server, path: str, body: Any) -> Reply:
    return server.ask("POST", path, compact(body), Content_Type="application/json")


def steps_of(reply: Reply) -> list[str]:
    """The paths of the `eventUrl`s in a served NCCO."""
    urls = [url for action in reply.json for url in action.get("eventUrl", ())]
    return ["/" + url.split("/", 3)[3] for url in urls]


@settings(max_examples=60)
@given(body=BODIES)
def test_every_request_gets_an_ncco(odd: Server, body: Any) -> None:
    served = ask(odd, "/voice/answer", body)
    is_run(served)
    for path in steps_of(served):
        is_run_or_empty(ask(odd, path, body))


@settings(max_examples=60)
@given(
    body=BODIES,
    flow=st.sampled_from(["menu", "good", "raises", "nonsense", "raising", "gone", "%00", "a%20b"]),
    step=st.sampled_from(["ask", "told", "through", "start", "gone", "%F0%9F%98%80"]),
    state=st.sampled_from(["", "?state=", "?state=x", "?state=%FF", f"?state={'x' * 3000}"]),
)
def test_every_request_to_a_step_gets_an_ncco_or_an_empty_reply(
    odd: Server, body: Any, flow: str, step: str, state: str
) -> None:
    is_run_or_empty(ask(odd, f"/voice/flows/{flow}/{step}{state}", body))


def test_a_flow_that_hangs_delays_its_own_callers_only(serve: Serve, folder: Path) -> None:
    server = serve(FLOWS_FILE=str(folder / "flows.yaml"), PYTHONPATH=f"{folder}:{ROOT}", WEB_CONCURRENCY="1")
    hanging = {"to": "4", "from": CALLER, "uuid": "h", "conversation_uuid": "CON-hanging"}
    fine = {"to": "1", "from": CALLER, "uuid": "f", "conversation_uuid": "CON-fine"}
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(ask, server, "/voice/answer", hanging) for _ in range(8)]
        time.sleep(0.5)
        others = [ask(server, "/voice/answer", fine)]
        assert not any(late.done() for late in waiting), "it was answered while the flows hung"
        others += [ask(server, "/voice/answer", fine) for _ in range(4)]
        for other in others:
            is_run(other)
            assert other.json == [{"action": "talk", "text": f"Hello {CALLER}"}]
        for late in waiting:
            is_run(late.result())
            assert late.result().json == [{"action": "talk", "text": SORRY}]
    # Eight threads were left behind: from now on Python flows are refused at once, and all others are served.
    refused = ask(server, "/voice/answer", fine)
    is_run(refused)
    assert refused.json == [{"action": "talk", "text": SORRY}]
    assert [action["action"] for action in ask(server, "/voice/answer", {"to": CALLED}).json] == ["talk", "input"]

    def faults() -> Any:
        reply = server.api("/api/v1/conversations/CON-fine")
        return [answer["fault"] for answer in reply.json["answers"]] if reply.status == 200 else []

    wait_until(lambda: len(faults()) == 6, "all answers are recorded")
    assert faults()[:5] == [None] * 5
    assert "8 threads of Python flows were left behind" in faults()[5]
    wait_until(lambda: server.api("/status").json["flows"]["last_resort_served"] == 9, "they are counted")
    assert server.api("/status").json["flows"]["python_threads_left_behind"] == 8


def test_with_a_broken_flows_file_the_last_resort_is_served_until_it_is_repaired(serve: Serve, folder: Path) -> None:
    file = folder / "other.yaml"
    file.write_text("")
    server = serve(FLOWS_FILE=str(file), WEB_CONCURRENCY="1")

    def has_read(files: int) -> None:
        wait_until(lambda: server.said.count("NO CALL FLOW CAN BE USED") >= files, "the fault is in the log")

    for number, broken in enumerate(("", "routes: [", "routes: [{flow: x}]\nflows: {}\n"), 1):
        file.write_text(broken)
        has_read(number)
        served = ask(server, "/voice/answer", {"from": CALLER, "to": CALLED, "conversation_uuid": "CON-1"})
        is_run(served)
        assert served.json == [{"action": "talk", "text": SORRY}]
        is_run(ask(server, "/voice/flows/menu/ask", {"dtmf": {"digits": "1"}}))
        assert server.api("/status").json["flows"]["faults"] >= 1
    file.write_text("routes: [{flow: right}]\nflows: {right: [{action: talk, text: Repaired.}]}\n")

    def repaired() -> bool:
        reply = ask(server, "/voice/answer", {"to": CALLED})
        return bool(reply.json == [{"action": "talk", "text": "Repaired."}])

    wait_until(repaired, "the worker has the new flows")


def test_a_change_reaches_every_worker_and_a_faulty_change_none(serve: Serve, folder: Path) -> None:
    file = folder / "changing.yaml"

    def write(text: str) -> None:
        file.write_text(f"routes: [{{flow: one}}]\nflows: {{one: [{{action: talk, text: {text}}}]}}\n")

    write("First.")
    server = serve(FLOWS_FILE=str(file), WEB_CONCURRENCY="2")

    def texts() -> set[str]:
        return {ask(server, "/voice/answer", {"to": CALLED}).json[0]["text"] for _ in range(24)}

    def versions() -> set[str]:
        flows = [server.api("/status").json["flows"] for _ in range(24)]
        return {status["version"] for status in flows if not status["faults"]}

    assert texts() == {"First."}
    before = versions()
    write("Second.")
    wait_until(lambda: texts() == {"Second."}, "every worker has the change")
    assert versions() != before
    file.write_text("routes: [{flow: none}]\nflows: {}\n")
    wait_until(lambda: versions() == set(), "every worker has seen the fault")
    assert texts() == {"Second."}
    assert "the last good flows stay" in server.said
    write("Third.")
    wait_until(lambda: texts() == {"Third."}, "every worker has the repaired file")


def test_without_redis_a_caller_goes_through_a_whole_menu(serve: Serve, folder: Path) -> None:
    server = serve(
        FLOWS_FILE=str(folder / "flows.yaml"),
        PYTHONPATH=f"{folder}:{ROOT}",
        REDIS_URL="unix:///nonexistent/socket",
        WEB_CONCURRENCY="1",
    )
    call = {"from": CALLER, "to": CALLED, "uuid": "leg", "conversation_uuid": "CON-1"}
    served = ask(server, "/voice/answer", call)
    for result, text in (
        ({"dtmf": {"digits": "", "timed_out": True}}, "<speak>"),
        ({"dtmf": {"digits": "1", "timed_out": False}}, "You said 1"),
        ({"payload": {}}, ""),
    ):
        is_run(served)
        (path,) = steps_of(served)
        served = ask(server, path, {**call, **result})
        assert served.json[0].get("text", "").startswith(text)
    (path,) = steps_of(served)
    failed = {"status": "busy", "uuid": "callee", "conversation_uuid": "CON-1"}
    is_run(ask(server, path, failed))


def test_the_answer_of_each_step_is_stored_with_the_call(odd: Server) -> None:
    call = {"from": CALLER, "to": CALLED, "uuid": "leg", "conversation_uuid": "CON-told"}
    (path,) = steps_of(ask(odd, "/voice/answer", call))
    ask(odd, path, {**call, "speech": {"results": [{"text": "please STOP now", "confidence": "0.9"}]}})

    def answers() -> list[Any]:
        reply = odd.ask("GET", "/api/v1/conversations/CON-told", Authorization=f"Bearer {OPERATOR}")
        return reply.json["answers"] if reply.status == 200 else []

    wait_until(lambda: len(answers()) == 2, "both are recorded")
    assert [(answer["flow"], answer["step"], answer["fault"]) for answer in answers()] == [
        ("menu", "ask", None),
        ("menu", "told", None),
    ]
    assert answers()[1]["ncco"][0]["text"] == "You said  please STOP now."
