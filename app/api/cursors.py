"""Where a list goes on. Opaque to whoever holds one, and good only for the list it came from."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from hashlib import blake2b
from typing import Any

from app.errors import Problem


def write(place: list[Any], of: str) -> str:
    """The cursor of *place* (JSON) in the list *of*."""
    return urlsafe_b64encode(json.dumps([_mark(of), *place], separators=(",", ":")).encode()).decode().rstrip("=")


def read(cursor: str, of: str, types: tuple[type, ...]) -> list[Any]:
    """The place *cursor* stands for. Raises Problem (422) for one that is not of the list *of*."""
    try:
        place = json.loads(urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        mark, *rest = place
        sound = tuple(map(type, rest)) == types and all(not isinstance(x, int) or 0 <= x < 2**53 for x in rest)
    except (ValueError, Error, TypeError, RecursionError, UnicodeError):
        mark, rest, sound = None, [], False
    if not sound or mark != _mark(of):
        wrong = "Not a cursor of this list: pass `next` of the page before, with the same filters."
        raise Problem(422, "Unprocessable Entity", "Mend what `errors` names: cursor.", errors={"cursor": [wrong]})
    return rest


def _mark(of: str) -> str:
    return blake2b(of.encode(errors="surrogatepass"), digest_size=6).hexdigest()
