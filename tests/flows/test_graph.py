"""Where the steps of a flow lead: nowhere, round and round, or to the end without a word."""

import pytest

from app.flows import loading
from vonage_simulator.yaml_source import Faults

SETTINGS = {"APP_USER": "Alice", "CALLER_NUMBER": None, "PUBLIC_URL": "https://voice.example.com"}
TALK = "{ action: talk, text: Hello }"
CONNECT = "action: connect, endpoint: [{ type: app, user: A }]"
INPUT = "action: input, type: [dtmf]"
NOTIFY = "action: notify, payload: {}"


def steps(**lists):
    """A flow of these steps: the first one is in line 5, each in one line, from the seventh column on."""
    return "steps:\n" + "".join(f"      {name}: [{actions}]\n" for name, actions in lists.items())


def faults(text, more=""):
    """What is said to be wrong with a file that has this flow."""
    try:
        loading.read(f"routes: [{{ flow: f }}]\nflows:\n  f:\n    {text}{more}", "flows.yaml", SETTINGS)
    except Faults as wrong:
        return [str(fault).removeprefix("flows.yaml:") for fault in wrong.faults]
    return []


def only(text, more=""):
    """The one thing that is wrong with it."""
    (fault,) = faults(text, more)
    return fault


# Steps that are not there, and that nobody comes to.


@pytest.mark.parametrize(
    ("actions", "position"),
    [
        ("{ go: tow }", "5:19: flows.f.steps.one[0].go"),
        (f"{{ {NOTIFY}, next: tow }}", "5:50: flows.f.steps.one[0].next"),
        (f"{{ {INPUT}, next: tow }}", "5:50: flows.f.steps.one[0].next"),
        (f"{{ {INPUT}, next: {{ keys: {{ 1: tow }}, else: two }} }}", "5:63: flows.f.steps.one[0].next.keys.1"),
        (f"{{ {INPUT}, next: {{ silence: tow, else: two }} }}", "5:61: flows.f.steps.one[0].next.silence"),
        (f"{{ {INPUT}, next: {{ else: tow }} }}", "5:58: flows.f.steps.one[0].next.else"),
        (f"{{ {INPUT}, next: {{ else: two, exhausted: tow }} }}", "5:74: flows.f.steps.one[0].next.exhausted"),
        (f"{{ {CONNECT}, next: {{ busy: tow, else: two }} }}", "5:82: flows.f.steps.one[0].next.busy"),
    ],
)
def test_a_step_that_is_not_there_is_named_with_the_nearest_that_is(actions, position):
    assert only(steps(one=actions, two=TALK)) == f"{position}: there is no step tow; did you mean two?"


def test_without_a_near_one_all_are_named():
    assert "there is no step nowhere; there is one" in only(steps(one="{ go: nowhere }"))


def test_a_step_that_is_never_entered_is_named():
    found = faults(steps(one=TALK, two="{ go: three }", three=TALK))
    assert [text.partition(": is never")[0] for text in found] == ["6:7: flows.f.steps.two", "7:7: flows.f.steps.three"]


def test_a_call_comes_to_the_step_it_starts_with_and_to_those_of_detection():
    assert faults("detected: { human: two }\n    " + steps(one=TALK, two=TALK)) == []
    assert only("start: two\n    " + steps(one=TALK, two=TALK)).startswith("6:7: flows.f.steps.one: is never used")


def test_a_step_that_only_the_callee_hears_is_used():
    phone = "{ type: phone, number: '442079460001', onAnswer: { step: two } }"
    assert faults(steps(one=f"{{ action: connect, endpoint: [{phone}] }}", two=TALK)) == []
    alone = only(steps(one=f"{{ action: connect, endpoint: [{phone}] }}"))
    assert alone == "5:100: flows.f.steps.one[0].endpoint[0].onAnswer.step: there is no step two; there is one"


# What never ends.


