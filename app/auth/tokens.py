"""The tokens of ACCESS_TOKENS and their roles."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Final, Literal, cast

from app.services import services

Role = Literal["viewer", "operator"]
RANK: Final = {"viewer": 1, "operator": 2}


def role_of(given: str, form: Callable[[str], str] = str) -> Role | None:
    """The role of the token whose *form* is *given*; None for an unknown one. Any of them takes the same time."""
    found: Role | None = None
    sent = given.encode(errors="surrogatepass")
    for role, token in services().settings.access_tokens:
        if hmac.compare_digest(sent, form(token).encode()):
            found = cast("Role", role)
    return found


def fingerprint(token: str) -> str:
    """A keyed hash of *token*, which a cookie may hold."""
    return hmac.new(services().settings.secret_key.encode(), token.encode(), sha256).hexdigest()[:32]
