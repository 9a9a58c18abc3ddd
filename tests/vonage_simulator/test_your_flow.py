"""How a call flow is tested: the example of docs/simulator.md."""

from flask import Flask, jsonify, request

from vonage_simulator.pytest_plugin import Simulate
from vonage_simulator.scenario import FarEnd

app = Flask(__name__)  # the call flow under test: any WSGI app, or a server that runs somewhere


@app.get("/voice/answer")
def answer():
    menu = {"action": "talk", "text": "For sales press 1, for support press 2.", "bargeIn": True}
    return jsonify([menu, {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 1}}])


@app.post("/voice/event")
def event():
    digits = (request.json.get("dtmf") or {}).get("digits")
    if digits is None:
        return ""
    if digits == "1":
        sales = {"type": "phone", "number": "447700900301"}
        return jsonify([{"action": "connect", "from": "442079460000", "endpoint": [sales]}])
    return jsonify([{"action": "talk", "text": "Nobody is here. Goodbye."}])


def test_one_rings_sales(simulated_call: Simulate) -> None:
    call = simulated_call(app, digits=["1"])
    assert call.said == ["For sales press 1, for support press 2."]
    assert call.asked_for == [{"type": ["dtmf"], "dtmf": {"maxDigits": 1}}]
    assert call.rung == ["447700900301"]


def test_silence_gets_goodbye(simulated_call: Simulate) -> None:
    call = simulated_call(app)
    assert call.said[-1] == "Nobody is here. Goodbye."
    assert (call.status, call.ended_by) == ("completed", "platform")


def test_sales_may_be_busy(simulated_call: Simulate) -> None:
    call = simulated_call(app, digits=["1"], callees={"447700900301": FarEnd(does="busy")})
    assert [leg.status for leg in call.legs] == ["completed", "busy"]
