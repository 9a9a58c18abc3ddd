"""`Idempotency-Key`: a request that is repeated with the same key is done once, and gets the first one's response.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

from flask import Response, g, request

from app.api.blueprint import Blueprint
from app.auth.access import READS, current_login
from app.control.operations import new_id
from app.domain.operations import as_id
from app.errors import Problem
from app.services import services

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
KEY: Final = re.compile(r"[!-~]{1,255}", re.ASCII)
CONTENT: Final = "application/json"


def install(blueprint: Blueprint) -> None:
    """Let every request of *blueprint* that is no read be repeated. To be called after its guard is."""
    blueprint.before_request(_begin)
    blueprint.after_request(_end)


def action_id() -> str | None:
    """The id of the action that this request is for, the same for each repeat; None without a key."""
    found: str | None = g.get("action_id")
    return found


def _begin() -> Response | None:
    key = request.headers.get(HEADER)
    if key is None or request.method in READS or request.method == "OPTIONS":
        return None
    if not KEY.fullmatch(key):
        raise Problem(422, "Wrong Idempotency-Key", f"{HEADER} must have 1 to 255 characters of ASCII, without blanks.")
    login = current_login()
    principal = login.fingerprint if login else ""
    said = f"{request.method}\n{request.full_path}".encode(errors="surrogatepass") + b"\n" + request.get_data()
    digest = sha256(said).hexdigest()
    claim = new_id()
    earlier = services().store.begin_once(principal, key, digest, claim)
    g.action_id = as_id(sha256(f"{principal}\n{key}".encode()).hexdigest()[:24])
    if earlier is None:
        g.once = (principal, key, digest, claim)
        return None
    if earlier.digest != digest:
        detail = f"This {HEADER} was used for another request within the last day: use a new one."
        raise Problem(422, "Idempotency-Key used before", detail)
    if earlier.status is None:
        detail = "The first request with this key is still under way: repeat it in a moment."
        raise Problem(409, "Still under way", detail, {"Retry-After": "1"})
    kind = CONTENT if earlier.status < 400 else "application/problem+json"
    return Response(earlier.body, earlier.status, {REPLAYED: "true"}, content_type=kind)


def _end(response: Response) -> Response:
    if once := g.pop("once", None):
        principal, key, digest, claim = once
        if response.status_code == 503:  # nothing was done: a repeat is meant to do it
            services().store.give_up_once(principal, key, digest, claim)
        else:
            services().store.end_once(principal, key, digest, (response.status_code, response.get_data(as_text=True)))
    return response
