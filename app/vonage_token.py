"""The application's tokens, by which Vonage knows it. https://developer.vonage.com/en/getting-started/concepts/authentication

The SDK reads the key anew for each token, which checks it and takes a fourteenth of a second: nothing else would be
served meanwhile. Here it is read once.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# What a page needs to call and be called. Vonage's tutorial adds devices and push, which apps on telephones need.
# https://developer.vonage.com/en/tutorials/vg-app-to-phone/generate-jwt-alice/javascript
PHONE: Final = ("users", "conversations", "sessions", "knocking", "legs")
SECONDS: Final = 15 * 60  # the SDK's own; Vonage takes up to a day
RENEWED_BEFORE: Final = 5 * 60  # clocks differ, and a request takes its time


class ApplicationTokens:
    """Makes tokens of an application. *private_key* is PEM."""

    def __init__(self, application_id: str, private_key: str) -> None:
        self._application_id, self._private_key = application_id, private_key
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    @cached_property
    def _key(self) -> RSAPrivateKey:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key: RSAPrivateKey = load_pem_private_key(self._private_key.encode(), password=None)  # type: ignore[assignment]
        return key

    def make(self, seconds: int = SECONDS) -> str:
        """A new token, good for so many *seconds*."""
        return self._signed({"exp": int(time.time()) + seconds})

    def for_phone(self, user: str, expires: datetime) -> str:
        """A token with which a page logs in at Vonage as *user*, by the Client SDK.

        https://developer.vonage.com/conversation/guides/jwt-acl
        """
        acl: dict[str, Any] = {"paths": {f"/*/{path}/**": {} for path in PHONE}}
        return self._signed({"exp": int(expires.timestamp()), "sub": user, "acl": acl})

    def _signed(self, claims: dict[str, Any]) -> str:
        import jwt

        claims |= {"application_id": self._application_id, "iat": int(time.time()), "jti": str(uuid4())}
        return jwt.encode(claims, self._key, algorithm="RS256")

    def current(self) -> str:
        """A token that is good for some minutes still."""
        with self._lock:
            if time.time() > self._until:
                self._token, self._until = self.make(), time.time() + SECONDS - RENEWED_BEFORE
            return self._token
