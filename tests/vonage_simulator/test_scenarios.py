"""Scenario files: those built in, what is wrong with one, and the way back from a Scenario to a file."""

import re
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonage_simulator import scenarios
from vonage_simulator.scenario import Call, Command, FarEnd, Scenario
from vonage_simulator.yaml_source import Faults

NAMES = {
    "phone-to-app caller-gives-up callee-busy callee-rejects nobody-answers callee-unreachable",
    "callee-cannot-be-reached callee-hangs-up-first app-to-phone app-to-app sip-caller phone-to-sip phone-to-websocket",
    "phone-to-extension ring-group notification-human notification-machine notification-machine-hangup menu-by-keys",
    "menu-in-silence menu-by-speech keys-or-speech keys-one-by-one voicemail recorded-call conference conference-muted",
    "hold-and-resume joins-conversation transferred-by-agent stopped-by-api whispered notify-and-wait",
    "wrong-ncco long-talk",
}

CALL = 'about: x\ncalls:\n  - from: "447700900001"\n    to: "442079460000"\n'  # what a file begins with: 4 lines


def faults(text):
    """The faults of a file with *text*, as lines."""
    with pytest.raises(Faults) as caught:
        scenarios.read(text, "file.yaml")
    return str(caught.value).splitlines()


def every_number(value):
    """The telephone numbers in a text."""
    return re.findall(r"\b\d{10,}\b", value)


# The built-in scenarios.


def test_all_built_in_scenarios_can_be_loaded():
    every = scenarios.every()
    assert list(every) == sorted(every) == scenarios.names()
    assert set(every) == set(chain.from_iterable(names.split() for names in NAMES))
    assert all(scenario.name == name for name, scenario in every.items())


@pytest.mark.parametrize("path", sorted(scenarios.LIBRARY.iterdir()), ids=lambda path: path.stem)
def test_each_has_numbers_for_drama_only(path):
    """Numbers are those that Ofcom keeps for drama: https://www.ofcom.org.uk/phones-and-broadband/phone-numbers"""
    text = path.read_text()
    numbers = [] if path.stem == "phone-to-app" else every_number(text)
    assert [number for number in numbers if not re.fullmatch(r"447700900\d{3}|442079460\d{3}", number)] == []
    assert not re.search(r"[ \[]\d{7,}\b", text), "a number without quotes"


@pytest.mark.parametrize("name", scenarios.names())
def test_each_is_over_in_a_minute_or_so(name):
    """Counting its own waits; playing and ringing come on top."""
    scenario = scenarios.find(name)
    for call in scenario.calls:
        assert len(scenario.about) <= 110
        assert call.direction == "outbound" or call.endpoint == "app" or call.to in ("442079460000", "442038297050")
        times = [call.far_end.hangs_up_after or 0, *(command.at for command in call.control)]
        assert call.at + max(times) <= 60


def test_the_published_call_has_the_published_times_and_amounts():
    published = scenarios.find("phone-to-app")
    dialled_in = published.callee("Alice").dialled_in  # goes with how fast the carrier talks
    assert published == Scenario(
        name="phone-to-app",
        about=published.about,
        fields="2021",
        calls=(
            Call(
                from_="441234567890",
                to="442038297050",
                far_end=FarEnd(hangs_up_after=11.332, network="GB-FIXED", rate="0.00720000"),
            ),
        ),
        callees={"Alice": FarEnd(after=0.0, dialled_in=dialled_in, rate="0.00", billing_offset=-2.0)},
    )


