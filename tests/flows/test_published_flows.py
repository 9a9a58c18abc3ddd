"""What published applications serve, as a flows file: said rightly, and served where Vonage runs it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from app.flows import loading
from app.flows.meant import NEEDLESS, SERVED
from app.flows.model import FlowFile
from tests.flows.flow_file_of import BASE, SETTINGS, answered, flows_in
from vonage_simulator.yaml_source import Fault, Faults

# https://github.com/nyaruka/mailroom: an input of the old form
OLD_INPUT = """
routes: [{flow: a}]
flows:
  a:
    - {action: talk, bargeIn: true, text: "Hello there. Please enter one or two. Your reference id is 123"}
    - action: input
      eventMethod: POST
      eventUrl: ["https://rapid.example.com/handle?action=resume&connection=1&urn=tel%3A%2B16055550111%3Fid%3D10000"]
      maxDigits: 1
      submitOnHash: true
      timeOut: 30
"""
LONG_SIP_URI = """
routes: [{flow: a}]
flows:
  a:
    - action: connect
      timeout: 20
      eventType: synchronous
      eventUrl: ["https://calls.example.test/sip-event"]
      endpoint: [{type: sip, uri: "sip:acme-bizvoice@eu-west-1-sbc-1.pbx-cloud.example;transport=udp"}]
"""
# https://github.com/snexmo/vonage-proxy-consent-recording
NOT_KNOWN_YET = """
routes: [{flow: a}]
flows:
  a:
    - action: talk
      language: fr-FR
      text: Veuillez patienter.
      provider: elevenlabs
      providerOptions: {voice_id: abc, model: flash}
    - action: connect
      from: "33199000001"
      timeout: 45
      endpoint:
        - type: phone
          number: "33199000002"
          onAnswer: {url: "https://calls.example.test/ncco/patient", ringbackTone: "https://cdn.example.com/hold.mp3"}
      ringbackTone: "https://cdn.example.com/hold.mp3"
      eventUrl: ["https://calls.example.test/events/connect"]
      advancedMachineDetection: {behavior: continue, mode: default, beepTimeout: 45, callScreener: true}
"""
BRIDGE = """
routes: [{flow: a}]
flows:
  a:
    - action: connect
      endpoint: [{type: phone, number: "16475550188", dtmfAnswer: "ppppp1234567890#ppppp#"}]
      machineDetection: continue
    - {action: talk, voiceName: Kendra, text: "This is a call from Vonage. We will be recording this meeting."}
    - action: connect
      endpoint:
        - type: websocket
          uri: "ws://example.ngrok.io/ws"
          content-type: "audio/l16;rate=16000"
          headers: {name: J Doe, age: 40, address: {line_1: Apartment 14, city: New York City}}