def test_a_step_that_has_itself_in_it():
    assert only(steps(one=f"{TALK}, {{ go: one }}")) == (
        "5:50: flows.f.steps.one[1].go: step one would have itself in it without end"
    )


def test_a_step_that_has_itself_in_it_through_others_is_reported_once():
    assert only(steps(one="{ go: two }", two="{ go: three }", three="{ go: two }")) == (
        "6:19: flows.f.steps.two[0].go: step two would have itself in it without end, for three goes back to it"
    )


def test_a_round_of_nothing_but_go_and_notify_never_ends():
    found = only(steps(one=f"{{ {NOTIFY}, next: two }}", two="{ go: one }"))
    assert found.startswith("5:50: flows.f.steps.one[0].next: never ends: it leads back to one by itself")
    assert "never ends" in only(steps(one=f"{{ {NOTIFY}, next: one }}"))


def test_a_notify_that_leads_on_ends():
    assert faults(steps(one=f"{{ {NOTIFY}, next: two }}", two=TALK)) == []


@pytest.mark.parametrize(
    "leads", ["one", "{ silence: one, else: two }", "{ silence: two, else: one }", "{ keys: { 9: two }, else: one }"]
)
def test_a_step_that_leads_back_to_itself_asks_for_ever(leads):
    text = steps(one=f"{{ {INPUT}, next: {leads} }}, {{ go: two }}", two=TALK)
    assert "asks for ever, for it can lead back to one: say with `exhausted` where it goes after 3 attempts" in only(
        text
    )


def test_a_step_that_leads_back_to_itself_through_others_asks_for_ever():
    text = steps(one=f"{{ {INPUT}, next: {{ else: two }} }}", two="{ go: three }", three=f"{{ {NOTIFY}, next: one }}")
    found = only(text)
    assert found.startswith("5:58: flows.f.steps.one[0].next.else: asks for ever")
    assert found.endswith("after 3 attempts")


@pytest.mark.parametrize(
    "three",
    [
        f"{{ {INPUT}, next: {{ keys: {{ 1: one }}, else: four }} }}",  # by what the caller presses
        f"{{ {INPUT}, next: {{ else: one, exhausted: four }} }}",  # by what has a limit
        f"{{ {CONNECT}, next: {{ else: one, exhausted: four }} }}",
    ],
)
def test_what_leads_back_only_if_the_caller_wants_it_or_so_often_comes_to_an_end(three):
    one = f"{{ {INPUT}, next: {{ else: three }} }}"
    assert faults(steps(one=one, three=three, four=TALK)) == []


def test_a_key_that_asks_again_is_the_callers_wish():
    assert faults(steps(one=f"{{ {INPUT}, next: {{ keys: {{ 9: one }}, else: two }} }}", two=TALK)) == []


def test_a_failure_that_leads_back_asks_for_ever():
    text = steps(one=f"{{ {CONNECT}, next: {{ busy: one, else: two }} }}", two=TALK)
    assert "5:82: flows.f.steps.one[0].next.busy: asks for ever" in only(text)


def test_what_is_exhausted_after_some_attempts_does_not_ask_for_ever():
    leads = "{ silence: one, else: two, exhausted: three }"
    assert faults(steps(one=f"{{ {INPUT}, next: {leads} }}", two=f"{TALK}, {{ go: one }}", three=TALK)) == []


def test_a_key_that_leads_back_through_another_step_is_the_callers_wish():
    one = f"{{ {INPUT}, next: {{ keys: {{ 1: two }}, else: three }} }}"
    two = f"{{ {INPUT}, next: {{ keys: {{ 9: one }}, else: three }} }}"
    assert faults(steps(one=one, two=two, three=TALK)) == []


@pytest.mark.parametrize("back", ["one", "again", "notified"])
def test_exhausted_must_not_lead_back_by_itself(back):
    leads = f"{{ silence: again, else: notified, exhausted: {back} }}"
    text = steps(
        one=f"{{ {INPUT}, next: {leads} }}", again=f"{TALK}, {{ go: one }}", notified=f"{{ {NOTIFY}, next: again }}"
    )
    assert "next.exhausted: leads back to one even if the caller does nothing, and so on for ever" in only(text)


