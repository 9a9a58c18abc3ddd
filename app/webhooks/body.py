"""From the bytes of a webhook to a JSON object, or to a clear message on what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

MOST_NESTED = 32
MOST_NESTED_KEPT = MOST_NESTED + 1  # the record of an answer has the request inside
LONGEST_INTEGER = 18  # digits; a longer one is kept as text: no count, duration or code is that long
COMPACT = json.JSONEncoder(separators=(",", ":"))
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class BadBody(Exception):
    """The body is no JSON object; the message says why."""


def read_body(body: bytes, query: str) -> tuple[bytes, dict[str, Any]]:
    """The JSON text of a webhook and its object: of the body if there is one, else of the query string.

    Vonage sends POST with JSON, or GET with the fields as parameters, nested ones as JSON text.
    https://developer.vonage.com/en/voice/voice-api/webhook-reference
    Raises BadBody.
    """
    text = body.removeprefix(BYTE_ORDER_MARK)
    if text:
        return text, read_object(text, MOST_NESTED)
    parameters = read_query(query)
    return write_json(parameters), parameters


def read_object(text: bytes, most_nested: int = MOST_NESTED_KEPT) -> dict[str, Any]:
    """The JSON object in *text*. Raises BadBody."""
    value = _parse(text, most_nested)
    if not isinstance(value, dict):
        name = {list: "array", str: "string", bool: "boolean", type(None): "null"}.get(type(value), "number")
        raise BadBody(f"the body is a JSON {name}, not an object: send one webhook as {{...}}")
    return value


def read_query(query: str) -> dict[str, Any]:
    """The parameters of *query*, of a repeated one the last; a JSON object or array in one is read as such.

    Raises BadBody for bytes that are not UTF-8, and for nesting that is too deep.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:  # UnicodeDecodeError is one, too many fields another
        raise BadBody("the query string is not UTF-8, or has more than 1,000 parameters") from None
    return {name: _nested(value) for name, value in pairs}


def write_json(value: Any) -> bytes:
    """Compact JSON text of *value*, in ASCII, which can write half a surrogate pair, too."""
    return COMPACT.encode(value).encode()


def write_object(members: Mapping[str, Any]) -> bytes:
    """Compact JSON text of an object; a member of bytes is JSON text already. The names are plain ASCII."""
    pairs = (
        b'"%b":%b' % (name.encode(), value if isinstance(value, bytes) else write_json(value))
        for name, value in members.items()
    )
    return b"{%b}" % b",".join(pairs)


def _nested(value: str) -> Any:
    if not value.startswith(("{", "[")):
        return value
    try:
        return _parse(value.encode(), MOST_NESTED - 1)  # inside the object of all parameters
    except BadBody as bad:
        if str(bad).startswith("nested"):
            raise
        return value


def _parse(text: bytes, most_nested: int) -> Any:
    try:
        value = _decoder.decode(text.decode())
    except UnicodeDecodeError:
        raise BadBody("the body is not UTF-8") from None
    except RecursionError:
        raise BadBody(f"nested deeper than {MOST_NESTED}") from None
    except json.JSONDecodeError as error:
        raise BadBody(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    if text.count(b"{") + text.count(b"[") > most_nested and _depth(value) > most_nested:
        raise BadBody(f"nested deeper than {MOST_NESTED}")
    return value


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= LONGEST_INTEGER else digits


def _float(number: str) -> float | str:
    value = float(number)
    return value if value - value == 0 else number  # 1e400 is JSON, but no float


def _constant(name: str) -> NoReturn:
    raise BadBody(f"the body is not JSON: {name} is no JSON number")


_decoder = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_constant)


def _depth(value: Any) -> int:
    """How many objects and arrays are nested in each other."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth
