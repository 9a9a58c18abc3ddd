"""The holes of a call flow: Jinja expressions in its texts, filled when somebody calls.

https://jinja.palletsprojects.com/en/stable/templates/#expressions

Whoever writes a flow is trusted, but no more than needed; whoever calls is not. So what an expression may do is listed
here, all of it, and nothing leads from it to Python: `.` and `[ ]` give items of what Vonage sent, never attributes of
objects. What callers send stays what it is: a text does not become a number, a list, an action or SSML, and nobody's
text makes an expression use more memory or time than a text of 10,000 characters is worth.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from inspect import signature
from types import BuiltinMethodType
from typing import Any, Final, TypeVar
from urllib.parse import quote

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, UndefinedError, filters, nodes, tests
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer

from app.domain.numbers import digits
from app.flows.book import RenderFault, Scope

NAMES: Final = (
    "from",
    "to",
    "from_user",
    "uuid",
    "conversation_uuid",
    "endpoint_type",
    "custom_data",
    "headers",
    "settings",
    "inputs",
    "attempt",
)
SETTINGS: Final = ("APP_USER", "CALLER_NUMBER", "PUBLIC_URL")
INPUT: Final = ("digits", "speech", "confidence", "timed_out")  # what an input gave: inputs.<step>.digits

MOST_HOLES: Final = 100  # in one text
LONGEST_EXPRESSION: Final = 2_000  # characters
MOST_NODES: Final = 500  # names, values and operators of an expression
DEEPEST_EXPRESSION: Final = 50  # levels of them; Python's own compiler takes 200 brackets in each other
LONGEST: Final = 10_000  # characters of a text that an expression gives or works on, and of the whole
MOST_ITEMS: Final = 10_000  # of lists and mappings that an expression gives, at all levels
MOST_CHARACTERS: Final = 100_000  # of all the texts in them
DEEPEST: Final = 32
LARGEST: Final = 2**63 - 1  # as most readers of JSON have it

# How many arguments each method takes that a text has here.
METHODS: Final[Mapping[str, tuple[int, int]]] = {
    "startswith": (1, 1),
    "endswith": (1, 1),
    "removeprefix": (1, 1),
    "removesuffix": (1, 1),
    "lower": (0, 0),
    "upper": (0, 0),
    "strip": (0, 1),
    "isdigit": (0, 0),
}
TAKEN: Final = frozenset(
    (
        *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Getattr, nodes.Getitem),
        *(nodes.Slice, nodes.Filter, nodes.Test, nodes.Keyword, nodes.Call, nodes.CondExpr, nodes.Compare),
        *(nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Concat),
        *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
    )
)
TIE, CUT = "~", "[:]"  # stand for what is written so, as filters; nobody can write a filter of such a name

NO_EXPRESSION: Final = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)
SSML: Final = re.compile(r"\s*<speak(?=[\s/>]|\Z)", re.IGNORECASE)
LIKE_SSML: Final = re.compile(r"\s*<speak", re.IGNORECASE)
MARKUP: Final = re.compile(
    r"""<!--.*?(?:-->|\Z) | <!\[CDATA\[.*?(?:\]\]>|\Z) | <\?.*?(?:\?>|\Z) | <(?:[^<>"']|"[^"]*"|'[^']*')*""",
    re.DOTALL | re.VERBOSE,
)
QUOTED: Final = re.compile(r""""[^"]*"|'[^']*'""")
HERE: Final = "\0"  # where an expression stands, while markup is looked at

# https://www.w3.org/TR/xml/#charsets has neither these nor halves of characters, and nobody can say them.
_UNSAYABLE = {*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF} - {ord("\n"), ord("\t")}
SAID: Final = dict.fromkeys((*_UNSAYABLE, ord("<"), ord(">")), " ")
ESCAPED: Final = dict.fromkeys(_UNSAYABLE, " ") | str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
)

T = TypeVar("T")
Path = tuple[str | int, ...]


class ExpressionFault(Exception):
    """An expression that is none, or asks for what there is not. The text says what is wrong, for authors of flows."""


class _Wrong(Exception):
    """What an expression comes to for this call is not taken. The text says why."""


class _Manner(Enum):
    """What becomes of what expressions give."""

    VALUE = "the expression stands alone: its value is taken as it is"
    TEXT = "it becomes part of a text"
    SAID = "it is said: it must not become SSML"
    SSML = "it becomes text in SSML"


