"""Cursors: the position at which a list continues, signed, and valid only for the list it came from."""

from __future__ import annotations

import json
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from app.errors import Problem
from app.services import services


def write(position: list[int | str], of: str) -> str:
    """The cursor for *position* in the list *of*, which names it with all of its filters."""
    return str(_serializer(of).dumps(position))


def read(cursor: str, of: str) -> list[Any]:
    """The position in *cursor*. Raises Problem (422) unless it is a cursor of the list *of*."""
    try:
        return list(_serializer(of).loads(cursor))
    except BadData:
        errors = {"cursor": ["Not a cursor of this list: pass `next` of the page before, with the same filters."]}
        raise Problem(422, "Unprocessable Entity", "Correct what `errors` names: cursor.", errors=errors) from None


def _serializer(of: str) -> URLSafeSerializer:
    # As ASCII: an id may have half a surrogate pair, which UTF-8 has not.
    salt = f"cursor {of}".encode(errors="surrogatepass")
    return URLSafeSerializer(services().settings.secret_key, salt=salt, serializer=json)
