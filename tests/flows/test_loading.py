"""A flows file as it is read: what comes of it, and what is said of one in which something is wrong, and where."""

import copy
import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from app.flows import loading, transitions
from app.flows.model import Action, Go, Next, Scope, StepUrl
from vonage_simulator import yaml_source
from vonage_simulator.yaml_source import Faults

SETTINGS = {"APP_USER": "Alice", "CALLER_NUMBER": None, "PUBLIC_URL": "https://voice.example.com"}
CONFIG = Path(__file__).parents[2] / "config"
SHIPPED = [CONFIG / "flows.yaml", *sorted((CONFIG / "ready").glob("*.yaml"))]

GOOD = """\
routes:
  - to: "442079460000"
    from: "4420*"
    when: office
    flow: menu
  - from_user: "*"
    flow: short
  - flow: scripted
hours:
  office:
    zone: Europe/London
    open: { mon-fri: "09:00-17:30" }
    holidays: ["12-25"]
flows:
  short:
    - action: talk
      text: Hello {{ from_user }}
      level: "{{ 0.5 }}"
    - action: stream
      streamUrl: ["https://example.com/a.mp3"]
  scripted:
    python: app.flows.transitions:plain
    about: In Python
  menu:
    about: A menu
    detected: { machine: bye }
    start: choice
    steps:
      bye:
        - action: talk
          text: <speak>Bye, {{ inputs.choice.digits }}</speak>
        - action: notify
          payload: { to: "{{ to }}", list: [1, "{{ uuid }}"] }
      choice:
        - action: input
          type: [dtmf, speech]
          dtmf: { maxDigits: 1 }
          next:
            keys: { 1: call, "#": bye }
            words: { sales: call, good bye: bye }
            silence: choice
            else: bye
            attempts: 2
            exhausted: bye
      call:
        - action: connect
          from: "{{ settings.CALLER_NUMBER }}"
          endpoint:
            - type: phone
              number: "442079460001"
              onAnswer: { step: whisper, ringbackTone: "https://example.com/ring.mp3" }
          next: { busy: bye, else: bye }
        - go: bye
      whisper:
        - action: talk
          text: A call for you
"""


def read(text):
    return loading.read(text, "flows.yaml", SETTINGS)


def faults(text):
    """What is said to be wrong with a file of this text."""
    with pytest.raises(Faults) as caught:
        read(text)
    return [str(fault).removeprefix("flows.yaml:") for fault in caught.value.faults]


def nowhere(step: str, _: bool) -> str:
    """The address of a step, where there is no server."""
    raise LookupError(step)


def outcome(text):
    try:
        return read(text)
    except Faults as wrong:
        return wrong


def flow(*lines):
    """A file whose only flow has these lines: the first of them is the 4th, from the 5th column on."""
    return "routes: [{ flow: f }]\nflows:\n  f:\n" + "".join(f"    {line}\n" for line in lines)


def input_(*lines, type_="[dtmf]", more=""):
    """A file with an input whose `next` has these lines; the first of them is the 10th, from the 13th column on."""
    first = ["start:", "  - action: input", f"    type: {type_}", f"    {more or 'mode: synchronous'}", "    next:"]
    end = ["  - action: talk", "    text: Bye", "other:", "  - action: talk", "    text: Other"]
    return flow("steps:", *(f"  {line}" for line in [*first, *(f"      {line}" for line in lines), *end]))


def test_a_good_file_is_read_as_it_was_meant():
    before = datetime.now(UTC)
    flow_file = read(GOOD)
    assert (flow_file.file, flow_file.text) == (Path("flows.yaml"), GOOD)
    assert timedelta() <= flow_file.loaded - before < timedelta(minutes=1)
    assert set(flow_file.watched) == {Path("flows.yaml"), Path(transitions.__file__)}
    first, second, third = flow_file.routes
    assert (first.flow, first.to, first.from_, first.when.name, first.closed, first.line) == (
        "menu",
        "442079460000",
        "4420*",
        "office",
        False,
        2,
    )
    assert (second.from_user, second.to, second.from_, second.when, second.line) == ("*", None, None, None, 6)
    assert (third.flow, third.line) == ("scripted", 8)

    menu = flow_file.flows["menu"]
    assert (menu.name, menu.about, menu.start, menu.python) == ("menu", "A menu", "choice", None)
    assert menu.detected == {"machine": "bye"}
    assert list(menu.steps) == ["bye", "choice", "call", "whisper"]
    assert {use[0] for use in menu.uses} == {"inputs", "settings", "to", "uuid"}
    assert flow_file.flows["scripted"].python is transitions.plain
    assert flow_file.flows["scripted"].about == "In Python"
    short = flow_file.flows["short"]
    assert (short.start, list(short.steps), short.uses) == ("start", ["start"], {("from_user",)})


