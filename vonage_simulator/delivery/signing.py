"""Signs a webhook: a JSON Web Token, HS256, with the hash of what is sent."""

from __future__ import annotations

import hashlib
import json

from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm

from vonage_simulator.ledger import Application


class _HS256(HMACAlgorithm):
    """HS256 with a secret of any length: PyJWT warns of a short one on every use."""

    def check_key_length(self, key: bytes) -> None:  # noqa: ARG002  the base class asks for it
        return None


_jws = PyJWS(algorithms=[])
_jws.register_algorithm("HS256", _HS256(HMACAlgorithm.SHA256))


def sign(application: Application, payload: bytes, *, now: float, jti: str, secret: str | None = None) -> str:
    """Return the token for a webhook of *application*, without the word Bearer.

    Args:
        application: Whose account signs; its secret is used unless *secret* is another. An empty id is left out.
        payload: What is hashed: the body of a POST as it is sent, `Request.hashed` of a GET.
        now: The time of signing, in seconds since 1970 by the real clock: the server compares it with its own.
        jti: A UUID for this token alone.
        secret: A wrong secret, on purpose.

    Source: https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks
    """
    claims = {
        "iat": int(now),
        "jti": jti,
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(payload).hexdigest(),
        "api_key": application.api_key,
    } | ({"application_id": application.id} if application.id else {})
    text = json.dumps(claims, separators=(",", ":")).encode()
    return _jws.encode(text, application.signature_secret if secret is None else secret, "HS256")
