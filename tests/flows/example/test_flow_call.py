"""The fixture for tests of flows: what it returns, what fails a test, and that it leaves nothing behind."""

from __future__ import annotations

import logging
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, jsonify, request

from app.cli.pytest_plugin import CallTrouble, FarEnd, FlowCall
from app.web.logs import LOGGERS
from config.settings import SettingsError
from tests.engines import wait_until
from vonage_simulator.harness import place
from vonage_simulator.yaml_source import Faults

WHO = "{{ to }} {{ from | default(from_user) }} {{ endpoint_type }}"
TOLD = f"{WHO} {{{{ settings.APP_USER }}}} {{{{ settings.CALLER_NUMBER or '-' }}}}"
ASK = """\
routes: [{ flow: ask }]
flows:
  ask:
    steps:
      which:
        - action: input
          type: [speech]
          next: { words: { sales: sales }, silence: bye, else: bye }
      sales:
        - { action: connect, endpoint: [{ type: app, user: Alice }], next: bye }
      bye:
        - { action: talk, text: "{{ custom_data.name }}" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A flow that says who calls whom."""
    return written(tmp_path / "flows.yaml", telling(TOLD))


def telling(text: str) -> str:
    """A flows file with one step, which says *text*."""
    return f'routes: [{{ flow: told }}]\nflows:\n  told:\n    - action: talk\n      text: "{text}"\n'


def written(file: Path, text: str) -> Path:
    """*file*, once that *text* is in it."""
    file.write_text(text, encoding="utf-8")
    return file


def test_the_result_has_what_was_said_and_what_was_served(flow_call: FlowCall, file: Path) -> None:
    call = flow_call(file)
    assert call.said == ["442079460000 447700900123 phone Alice -"]
    assert call.steps == ["told/start"]
    (served,) = call.served
    assert (served.flow, served.step, served.fault) == ("told", "start", None)
    assert served.ncco == call.nccos[0]
    assert call.troubles == []
    assert (call.status, call.ended_by) == ("completed", "platform")
    assert "447700900123  calls 442079460000" in re.sub(" +", " ", str(call)).replace(" calls", "  calls")
    assert repr(call) == "FlowCallResult(told/start)"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"to": "+44 20 7946 0001", "from_": "+44 7700 900321"}, "442079460001 447700900321 phone Alice -"),
        ({"from_user": "Bob", "to": "Carol"}, "Carol Bob app Alice -"),
        ({"from_": "sip:bob@pbx.example.com"}, "442079460000 sip:bob@pbx.example.com sip Alice -"),
        ({"app_user": "Dave", "caller_number": "+442079460009"}, "442079460000 447700900123 phone Dave 442079460009"),
        ({"headers": {"X-UserId": "1938ND9"}}, "442079460000 447700900123 sip Alice -"),
    ],
)
def test_who_calls_whom_and_settings_may_be_given(flow_call: FlowCall, file: Path, given: Any, said: str) -> None:
    assert flow_call(file, **given).said == [said]


def test_headers_and_custom_data_reach_the_flow(flow_call: FlowCall, tmp_path: Path) -> None:
    file = written(tmp_path / "h.yaml", telling("{{ headers['X-UserId'] | default(custom_data.order.number) }}"))
    assert flow_call(file, headers={"X-UserId": "1938ND9"}).said == ["1938ND9"]
    assert flow_call(file, from_user="Bob", custom_data={"order": {"number": 4711}}).said == ["4711"]


@pytest.mark.parametrize(
    "at", ["2026-12-24T17:45", "2026-12-24T18:45+01:00", datetime(2026, 12, 24, 17, 45, tzinfo=UTC)]
)
def test_a_time_may_be_given_in_any_way(flow_call: FlowCall, tmp_path: Path, at: str | datetime) -> None:
    hours = 'hours: { minute: { zone: UTC, open: { thu: "17:45-17:46" } } }\n'
    routes = "routes: [{ when: minute, flow: told }]\n"
    text = telling("Now.").replace("routes: [{ flow: told }]\n", hours + routes)
    assert flow_call(written(tmp_path / "minute.yaml", text), at=at).said == ["Now."]


