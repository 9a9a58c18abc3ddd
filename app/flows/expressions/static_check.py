"""What an expression uses, checked before anybody calls: all of it must exist."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import signature
from typing import Any, Final

from jinja2 import nodes

from app.flows.expressions.fault import ExpressionFault, only_expressions, short
from app.flows.expressions.filters import FILTERS, TESTS
from app.flows.expressions.sandbox import METHODS
from app.flows.expressions.values import LARGEST
from vonage_simulator.yaml_source import nearest

# What is known of a call from the request it began with.
CONTEXT: Final = (
    *("from", "to", "from_user", "uuid", "conversation_uuid"),
    *("endpoint_type", "region_url", "custom_data", "headers"),
)
NAMES: Final = (*CONTEXT, "settings", "inputs", "hours", "attempt")
SETTINGS: Final = ("APP_USER", "CALLER_NUMBER", "PUBLIC_URL")
INPUT: Final = ("digits", "speech", "confidence", "timed_out")  # the result of an input: inputs.<step>.digits

MOST_NODES: Final = 500  # names, values and operators of an expression
DEEPEST_EXPRESSION: Final = 50  # levels of them; Python's own compiler takes 200 brackets in each other
TAKEN: Final = frozenset(
    (
        *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Getattr, nodes.Getitem),
        *(nodes.Slice, nodes.Filter, nodes.Test, nodes.Keyword, nodes.Call, nodes.CondExpr, nodes.Compare),
        *(nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Concat),
        *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
    )
)

Path = tuple[str | int, ...]
Use = tuple[str] | tuple[str, str]  # a whole name, or a name and one item of it: custom_data, order


class StaticCheck:
    """Checks expressions: all they use must exist. `uses` has what they use."""

    def __init__(self) -> None:
        self.uses: set[Use] = set()

    def paths(self, expression: nodes.Node, source: str) -> tuple[Path, ...]:
        """All that *expression* looks up, from a name on. Raises ExpressionFault."""
        self._paths: list[Path] = []
        self._source, self._left = source, MOST_NODES
        if isinstance(expression, nodes.Tuple):
            raise ExpressionFault("a list is written in [ ]")
        self._check(expression, 0)
        self.uses.update(_uses(expression))
        return tuple(self._paths)

    def _check(self, node: nodes.Node, depth: int) -> None:
        self._left -= 1
        if depth > DEEPEST_EXPRESSION or self._left < 0:
            raise ExpressionFault(f"`{short(self._source)}` is too long: too many operators or brackets")
        if isinstance(node, nodes.Pow):
            raise ExpressionFault("** cannot be used")
        if type(node) not in TAKEN:
            raise only_expressions()
        check = getattr(self, f"_check_{type(node).__name__.lower()}", None)
        if check:
            check(node)
        for child in node.iter_child_nodes():
            self._check(child, depth + 1)

    def _check_name(self, node: nodes.Name) -> None:
        if node.name not in NAMES:
            advice = ""
            hyphened = rf"\b(inputs|headers|custom_data)\.[\w-]+-\s*{re.escape(node.name)}\b"
            if found := re.search(hyphened, self._source):
                advice = f'; a name with - in it is written {found[1]}["…"]'
            raise ExpressionFault(_unknown(node.name, NAMES) + advice)
        self._paths.append((node.name,))

    def _check_getattr(self, node: nodes.Getattr) -> None:
        if node.attr.startswith("__"):
            raise ExpressionFault(f"`.{node.attr}` cannot be used")
        self._look_up(node)

    def _check_getitem(self, node: nodes.Getitem) -> None:
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
            case ("hours", str(), _, *_):
                raise ExpressionFault(f"`{spelt(path[:2])}` is true or false: there is nothing in it")
            case ("settings", what, *_) if what not in SETTINGS:
                raise ExpressionFault(_unknown(str(what), SETTINGS, "settings."))
            case ("inputs", step, what, *_) if what not in INPUT:
                raise ExpressionFault(_unknown(str(what), INPUT, spelt(("inputs", step)) + "."))
        self._paths.append(path)

    def _check_const(self, node: nodes.Const) -> None:
        if isinstance(node.value, int | float) and not abs(node.value) <= LARGEST:
            raise ExpressionFault("has a number that is too large")

    def _check_condexpr(self, node: nodes.CondExpr) -> None:
        if node.expr2 is None:
            raise ExpressionFault("an `if` needs an `else`: {{ a if b else c }}; `else none` leaves an option out")

    def _check_call(self, node: nodes.Call) -> None:
        name = node.node.attr if isinstance(node.node, nodes.Getattr) else ""
        if name not in METHODS:
            called = name or getattr(node.node, "name", "")
            raise ExpressionFault(f"`{called}()` cannot be used: what can be called is {_listed(METHODS)} of a text")
        least, most = METHODS[name]
        if node.kwargs or node.dyn_args or node.dyn_kwargs or not least <= len(node.args) <= most:
            raise ExpressionFault(f"`{name}` takes {'no' if not most else 'one' if least else 'one or no'} argument")

    def _check_filter(self, node: nodes.Filter) -> None:
        self._check_use(node, "filter", FILTERS)

    def _check_test(self, node: nodes.Test) -> None:
        self._check_use(node, "test", TESTS)

    def _check_use(self, node: Any, kind: str, known: Mapping[str, Callable[..., Any]]) -> None:
        if node.name not in known or not node.name.isalpha():
            words = _unknown(node.name, [name for name in known if name.isalpha()])
            raise ExpressionFault(f"{words} (as a {kind})")
        if node.dyn_args or node.dyn_kwargs:
            raise ExpressionFault(f"`{node.name}`: * and ** cannot be used")
        try:
            signature(known[node.name]).bind(None, *node.args, **{argument.key: None for argument in node.kwargs})
        except TypeError as error:
            raise ExpressionFault(f"`{node.name}` cannot be used like this: {error}") from None


def _path(node: nodes.Node) -> Path | None:
    """The path from a name to *node*: `custom_data.order["id"]` is ("custom_data", "order", "id")."""
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


def _uses(node: nodes.Node) -> Iterator[Use]:
    """The names, and items of them, that *node* uses."""
    path = _path(node) if isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem) else None
    if path is None:
        for child in node.iter_child_nodes():
            yield from _uses(child)
    elif len(path) > 1 and isinstance(path[1], str):
        yield str(path[0]), path[1]
    else:
        yield (str(path[0]),)


def spelt(path: Path) -> str:
    """*path* as an expression has it: `custom_data.order["an-id"]`."""
    text = str(path[0])
    for step in path[1:]:
        text += f".{step}" if str(step).isidentifier() else f"[{step}]" if isinstance(step, int) else f'["{step}"]'
    return text


def _unknown(name: str, known: Sequence[str], before: str = "") -> str:
    near = nearest(name, known)
    meant = f"did you mean `{before}{near}`? Known are" if near else "known are"
    return f"`{before}{name}` is not known: {meant} {_listed(known)}"


def _listed(names: Any) -> str:
    *names, last = names
    return f"{', '.join(names)} and {last}"