def test_nor_by_way_of_another_that_leads_back_when_it_is_exhausted():
    one = f"{TALK}, {{ {INPUT}, next: {{ else: one, exhausted: two }} }}"
    two = f"{TALK}, {{ {CONNECT}, next: {{ else: two, exhausted: %s }} }}"
    found = faults(steps(one=one, two=two % "one"))
    assert ["even if the caller does nothing" in fault for fault in found] == [True, True]
    assert faults(steps(one=one, two=two % "three", three=TALK)) == []


# Who is hung up on without a word.


def test_a_caller_who_presses_nothing_must_hear_something():
    assert only(steps(one=f"{{ {INPUT}, next: {{ keys: {{ 1: two }} }} }}", two=TALK)) == (
        "5:50: flows.f.steps.one[0].next: "
        "a caller who presses nothing is hung up on in silence: add silence and else, or something after it"
    )


def test_a_caller_who_presses_something_else_must_hear_something():
    found = only(steps(one=f"{{ {INPUT}, next: {{ keys: {{ 1: two }}, silence: two }} }}", two=TALK))
    assert found.endswith(
        "a caller who presses something else is hung up on in silence: add else, or something after it"
    )


@pytest.mark.parametrize(
    "actions",
    [
        f"{{ {INPUT}, next: two }}",
        f"{{ {INPUT}, next: {{ else: two }} }}",
        f"{{ {INPUT}, next: {{ keys: {{ 1: two }}, silence: two, else: two }} }}",
        f"{{ {INPUT}, next: {{ keys: {{ 1: two }} }} }}, {{ go: two }}",
        f"{{ {INPUT}, next: {{ keys: {{ 1: two }} }} }}, {TALK}",
        f"{{ {CONNECT}, next: {{ busy: two, timeout: two, unanswered: two, rejected: two, failed: two }} }}",
        f"{{ {CONNECT}, next: {{ busy: two }} }}, {TALK}, {{ go: two }}",
        f"{{ {CONNECT} }}, {{ go: two }}, {{ {CONNECT} }}",
        f"{{ go: two }}, {{ {INPUT}, mode: asynchronous }}",
        f"{{ go: two }}, {{ {INPUT}, eventUrl: ['https://example.com/mine'] }}",
    ],
)
def test_nobody_is_hung_up_on_where_all_leads_somewhere_or_something_follows(actions):
    assert faults(steps(one=actions, two=TALK)) == []


@pytest.mark.parametrize("behind", ["", ", { action: wait }", f", {{ {NOTIFY} }}"])
def test_an_input_at_the_end_must_lead_somewhere(behind):
    """What nobody hears is as good as nothing."""
    found = only(steps(one=f"{TALK}, {{ {INPUT} }}{behind}"))
    assert found.startswith("5:44: flows.f.steps.one[1].next: leads nowhere")
    assert "a caller who presses nothing" in only(
        steps(one=f"{{ {INPUT}, next: {{ keys: {{ 1: two }} }} }}{behind}", two=TALK)
    )


def test_a_step_that_is_not_there_makes_no_other_unused():
    assert len(faults("start: elsewhere_and_far_away\n    " + steps(one=TALK, two=TALK))) == 1
    assert len(faults(steps(one=f"{{ {INPUT}, next: {{ else: 2 }} }}", two=TALK))) == 1


def test_a_failure_that_leads_nowhere_must_have_something_behind_it():
    found = only(steps(one=f"{{ {CONNECT}, next: {{ busy: two, failed: two }} }}", two=TALK))
    assert found.startswith("5:74: flows.f.steps.one[0].next: a caller whose call is not put through")
    assert "(timeout, unanswered, rejected)" in found