# Faults.


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "file.yaml:1:1: is empty: a scenario has `about` and `calls`"),
        ("# nothing yet", "file.yaml:1:1: is empty: a scenario has `about` and `calls`"),
        ("- a\n- b", "file.yaml:1:1: must be fields with values, as in `name: value`"),
        ("just words", "file.yaml:1:1: must be fields with values, as in `name: value`"),
        ("about: x", "file.yaml:1:1: calls: is missing"),
        ("about: x\ncalls: []", "file.yaml:2:8: calls: must not be empty"),
        ("about: x\ncalls: {}", "file.yaml:2:8: calls: must be a list: [ ] around it, or a dash before each item"),
        ('about: x\ncalls:\n  - to: "1"', "file.yaml:3:5: calls[0].from: is missing"),
        ('about: x\ncalls:\n  - {to: "1", from: ""}', "file.yaml:3:21: calls[0].from: must not be empty"),
        ('about: x\ncalls: [{to: 442079460000, from: "1"}]', "2:14: calls[0].to: must be a text: put it in quotes"),
        (CALL.replace("x", "|\n  x"), "file.yaml:1:8: about: must be one line, without blanks around it"),
        (CALL + "    too: x", "file.yaml:5:5: calls[0].too: is an unknown field; did you mean to?"),
        (CALL + "    from_: x", "file.yaml:5:5: calls[0].from_: is an unknown field; did you mean from?"),
        (
            CALL + "name: x",
            "file.yaml:5:1: name: is an unknown field; there are about, calls, callees, stream_seconds, ",
        ),
        (CALL + "    at: -1", "file.yaml:5:9: calls[0].at: must be from 0 to 86400"),
        (CALL + "    at: 90000", "file.yaml:5:9: calls[0].at: must be from 0 to 86400"),
        (CALL + "    at: '1'", "file.yaml:5:9: calls[0].at: must be a number, without quotes"),
        (CALL + "    at: true", "file.yaml:5:9: calls[0].at: must be a number"),
        (CALL + "    at:", "file.yaml:5:8: calls[0].at: has no value: give it one, or leave it out"),
        (CALL + "    ringing_timer: 0", "file.yaml:5:20: calls[0].ringing_timer: must be from 1 to 120"),
        (CALL + "    direction: out", "calls[0].direction: must be one of inbound, outbound"),
        (CALL + "    endpoint: fax", "calls[0].endpoint: must be one of phone, app, sip, websocket, vbc"),
        (CALL + "    headers: {X-A: 1}", "file.yaml:5:20: calls[0].headers.X-A: must be a text: put it in quotes"),
        (
            CALL + "    headers: X-A",
            "file.yaml:5:14: calls[0].headers: must be fields with values, as in `name: value`",
        ),
        (CALL + "    machine_detection: go", "calls[0].machine_detection: must be one of continue, hangup"),
        (
            CALL + "    advanced_machine_detection: {mode: beep}",
            "file.yaml:5:40: calls[0].advanced_machine_detection.mode: must be one of default, detect, detect_beep",
        ),
        (
            CALL + "    advanced_machine_detection:\n      beep_timeout: 5",
            "file.yaml:6:21: calls[0].advanced_machine_detection.beep_timeout: must be from 30 to 120",
        ),
        (CALL + "    far_end: {beep: no}", "file.yaml:5:21: calls[0].far_end.beep: must be true or false"),
        (CALL + "    far_end: {does: answer}", "unreachable, fails, waits; did you mean answers?"),
        (
            CALL + '    far_end: {keys: "12"}',
            "file.yaml:5:21: calls[0].far_end.keys: must be a list: [ ] around it, or ",
        ),
        (
            CALL + "    far_end: {keys: [1]}",
            "file.yaml:5:22: calls[0].far_end.keys[0]: must be a text: put it in quotes",
        ),
        (CALL + "    far_end: {keys: ['12', a]}", "5:28: calls[0].far_end.keys[1]: may have 0 to 9, * and # only"),
        (
            CALL + "    far_end: {rate: 0.0072}",
            "file.yaml:5:21: calls[0].far_end.rate: must be a text: put it in quotes",
        ),
        (CALL + "    far_end: {rate: cheap}", 'calls[0].far_end.rate: must be an amount, as in "0.00720000"'),
        (CALL + "    far_end: {hangs_up_after: -3}", "calls[0].far_end.hangs_up_after: must be from 0 to 86400"),
        (CALL + "    ncco: {action: talk}", "file.yaml:5:11: calls[0].ncco: must be a list: [ ] around it, or a dash "),
        (
            CALL + "    ncco: [talk]",
            "file.yaml:5:12: calls[0].ncco[0]: must be fields with values, as in `name: value`",
        ),
        (CALL + "    ncco:\n      - text: x", "file.yaml:6:9: calls[0].ncco[0].action: is missing"),
        (CALL + "    ncco:\n      - action: 5", "6:17: calls[0].ncco[0].action: must be the name of an action"),
        ("callees: {Alice: busy}\n" + CALL, "file.yaml:1:18: callees.Alice: must be fields with values, as in "),
        ("callees: {'*': {aftr: 1}}\n" + CALL, '1:17: callees["*"].aftr: is an unknown field; did you mean after?'),
        ("stream_seconds: 0\n" + CALL, "file.yaml:1:17: stream_seconds: must be from 0.1 to 86400"),
        ("fields: 2021\n" + CALL, "file.yaml:1:9: fields: must be a text: put it in quotes"),
        ("fields: '2020'\n" + CALL, "file.yaml:1:9: fields: must be one of today, 2021; did you mean 2021?"),
    ],
)
def test_each_fault_is_named_by_line_column_and_field(text, fault):
    (said,) = faults(text)
    assert fault in said
    assert said.startswith("file.yaml:")


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("{do: hangup}", "5:15: calls[0].control[0].at: is missing"),
        ("{at: 1}", "5:15: calls[0].control[0].do: is missing"),
        ("{at: 1, do: mutes}", "record, stop_record; did you mean mute?"),
        (
            "{at: 1, do: mute, options: {on: true}}",
            "5:43: calls[0].control[0].options.on: is an unknown field; there are none",
        ),
        ("{at: 1, do: talk}", "5:15: calls[0].control[0].options.text: is missing"),
        ("{at: 1, do: talk, options: {text: x, loop: 1.5}}", "options.loop: must be a whole number"),
        ("{at: 1, do: talk, options: {text: x, lop: 2}}", "options.lop: is an unknown field; did you mean loop?"),
        ("{at: 1, do: stream}", "5:15: calls[0].control[0].options.url: is missing"),
        ("{at: 1, do: stream, options: {url: 5}}", "options.url: must be a text: put it in quotes"),
        ("{at: 1, do: dtmf, options: {digits: 12}}", "options.digits: must be a text: put it in quotes"),
        ("{at: 1, do: record, options: {format: aac}}", "options.format: must be one of mp3, wav, ogg"),
        ("{at: 1, do: transfer}", "5:15: calls[0].control[0].options: must have ncco or url"),
        ("{at: 1, do: transfer, options: {ncco: [], url: x}}", "calls[0].control[0].options: must have ncco or url"),
        ("{at: 1, do: transfer, options: {ncco: [{}]}}", "options.ncco[0].action: is missing"),
        ("{at: 1, do: mute, options:}", "options: has no value: give it one, or leave it out"),
        ("{at: 1, do: [mute], options: {text: x}}", "5:27: calls[0].control[0].do: must be a text"),
        ("mute", "5:15: calls[0].control[0]: must be fields with values, as in `name: value`"),
    ],
)
def test_a_command_has_the_options_that_the_voice_api_takes(command, fault):
    said = faults(f"{CALL}    control: [{command}]")
    assert fault in said[0]
    assert all(re.match(r"file\.yaml:5:\d+: calls\[0\]\.control\[0\]", line) for line in said)


