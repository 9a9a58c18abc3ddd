"""How a flow is tested: the example of docs/flows.md."""

from pathlib import Path

from app.cli.pytest_plugin import FarEnd, FlowCall

DENTIST = Path(__file__).with_name("dentist.yaml")
OPEN = "2026-11-20T12:00"  # a Friday


def test_two_rings_the_dentist(flow_call: FlowCall) -> None:
    call = flow_call(DENTIST, at=OPEN, digits=["2"])
    assert call.steps == ["menu/ask", "menu/dentist"]
    assert call.rung == ["447700900301"]


def test_while_the_dentist_is_busy_the_desk_is_rung(flow_call: FlowCall) -> None:
    call = flow_call(DENTIST, at=OPEN, digits=["2"], callees={"447700900301": FarEnd(does="busy")})
    assert call.steps == ["menu/ask", "menu/dentist", "menu/desk"]
    assert call.rung == ["447700900301", "442079460001"]


def test_silence_and_a_wrong_key_are_asked_again(flow_call: FlowCall) -> None:
    call = flow_call(DENTIST, at=OPEN, digits=["", "7", "1"])
    assert call.steps == ["menu/ask", "menu/ask", "menu/ask", "menu/desk"]


def test_christmas_is_a_holiday(flow_call: FlowCall) -> None:
    call = flow_call(DENTIST, at="2026-12-25T10:00+00:00")
    assert call.steps == ["closed/start"]
    assert call.said == ["We are closed."]