def test_what_comes_after_may_be_in_the_step_around_it():
    """A step that is only ever part of another is not looked at alone."""
    asks = f"{{ {INPUT}, next: {{ keys: {{ 1: three }} }} }}"
    assert faults(steps(one="{ go: two }, { go: three }", two=asks, three=TALK)) == []
    assert "6:50: flows.f.steps.two[0].next: a caller who presses nothing" in only(
        steps(one="{ go: three }, { go: two }", two=asks, three=TALK)
    )


# The order of actions, with those of other steps among them.


def test_a_conversation_before_the_last_action_is_found():
    text = steps(one="{ go: two }, { go: three }", two="{ action: conversation, name: c }", three=TALK)
    found = only(text)
    assert found.startswith("6:13: flows.f.steps.two[0]: It must be the last action")


def test_what_is_wrong_in_a_step_is_reported_once_however_many_have_it():
    every = {f"s{n}": f"{{ go: talks }}, {{ {NOTIFY}, next: s{n + 1} }}" for n in range(3)}
    talks = "{ action: talk, text: x, bargeIn: true }"
    text = steps(**every, s3=TALK, talks=talks)
    found = only(text)
    assert found.startswith("9:49: flows.f.steps.talks[0].bargeIn: It is true, but the next action")


def test_barge_in_may_have_its_input_in_the_step_around_it():
    talks = "{ action: talk, text: x, bargeIn: true }"
    assert faults(steps(one=f"{{ go: talks }}, {{ {INPUT}, next: two }}", talks=talks, two=TALK)) == []


# As many as can be.


def test_100_actions_are_taken_and_101_are_not():
    assert faults(steps(one=", ".join([TALK] * 99 + ["{ go: two }"]), two=TALK)) == []
    found = only(steps(one=", ".join([TALK] * 99 + ["{ go: two }"] * 2), two=TALK))
    assert found.startswith("5:7: flows.f.steps.one: has 101 actions")


def test_a_few_lines_may_mean_billions_of_actions():
    lists = {f"s{n}": f"{{ go: s{n + 1} }}, {{ go: s{n + 1} }}" for n in range(150)}
    assert f"has {2**150} actions" in only(steps(**lists, s150=TALK))


def test_no_step_is_entered_more_often_than_a_call_can():
    assert faults(steps(one=", ".join(["{ go: two }"] * 50), two=TALK)) == []
    assert "has step two in it more than 50 times" in only(steps(one=", ".join(["{ go: two }"] * 51), two=TALK))
    chain = {f"s{n}": f"{{ go: s{n + 1} }}" for n in range(4)}
    many = steps(one=", ".join(["{ go: s0 }"] * 40), **chain, s4=TALK)
    assert "goes to more than 200 steps at once" in only(many)


# Inputs that expressions take.


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tow", "inputs.tow: there is no step tow; did you mean two?"),
        ("two", "inputs.two: step two has no input with `next`"),
    ],
)
def test_an_input_must_come_from_a_step_that_asks(name, words):
    says = f"{{ action: talk, text: 'You said {{{{ inputs.{name}.digits }}}}' }}"
    found = only(steps(one=f"{{ {INPUT}, next: two }}", two=says))
    assert found.startswith("6:35: flows.f.steps.two[0].text: ")
    assert words in found
    assert faults(steps(one=f"{{ {INPUT}, next: two }}", two=says.replace(f"inputs.{name}", "inputs.one"))) == []


def test_branches_written_beside_next_are_named_with_where_they_belong_and_nothing_else_is_wrong():
    text = """steps:
      one:
        - action: input
          type: [dtmf]
          next: { keys: { 1: two } }
          silence: one
          else: two
          exhausted: three
      two:
        - { action: talk, text: Two }
      three:
        - { action: talk, text: Three }"""
    assert [fault.split(": ", 1)[1] for fault in faults(text)] == [
        f"flows.f.steps.one[0].{name}: It is no option of input: it must be one level deeper, next.{name}."
        for name in ("silence", "else", "exhausted")
    ]
