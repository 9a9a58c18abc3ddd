"""Calls through the steps of flows are stored as they happened, with and without delivery faults.

The call has every NCCO that a step served and no other: the simulator knows which ones it received.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e import faulty_servers
from tests.e2e.play_scenario import play
from tests.e2e.simulate_command import serving
from tests.serving import Server
from vonage_simulator.scenario import Call, FarEnd, Scenario

CALLED = "442079460000"
FLOWS = """
routes:
  - {from: "442079460000", flow: notice}
  - flow: menu
flows:
  menu:
    steps:
      ask:
        - {action: talk, text: "Which key?", bargeIn: true}
        - action: input
          type: [dtmf, speech]
          dtmf: {maxDigits: 1}
          eventMethod: METHOD
          next: {keys: {1: ring}, words: {ring: ring}, silence: ask, else: ask, exhausted: bye}
      ring:
        - action: connect
          from: "{{ to }}"
          eventMethod: METHOD
          endpoint: [{type: phone, number: "442079460001", onAnswer: {step: whisper}}]
          next: {busy: noted, else: second}
      second:
        - action: connect
          from: "{{ to }}"
          eventMethod: METHOD
          endpoint: [{type: phone, number: "442079460002"}]
          next: noted
        - {action: talk, text: You have talked.}
      noted:
        - action: notify
          payload: {number: "{{ from }}"}
          eventMethod: METHOD
          next: bye
      whisper: [{action: talk, text: A call.}]
      bye: [{action: talk, text: Goodbye.}]
  notice:
    detected: {human: person, machine: machine, beep_start: left}
    steps:
      start: [{action: wait, timeout: 30}]
      person: [{action: talk, text: Hello.}]
      machine: [{action: wait, timeout: 40}]
      left: [{action: talk, text: A message.}]
"""
BUSY, AWAY, THERE = FarEnd(does="busy"), FarEnd(does="never_answers"), FarEnd(hangs_up_after=5.0)


def calls(far_end: FarEnd, **callees: FarEnd) -> Scenario:
    """Inbound calls."""
    known = {"*": THERE, **{f"44207946000{number[1:]}": callee for number, callee in callees.items()}}
    call = Call(from_="447700900123", to=CALLED, far_end=far_end)
    return Scenario(name="calls", about="", calls=(call,), callees=known)


def is_called(far_end: FarEnd) -> Scenario:
    """Outbound calls."""
    call = Call(from_=CALLED, to="447700900123", direction="outbound", far_end=far_end)
    call = replace(call, advanced_machine_detection={"behavior": "continue", "mode": "default"})
    return Scenario(name="is called", about="", calls=(call,), callees={})


SCENARIOS = {
    "silence": calls(FarEnd()),
    "wrong keys": calls(FarEnd(keys=("7", "8", "9"))),
    "is put through": calls(FarEnd(keys=("", "1"))),
    "says it": calls(FarEnd(says=("please ring them",))),
    "engaged": calls(FarEnd(keys=("1",)), _1=BUSY),
    "nobody": calls(FarEnd(keys=("1",)), _1=AWAY, _2=AWAY),
    "the second": calls(FarEnd(keys=("1",)), _1=AWAY),
    "gives up": calls(FarEnd(keys=("1",), hangs_up_after=20.0), _1=AWAY),
    "hangs up in the menu": calls(FarEnd(hangs_up_after=2.0)),
    "two at once": replace(
        calls(FarEnd(keys=("1",))),
        calls=(
            Call(from_="447700900123", to=CALLED, far_end=FarEnd(keys=("1",))),
            Call(from_="447700900124", to=CALLED, far_end=FarEnd(keys=("9", "1"))),
        ),
    ),
    "a person": is_called(FarEnd(after=2.0)),
    "a machine": is_called(FarEnd(does="machine")),
    "a machine without a beep": is_called(FarEnd(does="machine", beep=False)),
}


@pytest.fixture(scope="module", params=["POST", "GET"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose steps are requested by the method of the parameter."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "flows.yaml").write_text(FLOWS.replace("METHOD", request.param))
    with serving(folder, FLOWS_FILE=str(folder / "flows.yaml")) as server:
        yield server
        status = server.api("/status").json["flows"]
        assert (status["faults"], status["last_resort_served"]) == (0, 0), "no step failed"


@pytest.mark.parametrize("faults", ["", "lossless=0.3"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_state_is_right_after_each(server: Server, name: str, faults: str) -> None:
    played = play(server, SCENARIOS[name], faults, event_method="POST")
    assert played.verdict.ok, "\n".join(played.verdict.lines())
    assert played.troubles == []
    assert played.verdict.sent > 0


def test_a_server_that_does_not_store_what_its_steps_served_is_found(tmp_path: Path) -> None:
    (tmp_path / "flows.yaml").write_text(FLOWS.replace("METHOD", "POST"))
    more = {"FLOWS_FILE": str(tmp_path / "flows.yaml"), "WEB_CONCURRENCY": "1"}
    with serving(tmp_path, command=faulty_servers.COMMAND, **more) as server:
        faulty_servers.begin(server, "forgets_what_steps_served")
        played = play(server, SCENARIOS["is put through"], event_method="POST")
    assert not played.verdict.ok
    assert "answers" in "\n".join(played.verdict.lines())
