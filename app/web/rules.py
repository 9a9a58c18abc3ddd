"""Routes whose addresses are built rarely."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule


class LazyRule(Rule):
    """A route that compiles what builds its address when that is built first: most of a worker's are never built.

    To compile those of all routes takes most of the time in which the app is made.
    https://github.com/pallets/werkzeug/blob/main/src/werkzeug/routing/rules.py (Rule.compile)
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compile_now, compiled = super()._compile_builder, list[Callable[..., tuple[str, str]]]()

        def build(rule: LazyRule, *args: Any, **kwargs: Any) -> tuple[str, str]:
            if not compiled:
                compiled.append(compile_now(append_unknown))
            return compiled[0](rule, *args, **kwargs)

        return build
