"""What an expression can do when it runs: items, methods of texts and operators of Jinja, and no way to Python."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import BuiltinMethodType
from typing import Any, Final

from jinja2 import Undefined, nodes
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer

from app.flows.expressions.filters import CUT, FILTERS, TESTS, TIE
from app.flows.expressions.values import MOST_ITEMS, Absent, Wrong, as_number, bounded, is_number, there

# The methods of texts, and the fewest and most arguments of each.
METHODS: Final[Mapping[str, tuple[int, int]]] = {
    **dict.fromkeys(("startswith", "endswith", "removeprefix", "removesuffix"), (1, 1)),
    **dict.fromkeys(("lower", "upper", "isdigit"), (0, 0)),
    "strip": (0, 1),
}
NUMERIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
PLUS: Final = ", two texts or two lists; ~ joins a text and a number"


class _Environment(SandboxedEnvironment):
    """Jinja without anything that is not listed here."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self) -> None:
        # Not optimized: constants would be computed while a file is read.
        super().__init__(undefined=Absent, optimized=False, autoescape=False, cache_size=0)
        self.globals.clear()
        self.filters = dict(FILTERS)
        self.tests = dict(TESTS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, str) and attribute in METHODS:
            return getattr(str(obj), attribute)
        return item(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return item(obj, argument)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002 - Jinja's own signature
        return False

    def is_safe_callable(self, obj: Any) -> bool:
        there(obj)
        return isinstance(obj, BuiltinMethodType) and type(obj.__self__) is str and obj.__name__ in METHODS

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002 - the same
        for side in (left, right):
            there(side)
        if is_number(left) and is_number(right) and operator in NUMERIC:
            return as_number(NUMERIC[operator](left, right))
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return bounded(str(left) + str(right))
        if operator == "+" and isinstance(left, list) and isinstance(right, list):
            if len(left) + len(right) > MOST_ITEMS:
                raise Wrong(f"gives more than {MOST_ITEMS:,} items")
            return left + right
        raise Wrong(f"cannot be computed: {operator} needs two numbers{PLUS if operator == '+' else ''}")


def item(value: Any, key: Any) -> Any:
    """`value.key` and `value[key]`: an item, and never anything else."""
    if isinstance(value, Undefined):
        return value
    there(key)
    if isinstance(value, dict | Mapping):
        try:
            if key in value:
                return value[key]
        except TypeError:  # no key can be a list
            pass
    elif isinstance(value, str | list | tuple) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return Absent(name=str(key) if isinstance(key, str | int) else "an item")


class Rewritten(NodeTransformer):
    """Makes filters of `a ~ b`, which in Jinja makes a text of anything, and of `a[1:2]`, which has no checks there."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - Jinja's own name
        self.generic_visit(node)
        return nodes.Filter(nodes.List(node.nodes, lineno=1), TIE, [], [], None, None, lineno=1)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802 - the same
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        ends = [end or nodes.Const(None, lineno=1) for end in (node.arg.start, node.arg.stop, node.arg.step)]
        return nodes.Filter(node.node, CUT, ends, [], None, None, lineno=1)


ENVIRONMENT: Final = _Environment()