def test_all_faults_are_named_at_once_and_from_top_to_bottom():
    text = """\
abuot: x
calls:
  - from: 447700900001
    far_end:
      after: soon
      keys: [1, "x"]
    ncco: [{text: x}, talk, {action: talk}]
    control:
      - {at: 1, do: dtmf, options: {digits: 5}}
callees:
  Alice: {does: sleeps, stays_alone: -1}
"""
    assert [line.split(": ")[:2] for line in faults(text)] == [
        ["file.yaml:1:1", "abuot"],
        ["file.yaml:1:1", "about"],
        ["file.yaml:3:5", "calls[0].to"],
        ["file.yaml:3:11", "calls[0].from"],
        ["file.yaml:5:14", "calls[0].far_end.after"],
        ["file.yaml:6:14", "calls[0].far_end.keys[0]"],
        ["file.yaml:6:17", "calls[0].far_end.keys[1]"],
        ["file.yaml:7:12", "calls[0].ncco[0].action"],
        ["file.yaml:7:23", "calls[0].ncco[1]"],
        ["file.yaml:9:45", "calls[0].control[0].options.digits"],
        ["file.yaml:11:17", "callees.Alice.does"],
        ["file.yaml:11:38", "callees.Alice.stays_alone"],
    ]


def test_numbers_that_yaml_would_read_otherwise_are_read_as_written():
    text = "about: x\ncalls: [{from: 0441234567890, to: +442079460000}]\ncallees: {447700900001: {}}"
    scenario = scenarios.read(text, "own.yaml")
    assert (scenario.calls[0].from_, scenario.calls[0].to) == ("0441234567890", "+442079460000")
    assert scenario.callee("447700900001") == FarEnd()


