"""Expressions in call flows: they give what callers sent, as it is, and nothing else."""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup

from app.flows.expressions.expression import ESCAPED, Expression, compiled
from app.flows.expressions.fault import ExpressionFault
from app.flows.expressions.filters import FILTERS, TESTS
from app.flows.expressions.sandbox import ENVIRONMENT, METHODS
from app.flows.expressions.static_check import NAMES
from app.flows.expressions.values import LONGEST, MOST_ITEMS
from app.flows.model import RenderFault, Scope

CALL: dict[str, Any] = {
    "from": "447700900123",
    "to": "442079460000",
    "uuid": "leg-1",
    "conversation_uuid": "CON-1",
    "custom_data": {
        "name": "Ada",
        "items": ["a", "b"],
        "order": {"id": 7, "total": 12.5},
        "keys": "K",
        "nothing": None,
        "vip": True,
        "with-dash": "dashed",
    },
    "headers": {"X-UserId": "1938ND9"},
    "settings": {"APP_USER": "Alice", "CALLER_NUMBER": None, "PUBLIC_URL": "https://example.com"},
    "inputs": {"menu": {"digits": "12", "speech": None, "confidence": 0.9, "timed_out": False}},
    "attempt": 2,
}
TEXTS = st.text() | st.text(alphabet="<>&\"'{}%#/speak !-[]\n\t\r\x00\x85\ud800\ufffe", max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def scope(**names: Any) -> Scope:
    """A call; *names* in place of its own."""
    own = {name.rstrip("_"): value for name, value in names.items()}
    return Scope({**CALL, **own}, lambda step, enter: f"https://example.com/{step}/{enter}")


def expression(text: str, *, spoken: bool = False) -> Expression:
    """*text*, which has expressions."""
    parsed = compiled(text, spoken=spoken)
    assert isinstance(parsed, Expression)
    return parsed


def filled(text: str, *, spoken: bool = False, **names: Any) -> Any:
    """What *text* is rendered as."""
    return expression(text, spoken=spoken).fill(scope(**names))


def fault(text: str, *, spoken: bool = False) -> str:
    """What is wrong with *text* as it is read."""
    with pytest.raises(ExpressionFault) as raised:
        compiled(text, spoken=spoken)
    return str(raised.value)


def late_fault(text: str, *, spoken: bool = False, **names: Any) -> str:
    """What is wrong with *text* for a call."""
    parsed = expression(text, spoken=spoken)
    with pytest.raises(RenderFault) as raised:
        parsed.fill(scope(**names))
    return str(raised.value)


@pytest.mark.parametrize(
    "text",
    ["", "Hello", "50 % off {", "} }}", "<speak>Hi</speak>", "{ {x} }", "100 {%", "{%}", "{#}", "%} {%", "{% #}"],
)
def test_a_text_without_expressions_is_itself(text: str) -> None:
    """No hole is made of it."""
    assert compiled(text) is text
    assert compiled(text, spoken=True) is text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ from }}", "447700900123"),
        ("{{from}}", "447700900123"),
        ("{{- from -}}", "447700900123"),
        ("{{ from }}\n", "447700900123"),
        ("{{ attempt }}", 2),
        ("{{ custom_data.order.total }}", 12.5),
        ("{{ custom_data.order }}", {"id": 7, "total": 12.5}),
        ("{{ custom_data.items }}", ["a", "b"]),
        ("{{ custom_data.keys }}", "K"),
        ("{{ custom_data['with-dash'] }}", "dashed"),
        ("{{ custom_data.items.0 }}", "a"),
        ("{{ custom_data.items[-1] }}", "b"),
        ('{{ headers["X-UserId"] }}', "1938ND9"),
        ("{{ settings.CALLER_NUMBER }}", None),
        ("{{ inputs.menu.digits }}", "12"),
        ('{{ inputs["menu"].digits | int + 1 }}', 13),
        ("{{ inputs.menu.timed_out }}", False),
        ("{{ attempt > 1 and custom_data.vip }}", True),
        ("{{ from[2:5] }}", "770"),
        ("{{ custom_data.items[::-1] }}", ["b", "a"]),
        ("{{ from_user[2:] | default('x') }}", "x"),
        ("{{ 'uk' if from.startswith('44') else 'abroad' }}", "uk"),
        ("{{ from.removeprefix('44') }}", "7700900123"),
        ("{{ from is in ['447700900123'] and 'x' not in from }}", True),
        ("{{ from_user | default('nobody') }}", "nobody"),
        ("{{ from_user | d }}", ""),
        ("{{ custom_data.a.b.c | default('none such') }}", "none such"),
        ("{{ inputs.other.digits | default(none) }}", None),
        ("{{ from_user is defined }}", False),
        ("{{ custom_data.nothing or 'x' }}", "x"),
        ("{{ 'a' ~ attempt ~ 1.5 }}", "a21.5"),
        ("{{ 1 + 2 * 3 - 7 // 2 }}", 4),
        ("{{ 7 % 4 / 2 }}", 1.5),
        ("{{ [1] + custom_data.items }}", [1, "a", "b"]),
        ("{{ custom_data.items | join(', ') }}", "a, b"),
        ("{{ from | apart }}", "4 4 7 7 0 0 9 0 0 1 2 3"),
        ("{{ 1234 | apart }}", "1 2 3 4"),
        ("{{ '12 34' | apart }}", "1 2 3 4"),
        ("{{ custom_data.name | upper | replace('A', 'O') | lower | capitalize }}", "Odo"),
        ("{{ '  a b ' | trim | title }}", "A B"),
        ("{{ 'xax' | trim('x') }}", "a"),
        ("{{ 'aaa' | replace('a', 'b', 2) }}", "bba"),
        ("{{ custom_data.items | count + custom_data.items | length }}", 4),
        ("{{ custom_data.items | first ~ custom_data.items | last }}", "ab"),
        ("{{ -2.5 | abs | round | int }}", 2),
        ("{{ (-2.5) | abs }}", 2.5),
        ("{{ '2.5' | float }}", 2.5),
        ("{{ 'x' | int(9) }}", 9),
        ("{{ 2 | string }}", "2"),
        ("{{ attempt is even and attempt is divisibleby 2 and attempt is not odd }}", True),
        ("{{ attempt is eq 2 and attempt is le(3) }}", True),
        ('{{ "{{" }}', "{{"),
    ],
)
def test_an_expression_alone_gives_its_own_value(text: str, value: Any) -> None:
    """Of the very type that it is."""
    got = filled(text)
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(
    "text", ["447700900123", "['x']", "{'a': 1}", "None", "True", "0x10", "{{ to }}", "1e5", '"x"']
)
def test_a_text_is_not_read_for_what_it_may_mean(text: str) -> None:
    """A number's text stays a text, and what looks like a list, or an expression, does too."""
    assert filled("{{ from }}", from_=text) == text
    assert filled("{{ custom_data.it }}", custom_data={"it": [text]}) == [text]
    assert filled("a{{ from }}", from_=text) == "a" + text


