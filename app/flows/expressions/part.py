"""One expression of a text: compiled when the file is read, run when somebody calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from jinja2 import Template, Undefined, UndefinedError, nodes

from app.flows.expressions.fault import ExpressionFault, short
from app.flows.expressions.sandbox import ENVIRONMENT, Rewritten, item
from app.flows.expressions.static_check import Path, StaticCheck, spelt
from app.flows.expressions.values import Wrong
from app.flows.model import RenderFault, Scope

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """One expression in a text. `paths` are what it looks up, to say what is undefined."""

    source: str
    template: Template
    paths: tuple[Path, ...]

    def given(self, scope: Scope, taken: Callable[[Any], T]) -> T:
        """*taken* of its value for this call. Raises RenderFault, and nothing else."""
        try:
            context = self.template.new_context(dict(scope.names), shared=True)
            for _ in self.template.root_render_func(context):
                pass
            return taken(context.vars["result"])
        except UndefinedError as error:
            raise RenderFault(
                f"{self._missing(scope, str(error))} is undefined for this call: give it a default"
            ) from None
        except Wrong as error:
            raise RenderFault(f"`{short(self.source)}` {error}") from None
        except Exception as error:  # noqa: BLE001 - any error of Python's operators
            words = f"cannot be computed for this call: {short(str(error)) or type(error).__name__}"
            raise RenderFault(f"`{short(self.source)}` {words}") from None

    def _missing(self, scope: Scope, name: str) -> str:
        """The path that ends with *name*, if it is undefined."""
        for path in self.paths:
            value: Any = scope.names
            for index, step in enumerate(path):
                value = item(value, step)
                if isinstance(value, Undefined):
                    if str(step) == name:
                        return f"`{spelt(path[: index + 1])}`"
                    break
        return f"`{short(self.source)}`: {short(name)}"


def ready(expression: nodes.Node, source: str, check: StaticCheck) -> Part:
    """*expression*, whose text is *source*, checked by *check* and compiled. Raises ExpressionFault."""
    paths = check.paths(expression, source)
    result = nodes.Assign(nodes.Name("result", "store"), Rewritten().visit(expression), lineno=1)
    try:
        template = ENVIRONMENT.from_string(nodes.Template([result], lineno=1))
    except (SyntaxError, MemoryError):  # Python's own: the compiled text has too many brackets
        raise ExpressionFault(f"`{short(source)}` is too long: too many operators or brackets") from None
    return Part(source, template, paths)