# Finding a scenario.


def test_a_scenario_is_found_by_its_name_or_by_its_path(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(CALL)
    assert scenarios.find("callee-busy").callee("anybody").does == "busy"
    assert scenarios.find(str(own)).name == "own"


def test_for_an_unknown_name_the_nearest_and_all_are_named():
    with pytest.raises(scenarios.NoSuchScenario) as caught:
        scenarios.find("callee-buzy")
    assert str(caught.value).startswith(
        "There is no scenario 'callee-buzy'; did you mean callee-busy? There are: app-to-"
    )
    assert all(name in str(caught.value) for name in scenarios.names())


@pytest.mark.parametrize("name", ["", "..", "phone-to-app\0", "x" * 5000, "carrier"])
def test_no_name_leads_out_of_the_library(name):
    with pytest.raises(scenarios.NoSuchScenario):
        scenarios.find(name)


@pytest.mark.parametrize("path", ["none.yaml", "./none", "/none/such.yml", "/", "../..", "\0.yaml"])
def test_a_path_without_file_is_one_fault(path):
    with pytest.raises(Faults) as caught:
        scenarios.find(path)
    assert len(caught.value.faults) == 1


def test_a_folder_is_loaded_whole_and_its_faults_are_reported_together(tmp_path):
    (tmp_path / "a.yaml").write_text(CALL)
    (tmp_path / ".#b.yaml").write_text("an editor's")
    (tmp_path / "notes.txt").write_text("no scenario")
    assert list(scenarios.every(tmp_path)) == ["a"]
    (tmp_path / "b.yaml").write_text("about: x")
    (tmp_path / "c.yaml").write_bytes(b"\xff")
    with pytest.raises(Faults) as caught:
        scenarios.every(tmp_path)
    assert str(caught.value).splitlines() == [
        f"{tmp_path / 'b.yaml'}:1:1: calls: is missing",
        f"{tmp_path / 'c.yaml'}:1:1: is not UTF-8 from here on",
    ]


def test_a_missing_folder_is_one_fault(tmp_path):
    with pytest.raises(Faults, match="there is no such folder"):
        scenarios.every(tmp_path / "none")


# From a Scenario to a file, and back.

LINE = st.text(min_size=1, max_size=20).filter(lambda text: text == text.strip() and len(text.splitlines()) == 1)
NAME = st.text(min_size=1, max_size=12)
SECONDS = st.floats(0, 86400)
LEAF = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
)
JSON = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3), max_leaves=5
)
THING = st.dictionaries(NAME, JSON, max_size=2)
NCCO = st.lists(
    st.builds(lambda name, more: {"action": name} | more, NAME, THING.filter(lambda it: "action" not in it))
)