def test_words_are_said_and_who_is_rung_may_do_anything(flow_call: FlowCall, tmp_path: Path) -> None:
    file = written(tmp_path / "ask.yaml", ASK)
    call = flow_call(file, says=["Sales, please."])
    assert (call.steps, call.rung) == (["ask/which", "ask/sales"], ["Alice"])
    away = {"Alice": FarEnd(does="never_answers")}
    given: dict[str, Any] = {"says": ["Sales, please."], "callees": away, "from_user": "Bob"}
    call = flow_call(file, **given, custom_data={"name": "Bob B."})
    assert call.steps == ["ask/which", "ask/sales", "ask/bye"]
    assert call.said == ["Bob B."]


def test_the_last_resort_fails_the_test_and_the_reason_is_named(flow_call: FlowCall, tmp_path: Path) -> None:
    file = written(tmp_path / "ask.yaml", ASK)
    with pytest.raises(CallTrouble) as raised:
        flow_call(file)
    assert isinstance(raised.value, AssertionError)
    first, *rest = str(raised.value).splitlines()
    assert first.startswith("the last resort was served: flow ask, step bye: ")
    assert "custom_data" in first
    assert any("hears “Sorry, we cannot take your call" in line for line in rest), "the transcript follows"
    assert any(line.endswith("?state=… (input)") for line in rest), "shortened"
    call = flow_call(file, trouble=True)
    assert call.steps == ["ask/which", "last-resort"]
    assert call.troubles == [first]


def test_a_call_that_no_route_fits_is_one(flow_call: FlowCall, tmp_path: Path) -> None:
    file = written(tmp_path / "f.yaml", telling("Hello.").replace("{ flow", '{ to: "442079460009", flow'))
    assert flow_call(file, to="+442079460009").said == ["Hello."]
    with pytest.raises(CallTrouble, match="no route"):
        flow_call(file)


def test_all_faults_of_a_file_are_named(flow_call: FlowCall, tmp_path: Path) -> None:
    file = written(tmp_path / "bad.yaml", telling("Hello.").replace("text", "txt"))
    with pytest.raises(Faults) as raised:
        flow_call(file, trouble=True)
    assert len(str(raised.value).splitlines()) == 2
    assert f"{file}:5:12: flows.told[0].txt: " in str(raised.value)
    with pytest.raises(Faults, match="there is no such file"):
        flow_call(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"from_": "1", "from_user": "Bob"}, ValueError, "a call has one of them"),
        ({"at": "noon"}, ValueError, "2026-12-24T17:45"),
        ({"caller_number": "Bob"}, SettingsError, "CALLER_NUMBER"),
        ({"digits": "12"}, Faults, "digits: must be a list"),
        ({"says": "sales"}, Faults, "says: must be a list"),
        ({"digits": ["x"]}, Faults, "0 to 9"),
        ({"headers": {"X-A": "1"}, "from_user": "Bob"}, Faults, "headers: come with a call by SIP"),
        ({"headers": {"X-A": 1}}, Faults, "must be a text"),
        ({"custom_data": {}}, Faults, "custom_data: is what an app user sends"),
        ({"custom_data": {"a": object()}, "from_user": "Bob"}, Faults, "custom_data: is no JSON"),
        ({"custom_data": {"a": float("nan")}, "from_user": "Bob"}, Faults, "custom_data: is no JSON"),
    ],
)
def test_impossible_arguments_are_named(
    flow_call: FlowCall, file: Path, given: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        flow_call(file, **given)


def test_data_that_is_too_deep_is_refused_and_harms_nobody(flow_call: FlowCall, file: Path) -> None:
    deep: dict[str, Any] = {}
    for levels in range(1, 5001):
        deep = {"a": deep}
        if levels in (40, 800, 5000):
            with pytest.raises(Faults, match=r"deeper|no JSON"):
                flow_call(file, from_user="Bob", custom_data=deep)


def test_it_writes_nothing_prints_nothing_and_leaves_the_log_as_it_was(
    flow_call: FlowCall,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("APP_USER", "Eve")
    monkeypatch.setenv("CALLER_NUMBER", "not looked at")
    bad = written(tmp_path / "bad.yaml", "routes: []\n")
    before = {path.name for path in tmp_path.iterdir()}
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger, propagate in zip(loggers, (True, False), strict=True):  # both possible values
        monkeypatch.setattr(logger, "propagate", propagate)
        monkeypatch.setattr(logger, "level", logging.ERROR)
        monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])
    was = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    assert flow_call(Path(file.name)).said == ["442079460000 447700900123 phone Alice -"]
    with pytest.raises(CallTrouble):
        flow_call(written(tmp_path / "flows.yaml", telling("{{ custom_data.name }}")))
    with pytest.raises(Faults):
        flow_call(bad)
    assert [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers] == was
    assert {path.name for path in tmp_path.iterdir()} == before
    assert tuple(capfd.readouterr()) == ("", "")
    assert caplog.records == []