@given(TEXTS)
def test_a_text_leaf_never_gives_anything_but_a_text(text: str) -> None:
    """Any sent value, alone and among other text, spoken or not."""
    names: dict[str, Any] = {"from": text, "custom_data": {"name": text}, "headers": {"X": text}}
    for source in ("{{ from }}", "{{ custom_data.name }}", "{{ headers.X }}"):
        assert filled(source, **names) == text
        for spoken in (True, False):
            assert type(filled(f"so {source}.", spoken=spoken, **names)) is str
        assert type(filled(source, spoken=True, **names)) is str


@given(JSON)
@example(2**63)
@example(10**400)
@example(b"bytes")
@example(object())
def test_any_sent_value_is_rendered_as_json_or_is_a_rendering_fault(value: Any) -> None:
    """And as the very same; nothing else is ever raised."""
    for text in ("{{ custom_data.it }}", "a {{ custom_data.it }}", "{{ custom_data.it | replace('a', 'b') | int }}",
                 "{{ custom_data.it + 1 }}", "{{ custom_data.it % 2 }}", "{{ custom_data.it < 'a' }}",
                 "{{ custom_data.it is odd }}", "{{ custom_data.it | join | length }}", "{{ -custom_data.it }}",
                 "{{ custom_data[custom_data.it] }}", "{{ custom_data.it.lower() }}", "{{ custom_data.it[1:] }}",
                 "{{ custom_data.it | round(custom_data.it) }}", "{{ custom_data.it | first }}"):  # fmt: skip
        for spoken in (True, False):
            try:
                got = filled(text, spoken=spoken, custom_data={"it": value})
            except RenderFault:
                continue
            json.dumps(got, allow_nan=False)
            if text == "{{ custom_data.it }}" and not spoken:
                assert got == value


def test_lists_and_mappings_are_copied() -> None:
    """What a call flow gets is its own: nothing that is done to it changes what the caller sent."""
    got = filled("{{ custom_data }}")
    assert got == CALL["custom_data"]
    got["order"]["id"] = 8
    got["items"].append("c")
    assert CALL["custom_data"]["order"] == {"id": 7, "total": 12.5}
    assert CALL["custom_data"]["items"] == ["a", "b"]


def test_markup_is_a_plain_text() -> None:
    """It is not spared from escaping, nor does it stay Markup."""
    assert type(filled("{{ from }}", from_=Markup("<b>"))) is str
    assert filled("<speak>{{ from }}</speak>", spoken=True, from_=Markup("<b>")) == "<speak>&lt;b&gt;</speak>"
    assert filled("<speak>{{ from.lower() }}</speak>", spoken=True, from_=Markup("<b>")).count("<") == 2


@pytest.mark.parametrize(
    "value",
    [
        {1: "a"},
        b"x",
        math.nan,
        math.inf,
        len,
        (1,),
        {1},
        object(),
        iter(()),
        2**63,
        [math.nan],
        {"a": {2: 3}},
        "x" * 10_001,
    ],
)
def test_values_that_json_does_not_have_are_refused(value: Any) -> None:
    """As a fault of the rendering."""
    assert late_fault("{{ custom_data.it }}", custom_data={"it": value})


def test_what_goes_too_deep_or_is_too_much_is_refused() -> None:
    """Depth, items and characters are counted."""
    deep: Any = []
    for _ in range(33):
        deep = [deep]
    assert "32 levels" in late_fault("{{ custom_data.it }}", custom_data={"it": deep})
    many = [[0] * 100] * 101
    assert f"{MOST_ITEMS:,} items" in late_fault("{{ custom_data.it }}", custom_data={"it": many})
    assert "100,000 characters" in late_fault("{{ custom_data.it }}", custom_data={"it": ["x" * 9_000] * 12})
    endless: list[Any] = []
    endless.append(endless)
    assert late_fault("{{ custom_data.it }}", custom_data={"it": endless})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ from_user }}", "`from_user` is undefined for this call: give it a default"),
        ("Hello {{ custom_data.nobody }}", "`custom_data.nobody` is undefined for this call: give it a default"),
        ("{{ custom_data.order.no.such }}", "`custom_data.order.no` is undefined for this call: give it a default"),
        ("{{ custom_data.nobody | upper }}", "`custom_data.nobody` is undefined for this call: give it a default"),
        ("{{ custom_data.nobody.lower() }}", "`custom_data.nobody` is undefined for this call: give it a default"),
        ("{{ 1 + custom_data.number }}", "`custom_data.number` is undefined for this call: give it a default"),
        ("{{ custom_data.nobody == 1 }}", "`custom_data.nobody` is undefined for this call: give it a default"),
        ('{{ headers["X-No"] ~ "a" }}', '`headers["X-No"]` is undefined for this call: give it a default'),
        ("{{ custom_data.items[5] }}", "`custom_data.items[5]` is undefined for this call: give it a default"),
        ("{{ inputs.pin.digits }}", "`inputs.pin` is undefined for this call: give it a default"),
        ("{{ custom_data.nobody[1:2] }}", "`custom_data.nobody` is undefined for this call: give it a default"),
        ("{{ [] | first }}", "`[] | first`: the first is undefined for this call: give it a default"),
    ],
)
def test_a_value_that_vonage_did_not_send_is_named(text: str, words: str) -> None:
    """The whole path as far as it is missing."""
    assert late_fault(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a {{ custom_data.nothing }}", "`custom_data.nothing` is none"),
        ("a {{ custom_data.vip }}", "`custom_data.vip` is true or false"),
        ("a {{ custom_data.order }}", "`custom_data.order` is a mapping"),
        ("a {{ custom_data.items }}", "`custom_data.items` is a list"),
        ("{{ 'a' ~ custom_data.order }}", "is a mapping"),
        ("{{ custom_data.order | string }}", "is a mapping"),
        ("{{ [custom_data.items] | join }}", "is a list"),
        ("a {{ from.lower }}", "is no value"),
    ],
)
def test_values_that_cannot_be_spoken_are_no_text(text: str, words: str) -> None:
    """Nothing, true and false, lists and mappings do not become part of a text."""
    assert words in late_fault(text)


@pytest.mark.parametrize("text", ["{{ custom_data.nothing }}", "{{ custom_data.vip }}", "{{ custom_data.items }}"])
def test_what_is_spoken_is_a_text_even_if_it_is_one_expression(text: str) -> None:
    """What is no text cannot be spoken, and numbers are."""
    assert late_fault(text, spoken=True)
    assert filled("{{ attempt }}", spoken=True) == "2"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ }}", "not complete"),
        ("{{ from | }}", "expected token 'name', got }}"),
        ("{{ from", "has no }}"),
        ("{{ from to }}", "expected }}, got 'to'"),
        ("{{ $ }}", "unexpected char '$'"),
        ("{{ (from }}", "expected ')'"),
        ("{{ form }}", "did you mean `from`? Known are from, to,"),
        ("{{ range(3) }}", "`range()` cannot be used"),
        ("{{ self }}", "`self` is not known"),
        ("{{ inputs.main-menu.digits }}", 'a name with - in it is written inputs["…"]'),
        ("{{ inputs.menu.digit }}", "did you mean `inputs.menu.digits`? Known are digits, speech"),
        ('{{ inputs["a-b"].text }}', '`inputs["a-b"].text` is not known'),
        ("{{ inputs[from] }}", "a step's name in quotes"),
        ("{{ inputs.0.digits }}", "a step's name in quotes"),
        ("{{ settings.SECRET }}", "`settings.SECRET` is not known"),
        ("{{ settings['APP_USR'] }}", "did you mean `settings.APP_USER`?"),
        ("{{ from | uper }}", "did you mean `upper`?"),
        ("{{ from | safe }}", "`safe` is not known"),
        ("{{ from | ~ }}", "expected token 'name'"),
        ("{{ from is foo }}", "`foo` is not known"),
        ("{{ from | upper(1) }}", "`upper` cannot be used like this"),
        ("{{ from | replace('a') }}", "missing a required argument: 'new'"),
        ("{{ attempt is divisibleby }}", "`divisibleby` cannot be used like this"),
        ("{{ from | join(*headers) }}", "cannot be used"),
        ("{{ from.startswith() }}", "`startswith` takes one argument"),
        ("{{ from.lower(1) }}", "`lower` takes no argument"),
        ("{{ custom_data.items() }}", "`items()` cannot be used"),
        ("{{ from.format(1) }}", "`format()` cannot be used"),
        ("{{ from.__class__ }}", "`.__class__` cannot be used"),
        ("{{ 2 ** 3 }}", "** cannot be used"),
        ("{{ from if to }}", "needs an `else`"),
        ("{{ from, to }}", "a list is written in [ ]"),
        ("{{ from[1:2, 3] }}", "[ ] takes one"),
        ("{{ 1e999 }}", "too large"),
        ("{{ " + "9" * 30 + " }}", "too large"),
        ("{{ from }}{% if to %}x{% endif %}", "only expressions"),
        ("{% if to %}x{% endif %}", "only expressions"),
        ("{%%}", "only expressions"),
        ("a {#\n# #} {%", "only expressions"),
        ("{# why #}{{ from }}", "only expressions"),
        ("{% raw %}{{ from }}{% endraw %}", "only expressions"),
        ("{% set x = 1 %}{{ from }}", "only expressions"),
    ],
)
def test_what_is_wrong_with_an_expression_is_reported_before_anybody_calls(text: str, words: str) -> None:
    """With what would be right, where that is known."""
    assert words in fault(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 900 + "1" + ")" * 900 + " }}",
        "{{ " + "[" * 60 + "]" * 60 + " }}",
        "{{ " + "-" * 400 + "1 }}",
        "{{ " + "not " * 400 + "1 }}",
        "{{ from" + ".a" * 400 + " }}",
        "{{ from" + "|upper" * 200 + " }}",
        "{{ " + "1 if 1 else " * 90 + "1 }}",
        "{{ " + "9" * 5_000 + " }}",
        "{{ [" + "1," * 900 + "] }}",
        "{{ from }}" * 101,
        "{{ '" + "x" * 3_000 + "' }}",
    ],
)
def test_an_expression_has_its_bounds(text: str) -> None:
    """What is too long or nested too deep is reported as such, and at once."""
    assert fault(text)


@pytest.mark.parametrize(
    "piece",
    ["-(…)", "[…]", "(… + 1)", "(… ~ 'a')", "(… if 1 else 2)", "(… | default(1))", "{'a': … }", "(… is eq 1)"],
)
def test_nesting_within_the_bounds_can_be_filled(piece: str) -> None:
    """Or is refused when it is read: nothing in between."""
    text = "1"
    for _ in range(45):
        text = piece.replace("…", text)
    with contextlib.suppress(ExpressionFault, RenderFault):
        filled("{{ " + text + " }}")


WORDS = (
    *NAMES, *FILTERS, *TESTS, *METHODS, *"()[]{}.,:|~+-*/%<>=#'", "{{", "}}", "{%", "%}", "==", "**", "//", "''", "'a'",
    "0", "1", "1.5", "[1:]", "if", "else", "is", "in", "not", "and", "or", "none", "true", "menu", "digits",
    "name", "items", "()", "[0]",
)  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | TEXTS, st.booleans())
def test_any_text_between_the_brackets_is_an_expression_or_a_fault(inside: str, spoken: bool) -> None:
    """One of the two kinds there are, and nothing else is ever raised."""
    with contextlib.suppress(ExpressionFault, RenderFault):
        filled("{{ " + inside + " }}", spoken=spoken)
    with contextlib.suppress(ExpressionFault, RenderFault):
        filled("<speak>{{ " + inside + " }} {{ from }}", spoken=spoken)