def few(items):
    """A tuple of a few."""
    return st.lists(items, max_size=2).map(tuple)


FAR_ENDS = st.builds(
    FarEnd,
    after=SECONDS,
    dialled_in=SECONDS,
    keys=few(st.text("0123456789*#", max_size=5)),
    says=few(st.text(max_size=20)),
    hangs_up_after=st.none() | SECONDS,
    stays_alone=SECONDS,
    detail=st.none() | st.text(max_size=9),
    greeting=SECONDS,
    network=st.none() | st.text(max_size=9),
    rate=st.none() | st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,8})?", fullmatch=True),
    billing_offset=st.floats(-86400, 86400),
)
PLAIN = ("hangup", "mute", "unmute", "earmuff", "unearmuff", "stop_talk", "stop_stream", "record", "stop_record")
DONE = st.one_of(
    st.tuples(st.sampled_from(PLAIN), st.just({})),
    st.tuples(st.just("transfer"), st.fixed_dictionaries({"ncco": NCCO})),
    st.tuples(st.just("transfer"), st.fixed_dictionaries({"url": NAME})),
    st.tuples(
        st.just("talk"), st.fixed_dictionaries({"text": NAME}, optional={"loop": st.integers(0, 9), "level": LEAF})
    ),
    st.tuples(st.just("stream"), st.fixed_dictionaries({"url": NAME})),
    st.tuples(st.just("dtmf"), st.fixed_dictionaries({"digits": st.text("0123456789*#p", min_size=1)})),
)
COMMANDS = st.builds(lambda at, to, done: Command(at=at, to=to, do=done[0], options=done[1]), SECONDS, NAME, DONE)
CALLS = st.builds(
    Call,
    from_=NAME,
    to=NAME,
    at=SECONDS,
    far_end=FAR_ENDS,
    headers=st.dictionaries(NAME, st.text(max_size=9), max_size=2),
    custom_data=st.none() | THING,
    ncco=st.none() | NCCO.map(tuple),
    ringing_timer=st.floats(1, 120),
    length_timer=st.floats(1, 86400),
    advanced_machine_detection=st.sampled_from(
        [None, {}, {"behavior": "hangup", "mode": "detect", "beep_timeout": 45}]
    ),
    control=few(COMMANDS),
)
SCENARIOS = st.builds(
    Scenario,
    name=st.just("made-up"),
    about=LINE,
    calls=st.lists(CALLS, min_size=1, max_size=2).map(tuple),
    callees=st.dictionaries(NAME, FAR_ENDS, max_size=2),
    stream_seconds=st.floats(0.1, 86400),
)


@pytest.mark.parametrize("name", scenarios.names())
def test_built_in_scenarios_survive_being_written(name):
    scenario = scenarios.find(name)
    assert scenarios.read(scenarios.dump(scenario), f"{name}.yaml") == scenario


@given(SCENARIOS, st.text(max_size=30))
def test_any_scenario_survives_being_written(scenario, header):
    assert scenarios.read(scenarios.dump(scenario, header), "made-up.yaml") == scenario


def test_the_written_file_leaves_out_defaults():
    scenario = Scenario(
        name="short",
        about="From a log",
        calls=(Call(from_="447700900001", to="442079460000", far_end=FarEnd(hangs_up_after=20.0, keys=("1", "2#"))),),
        callees={"Alice": FarEnd(after=2.5)},
    )
    assert scenarios.dump(scenario, "Captured from CON-1.\nTimes are the log's.") == (
        "# Captured from CON-1.\n"
        "# Times are the log's.\n"
        "about: From a log\n"
        "calls:\n"
        '  - from: "447700900001"\n'
        '    to: "442079460000"\n'
        "    far_end:\n"
        '      keys: ["1", "2#"]\n'
        "      hangs_up_after: 20\n"
        "callees:\n"
        "  Alice:\n"
        "    after: 2.5\n"
    )
