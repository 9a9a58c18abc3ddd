"""The filters and tests that an expression may use.

https://jinja.palletsprojects.com/en/stable/templates/#list-of-builtin-filters describes them. Jinja's own have no
bounds; and its `odd` formats a text that has a % in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Undefined, filters, tests

from app.domain.numbers import digits
from app.flows.expressions.values import LONGEST, Absent, Wrong, as_text, bounded, is_number, there

TIE, CUT = "~", "[:]"  # filters for these operators; no author can write a filter of such a name


def _default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    return default_value if isinstance(value, Undefined) or (boolean and not value) else value


def _trim(value: Any, chars: str | None = None) -> str:
    return as_text(value).strip(chars)


def _replace(value: Any, old: Any, new: Any, count: int | None = None) -> str:
    text, old, new = as_text(value), as_text(old), as_text(new)
    times = text.count(old) if count is None or count < 0 else min(text.count(old), count)
    if len(text) + times * (len(new) - len(old)) > LONGEST:
        raise Wrong(f"gives more than {LONGEST:,} characters")
    return text.replace(old, new, times)


def _length(value: Any) -> int:
    there(value)
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    raise Wrong("has no length")


def _int(value: Any, default: Any = 0, base: int = 10) -> Any:
    there(value)
    return filters.do_int(value, default, base)


def _float(value: Any, default: Any = 0.0) -> Any:
    there(value)
    return filters.do_float(value, default)


def _round(value: Any, precision: int = 0, method: Any = "common") -> float:
    _counted(value)
    if precision not in range(16):
        raise Wrong("is not rounded to 0 to 15 places")
    return filters.do_round(value, precision, method)


def _counted(value: Any) -> Any:
    there(value)
    if not is_number(value):
        raise Wrong("needs a number: `| int` makes one of a text")
    return value


def _whole(value: Any) -> int:
    number: int = _counted(value)
    if not isinstance(number, int):
        raise Wrong("needs a whole number: `| int` makes one")
    return number


def _join(value: Any, d: Any = "") -> str:
    there(value)
    if isinstance(value, list | tuple | str):
        between, size, texts = as_text(d), 0, []
        for item in value:
            texts.append(as_text(item))
            size += len(texts[-1]) + len(between)
            if size > LONGEST + len(between):
                raise Wrong(f"gives more than {LONGEST:,} characters")
        return between.join(texts)
    raise Wrong("joins no list")


def _cut(value: Any, start: Any, stop: Any, step: Any) -> Any:
    if isinstance(value, Undefined):
        return value
    if not isinstance(value, str | list | tuple):
        raise Wrong("is no list or text that [ : ] takes a part of")
    return value[start:stop:step]


def _item_at(index: int, name: str) -> Callable[[Any], Any]:
    def item(value: Any) -> Any:
        there(value)
        if not isinstance(value, str | list | tuple):
            raise Wrong("is no list or text that has a first and a last")
        return value[index] if value else Absent(name=name)

    return item


def _apart(value: Any) -> str:
    """ "1234" -> "1 2 3 4": digits are read out one by one."""
    return " ".join("".join(as_text(value).split()))


def _digits(value: Any) -> Any:
    """ "+44 20 7946 0000" -> "442079460000"; anything else is undefined, so that a default may follow."""
    if isinstance(value, Undefined):
        return value
    found = digits(value) if isinstance(value, str) else None
    return Absent(name="a telephone number") if found is None else found


def _urlencode(value: Any) -> str:
    """What a caller sent, as a part of a URL."""
    return bounded(quote(as_text(value), safe="", errors="replace"))


def _of_text(change: Callable[[str], str]) -> Callable[[Any], str]:
    def changed(value: Any) -> str:
        return change(as_text(value))

    return changed


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
    "abs": lambda value: abs(_counted(value)),
    "join": _join,
    "first": _item_at(0, "the first"),
    "last": _item_at(-1, "the last"),
    "string": _of_text(str),
    "apart": _apart,
    "digits": _digits,
    "urlencode": _urlencode,
    TIE: _join,
    CUT: _cut,
}
_JINJAS = (
    *("defined", "undefined", "none", "string", "number", "mapping", "sequence", "in"),
    *("==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", ">=", "ge", "<", "lt", "lessthan", "<=", "le"),
)
TESTS: Final[Mapping[str, Any]] = {
    **{name: tests.TESTS[name] for name in _JINJAS},
    "divisibleby": lambda value, num: _whole(value) % _whole(num) == 0,
    "odd": lambda value: _whole(value) % 2 == 1,
    "even": lambda value: _whole(value) % 2 == 0,
}