@dataclass(frozen=True, slots=True)
class Expression:
    """A text with expressions: a hole, or several.

    One expression alone gives a value of its own type; a text that is spoken, or has more to it, gives a text. In a
    text, numbers are written as Python writes them; none, true, false, lists and mappings are refused, for nobody
    would want them read out: that is a fault of the rendering, as what is not there.

    Attributes:
        source: The text as it stands in the file.
        names: Which names of the scope it is made of.
        inputs: The steps whose inputs it asks for.
        least: What of it is there whatever the expressions give.
    """

    source: str
    names: frozenset[str]
    inputs: frozenset[str]
    least: str
    _manner: _Manner
    _parts: tuple[str | _Part, ...] = field(repr=False, compare=False)

    def fill(self, scope: Scope) -> Any:
        """The value for this call. Raises RenderFault, and nothing else."""
        if self._manner is _Manner.VALUE:
            (only,) = self._parts
            return only if isinstance(only, str) else only.given(scope, _value)
        text = "".join(part if isinstance(part, str) else self._written(part, scope) for part in self._parts)
        if len(text) > LONGEST:
            raise RenderFault(f"a text with expressions comes to more than {LONGEST:,} characters")
        if self._manner is _Manner.SAID and LIKE_SSML.match(text):
            return text.replace("<", " ", 1)
        return text

    def _written(self, part: _Part, scope: Scope) -> str:
        text = part.given(scope, _text)
        if self._manner is _Manner.SSML:
            return text.translate(ESCAPED)
        return text.translate(SAID) if self._manner is _Manner.SAID else text


def compiled(text: str, *, spoken: bool = False) -> Expression | str:
    """*text*, ready to be filled; *text* itself if no expression is in it.

    *spoken*: it is what a `talk` says. Raises ExpressionFault.
    """
    if NO_EXPRESSION.search(text) and "{{" not in text:
        raise _only_expressions()
    if "{{" not in text:
        return text
    try:
        return _compiled(text, spoken)
    except TemplateSyntaxError as error:
        raise ExpressionFault(_in_plain_words(error)) from None
    except RecursionError:
        raise ExpressionFault("goes too deep: too many brackets") from None
    except (ValueError, OverflowError):  # Python's own, from a number with thousands of digits
        raise ExpressionFault("has a number that is too large") from None


def _compiled(text: str, spoken: bool) -> Expression:
    sources = list(_sources(text))
    if len(sources) > MOST_HOLES:
        raise ExpressionFault(f"has {len(sources)} expressions, but must have {MOST_HOLES} at most")
    for source in sources:
        if len(source) > LONGEST_EXPRESSION:
            raise ExpressionFault(f"has an expression of more than {LONGEST_EXPRESSION:,} characters")
    given, reading, parts = iter(sources), _Reading(), list[str | _Part]()
    for output in ENVIRONMENT.parse(text).body:
        if not isinstance(output, nodes.Output):
            raise _only_expressions()
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                parts.append(node.data)
            else:
                parts.append(_part(node, next(given), reading))
    return Expression(
        text,
        frozenset(reading.names),
        frozenset(reading.inputs),
        "".join(part for part in parts if isinstance(part, str)),
        _manner(parts, spoken),
        tuple(parts),
    )


def _sources(text: str) -> Iterator[str]:
    """What stands between each {{ and }}."""
    source: list[str] = []
    for _, kind, value in ENVIRONMENT.lex(text):
        if kind in {"block_begin", "raw_begin", "comment_begin"}:
            raise _only_expressions()
        if kind == "variable_begin":
            source = []
        elif kind == "variable_end":
            yield "".join(source).strip()
        else:
            source.append(value)


def _manner(parts: Sequence[str | _Part], spoken: bool) -> _Manner:
    if not spoken:
        return _Manner.VALUE if len(parts) == 1 else _Manner.TEXT
    if not (isinstance(parts[0], str) and SSML.match(parts[0])):
        return _Manner.SAID
    skeleton = "".join(part.replace(HERE, "") if isinstance(part, str) else HERE for part in parts)
    for markup in MARKUP.findall(skeleton):
        if HERE in (markup if markup.startswith(("<!", "<?")) else QUOTED.sub("", markup)):
            words = (
                "has an expression inside a tag of SSML: it may stand between tags, or in the quotes of an attribute"
            )
            raise ExpressionFault(words)
    return _Manner.SSML


def _only_expressions() -> ExpressionFault:
    return ExpressionFault(
        "only expressions, {{ … }}, are taken: no statements, {% … %}, and no comments, {# … #};"
        " a choice is written {{ a if b else c }}"
    )


def _in_plain_words(error: TemplateSyntaxError) -> str:
    message = (error.message or "it cannot be read").rstrip(".")
    if message == "Expected an expression, got 'end of print statement'":
        return "an expression is not complete: something is missing in front of its }}"
    if "end of template" in message:
        return "a {{ has no }} behind it"
    message = message.replace("token 'end of print statement'", "}}").replace("'end of print statement'", "}}")
    return f"is no expression: {message}"


# What an expression asks for, looked at before anybody calls.


class _Reading:
    """Looks at expressions: all they ask for must be there. Keeps which names and inputs, and which paths of them."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.inputs: set[str] = set()

    def paths(self, expression: nodes.Node, source: str) -> tuple[Path, ...]:
        """All that *expression* looks up, from a name on. Raises ExpressionFault."""
        self._paths: list[Path] = []
        self._source, self._left = source, MOST_NODES
        if isinstance(expression, nodes.Tuple):
            raise ExpressionFault("a list is written in [ ]")
        self._look(expression, 0)
        return tuple(self._paths)

    def _look(self, node: nodes.Node, depth: int) -> None:
        self._left -= 1
        if depth > DEEPEST_EXPRESSION or self._left < 0:
            raise ExpressionFault(f"`{_short(self._source)}` is too long: too many operators or brackets")
        if isinstance(node, nodes.Pow):
            raise ExpressionFault("** is not taken")
        if type(node) not in TAKEN:
            raise _only_expressions()
        look = getattr(self, f"_look_at_{type(node).__name__.lower()}", None)
        if look:
            look(node)
        for child in node.iter_child_nodes():
            self._look(child, depth + 1)

    def _look_at_name(self, node: nodes.Name) -> None:
        if node.name not in NAMES:
            advice = ""
            if re.search(rf"\binputs\.[\w-]+-\s*{re.escape(node.name)}\b", self._source):
                advice = '; a step with - in its name is written inputs["…"]'
            raise ExpressionFault(_unknown(node.name, NAMES) + advice)
        self.names.add(node.name)
        self._paths.append((node.name,))

    def _look_at_getattr(self, node: nodes.Getattr) -> None:
        if node.attr.startswith("__"):
            raise ExpressionFault(f"`.{node.attr}` is not taken")
        self._look_up(node)

    def _look_at_getitem(self, node: nodes.Getitem) -> None:
        if isinstance(node.arg, nodes.Tuple):
            raise ExpressionFault("[ ] takes one name, number or range of numbers")
        if _path(node.node) == ("inputs",) and not (
            isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)
        ):
            raise ExpressionFault('of inputs, a step\'s name in quotes is expected: inputs["menu"]')
        self._look_up(node)

    def _look_up(self, node: nodes.Expr) -> None:
        path = _path(node)
        match path:
            case None:
                return
            case ("settings", what, *_) if what not in SETTINGS:
                raise ExpressionFault(_unknown(str(what), SETTINGS, "settings."))
            case ("inputs", step, what, *_) if what not in INPUT:
                raise ExpressionFault(_unknown(str(what), INPUT, _spelt(("inputs", step)) + "."))
            case ("inputs", str(step), *_):
                self.inputs.add(step)
        self._paths.append(path)

    def _look_at_const(self, node: nodes.Const) -> None:
        if isinstance(node.value, int | float) and not abs(node.value) <= LARGEST:
            raise ExpressionFault("has a number that is too large")

    def _look_at_condexpr(self, node: nodes.CondExpr) -> None:
        if node.expr2 is None:
            raise ExpressionFault("an `if` wants an `else`: {{ a if b else c }}; `else none` leaves an option out")

    def _look_at_call(self, node: nodes.Call) -> None:
        name = node.node.attr if isinstance(node.node, nodes.Getattr) else ""
        if name not in METHODS:
            called = name or getattr(node.node, "name", "")
            raise ExpressionFault(f"`{called}()` is not taken: what can be called is {_listed(METHODS)} of a text")
        least, most = METHODS[name]
        if node.kwargs or node.dyn_args or node.dyn_kwargs or not least <= len(node.args) <= most:
            raise ExpressionFault(f"`{name}` takes {'no' if not most else 'one' if least else 'one or no'} argument")

    def _look_at_filter(self, node: nodes.Filter) -> None:
        self._look_at_use(node, "filter", FILTERS)

    def _look_at_test(self, node: nodes.Test) -> None:
        self._look_at_use(node, "test", TESTS)

    def _look_at_use(self, node: Any, kind: str, known: Mapping[str, Callable[..., Any]]) -> None:
        if node.name not in known or not node.name.isalpha():
            words = _unknown(node.name, [name for name in known if name.isalpha()])
            raise ExpressionFault(f"{words} (as a {kind})")
        if node.dyn_args or node.dyn_kwargs:
            raise ExpressionFault(f"`{node.name}`: * and ** are not taken")
        try:
            signature(known[node.name]).bind(None, *node.args, **{one.key: None for one in node.kwargs})
        except TypeError as error:
            raise ExpressionFault(f"`{node.name}` cannot be used so: {error}") from None


def _path(node: nodes.Node) -> Path | None:
    """How *node* is reached from a name: `custom_data.order["id"]` is ("custom_data", "order", "id")."""
    steps: list[str | int] = []
    while not isinstance(node, nodes.Name):
        if isinstance(node, nodes.Getattr):
            steps.append(node.attr)
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            steps.append(node.arg.value)
        else:
            return None
        node = node.node
    return (node.name, *reversed(steps))


def _spelt(path: Path) -> str:
    text = str(path[0])
    for step in path[1:]:
        text += f".{step}" if str(step).isidentifier() else f"[{step}]" if isinstance(step, int) else f'["{step}"]'
    return text


def _unknown(name: str, known: Sequence[str], before: str = "") -> str:
    near = get_close_matches(name, known, 1)
    meant = f"did you mean `{before}{near[0]}`? Known are" if near else "known are"
    return f"`{before}{name}` is not known: {meant} {_listed(known)}"


def _listed(names: Any) -> str:
    *names, last = names
    return f"{', '.join(names)} and {last}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


# Expressions as they are run.


@dataclass(frozen=True, slots=True)
class _Part:
    """One expression in a text. `paths` are what it looks up, to say what is not there."""

    source: str
    template: Template
    paths: tuple[Path, ...]

    def given(self, scope: Scope, taken: Callable[[Any], T]) -> T:
        """What *taken* makes of its value for this call. Raises RenderFault, and nothing else."""
        try:
            context = self.template.new_context(dict(scope.names), shared=True)
            for _ in self.template.root_render_func(context):
                pass
            return taken(context.vars["result"])
        except UndefinedError as error:
            raise RenderFault(
                f"{self._missing(scope, str(error))} is not there for this call: give it a default"
            ) from None
        except _Wrong as error:
            raise RenderFault(f"`{_short(self.source)}` {error}") from None
        except Exception as error:  # noqa: BLE001 - whatever Python's operators make of what a caller sent
            words = f"cannot be worked out for this call: {_short(str(error)) or type(error).__name__}"
            raise RenderFault(f"`{_short(self.source)}` {words}") from None

    def _missing(self, scope: Scope, name: str) -> str:
        """The path that ends with *name*, if nothing is there."""
        for path in self.paths:
            value: Any = scope.names
            for place, step in enumerate(path):
                value = _item(value, step)
                if isinstance(value, Undefined):
                    if str(step) == name:
                        return f"`{_spelt(path[: place + 1])}`"
                    break
        return f"`{_short(self.source)}`: {_short(name)}"


def _part(expression: nodes.Node, source: str, reading: _Reading) -> _Part:
    paths = reading.paths(expression, source)
    result = nodes.Assign(nodes.Name("result", "store"), _Rewritten().visit(expression), lineno=1)
    try:
        template = ENVIRONMENT.from_string(nodes.Template([result], lineno=1))
    except (SyntaxError, MemoryError):  # Python's own: what is made of it has too many brackets
        raise ExpressionFault(f"`{_short(source)}` is too long: too many operators or brackets") from None
    return _Part(source, template, paths)


class _Rewritten(NodeTransformer):
    """Makes filters of `a ~ b`, where Jinja's own makes a text of anything, and of `a[1:2]`, where nothing is asked."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - Jinja's own name
        self.generic_visit(node)
        return nodes.Filter(nodes.List(node.nodes, lineno=1), TIE, [], [], None, None, lineno=1)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802 - the same
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        ends = [end or nodes.Const(None, lineno=1) for end in (node.arg.start, node.arg.stop, node.arg.step)]
        return nodes.Filter(node.node, CUT, ends, [], None, None, lineno=1)