"""


def said(found: tuple[Fault, ...]) -> list[str]:
    """Field and words of each."""
    return [f"{fault.field}: {fault.words}" for fault in found]


def faults(text: str) -> list[str]:
    with pytest.raises(Faults) as wrong:
        loading.read(dedent(text), "flows.yaml", SETTINGS)
    return said(wrong.value.faults)


def read(text: str) -> FlowFile:
    return loading.read(dedent(text), "flows.yaml", SETTINGS)


def test_an_option_one_level_too_high_is_said_to_belong_deeper() -> None:
    assert faults(OLD_INPUT) == [
        f"flows.a[1].{name}: It is no option of input: it must be one level deeper, dtmf.{name}."
        for name in ("maxDigits", "submitOnHash", "timeOut")
    ]
    assert faults(OLD_INPUT.replace("maxDigits: 1", "context: [one]"))[0] == (
        "flows.a[1].context: It is no option of input: it must be one level deeper, speech.context."
    )


@pytest.mark.parametrize("value", ["5", "{a: 1}", "[1]"])
def test_only_what_must_be_text_is_to_be_put_in_quotes(value: str) -> None:
    (words,) = faults(f"routes: [{{flow: a}}]\nflows: {{a: [{{action: notify, payload: {value}, eventMethod: 1}}]}}")[
        -1:
    ]
    assert words.endswith('It is the number 1, but must be "GET" or "POST".')
    (words,) = faults("routes: [{flow: a}]\nflows: {a: [{action: talk, text: 5}]}")
    assert words.endswith("must be text that is not empty. Put it in quotes.")


def test_a_long_sip_uri_is_served_with_advice(tmp_path: Path) -> None:
    (words,) = said(read(LONG_SIP_URI).advices)
    assert words.startswith("flows.a[0].endpoint[0].uri: It is a text of 65 characters")
    assert words.endswith("but should be 50 characters at most, by one page of Vonage's.")
    (connect,) = answered(flows_in(tmp_path, LONG_SIP_URI)).ncco
    assert connect["endpoint"][0]["uri"].endswith(";transport=udp")


def test_a_websocket_without_tls_is_served_with_advice(tmp_path: Path) -> None:
    assert faults(BRIDGE) == ["flows.a[1].voiceName: It is withdrawn: use language and style."]
    text = BRIDGE.replace("voiceName: Kendra", "language: en-US")
    assert said(read(text).advices) == [
        'flows.a[2].endpoint[0].uri: It is the text "ws://example.ngrok.io/ws", but should be a URL that begins with wss://.'
    ]
    assert answered(flows_in(tmp_path, text)).ncco[2]["endpoint"][0]["uri"] == "ws://example.ngrok.io/ws"


def test_an_option_that_is_not_known_yet_is_served_if_it_is_meant(tmp_path: Path) -> None:
    at = "flows.a[1].advancedMachineDetection"
    assert faults(NOT_KNOWN_YET) == [
        f"{at}.beepTimeout: It is no option of advancedMachineDetection; did you mean beep_timeout?",
        f"{at}.callScreener: It is no option of advancedMachineDetection. If it is meant, write callScreener!.",
    ]
    text = NOT_KNOWN_YET.replace("beepTimeout:", "beepTimeout!:").replace("callScreener:", "callScreener!:")
    assert said(read(text).advices) == [f'{at}["beepTimeout!"]: {SERVED}', f'{at}["callScreener!"]: {SERVED}']
    connect = answered(flows_in(tmp_path, text)).ncco[1]
    assert connect["advancedMachineDetection"] == {
        "behavior": "continue",
        "mode": "default",
        "beepTimeout": 45,
        "callScreener": True,
    }


MEANT = """
routes: [{flow: a}]
flows:
  a:
    detected: {human!: b, Screener!: b}
    steps:
      a:
        - {action: record, timeOut: 5, endOnKey: "#", transcription: {provider!: {name!: x}, language!: "{{ to }}"}}
        - {action: connect, endpoint: [{type: phone, number: "33199000002"}], machineDetection!: screen}
        - {action: notify, payload: {a!: 1}, eventUrl!: ["https://example.com"], next!: 5}
        - {action!: pay, amount: 5}
      b:
        - {action: talk, text: Hello.}
"""


def test_any_option_and_any_value_may_be_meant(tmp_path: Path) -> None:
    at = "flows.a.steps.a"
    assert said(read(MEANT).advices) == [
        f'flows.a.detected["human!"]: {NEEDLESS}',
        f'flows.a.detected["Screener!"]: {SERVED}',
        f'{at}[0].transcription["provider!"]: {SERVED}',
        f'{at}[0].transcription["language!"]: {SERVED}',  # nobody knows yet what it will be
        f'{at}[1]["machineDetection!"]: {SERVED}',
        f'{at}[2]["eventUrl!"]: {NEEDLESS}',
        f'{at}[2]["next!"]: {SERVED}',
        f'{at}[3]["action!"]: {SERVED}',
    ]
    record, connect, notify, pay = answered(flows_in(tmp_path, MEANT)).ncco
    assert record["transcription"] == {"provider": {"name!": "x"}, "language": "442079460000"}
    assert (connect["machineDetection"], connect["eventUrl"][0].partition("?")[0]) == (
        "screen",
        f"{BASE}/voice/flows/a/a",
    )
    assert (notify["payload"], notify["next"], pay) == ({"a!": 1}, 5, {"action": "pay", "amount": 5})


def test_what_is_meant_must_be_json_and_be_there_once() -> None:
    assert faults(MEANT.replace("amount: 5", "amount: 5, amount!: 6")) == [
        "flows.a.steps.a[3].amount: is there twice: with ! and without"
    ]
    deep = "[" * 25 + "]" * 25
    assert faults(MEANT.replace("amount: 5", f"amount!: {deep}, b!: {'1' * 20}")) == [
        'flows.a.steps.a[3]["b!"]: It is a number far too large.'
    ]