def test_next_is_read_with_all_its_branches():
    menu = read(GOOD).flows["menu"]
    assert menu.steps["choice"].transitions == {
        "input": Next(
            keys={"1": "call", "#": "bye"},
            words={"sales": "call", "good bye": "bye"},
            silence="choice",
            other="bye",
            attempts=2,
            exhausted="bye",
        )
    }
    assert menu.steps["call"].transitions == {"connect": Next(statuses={"busy": "bye"}, other="bye")}
    assert menu.steps["bye"].transitions == {}


def test_what_has_next_gets_our_own_address():
    menu = read(GOOD).flows["menu"]
    (asks,) = menu.steps["choice"].actions
    assert asks.options["eventUrl"] == [StepUrl("choice", enter=False)]
    assert "next" not in asks.options
    connect, go = menu.steps["call"].actions
    assert (connect.options["eventUrl"], connect.options["eventType"]) == (
        [StepUrl("call", enter=False)],
        "synchronous",
    )
    assert go == Go(1, "bye")
    assert connect.options["endpoint"][0]["onAnswer"] == {
        "url": StepUrl("whisper", enter=True),
        "ringbackTone": "https://example.com/ring.mp3",
    }
    talk, notify = menu.steps["bye"].actions
    assert isinstance(talk, Action)
    assert notify.index == 1
    assert notify.options["eventUrl"] == [StepUrl("bye", enter=False)], "though nothing follows it"


def test_an_address_of_the_authors_stays():
    flow_file = read(
        flow("- { action: notify, payload: {}, eventUrl: [https://example.com/] }", "- { action: notify, payload: {} }")
    )
    first, second = flow_file.flows["f"].steps["start"].actions
    assert (first.options["eventUrl"], second.options["eventUrl"]) == (
        ["https://example.com/"],
        [StepUrl("start", enter=False)],
    )


def test_expressions_stay_until_somebody_calls():
    flow_file = read(GOOD)
    talk, _ = flow_file.flows["short"].steps["start"].actions
    assert talk.options["text"].fill(Scope({"from_user": "Bob"}, nowhere)) == "Hello Bob"
    assert talk.options["level"].fill(Scope({}, nowhere)) == 0.5
    _, notify = flow_file.flows["menu"].steps["bye"].actions
    assert notify.options["payload"]["to"].fill(Scope({"to": "1"}, nowhere)) == "1"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.parametrize("number", [None, "442079460000"])
def test_the_shipped_files_have_no_fault(path, number):
    flow_file = loading.load(path, {**SETTINGS, "CALLER_NUMBER": number})
    assert flow_file.file == path
    assert flow_file.text == path.read_text()
    assert flow_file.watched[0] == path


# Versions.


def test_versions_change_with_the_content_and_only_with_that():
    flow_file, same = read(GOOD), read("# a comment\n" + GOOD)
    other = read(GOOD.replace("Bye", "Good bye"))
    assert flow_file.version != same.version, "of the file's text"
    assert {name: flow.version for name, flow in flow_file.flows.items()} == {
        name: flow.version for name, flow in same.flows.items()
    }
    changed = {name for name, flow in other.flows.items() if flow.version != flow_file.flows[name].version}
    assert changed == {"menu"}
    assert all(re.fullmatch("[0-9a-f]{8}", flow.version) for flow in (flow_file, *flow_file.flows.values()))


def test_the_order_of_steps_is_part_of_the_version():
    """The first one is where a call begins."""
    one, two = (
        "a: [{ action: input, type: [dtmf], next: { else: b, exhausted: c } }]",
        "b: [{ action: input, type: [dtmf], next: { else: a, exhausted: c } }]",
    )
    three = "c: [{ action: talk, text: Bye }]"
    first, second = (
        read(flow(f"steps: {{ {text}, {three} }}")).flows["f"] for text in (f"{one}, {two}", f"{two}, {one}")
    )
    assert (first.start, second.start) == ("a", "b")
    assert first.version != second.version