@pytest.mark.parametrize(
    "escape",
    [
        "''.__class__.__mro__[1].__subclasses__()",
        "''['__class__']",
        "from['__class__']",
        "custom_data['__class__']['__init__']",
        "custom_data.items.__self__",
        "custom_data.keys()",
        "custom_data.pop('name')",
        "headers.clear()",
        "from.upper.__self__",
        "from.upper['__self__']",
        "(from.lower)['__call__']",
        "'{0.__class__}'.format(from)",
        "'{a.__class__}'.format_map({'a': 1})",
        "from | attr('__class__')",
        "from | format",
        "'%s' % from",
        "'%1000000000d' % 1",
        "from | map('upper')",
        "from | e",
        "from | forceescape",
        "from | xmlattr",
        "from | pprint",
        "from | tojson",
        "self.__init__.__globals__",
        "self._TemplateReference__context",
        "lipsum.__globals__",
        "cycler.__init__.__globals__",
        "joiner",
        "namespace(a=1)",
        "dict(a=1)",
        "config",
        "request",
        "g",
        "caller()",
        "super()",
        "loop.index",
        "context",
        "environment",
        "result",
        "resolve",
        "_()",
        "gettext('a')",
        "()|list",
        "(1,).__class__",
        "().__class__.__bases__",
        "1 .__class__",
        "true.__class__",
        "none.__class__",
        "(from)()",
        "from.encode()",
        "from.join(['a'])",
        "from.zfill(1000000000)",
        "from.ljust(1000000000)",
        "from.center(1000000000)",
        "from | center(1000000000)",
        "from | indent(1000000000)",
        "'a' * 1000000000",
        "[0] * 1000000000",
        "1000000000 * 'a'",
        "10 ** 1000000000",
        "'%1000000000d' is odd",
        "'%1000000000d' is even",
        "'%1000000000d' is divisibleby(1)",
        "1 | round(1000000000, 'ceil')",
        "1 | round(-1000000000)",
        "(" + "9223372036854775807 * " * 3 + "1)",
        "1 << 1000000000",
        "1[0:1]",
        "custom_data[1:]",
        "from is callable",
        "from is sameas(from)",
        "from is filter",
        "undefined.__init__",
        "(nothing or x).__class__",
        "custom_data.nobody.__init__.__globals__",
        "custom_data.nobody['_fail_with_undefined_error']",
        "custom_data.nobody._undefined_exception",
    ],
)
def test_there_is_no_way_out_and_no_way_to_fill_the_memory(escape: str) -> None:
    """Refused when it is read, or else when it is filled; at once in any case."""
    started = time.process_time()
    for text in (f"{{{{ {escape} }}}}", f"a {{{{ {escape} }}}}"):
        with pytest.raises((ExpressionFault, RenderFault)):
            filled(text)
    assert time.process_time() - started < 1


def test_a_text_cannot_be_blown_up() -> None:
    """Neither by replacing, nor by joining, nor by adding, however often."""
    long = "a" * 5_000
    for text in (
        "{{ from | replace('a', from) | replace('a', from) | replace('a', from) }}",
        "{{ from | replace('', from) }}",
        "{{ from | join(from) }}",
        "{{ from ~ from ~ from }}",
        "{{ from + from + from }}",
        "{{ from | apart | apart | replace(' ', '    ') }}",
        "{{ from }}{{ from }}{{ from }}",
        "<speak>{{ from | replace('a', '&') }}</speak>",
    ):
        assert f"{LONGEST:,} characters" in late_fault(text, spoken=True, from_=long)
    many = {"it": [0] * 6_000}
    assert "10,000 items" in late_fault("{{ custom_data.it + custom_data.it }}", custom_data=many)
    assert "10,000 items" in late_fault("{{ [custom_data.it, custom_data.it] }}", custom_data=many)


def test_names_lead_to_items_and_never_to_methods() -> None:
    """`items` of what an app user's page sent is what it sent under that name, and of texts only some methods are."""
    assert filled("{{ custom_data.items }}", custom_data={"items": 1}) == 1
    assert "`custom_data.items` is undefined" in late_fault("{{ custom_data.items }}", custom_data={})
    assert filled("{{ custom_data.lower }}", custom_data={"lower": "item"}) == "item"
    assert late_fault("{{ custom_data.lower() }}", custom_data={"lower": "item"})
    assert late_fault("{{ custom_data.lower() }}", custom_data={"lower": print})
    assert late_fault("{{ from.lower }}")
    assert late_fault("{{ from['lower'] }}")


