"""The fixture for tests of call flows: its result for a flow that works, and for one that does not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask, jsonify, request

from tests.engines import free_ports
from vonage_simulator.harness import CallTrouble
from vonage_simulator.pytest_plugin import Simulate
from vonage_simulator.scenario import FarEnd


def flow(*ncco: dict[str, Any], then: Any = "") -> Flask:
    """A server that answers every call with *ncco*, and every event with *then*."""
    app = Flask(__name__)
    app.add_url_rule("/voice/answer", "answer", lambda: jsonify(list(ncco)))
    app.add_url_rule("/voice/event", "event", lambda: then, methods=["POST"])
    return app


def test_the_result_has_what_was_said_pressed_and_rung(simulated_call: Simulate) -> None:
    call = simulated_call(
        flow(
            {"action": "talk", "text": "Hello."},
            {"action": "stream", "streamUrl": ["https://example.com/jingle.mp3"]},
            {"action": "input", "type": ["dtmf"], "dtmf": {"submitOnHash": True}},
            {"action": "input", "type": ["speech"]},
            {"action": "record", "endOnKey": "#", "timeOut": 10},
            {"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}]},
        ),
        digits=["12#", "#"],
        says=["Yes, please.", "This is my message."],
        callees={"Alice": FarEnd(hangs_up_after=7)},
    )
    assert call.said == ["Hello."]
    assert call.played == ["https://example.com/jingle.mp3"]
    assert call.pressed == ["12#", "#"]
    assert call.spoken == ["Yes, please.", "This is my message."]
    assert call.recorded == [{"endOnKey": "#", "timeOut": 10}]
    assert call.rung == ["Alice"]
    assert (call.status, call.answered, call.ended_by) == ("completed", True, "platform")
    assert call.seconds > 7
    assert [event["dtmf"]["digits"] for event in call.events if "dtmf" in event] == ["12", None]
    assert call.troubles == []


def test_the_text_of_a_result_is_the_transcript(simulated_call: Simulate) -> None:
    call = simulated_call(flow({"action": "talk", "text": "Hello."}), from_="447700900321")
    assert re.search(r"^ +0\.600  447700900321 +hears “Hello\.”$", str(call), re.MULTILINE)


def test_a_caller_who_hangs_up_hears_no_more(simulated_call: Simulate) -> None:
    long = [{"action": "talk", "text": "word " * 100}, {"action": "talk", "text": "Never heard."}]
    call = simulated_call(flow(*long), hangs_up_after=3)
    assert call.said == [long[0]["text"]]
    assert call.ended_by == "user"


def test_a_reply_to_an_event_that_is_an_ncco_is_run(simulated_call: Simulate) -> None:
    later = jsonify_text([{"action": "talk", "text": "You pressed nothing."}])
    call = simulated_call(flow({"action": "input", "type": ["dtmf"]}, then=later))
    assert call.said == ["You pressed nothing."]
    assert [[action["action"] for action in ncco] for ncco in call.nccos] == [["input"], ["talk"]]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([{"action": "talk"}], "action 1 (talk), text"),
        ([{"action": "talk", "text": "x", "level": 7}], "action 1 (talk), level"),
        ("<p>Oops</p>", "HTML"),
    ],
)
def test_an_answer_that_vonage_would_refuse_fails_the_test(simulated_call: Simulate, answer: Any, words: str) -> None:
    app = Flask(__name__)
    app.add_url_rule("/voice/answer", "answer", lambda: jsonify(answer) if isinstance(answer, list) else answer)
    app.add_url_rule("/voice/event", "event", lambda: "", methods=["POST"])
    with pytest.raises(CallTrouble) as raised:
        simulated_call(app)
    assert words.lower() in str(raised.value).lower()


def test_a_flow_that_raises_fails_the_test(simulated_call: Simulate) -> None:
    app = Flask(__name__)
    app.add_url_rule("/voice/answer", "answer", lambda: str(1 / 0))
    app.add_url_rule("/voice/event", "event", lambda: "", methods=["POST"])
    with pytest.raises(CallTrouble, match="it answers 500"):
        simulated_call(app)


def test_a_server_that_does_not_run_is_named(simulated_call: Simulate) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}/answer"
    with pytest.raises(CallTrouble, match=re.escape(url)):
        simulated_call(answer_url=url)


def test_trouble_can_be_returned(simulated_call: Simulate) -> None:
    call = simulated_call(flow({"action": "talk"}), trouble=True)
    assert len(call.troubles) == 1
    assert call.said == []
    assert any("Syntax error" in str(event.get("reason")) for event in call.events)


def test_a_scenario_may_be_played_to_a_flow(simulated_call: Simulate) -> None:
    app = Flask(__name__)
    requests: list[dict[str, str]] = []

    @app.get("/voice/answer")
    def answer() -> Any:
        requests.append(dict(request.args))
        return jsonify([{"action": "talk", "text": "Hello."}])

    app.add_url_rule("/voice/event", "event", lambda: "", methods=["POST"])
    simulated_call(app, scenario="sip-caller")
    (question,) = requests
    assert question["endpoint_type"] == "sip"
    assert any(name.startswith("SipHeader_X-") for name in question)


def jsonify_text(value: Any) -> Any:
    """A JSON reply, made outside of a request."""
    app = Flask(__name__)
    return app.json.dumps(value), 200, {"Content-Type": "application/json"}


def test_an_app_may_read_its_input_to_the_end(simulated_call: Simulate) -> None:
    """Without a length: as WSGI servers for production allow."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'[{"action": "talk", "text": "Hello."}]']

    assert simulated_call(app).said == ["Hello."]


@pytest.mark.parametrize("app", [5, "http://localhost:3000", b""])
def test_what_is_no_app_is_named(simulated_call: Simulate, app: Any) -> None:
    with pytest.raises(TypeError, match="no WSGI app: a server is named by answer_url and event_url"):
        simulated_call(app)