def test_the_version_of_a_flow_in_python_changes_with_its_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "flow_that_changes.py"
    module.write_text("def f(request):\n    return []\n")
    text = flow("python: flow_that_changes:f")
    first = read(text)
    module.write_text("def f(request):\n    return [1]\n")
    assert read(text).flows["f"].version != first.flows["f"].version
    assert first.watched == (Path("flows.yaml"), module)


# What is wrong in a file: where, and in which words.

TALK = "- { action: talk, text: Hello }"

WRONG = {
    "nothing in it": ("", "1:1: must be a file with `routes` and `flows`"),
    "only a text": ("hello", "1:1: must be a file with `routes` and `flows`"),
    "a name not known": (flow(TALK) + "hour: {}\n", "5:1: hour: is an unknown field; did you mean hours?"),
    "no routes": ("flows: { f: [{ action: talk, text: x }] }", "1:1: routes: is missing"),
    "no flows": ("routes: [{ flow: f }]", "1:1: flows: is missing"),
    "routes that are empty": (flow(TALK).replace("[{ flow: f }]", "[]"), "1:9: routes: is empty"),
    "routes that are no list": (flow(TALK).replace("[{ flow: f }]", "f"), "1:9: routes: must be a list"),
    "a route that is none": (flow(TALK).replace("[{ flow: f }]", "[f]"), "1:10: routes[0]: must be a route"),
    "a route to nowhere": (flow(TALK).replace("flow: f ", "flow: g, to: '*' "), "1:18: routes[0].flow: there is no fl"),
    "a route without a flow": (flow(TALK).replace("flow: f", "to: '*'"), "1:10: routes[0].flow: is missing"),
    "a route's misspelt name": (
        flow(TALK).replace("flow: f", "flow: f, form: '4'"),
        "1:21: routes[0].form: is an unknown field; did you mean from?",
    ),
    "a number without quotes": (
        flow(TALK).replace("flow: f", "flow: f, to: 44"),
        "1:25: routes[0].to: must be a text: put",
    ),
    "a pattern that is none": (flow(TALK).replace("flow: f", "flow: f, to: '4*4'"), "1:25: routes[0].to: "),
    "a route never taken": (
        flow(TALK).replace("[{ flow: f }]", "[{ flow: f }, { flow: f, to: '1' }]"),
        "1:23: routes[1]: is never taken: the one in line 1 takes all its calls",
    ),
    "hours not known": (
        GOOD.replace("when: office", "when: not ofice"),
        "4:11: routes[0].when: there are no hours ofice; did you mean office?",
    ),
    "hours with more than not": (
        GOOD.replace("when: office", "when: if office"),
        "4:11: routes[0].when: must be the name",
    ),
    "hours never used": (GOOD.replace("    when: office\n", ""), "9:3: hours.office: are never used"),
    "hours that are wrong": (GOOD.replace("Europe/London", "Europe/Londn"), "11:11: hours.office.zone: "),
    "a flow's name that is none": (GOOD.replace("  short:", "  a b:"), '15:3: flows["a b"]: is no name'),
    "a flow that is none": (
        GOOD.replace("    python: app.flows.transitions:plain\n    about: In Python", "    5"),
        "22:5: flows.scripted: must be a list of actions, or",
    ),
    "a flow with an unknown name": (flow("step: {}"), "4:5: flows.f.step: is an unknown field; did you mean steps?"),
    "a flow without steps": (flow("about: x"), "4:5: flows.f: has no `steps`, nor `python`"),
    "a flow with no step": (flow("steps: {}"), "4:12: flows.f.steps: is empty"),
    "about that is no text": (flow("about: 5", f"steps: {{ a: [{TALK[2:]}] }}"), "4:12: flows.f.about: must be a text"),
    "a step's name that is none": (flow(f"steps: {{ -a: [{TALK[2:]}] }}"), "4:14: flows.f.steps.-a: is no name"),
    "a start that is not there": (
        flow("start: b", f"steps: {{ a: [{TALK[2:]}] }}"),
        "4:12: flows.f.start: there is no step b",
    ),
    "detected what cannot be": (
        flow("detected: { robot: a }", f"steps: {{ a: [{TALK[2:]}] }}"),
        "4:17: flows.f.detected.robot: is an unknown field; there are human, machine, beep_start, beep_timeout",
    ),
    "detected leads nowhere": (
        flow("detected: { human: b }", f"steps: {{ a: [{TALK[2:]}] }}"),
        "4:24: flows.f.detected.human: there is",
    ),
    "python beside steps": (
        GOOD.replace("    about: In Python", "    steps: {}"),
        "23:5: flows.scripted.steps: cannot be beside",
    ),
    "python that is not there": (GOOD.replace(":plain", ":plian"), "22:13: flows.scripted.python: "),
    "python that is no text": (
        GOOD.replace("app.flows.transitions:plain", "5"),
        "22:13: flows.scripted.python: must be a function",
    ),
    # Actions.
    "a list that is none": (flow("steps:", "  a: hello"), "5:10: flows.f.steps.a: must be a list of actions"),
    "a list that is an expression": (
        flow("steps:", '  a: "{{ to }}"'),
        "5:10: flows.f.steps.a: must be a list of actions, with a dash before each: an exp",
    ),
    "a list with nothing in it": (flow("steps: { a: [] }"), "4:17: flows.f.steps.a: has no action in it"),
    "an action that is none": (flow("- hello"), "4:7: flows.f[0]: must be an action"),
    "an action that is an expression": (
        flow(TALK, '- "{{ to }}"'),
        "5:7: flows.f[1]: must be an action, as in `action: talk`: an expression",
    ),
    "an action without a name": (flow("- text: hello"), "4:7: flows.f[0]: has neither `action` nor `go`"),
    "an action's name misspelt": (flow("- action: tlk"), "4:15: flows.f[0].action: It is the text"),
    "an action's name computed": (flow('- action: "{{ to }}"'), "4:15: flows.f[0].action: It is the text"),
    "an option misspelt": (
        flow("- action: talk", "  txet: Hello", "  text: Hello"),
        "5:13: flows.f[0].txet: It is no option of talk; did you mean text?",
    ),
    "an option missing": (flow("- action: talk"), "4:7: flows.f[0].text: It is missing"),
    "an option of a wrong type": (
        flow("- action: talk", "  text: Hello", "  loop: often"),
        "6:13: flows.f[0].loop: It is the text",
    ),
    "an option without value": (
        flow("- action: talk", "  text: Hello", "  loop:"),
        "6:12: flows.f[0].loop: It is null",
    ),
    "something deep": (
        flow("- action: connect", "  endpoint:", "    - type: phone", "      number: '+44'"),
        "7:19: flows.f[0].endpoint[0].number: It is the",
    ),
    "go beside an action": (flow("- action: talk", "  text: Hello", "  go: a"), "6:7: flows.f[0].go: must be alone"),
    "go with an option": (flow("- go: a", "  text: Hello"), "5:7: flows.f[0].text: is an unknown field; there is go"),
    "go with an expression": (flow('- go: "{{ to }}"'), "4:11: flows.f[0].go: must be the name of a step, written out"),
    "go without value": (flow("- go:"), "4:10: flows.f[0].go: has no value: give it one, or leave it out"),
    # Expressions.
    "an expression that is none": (flow("- action: talk", '  text: "{{ 1 + }}"'), "5:13: flows.f[0].text: "),
    "a name that is not there": (flow("- action: talk", '  text: "{{ form }}"'), "5:13: flows.f[0].text: .*form"),
    "an expression as a name": (
        flow("- action: notify", "  payload:", '    "{{ to }}": 1'),
        "6:9: .*is a name: expressions can be in values only",
    ),
    "a setting that is wrong there": (
        flow("- action: talk", "  text: Hello", '  loop: "{{ settings.APP_USER }}"'),
        '6:13: flows.f[0].loop: It is the text "Alice"',
    ),
    "a setting that leaves out what is needed": (
        flow("- action: conversation", '  name: "{{ settings.CALLER_NUMBER }}"'),
        "5:13: flows.f[0].name: It is missing",
    ),
    "a constant that is wrong there": (
        flow("- action: talk", "  text: Hello", '  loop: "{{ -1 }}"'),
        "6:13: flows.f[0].loop: It is the number -1",
    ),
    "more than can be said": (
        flow("- action: talk", f'  text: "{{{{ to }}}} {"a" * 1500}"'),
        "5:13: flows.f[0].text: has 1501 characters beside",
    ),
    "more SSML than can be said": (
        flow("- action: talk", f'  text: "<speak>{{{{ to }}}} {"a" * 1500}</speak>"'),
        "5:13: flows.f[0].text: has 1501 characters",
    ),
    # `next`.
    "next on talk": (
        flow("- action: talk", "  text: Hello", "  next: start"),
        "6:7: flows.f[0].next: belongs to input, connect and notify",
    ),
    "next on what comes key by key": (
        flow("- { action: input, type: [dtmf], mode: asynchronous, next: start }"),
        "4:58: flows.f[0].next: belongs to a synchronous",
    ),
    "next beside eventUrl": (
        flow("- { action: input, type: [dtmf], eventUrl: [https://a.example], next: start }"),
        "4:38: flows.f[0].eventUrl: is filled in where",
    ),
    "next beside eventType": (
        flow("- action: connect", "  endpoint: [{ type: app, user: A }]", "  eventType: synchronous", "  next: start"),
        "6:7: flows.f[0].eventType: is filled in",
    ),
    "next that is a number": (
        flow("- { action: input, type: [dtmf], next: 5 }"),
        "4:44: flows.f[0].next: must be the name of a step, or branches",
    ),
    "next of notify that is a mapping": (
        flow("- { action: notify, payload: {}, next: { else: start } }"),
        "4:44: flows.f[0].next: must be the name of a step",
    ),
    "next that is empty": (input_("{}"), "10:13: .*next: is empty"),
    "next that leads nowhere": (input_("attempts: 2", "exhausted: other"), "10:13: .*next: leads nowhere"),
    "a branch that is none": (input_("esle: other"), "10:13: .*esle: is no branch of input; did you mean else?"),
    "a branch of connect's": (input_("busy: other"), "10:13: .*busy: is a branch of connect, not of input"),
    "a branch to a number": (input_("else: 5"), "10:19: .*else: must be the name of a step: put it in quotes"),
    "no attempt": (input_("else: other", "attempts: 0"), "11:23: .*attempts: must be a whole number from 1 to 10"),
    "attempts that are true": (
        input_("else: other", "attempts: true"),
        "11:23: .*attempts: must be a whole number from 1 to 10",
    ),
    "attempts, and nothing after them": (
        input_("else: other", "attempts: 2"),
        "11:23: .*attempts: says how often, but not what comes after: say with `exhausted`",
    ),
    "a key that is none": (input_("keys: { a: other }", "else: other"), "10:21: .*keys.a: must be keys"),
    "a key too many": (
        input_("keys: { 12345: other }", "else: other"),
        "10:21: .*keys.12345: can never be pressed: it has 5 keys, and `maxDigits` of `dtmf` is 4",
    ),
    "a key too many of two": (
        input_("keys: { 123: other }", "else: other", more="dtmf: { maxDigits: 2 }"),
        "10:21: .*keys.123: can never be pressed: it has 3",
    ),
    "the key that submits": (
        input_('keys: { "1#": other }', "else: other", more="dtmf: { submitOnHash: true }"),
        "10:21: .*can never match: with `submitOnHash`",
    ),
    "keys where none are read": (
        input_("keys: { 1: other }", "else: other", type_="[speech]"),
        "10:13: .*keys: can never match: `type` has no dtmf",
    ),
    "words where none are heard": (
        input_("words: { a: other }", "else: other"),
        "10:13: .*words: can never match: `type` has no speech",
    ),
    "no keys": (input_("keys: {}", "else: other"), "10:19: .*keys: is empty"),
    "keys that are a list": (
        input_("keys: [1]", "else: other"),
        "10:19: .*keys: must be keys and steps, as in `1: sales`",
    ),
    "words twice": (
        input_("words: { Good bye: other, good  BYE: other }", type_="[speech]"),
        '10:39: .*is the same as "Good bye"',
    ),
    "words without a word": (input_('words: { "!": other }', type_="[speech]"), "10:22: .*must have a word in it"),
    "words that hide others": (
        flow("- { action: input, type: [speech], next: { words: { not: start, Not Very: start }, else: start } }"),
        '4:69: flows.f[0].next.words["Not Very"]: can never match: "not", which is before it, is in it',
    ),
    "an expression for words": (
        flow("- { action: input, type: [speech], next: { words: { '{{ to }}': start }, else: start } }"),
        "4:57: .*is compared as it is written: an expression cannot be here",
    ),
    "a number for a text": (flow("- { action: talk, text: 12345 }"), "4:29: .*Put it in quotes."),
    "a number out of range": (flow("- { action: wait, timeout: 9999 }"), "4:32: .*from 0.1 to 7200."),
    "an action misspelt": (flow("- { action: tlak, text: x }"), "4:17: .*Did you mean talk?"),
    "an action that there is not": (flow("- { action: hangup }"), "4:17: .*A call ends by itself"),
    "the address of a step": (
        flow("- { action: input, type: [dtmf], eventUrl: ['https://voice.example.com/voice/flows/f/start'] }"),
        ".*eventUrl: is the address of a step of this server: say with `next`",
    ),
    "SSML that is none": (flow("- { action: talk, text: '<speak>Tom & {{ to }}</speak>' }"), "4:29: .*no SSML"),
    "two that ask": (
        flow("- { action: input, type: [dtmf], next: start }", "- { action: input, type: [dtmf], next: start }"),
        "5:7: flows.f[1]: another input reports its result to the same step, in line 4, and one of them has `next`",
    ),
    "two that notify": (
        flow("- { action: notify, payload: {} }", "- { action: notify, payload: {}, next: start }"),
        "5:7: flows.f[1]: another notify reports its result to the same step",
    ),
    "a step and an address for the callee": (
        GOOD.replace("step: whisper, ringbackTone", "step: whisper, url"),
        "51:42: .*onAnswer.url: cannot be beside `step`",
    ),
    "a step for the callee that is none": (
        GOOD.replace("step: whisper", "step: 5"),
        "51:33: .*onAnswer.step: must be the name of a step",
    ),
}


