"""The tokens that sessions are made with: JWTs of the application for one user.

https://developer.vonage.com/en/voice/voice-api/guides/in-app-calling/session-setup
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from vonage_simulator.client_sdk.errors import session_error
from vonage_simulator.ledger import Application

LEEWAY = 60  # seconds by which the server's clock may be ahead
CLAIMS = ("application_id", "iat", "jti", "sub", "exp")
LONGEST = 24 * 3600  # lifetime in seconds: https://developer.vonage.com/en/getting-started/concepts/authentication
# What of the `acl` each thing needs, as an address that one of its paths has to cover. The documentation lists paths
# for all of the SDK; which of them each thing needs is not documented, and strict here.
SESSION = ("/v1/users/me", "/v1/conversations/CON-1", "/v1/sessions/SES-1")
SERVER_CALL = ("/v1/knocking/1",)
CONTROL = ("/v1/legs/1",)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows: to be *user* until *expires*, in seconds since 1970, for addresses that *paths* cover."""

    user: str
    expires: float
    paths: tuple[re.Pattern[str], ...]

    @property
    def expired(self) -> bool:
        return time.time() >= self.expires

    def check(self, addresses: tuple[str, ...]) -> None:
        """Raise SdkError unless the paths cover all of *addresses*."""
        for address in addresses:
            if not any(path.fullmatch(address) for path in self.paths):
                part = address.split("/")[2]
                raise session_error("AUTHORIZATION_ERROR", f"the token's acl has no path for {part}: /*/{part}/**")


def read(token: Any, application: Application, user_exists: Callable[[str], bool]) -> Grant:
    """What *token* allows. Raises SdkError, with the SDK's code for what is wrong with it."""
    if not isinstance(token, str) or not token:
        raise session_error("EMPTY_TOKEN", "the token is empty")
    if not application.public_key:
        raise session_error("INVALID_TOKEN", "the application has no public key, so no token is valid")
    try:
        claims = jwt.decode(
            token,
            application.public_key,
            algorithms=["RS256"],  # never from the token's own header
            leeway=LEEWAY,
            # When it expires is checked below, as that is an error of its own.
            options={"require": [*CLAIMS], "verify_aud": False, "verify_exp": False},
        )
        expires, issued = float(claims["exp"]), float(claims["iat"])
    except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise session_error("INVALID_TOKEN", f"the token is no JWT of this application: {error}") from error
    if claims["application_id"] != application.id:
        raise session_error("INVALID_TOKEN", "the token is of another application")
    if not 0 < expires - issued <= LONGEST:
        raise session_error("INVALID_TOKEN", "the token is valid for longer than a day, or for no time at all")
    grant = Grant(claims["sub"], expires, tuple(_paths(claims.get("acl"))))
    if grant.expired:
        raise session_error("EXPIRED_TOKEN", "the token has expired")
    if not user_exists(grant.user):
        raise session_error("INVALID_USER", "there is no user of the name in the token's sub")
    grant.check(SESSION)
    return grant


def _paths(acl: Any) -> list[re.Pattern[str]]:
    """The paths of an `acl` as patterns: `**` is anything, `*` anything but a slash."""
    paths = acl.get("paths") if isinstance(acl, Mapping) else None
    if not isinstance(paths, Mapping):
        raise session_error("AUTHORIZATION_ERROR", "the token has no acl with paths")
    words = {"**": ".*", "*": "[^/]*"}
    return [
        re.compile("".join(words.get(part) or re.escape(part) for part in re.split(r"(\*\*?)", path)))
        for path in paths
        if len(path) <= 200
    ]