def test_there_is_nothing_but_what_is_listed() -> None:
    """No global of Jinja's, and no filter or test that has not been looked at."""
    assert not ENVIRONMENT.globals
    assert not ENVIRONMENT.extensions
    assert ENVIRONMENT.filters.keys() == FILTERS.keys()
    assert ENVIRONMENT.tests.keys() == TESTS.keys()
    assert {"safe", "escape", "attr", "map", "format", "tojson"}.isdisjoint(FILTERS)
    assert {"format", "format_map", "join", "encode"}.isdisjoint(METHODS)


def test_constants_are_not_worked_out_while_a_file_is_read() -> None:
    """Reading costs no more than its length."""
    started = time.process_time()
    parsed = expression("{{ 'x' * 1000000000 }} {{ 9 * 9 }}")
    assert time.process_time() - started < 1
    with pytest.raises(RenderFault, match="two numbers"):
        parsed.fill(scope())


def test_an_expression_knows_what_it_is_made_of() -> None:
    """Its names, the steps whose inputs it asks for, and what of it is there in any case."""
    text = 'Hello {{ custom_data.name }}: {{ inputs.menu.digits ~ inputs["other-one"].speech }}, {{ from }}!'
    parsed = expression(text, spoken=True)
    assert parsed.source == text
    assert parsed.names == {"custom_data", "inputs", "from"}
    assert parsed.names <= set(NAMES)
    assert parsed.inputs == {"menu", "other-one"}
    assert parsed.least == "Hello : , !"
    assert parsed == expression(text, spoken=True) != expression(text)
    assert hash(parsed) == hash(expression(text, spoken=True))
    assert text in repr(parsed)
    alone = expression("{{ attempt }}")
    assert (alone.names, alone.inputs, alone.least) == (frozenset({"attempt"}), frozenset(), "")


def test_every_name_can_be_used() -> None:
    """`from` too, which is a word of Python's and of Jinja's."""
    for name in NAMES:
        assert expression(f"{{{{ {name} }}}}").fill(scope(**{name: "x"})) == "x"


@given(caller=TEXTS, name=TEXTS, header=TEXTS)
@example(caller="</speak><speak>", name='"/><audio src="x"/>', header="]]>&amp;")
@example(caller="a\r\nb", name="\ud800", header="\x00\x1b\x7f\x85\ufffe\uffff")
def test_ssml_stays_well_formed_and_says_just_what_the_caller_sent(caller: str, name: str, header: str) -> None:
    """As text and in attributes; only what no XML can hold becomes a blank."""
    text = (
        "\n <speak>It's <b>{{ from }}</b>"
        "<sub alias=\"{{ custom_data.name | replace('\n', ' ') | replace('\t', ' ') }}\">"
        "{{ custom_data.name ~ '' }}</sub><i>{{ headers['X'].strip() if false else headers.X }}</i></speak>"
    )
    names: dict[str, Any] = {"from": caller, "custom_data": {"name": name}, "headers": {"X": header}}
    speak = ET.fromstring(filled(text, spoken=True, **names).strip())  # noqa: S314 - our own text
    assert [child.tag for child in speak.iter()] == ["speak", "b", "sub", "i"]
    b, sub, i = speak
    assert (b.text or "") == sayable(caller)
    assert (sub.text or "") == sayable(name)
    assert sub.get("alias") == sayable(name).replace("\n", " ").replace("\t", " ")
    assert (i.text or "") == sayable(header)
    assert (speak.text, b.attrib, i.attrib) == ("It's ", {}, {})


def sayable(text: str) -> str:
    """*text* with blanks for what no XML can hold."""
    return "".join(" " if ESCAPED.get(ord(char)) == " " else char for char in text)