@pytest.mark.parametrize(("text", "wanted"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named_with_its_place(text, wanted):
    pattern = re.sub(r"[\[\](){}?*+]|\.(?!\*)", r"\\\g<0>", wanted).replace(r".\*", ".*")
    assert [fault for fault in faults(text) if re.match(pattern, fault)], faults(text)


def test_completed_is_no_failure():
    text = flow("- { action: connect, endpoint: [{ type: app, user: A }], next: { completed: start, else: start } }")
    assert "4:70: flows.f[0].next.completed: completed is no failure: its reply is not read by Vonage" in faults(text)


def test_all_that_is_wrong_is_reported_at_once_in_the_order_of_the_lines():
    text = """\
routes:
  - flow: mune
  - { flow: menu, to: 5 }
hours:
  office: { zone: Nowhere, open: { mon: "9-5" } }
flows:
  menu:
    steps:
      start:
        - action: talk
          txt: Hello
        - action: input
          type: [dtmf]
          next: { keys: { x: nowhere }, attempts: 99 }
        - action: talk
          text: "{{ 1 + }}"
      unused:
        - hello
extra: 1
"""
    found = faults(text)
    lines = [int(fault.split(":")[0]) for fault in found]
    assert lines == sorted(lines)
    assert {2, 3, 5, 11, 10, 14, 16, 18, 19} <= set(lines)
    assert len(found) >= 12


def test_one_that_is_misspelt_is_one_fault():
    """What was meant by it counts as used."""
    assert len(faults(GOOD.replace("when: office", "when: offce"))) == 1
    assert len(faults(GOOD.replace("step: whisper", "step: whispr"))) == 1


def test_hours_are_not_reported_as_never_used_where_nobody_knows_which_were_meant():
    two = GOOD.replace("hours:\n", "hours:\n  other: { zone: UTC, open: { mon: '09:00-10:00' } }\n")
    assert faults(two) == ["10:3: hours.other: are never used: by no route, and no expression"]
    for when in ("zzz", "not zzz", "5", "or other"):
        (fault,) = faults(two.replace("when: office", f"when: {when}"))
        assert "routes[0].when: " in fault


def test_a_route_for_telephones_and_app_users_at_once_is_never_taken():
    (fault,) = faults(GOOD.replace('- from_user: "*"', '- from_user: "*"\n    from: number'))
    assert fault == (
        "6:5: routes[1].from_user: is beside `from`, so that the route is never taken: a caller has one of the two"
    )


# However much is wrong.


def routes_to(count, name="f"):
    return "routes:\n" + "".join(f"  - {{ flow: {name}{n}, to: a{n} }}\n" for n in range(count))


def test_of_thousands_of_faults_the_first_are_reported_and_how_many_more_there_are():
    text = routes_to(1500, "sals") + f"flows: {{ sales: [{TALK}] }}\n".replace("- ", "")
    found = faults(text)
    assert len(found) == 201
    assert found[:1] == ["2:13: routes[0].flow: there is no flow sals0; did you mean sales?"]
    assert found[199].startswith("201:13: routes[199].flow: ")
    assert found[200:] == ["202:13: and 1,300 more from here on"]


def test_two_hundred_faults_are_reported_each():
    text = f"flows: {{ sales: [{TALK}] }}\n".replace("- ", "")
    assert [len(faults(routes_to(count) + text)) for count in (199, 200, 201, 202)] == [199, 200, 201, 201]
    assert faults(routes_to(201) + text)[-1] == "202:13: and 1 more from here on"


def test_of_so_many_names_that_are_misspelt_only_the_first_are_guessed_at():
    flows = "flows:\n" + "".join(f"  sales{n}: [{TALK.removeprefix('- ')}]\n" for n in range(60))
    found = faults(routes_to(60, "sals") + flows)
    assert ["did you mean" in fault for fault in found] == [True] * yaml_source.MOST_GUESSES + [False] * 20
    assert faults(routes_to(60, "sals") + flows) == found  # each file has as many


MANY = range(1_500)
SLOW = {
    "flows misspelt": lambda: (
        routes_to(1500, "sals") + "flows:\n" + "".join(f"  sales{n}: [{{ action: talk, text: Hi }}]\n" for n in MANY)
    ),
    "hours misspelt": lambda: (
        "routes:\n"
        + "".join(f"  - {{ flow: f, when: hous{n} }}\n" for n in MANY)
        + "flows: { f: [{ action: talk, text: Hi }] }\nhours:\n"
        + "".join(f"  hours{n}: {{ zone: UTC, open: {{ mon: '09:00-10:00' }} }}\n" for n in MANY)
    ),
    "statements": lambda: flow("- action: talk", f'  text: "{"{% " * 50_000}"'),
    "comments": lambda: flow("- action: talk", f'  text: "{"{# " * 50_000}"'),
    "comments behind an expression": lambda: flow("- action: talk", f'  text: "{{{{ to }}}}{"{# " * 50_000}"'),
    "tags": lambda: flow("- action: talk", f'  text: "<speak>{"<a>" * 50_000}"'),
    "long names": lambda: (
        f"routes: [{{ flow: {'abcdefghij' * 8000} }}]\nflows: {{ {'jihgfedcba' * 8000}: [{{ action: wait }}] }}\n"
    ),
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW.keys())
def test_nothing_takes_long_to_be_refused(text):
    """Each of these took 10 seconds and more; callers wait while a file is read."""
    begun = time.process_time()
    assert isinstance(outcome(text()), Faults)
    assert time.process_time() - begun < 3


def test_a_flow_that_no_route_has_is_no_fault():
    assert set(read(GOOD.replace("flow: short", "flow: scripted")).flows) == {"short", "scripted", "menu"}


@pytest.mark.parametrize(
    ("first", "second", "shadowed"),
    [
        ("to: '+44 20 7946 0000'", "to: '442079460000'", True),
        ("to: Alice", "to: alice", True),
        ("to: '44*'", "to: '442079460000'", True),
        ("to: number", "to: '442079460000'", True),
        ("from: '*'", "from: '44', to: '442079460000'", True),
        ("to: '442079460000'", "to: '442079460001'", False),
        ("to: '442079460000'", "to: '44*'", False),
        ("to: '442079460000', from: '44'", "to: '442079460000'", False),
        ("to: '442079460000', when: h", "to: '442079460000'", False),
        ("to: '442079460000'", "to: '442079460000', when: not h", True),
    ],
)
def test_a_route_is_never_taken_where_one_before_takes_all_its_calls(first, second, shadowed):
    text = flow(TALK).replace(
        "[{ flow: f }]", f"\n  - {{ flow: f, {first} }}\n  - {{ flow: f, {second} }}\n  - {{ flow: f, when: h }}"
    )
    text += 'hours: { h: { zone: UTC, open: { mon: "09:00-17:00" } } }\n'
    if shadowed:
        assert faults(text) == ["3:5: routes[1]: is never taken: the one in line 2 takes all its calls"]
    else:
        assert [route.line for route in read(text).routes] == [2, 3, 4]


def test_closed_hours_are_read():
    (route, *_) = read(GOOD.replace("when: office", "when: not office")).routes
    assert (route.when.name, route.closed) == ("office", True)


def test_what_settings_leave_out_is_left_out_where_it_may_be():
    text = flow("- action: connect", '  from: "{{ settings.CALLER_NUMBER }}"', "  endpoint: [{ type: app, user: A }]")
    assert read(text).flows["f"].steps["start"].actions[0].options["from"].names == {"settings"}


def test_our_own_address_may_be_http_while_developing():
    text = flow("- action: stream", '  streamUrl: ["{{ settings.PUBLIC_URL }}/hello.mp3"]')
    assert loading.read(text, "f", {**SETTINGS, "PUBLIC_URL": "http://localhost:5000"})
    with pytest.raises(Faults, match="It is the text"):
        loading.read(text.replace("{{ settings.PUBLIC_URL }}", "http://example.com"), "f", SETTINGS)


def test_keys_that_only_a_call_can_decide_are_accepted():
    text = input_("keys: { 123456: other }", "else: other", more='dtmf: { maxDigits: "{{ custom_data.most }}" }')
    assert read(text).flows["f"].steps["start"].transitions["input"].keys == {"123456": "other"}


def test_200_steps_are_taken_and_201_are_not():
    def text(count):
        steps = [f"  s{n}: [{{ action: notify, payload: {{}}, next: s{n + 1} }}]" for n in range(1, count)]
        return flow("steps:", *steps, f"  s{count}: [{{ action: talk, text: x }}]")

    assert len(read(text(200)).flows["f"].steps) == 200
    assert faults(text(201)) == ["4:5: flows.f.steps: has 201 steps, but must have 200 at most"]


# Files.


def test_a_file_is_read_with_its_mark_and_its_line_ends(tmp_path):
    path = tmp_path / "flows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    flow_file = loading.load(path, SETTINGS)
    assert (flow_file.file, flow_file.watched[0], flow_file.text) == (path, path, GOOD.replace("\n", "\r\n"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.exists, "there is no such file"),
        (Path.mkdir, "is a folder, not a file"),
        (lambda path: path.write_bytes(b"routes: \xff"), ":1:9: is not UTF-8 from here on"),
        (lambda path: path.write_bytes(b"#" * (256 * 1024 + 1)), "is larger than 256 KiB"),
        (lambda path: path.write_bytes(b"routes: ["), "is no YAML"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_fault(tmp_path, make, words):
    path = tmp_path / "flows.yaml"
    make(path)
    with pytest.raises(Faults, match=words):
        loading.load(path, SETTINGS)


def test_a_name_that_no_file_can_have_is_a_fault():
    with pytest.raises(Faults, match="cannot be read"):
        loading.load(Path("a\0b"), SETTINGS)


# Any content.

PARTS = [path for path in yaml_source.read(GOOD, "").places if path]
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8) | st.sampled_from(
    ["start", "choice", "bye", "{{ to }}", "{{ settings.X }}", "{{", "{% if %}", "not office", "*", "dtmf", "speech"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**6) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXTS | st.sampled_from(["action", "go", "next", "keys", "else", "1"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@tried(max_examples=150)
@given(st.sampled_from(PARTS), VALUES)
def test_any_value_of_a_part_gives_flows_or_faults(path, value):
    changed = copy.deepcopy(yaml_source.read(GOOD, "").value)
    here = changed
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    came = outcome(json.dumps(changed))
    if isinstance(came, Faults):
        assert came.faults
        assert all(fault.line == 1 and fault.column and fault.words for fault in came.faults)
    else:
        assert came.routes


@given(st.sampled_from(PARTS))
def test_leaving_out_any_part_gives_flows_or_faults(path):
    changed = copy.deepcopy(yaml_source.read(GOOD, "").value)
    here = changed
    for step in path[:-1]:
        here = here[step]
    del here[path[-1]]
    came = outcome(yaml_source.write(changed))
    assert came.faults if isinstance(came, Faults) else came.routes
