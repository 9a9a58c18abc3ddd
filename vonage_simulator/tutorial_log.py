"""A webhook as Vonage's tutorial prints it on its server's terminal, with whole numbers.

https://developer.vonage.com/en/tutorials/vg-phone-to-app, "Run your application"
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from vonage_simulator.printable import safe

Body = Mapping[str, Any]
END: Final = "---"
NAME: Final = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)  # a key that JavaScript needs no quotes for


def ncco_request(body: Body) -> str:
    """The request of an NCCO: who calls and, if that is a user of the app, who is called."""
    lines = ["NCCO request:", f"  - caller: {_plain(body.get('from_user') or body.get('from'))}"]
    if body.get("from_user"):
        lines.append(f"  - callee: {_plain(body.get('to'))}")
    return "\n".join([*lines, END])


def event(body: Body) -> str:
    """Any other webhook, field by field, in the order in which they came."""
    return "\n".join(["EVENT:", _literal(body, ""), END])


def _plain(value: Any) -> str:
    return safe(value if isinstance(value, str) else json.dumps(value))


def _literal(value: Any, indent: str) -> str:
    """*value* of JSON as Node.js prints it, but for each field and item on a line of its own."""
    if isinstance(value, Mapping):
        items = [f"{_key(name)}: {_literal(each, f'{indent}  ')}" for name, each in value.items()]
        return _within("{", items, "}", indent)
    if isinstance(value, list):
        return _within("[", [_literal(each, f"{indent}  ") for each in value], "]", indent)
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _within(begin: str, items: list[str], end: str, indent: str) -> str:
    if not items:
        return begin + end
    inside = ",\n".join(f"{indent}  {item}" for item in items)
    return f"{begin}\n{inside}\n{indent}{end}"


def _key(name: str) -> str:
    return name if NAME.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    quote = "'" if "'" not in text or '"' in text else '"'
    return quote + safe(text.replace("\\", "\\\\").replace(quote, f"\\{quote}")) + quote
