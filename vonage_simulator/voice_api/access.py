"""Who may ask, and how often."""

from __future__ import annotations

import hmac
import time
from base64 import b64decode
from collections import deque

import jwt
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from vonage_simulator.ledger import Application
from vonage_simulator.voice_api.errors import Throttled, Unauthorized

LIFETIME = 15 * 60  # seconds that a token is good for which does not say
LONGEST = 24 * 3600  # that it may say
LEEWAY = 60  # seconds by which a client's clock may be ahead


class Throttle:
    """So many requests in any one second, and no more. *limit* None: as many as you like."""

    def __init__(self, limit: float | None) -> None:
        self._limit = limit
        self._taken: deque[float] = deque()

    def take(self) -> None:
        """Count one more. Raises Throttled, and does not count it, if that is too many."""
        if self._limit is None:
            return
        now = time.monotonic()
        while self._taken and self._taken[0] <= now - 1:
            self._taken.popleft()
        if len(self._taken) >= self._limit:
            raise Throttled
        self._taken.append(now)


def guard(application: Application, throttle: Throttle) -> Middleware:
    """Refuse whom the application does not know, and whoever asks too often.

    The Application API takes the account's key and secret, all others the application's JWT. New calls have a limit of
    their own, which the carrier keeps; users and files are none of the Voice API's (help article 207100288).
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        credentials = request.headers.get("Authorization", "")
        if request.path.startswith("/v2/"):
            check_basic(credentials, application)
        else:
            check_token(credentials, application)
        if request.path.startswith(("/v1/calls", "/v1/conversations")) and request.method != "POST":
            throttle.take()
        return await handler(request)

    return guarded


def check_token(credentials: str, application: Application) -> None:
    """Raise Unauthorized unless *credentials* are `Bearer` and a good JWT of *application*.

    Signed by its private key with RS256, naming it in `application_id`, with `iat` and `jti`; `exp` at most a day after
    `iat`, and a quarter of an hour if there is none. Whether a `jti` comes twice is not looked at: clients repeat a
    request as it was when a connection breaks.
    https://developer.vonage.com/en/getting-started/concepts/authentication#json-web-tokens
    """
    scheme, _, token = credentials.partition(" ")
    if scheme.lower() != "bearer" or not application.public_key:
        raise Unauthorized
    try:
        claims = jwt.decode(
            token.strip(),
            application.public_key,
            algorithms=["RS256"],  # never from the token's own header
            leeway=LEEWAY,
            options={"require": ["application_id", "iat", "jti"], "verify_aud": False},
        )
        issued = float(claims["iat"])
        expires = float(claims.get("exp", issued + LIFETIME))
    except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Unauthorized from error
    of_us = claims["application_id"] == application.id
    if not (of_us and claims["jti"] and 0 < expires - issued <= LONGEST and expires > time.time() - LEEWAY):
        raise Unauthorized


def check_basic(credentials: str, application: Application) -> None:
    """Raise Unauthorized unless *credentials* are `Basic` and the account's API key and secret."""
    scheme, _, encoded = credentials.partition(" ")
    try:
        given = b64decode(encoded.strip(), validate=True)
    except ValueError as error:
        raise Unauthorized from error
    wanted = f"{application.api_key}:{application.api_secret}".encode()
    if scheme.lower() != "basic" or not hmac.compare_digest(given, wanted):
        raise Unauthorized