class _Absent(StrictUndefined):
    """What is not there; its name is all that it says. What would be in it is not there either."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or str(self._undefined_name)


class _Environment(SandboxedEnvironment):
    """Jinja without anything that is not listed here."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self) -> None:
        # Not optimized: constants would be worked out while a file is read.
        super().__init__(undefined=_Absent, optimized=False, autoescape=False, cache_size=0)
        self.globals.clear()
        self.filters = dict(FILTERS)
        self.tests = dict(TESTS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, str) and attribute in METHODS:
            return getattr(str(obj), attribute)
        return _item(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return _item(obj, argument)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002 - Jinja's own signature
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        _there(obj)
        return isinstance(obj, BuiltinMethodType) and type(obj.__self__) is str and obj.__name__ in METHODS

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002 - the same
        for side in (left, right):
            _there(side)
        if _is_number(left) and _is_number(right) and operator in NUMERIC:
            return _number(NUMERIC[operator](left, right))
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return _bounded(str(left) + str(right))
        if operator == "+" and isinstance(left, list) and isinstance(right, list):
            if len(left) + len(right) > MOST_ITEMS:
                raise _Wrong(f"comes to more than {MOST_ITEMS:,} items")
            return left + right
        raise _Wrong(f"cannot be worked out: {operator} wants two numbers{PLUS if operator == '+' else ''}")


PLUS: Final = ", two texts or two lists; ~ ties a text and a number"
NUMERIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


def _item(value: Any, key: Any) -> Any:
    """What `value.key` and `value[key]` are: an item, and never anything else."""
    if isinstance(value, Undefined):
        return value
    _there(key)
    if isinstance(value, dict | Mapping):
        try:
            if key in value:
                return value[key]
        except TypeError:  # no key can be a list
            pass
    elif isinstance(value, str | list | tuple) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return _Absent(name=str(key) if isinstance(key, str | int) else "an item")


def _there(value: Any) -> None:
    """Raises UndefinedError if *value* is not there."""
    if isinstance(value, Undefined):
        str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> Any:
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise _Wrong("comes to a number that is none")
    if abs(value) > LARGEST:
        raise _Wrong("comes to a number that is too large")
    return int(value)


def _bounded(text: str) -> str:
    if len(text) > LONGEST:
        raise _Wrong(f"comes to more than {LONGEST:,} characters")
    return text


def _text(value: Any) -> str:
    """*value* as part of a text."""
    if isinstance(value, str):
        return _bounded(str(value))
    _there(value)
    if _is_number(value):
        return str(_number(value))
    if value is None:
        raise _Wrong('is none for this call, which is no text: `… or "…"` gives another')
    if isinstance(value, bool):
        raise _Wrong('is true or false, which is no text: `"…" if … else "…"` makes one')
    raise _Wrong(f"{_kind(value)}, which is no text")


def _kind(value: Any) -> str:
    return "is a list" if isinstance(value, list) else "is a mapping" if isinstance(value, Mapping) else "is no value"


def _value(value: Any) -> Any:
    """*value* as JSON has it, and nobody else's: lists and mappings are copied."""
    return _Copy().of(value, 0)


class _Copy:
    """Counts what is copied."""

    def __init__(self) -> None:
        self._items, self._characters = 0, 0

    def of(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._copied(value)
        if _is_number(value):
            return _number(value)
        _there(value)
        if not isinstance(value, list | Mapping):
            raise _Wrong("is no text, number, list or mapping")
        self._items += len(value)
        if self._items > MOST_ITEMS or depth >= DEEPEST:
            raise _Wrong(f"comes to more than {MOST_ITEMS:,} items, or goes deeper than {DEEPEST} levels")
        if isinstance(value, list):
            return [self.of(item, depth + 1) for item in value]
        if not all(isinstance(key, str) for key in value):
            raise _Wrong("is a mapping with keys that are no texts")
        return {self._copied(key): self.of(item, depth + 1) for key, item in value.items()}

    def _copied(self, text: str) -> str:
        self._characters += len(text)
        if self._characters > MOST_CHARACTERS:
            raise _Wrong(f"comes to more than {MOST_CHARACTERS:,} characters")
        return _bounded(str(text))


# Filters and tests: https://jinja.palletsprojects.com/en/stable/templates/#list-of-builtin-filters has what they do.
# Jinja's own are not bounded; and its `odd` formats a text that has a % in it.


def _default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    return default_value if isinstance(value, Undefined) or (boolean and not value) else value


def _trim(value: Any, chars: str | None = None) -> str:
    return _text(value).strip(chars)


def _replace(value: Any, old: Any, new: Any, count: int | None = None) -> str:
    text, old, new = _text(value), _text(old), _text(new)
    times = text.count(old) if count is None or count < 0 else min(text.count(old), count)
    if len(text) + times * (len(new) - len(old)) > LONGEST:
        raise _Wrong(f"comes to more than {LONGEST:,} characters")
    return text.replace(old, new, times)


def _length(value: Any) -> int:
    _there(value)
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    raise _Wrong("has no length")


def _int(value: Any, default: Any = 0, base: int = 10) -> Any:
    _there(value)
    return filters.do_int(value, default, base)


def _float(value: Any, default: Any = 0.0) -> Any:
    _there(value)
    return filters.do_float(value, default)


def _round(value: Any, precision: int = 0, method: Any = "common") -> float:
    _counted(value)
    if precision not in range(16):
        raise _Wrong("is not rounded to 0 to 15 places")
    return filters.do_round(value, precision, method)


def _abs(value: Any) -> Any:
    return abs(_counted(value))


def _counted(value: Any) -> Any:
    _there(value)
    if not _is_number(value):
        raise _Wrong("wants a number: `| int` makes one of a text")
    return value


def _whole(value: Any) -> int:
    number: int = _counted(value)
    if not isinstance(number, int):
        raise _Wrong("wants a whole number: `| int` makes one")
    return number


def _join(value: Any, d: Any = "") -> str:
    _there(value)
    if isinstance(value, list | tuple | str):
        between, size, texts = _text(d), 0, []
        for item in value:
            texts.append(_text(item))
            size += len(texts[-1]) + len(between)
            if size > LONGEST + len(between):
                raise _Wrong(f"comes to more than {LONGEST:,} characters")
        return between.join(texts)
    raise _Wrong("joins no list")


def _tie(value: Any) -> str:
    return _join(value)


def _cut(value: Any, start: Any, stop: Any, step: Any) -> Any:
    if isinstance(value, Undefined):
        return value
    if not isinstance(value, str | list | tuple):
        raise _Wrong("is no list or text that [ : ] takes a part of")
    return value[start:stop:step]


def _first(value: Any) -> Any:
    return _end(value, 0, "the first")


def _last(value: Any) -> Any:
    return _end(value, -1, "the last")


def _end(value: Any, place: int, name: str) -> Any:
    _there(value)
    if not isinstance(value, str | list | tuple):
        raise _Wrong("is no list or text that has a first and a last")
    return value[place] if value else _Absent(name=name)


def _apart(value: Any) -> str:
    """ "1234" -> "1 2 3 4": digits are read out one by one."""
    return " ".join("".join(_text(value).split()))


def _digits(value: Any) -> Any:
    """ "+44 20 7946 0000" -> "442079460000"; what is no telephone number is not there, so that a default may follow."""
    if isinstance(value, Undefined):
        return value
    found = digits(value) if isinstance(value, str) else None
    return _Absent(name="a telephone number") if found is None else found


def _urlencode(value: Any) -> str:
    """What a caller sent, as one part of an address."""
    return _bounded(quote(_text(value), safe="", errors="replace"))


def _of_text(change: Callable[[str], str]) -> Callable[[Any], str]:
    def changed(value: Any) -> str:
        return change(_text(value))

    return changed


def _odd(value: Any) -> bool:
    return _whole(value) % 2 == 1


def _even(value: Any) -> bool:
    return _whole(value) % 2 == 0


def _divisibleby(value: Any, num: Any) -> bool:
    return _whole(value) % _whole(num) == 0


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "default": _default,
    "d": _default,
    "upper": _of_text(str.upper),
    "lower": _of_text(str.lower),
    "title": _of_text(filters.do_title),
    "capitalize": _of_text(str.capitalize),
    "trim": _trim,
    "replace": _replace,
    "length": _length,
    "count": _length,
    "int": _int,
    "float": _float,
    "round": _round,
    "abs": _abs,
    "join": _join,
    "first": _first,
    "last": _last,
    "string": _of_text(str),
    "apart": _apart,
    "digits": _digits,
    "urlencode": _urlencode,
    TIE: _tie,
    CUT: _cut,
}
_JINJAS = (
    *("defined", "undefined", "none", "string", "number", "mapping", "sequence", "in"),
    *("==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", ">=", "ge", "<", "lt", "lessthan", "<=", "le"),
)
TESTS: Final[Mapping[str, Any]] = {
    **{name: tests.TESTS[name] for name in _JINJAS},
    "divisibleby": _divisibleby,
    "odd": _odd,
    "even": _even,
}
ENVIRONMENT: Final = _Environment()