@given(TEXTS)
@example("<speak>")
@example(" \n<SPEAK>pay</SPEAK>")
@example("speak>")
def test_a_callers_text_never_becomes_ssml(text: str) -> None:
    """In a text that is none: what would make it one becomes a blank."""
    for source in (
        "{{ from }}",
        "{{ from }}, hello",
        "Hello {{ from }} & you",
        " {{ from }}{{ from }}",
        "<{{ from }}>",
        "Hello <{{ from }}>",
    ):
        said = filled(source, spoken=True, from_=text)
        assert "<speak" not in said.lower()
        assert said.count("<") <= source.count("<")
        assert said.count(">") <= source.count(">")
        assert all(char >= " " or char in "\n\t" for char in said)
        said.encode()
    assert filled("{{ from }} & you", spoken=True, from_="Tom & Jerry's") == "Tom & Jerry's & you"


@pytest.mark.parametrize(
    "text",
    [
        "<speak><{{ from }}/></speak>",
        "<speak></{{ from }}></speak>",
        "<speak><break {{ from }}/></speak>",
        "<speak><break time={{ from }}/></speak>",
        '<speak><break a="b" {{ from }}="c"/></speak>',
        "<speak><!-- {{ from }} --></speak>",
        "<speak><![CDATA[{{ from }}]]></speak>",
        "<speak><?{{ from }}?></speak>",
        "<speak{{ from }}>a</speak>",
        "<speak {{ from }}>a</speak>",
    ],
)
def test_no_expression_may_be_inside_a_tag(text: str) -> None:
    """A caller's text would be a tag's name, or an attribute's, however it is escaped."""
    assert "inside a tag" in fault(text, spoken=True)
    assert filled(text)


@pytest.mark.parametrize(
    "source", ["<speak>{{ from }}</speak>", " \n<speak xml:lang='en'>{{ from }}", "<SPEAK>{{ from }}"]
)
def test_what_is_ssml_is_escaped(source: str) -> None:
    """In what is spoken, and nowhere else."""
    names: dict[str, Any] = {"from": "<a & 'b'>"}
    assert "&lt;a &amp; &apos;b&apos;&gt;" in filled(source, spoken=True, **names)
    assert "<a & 'b'>" in filled(source, **names)


@pytest.mark.parametrize("text", ["Hi <speak>{{ from }}</speak>", "{{ from }} <SPEAK>Hi</SPEAK>", "{{ from }}<speak/>"])
def test_all_of_a_text_is_in_speak(text: str) -> None:
    """Text before it would have the tags read out."""
    assert "not at its very beginning" in fault(text, spoken=True)
    assert filled(text)
    assert filled("{{ from }} <speaker>", spoken=True, from_="a") == "a  speaker>"


def test_what_is_not_spoken_is_left_as_it_is() -> None:
    """An address or a number that a text becomes part of is nobody's speech."""
    assert filled("sip:{{ from }}", from_="a<b>&\x07") == "sip:a<b>&\x07"


def test_many_threads_may_fill_one_expression() -> None:
    """Each gets its own."""
    parsed = expression("{{ from }}-{{ attempt + 1 }}")
    wrong: list[str] = []

    def fill(name: str) -> None:
        got = [parsed.fill(scope(from_=name, attempt=attempt)) for attempt in range(300)]
        if got != [f"{name}-{attempt + 1}" for attempt in range(300)]:
            wrong.append(name)

    threads = [threading.Thread(target=fill, args=(f"caller{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("party", "number"),
    [("+44 20 7946 0000", "442079460000"), ("442079460000", "442079460000"), ("sip:a@b.example", "x"), ("Alice", "x")],
)
def test_the_digits_of_a_telephone_number_or_a_default(party: str, number: str) -> None:
    assert filled('{{ custom_data.party | digits | default("x") }}', custom_data={"party": party}) == number
    assert filled('{{ custom_data.party | digits | default("x") }}', custom_data={}) == "x"


def test_what_goes_into_an_address_is_quoted() -> None:
    assert filled("https://example.com/{{ custom_data.x | urlencode }}.mp3", custom_data={"x": "a/b?c&d é"}) == (
        "https://example.com/a%2Fb%3Fc%26d%20%C3%A9.mp3"
    )
