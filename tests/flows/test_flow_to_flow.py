"""A step leads into another flow, one in Python too; expressions know which hours are open."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.flows import loading
from app.flows.reply import Reply
from app.flows.request import Request, Result
from tests.flows.flow_file_of import BASE, CALL, NOON, SETTINGS, address, answered, came_back, flows_in, is_last_resort
from vonage_simulator.yaml_source import Faults

SATURDAY = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLOWS = """
routes: [{flow: front}]
flows:
  front:
    steps:
      ask:
        - {action: talk, text: "Front {{ attempt }}", bargeIn: true}
        - action: input
          type: [dtmf]
          dtmf: {maxDigits: 1}
          next: {keys: {1: sales, 2: code}, silence: ask, else: ask, exhausted: bye}
      sales:
        - {action: talk, text: Sales.}
        - flow: menu
      code:
        - flow: scripted
        - {action: talk, text: "After {{ inputs.ask.digits }}"}
      bye:
        - {action: talk, text: Bye.}
  menu:
    steps:
      ask:
        - {action: talk, text: "Menu {{ attempt }} {{ inputs.ask.digits }}{{ custom_data.order }}", bargeIn: true}
        - action: input
          type: [dtmf]
          next: {keys: {9: back}, silence: ask, else: ask, exhausted: back}
      back:
        - flow: front
  scripted:
    python: flow_to_flow:answer
"""


SCRIPTED = """
def answer(request):
    said = request.inputs["ask"].digits if request.step == "start" else request.result.digits
    talk = {"action": "talk", "text": f"{request.step} {said}", "level!": "loud"}
    return [talk, {"action": "input", "type": ["dtmf"], "eventUrl": [request.url("found")]}]
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow in Python: it says what was pressed before, then asks."""
    (tmp_path / "flow_to_flow.py").write_text(SCRIPTED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "flow_to_flow", raising=False)


def texts(reply: Reply | None) -> list[str]:
    assert reply is not None
    return [action["text"] for action in reply.ncco if action["action"] == "talk"]


def test_a_step_leads_into_another_flow_and_the_call_goes_on_there(tmp_path: Path) -> None:
    flows = flows_in(tmp_path, FLOWS)
    begun = answered(flows, Request(to="1", from_="2", custom_data={"order": "4711"}))
    assert texts(begun) == ["Front 1"]
    again = came_back(flows, begun)
    assert again is not None
    assert texts(again) == ["Front 2"]
    sales = came_back(flows, again, digits="1")
    assert sales is not None
    assert texts(sales) == ["Sales.", "Menu 1 4711"], "its steps are counted anew, and have no inputs yet"
    assert address(sales)[:2] == ("menu", "ask")
    assert (sales.flow, sales.step) == ("menu", "ask"), "where the call is now"
    menu = came_back(flows, sales, digits="5")
    assert menu is not None
    assert texts(menu) == ["Menu 2 54711"]
    back = came_back(flows, menu, digits="9")
    assert back is not None
    assert (texts(back), address(back)[:2]) == (["Front 3"], ("front", "ask"))


def test_a_flow_in_python_gets_what_was_pressed_before(tmp_path: Path) -> None:
    flows = flows_in(tmp_path, FLOWS)
    code = came_back(flows, answered(flows), digits="2")
    assert code is not None
    assert code.fault is None
    assert texts(code) == ["start 2", "After 2"]
    assert code.ncco[0]["level"] == "loud", "it is meant"
    assert code.ncco[1]["eventUrl"][0].startswith(f"{BASE}/voice/flows/scripted/found?state=")
    found = came_back(flows, code, digits="77")
    assert found is not None
    assert (found.flow, texts(found)) == ("scripted", ["found 77"])


def test_flows_that_lead_to_each_other_without_end_end(tmp_path: Path) -> None:
    """In the call: what a caller does in one flow is not known when the other is checked."""
    flows = flows_in(tmp_path, FLOWS.replace("{{ custom_data.order }}", ""))
    reply, last = flows.answer(CALL, NOON), None
    for _ in range(250):
        last = came_back(flows, reply, digits="1" if address(reply)[0] == "front" else "9")
        if last is None or last.fault:
            break
        reply = last
    is_last_resort(last, "more than 50 times")


def faults(text: str) -> list[str]:
    with pytest.raises(Faults) as wrong:
        loading.read(text, "flows.yaml", SETTINGS)
    return [f"{fault.field}: {fault.words}" for fault in wrong.value.faults]


def test_a_flow_that_leads_on_leads_somewhere() -> None:
    assert faults(FLOWS.replace("- flow: menu", "- flow: menue")) == [
        "flows.front.steps.sales[1].flow: there is no flow menue; did you mean menu?"
    ]
    assert faults(FLOWS.replace("- flow: menu", '- flow: "{{ to }}"')) == [
        "flows.front.steps.sales[1].flow: must be the name of a flow, written out: an expression cannot be here"
    ]
    assert faults(FLOWS.replace("- flow: menu", "- {flow: menu, next: ask}")) == [
        "flows.front.steps.sales[1].next: is an unknown field; there is flow"
    ]
    assert faults("routes: [{flow: a}]\nflows: {a: [{flow: b}], b: [{action: wait}, {flow: a}], c: [{flow: c}]}") == [
        "flows.a[0].flow: flow a would have itself in it without end",
        "flows.b[1].flow: flow b would have itself in it without end",
        "flows.c[0].flow: flow c would have itself in it without end",
    ]
    assert faults(
        "routes: [{flow: a}]\nflows: {a: [{action: conversation, name: x}, {flow: b}], b: [{action: wait}]}"
    ) == ["flows.a[0]: It must be the last action: what follows a conversation never runs."]


OPEN = """
routes: [{flow: a}]
hours:
  office: {zone: Europe/London, open: {mon-fri: "09:00-17:30"}}
flows:
  a:
    steps:
      ask:
        - {action: talk, text: "{{ 'Open.' if hours.office else 'Closed.' }}", bargeIn: true}
        - {action: input, type: [dtmf], next: {else: late, exhausted: late}}
      late:
        - {action: talk, text: "{{ 'Still open.' if hours['office'] else 'Closed now.' }}"}
"""


def test_an_expression_knows_which_hours_are_open(tmp_path: Path) -> None:
    flows = flows_in(tmp_path, OPEN)
    assert texts(flows.answer(CALL, NOON)) == ["Open."]
    closed = flows.answer(CALL, SATURDAY)
    assert texts(closed) == ["Closed."]
    for at, said in ((NOON, "Still open."), (SATURDAY, "Closed now.")):
        reply = flows.follow(*address(closed), Request(), Result(kind="input", digits="1", speech=""), at)
        assert texts(reply) == [said]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("hours.offices", "hours.offices: there are no hours offices; did you mean office?"),
        ("hours", "hours: of them, a name is expected, as in hours.office"),
        ("hours[to]", "hours: of them, a name is expected, as in hours.office"),
        ("hours.office.zone", "`hours.office` is true or false: there is nothing in it"),
    ],
)
def test_hours_in_an_expression_are_there(expression: str, words: str) -> None:
    assert f"flows.a.steps.late[0].text: {words}" in faults(OPEN.replace("hours['office']", expression))


def test_hours_that_only_an_expression_uses_are_used() -> None:
    assert loading.read(OPEN, "flows.yaml", SETTINGS).hours.keys() == {"office"}
