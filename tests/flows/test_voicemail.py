"""`voicemail` in a step: what it is served as, whose message it is, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.domain.events import Voicemail
from app.flows import loading
from app.flows.flows import Flows
from app.flows.model import RenderFault
from app.flows.request import Request, Result
from tests.flows.flow_file_of import BASE, CALL, CALLER, NOON, SETTINGS, address, answered, flows_in, is_last_resort
from vonage_simulator.yaml_source import Faults

USUAL = {"action": "record", "beepStart": True, "endOnSilence": 5, "endOnKey": "#", "timeOut": 120}


def flows_with(folder: Path, step: str) -> Flows:
    """A flow with this one step."""
    flows = flows_in(folder, f"routes: [{{flow: a}}]\nflows:\n  a:\n    - {step}\n")
    flows.reloader.refresh()
    assert flows.faults == ()
    return flows


def state_in(ncco: list[dict[str, Any]]) -> str:
    """The state in the address that the recording is reported to."""
    (url,) = (action["eventUrl"][0] for action in ncco if action["action"] == "record")
    parts = urlsplit(url)
    assert url.startswith(f"{BASE}/voice/voicemails?state=")
    return parse_qs(parts.query)["state"][0]


def faults_of(step: str) -> list[str]:
    """What is said of a flow with this one step."""
    with pytest.raises(Faults) as raised:
        loading.read(f"routes: [{{flow: a}}]\nflows:\n  a:\n    - {step}\n", "flows.yaml", SETTINGS)
    return [f"{fault.field}: {fault.words}" for fault in raised.value.faults]


def test_it_is_a_greeting_and_a_recording_of_ours(tmp_path: Path) -> None:
    flows = flows_with(tmp_path, "voicemail: Alice")
    greeting, record = answered(flows).ncco
    assert greeting == {"action": "talk", "text": "Please leave a message after the tone."}
    assert {name: value for name, value in record.items() if name != "eventUrl"} == USUAL
    left = flows.voicemail_of(state_in([record]))
    assert left == Voicemail("Alice", CALLER, None, "leg")


@pytest.mark.parametrize(
    ("step", "greeting", "record"),
    [
        ("{voicemail: Alice, greeting: Hello.}", {"action": "talk", "text": "Hello."}, USUAL),
        (
            '{voicemail: Alice, greeting: {text: "From {{ from }}", language: fr-FR}, endOnSilence: 3}',
            {"action": "talk", "text": f"From {CALLER}", "language": "fr-FR"},
            USUAL | {"endOnSilence": 3},
        ),
        (
            '{voicemail: Alice, greeting: {streamUrl: ["https://example.com/a.mp3"]}, endOnKey: null, format: wav}',
            {"action": "stream", "streamUrl": ["https://example.com/a.mp3"]},
            {name: value for name, value in USUAL.items() if name != "endOnKey"} | {"format": "wav"},
        ),
        ('{voicemail: "{{ to }}", timeOut: "{{ 30 + 30 }}"}', None, USUAL | {"timeOut": 60}),
    ],
)
def test_greeting_and_limits(tmp_path: Path, step: str, greeting: Any, record: Any) -> None:
    first, second = answered(flows_with(tmp_path, step)).ncco
    assert greeting in (None, first)
    assert {name: value for name, value in second.items() if name != "eventUrl"} == record


def test_whose_it_is_may_depend_on_the_call(tmp_path: Path) -> None:
    flows = flows_with(tmp_path, 'voicemail: "{{ to }}"')
    request = Request(from_user="Bob", to="Alice", uuid="leg of Bob", conversation_uuid="CON-1")
    assert flows.voicemail_of(state_in(answered(flows, request).ncco)) == Voicemail("Alice", None, "Bob", "leg of Bob")


@pytest.mark.parametrize("to", [None, " ", "x" * 201])
def test_without_a_name_the_caller_gets_the_last_resort(tmp_path: Path, to: str | None) -> None:
    flows = flows_with(tmp_path, """voicemail: "{{ to | default('') }}" """)
    is_last_resort(flows.answer(Request(from_=CALLER, to=to, uuid="leg"), NOON), "is no name of a user")


def test_a_busy_user_has_it_and_it_knows_who_called(tmp_path: Path) -> None:
    """The address of the first step carries the call along; the webhook of the failed leg names another one."""
    text = """
    routes: [{flow: a}]
    flows:
      a:
        steps:
          ring:
            - {action: connect, from: "{{ to }}", endpoint: [{type: app, user: Alice}], next: {else: message}}
          message:
            - voicemail: Alice
            - {action: talk, text: Goodbye.}
    """
    flows = flows_in(tmp_path, text)
    flows.reloader.refresh()
    busy = Result(kind="connect", status="busy")
    reply = flows.follow(*address(answered(flows, CALL)), Request(uuid="leg of Alice", to="Alice"), busy)
    assert reply is not None
    assert [action["action"] for action in reply.ncco] == ["talk", "record", "talk"]
    assert flows.voicemail_of(state_in(reply.ncco)) == Voicemail("Alice", CALLER, None, "leg")
    with pytest.raises(RenderFault, match="that of a step"):
        flows.voicemail_of(address(answered(flows, CALL))[2])


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("voicemail: 5", "flows.a[0].voicemail: must be the name of a user: put it in quotes"),
        ("voicemail:", "flows.a[0].voicemail: has no value"),
        ('voicemail: " "', "flows.a[0].voicemail: is no name of a user: it must be 1 to 200 printable characters"),
        ("{voicemail: Alice, silence: 3}", "flows.a[0].silence: is an unknown field"),
        ("{voicemail: Alice, eventUrl: []}", "flows.a[0].eventUrl: is an unknown field"),
        ("{voicemail: Alice, endOnSilence: 30}", "flows.a[0].endOnSilence: It is the number 30, but must be"),
        (
            "{voicemail: Alice, endOnSilence: null, endOnKey: null}",
            "flows.a[0].endOnSilence: cannot be taken away together with",
        ),
        ("{voicemail: Alice, greeting: 5}", "flows.a[0].greeting: must be a text, or options"),
        ("{voicemail: Alice, greeting: {language: fr-FR}}", "flows.a[0].greeting: must be a text, or options"),
        ("{voicemail: Alice, greeting: {text: Hello., loud: 1}}", "flows.a[0].greeting.loud: It is no option of talk"),
        ('{voicemail: Alice, greeting: "{{ nobody }}"}', "flows.a[0].greeting: `nobody` is not known"),
        ('{voicemail: "{{ nobody }}"}', "flows.a[0].voicemail: `nobody` is not known"),
    ],
)
def test_what_is_wrong_with_one(step: str, words: str) -> None:
    assert [fault for fault in faults_of(step) if fault.startswith(words)], faults_of(step)


def test_a_flow_in_python_has_an_address_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
def answer(request):
    return [{"action": "record", "endOnKey": "#", "eventUrl": [request.voicemail(request.to)]}]
"""
    (tmp_path / "leaves_messages.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    flows = flows_in(tmp_path, "routes: [{flow: a}]\nflows:\n  a: {python: leaves_messages:answer}\n")
    flows.reloader.refresh()
    request = Request(from_=CALLER, to="Alice", uuid="leg", conversation_uuid="CON-1")
    assert flows.voicemail_of(state_in(answered(flows, request).ncco)) == Voicemail("Alice", CALLER, None, "leg")
    is_last_resort(flows.answer(Request(from_=CALLER, to="\n", uuid="leg"), NOON), "is no name of a user")