def test_many_calls_in_one_process_leave_no_thread_behind(
    flow_call: FlowCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    code = "def answer(request):\n    print('asked')\n    return [{'action': 'talk', 'text': 'Hello.'}]\n"
    written(tmp_path / "flow_of_flow_call.py", code)
    file = written(tmp_path / "p.yaml", "routes: [{ flow: p }]\nflows: { p: { python: 'flow_of_flow_call:answer' } }\n")
    assert flow_call(file).steps == ["p/start"]

    def threads() -> tuple[int, int]:
        return len(list(Path("/proc/self/task").iterdir())), threading.active_count()

    before = threads()
    for _ in range(5):
        assert flow_call(file).said == ["Hello."]
    # One that has ended may be in the list for a moment longer; one of an earlier test may end meanwhile.
    wait_until(lambda: all(now <= then for now, then in zip(threads(), before, strict=True)), "none stays")


def test_a_flow_in_python_that_hangs_once_hinders_no_other_test(
    flow_call: FlowCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.cli.flows import flow_call as module
    from app.flows.python_flows import PythonFlows

    late = PythonFlows()
    late.left_behind = 8  # no more are run then
    monkeypatch.setattr(module, "_runner", late)
    monkeypatch.syspath_prepend(tmp_path)
    written(tmp_path / "flow_after_late.py", "def answer(_):\n    return [{'action': 'talk', 'text': 'Hello.'}]\n")
    file = written(tmp_path / "p.yaml", "routes: [{ flow: p }]\nflows: { p: { python: 'flow_after_late:answer' } }\n")
    assert flow_call(file).said == ["Hello."]


# -- what a caller sends along, to any server -------------------------------------------------------------------------


def server() -> tuple[Flask, list[dict[str, str]]]:
    """A server that keeps the queries it received."""
    app = Flask(__name__)
    queries: list[dict[str, str]] = []

    def answer() -> Any:
        queries.append(dict(request.args))
        return jsonify([{"action": "talk", "text": "Hello."}])

    app.add_url_rule("/voice/answer", "answer", answer)
    app.add_url_rule("/voice/event", "event", lambda: "", methods=["POST"])
    return app, queries


def test_headers_come_by_sip_and_custom_data_from_an_app_user() -> None:
    app, queries = server()
    place(app, headers={"X-UserId": "1938ND9", "X-Nexmo-Own": "1", "Account": "1"})
    place(app, endpoint="app", from_="Bob", custom_data={"order": "4711"})
    place(app, from_="sip:bob@pbx.example.com")
    place(app)
    assert [query["endpoint_type"] for query in queries] == ["sip", "app", "sip", "phone"]
    assert [(q.get("from"), q.get("from_user")) for q in queries[:2]] == [("447700900123", None), (None, "Bob")]
    assert {name for name in queries[0] if name.startswith("SipHeader_")} == {"SipHeader_X-UserId"}
    assert "4711" in queries[1]["custom_data"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"endpoint": "phone", "headers": {"X-A": "1"}}, "simulated_call: headers: come with a call by SIP, .* phone"),
        ({"endpoint": "app", "headers": {"X-A": "1"}}, "headers: come with a call by SIP, .* app"),
        ({"custom_data": {"a": 1}}, "simulated_call: custom_data: is what an app user sends, .* phone"),
        ({"endpoint": "sip", "custom_data": {"a": 1}}, "custom_data: is what an app user sends, .* sip"),
        ({"headers": {"X-A": "1"}, "custom_data": {"a": 1}}, "custom_data: is what an app user sends, .* sip"),
    ],
)
def test_calls_that_vonage_does_not_have_are_refused(given: Any, words: str) -> None:
    app, queries = server()
    with pytest.raises(Faults, match=words):
        place(app, **given)
    assert queries == []
