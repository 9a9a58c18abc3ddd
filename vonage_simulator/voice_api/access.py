"""Authentication, and the limit of requests per second."""

from __future__ import annotations

import hmac
import time
from base64 import b64decode

import jwt
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from vonage_simulator.ledger import Application
from vonage_simulator.rate_limit import RateLimit
from vonage_simulator.voice_api.errors import Throttled, Unauthorized

LIFETIME = 15 * 60  # seconds of a token without `exp`
LONGEST = 24 * 3600  # lifetime of a token
OPEN = "/simulator/"  # routes that Vonage has not: anybody on this machine may use them
LEEWAY = 60  # seconds by which a client's clock may be ahead


def guard(application: Application, requests_per_second: float | None) -> Middleware:
    """Authenticate and throttle every request, but those for the simulator itself.

    The Application API takes the account's key and secret, the others the application's JWT. The limit of new calls is
    the carrier's; users and files have none (help article 207100288).
    """

    taken = RateLimit()

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        credentials = request.headers.get("Authorization", "")
        if request.path.startswith(OPEN):
            return await handler(request)
        if request.path.startswith("/v2/"):
            check_basic(credentials, application)
        else:
            check_token(credentials, application)
        counted = request.path.startswith(("/v1/calls", "/v1/conversations")) and request.method != "POST"
        if counted and not taken.take(time.monotonic(), requests_per_second):
            raise Throttled
        return await handler(request)

    return guarded


def check_token(credentials: str, application: Application) -> None:
    """Raise Unauthorized unless *credentials* are `Bearer` and a good JWT of *application*.

    Signed by its private key with RS256, with its `application_id`, `iat` and `jti`; `exp` at most a day after `iat`,
    else it is valid for 15 minutes. A `jti` may come twice: clients repeat a request when a connection breaks.
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
    ours = claims["application_id"] == application.id
    if not (ours and claims["jti"] and 0 < expires - issued <= LONGEST and expires > time.time() - LEEWAY):
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
