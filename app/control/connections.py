"""Connections to Vonage that share their certificates.

`requests` reads the authorities' certificates anew for each connection. That takes 50 ms of the processor, in which a
worker answers no caller; while Vonage is away, each request is a new connection. Imports `requests`: not at startup.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH


def certificates() -> ssl.SSLContext:
    """With the authorities that `requests` would trust."""
    found = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
    folder = Path(found).is_dir()
    return ssl.create_default_context(cafile=None if folder else found, capath=found if folder else None)


class Adapter(HTTPAdapter):
    """Opens one connection at a time, with *context*. It verifies always, and repeats nothing."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Let direct connections use the context."""
        super().init_poolmanager(*args, ssl_context=self._context, **more)

    def proxy_manager_for(self, *args: Any, **more: Any) -> Any:
        """The same for those through a proxy."""
        return super().proxy_manager_for(*args, ssl_context=self._context, **more)

    def get_connection_with_tls_context(self, request: Any, verify: Any, *args: Any, **more: Any) -> Any:  # noqa: ARG002
        """A connection; *verify* is the path of the certificates, which need not be read again."""
        return super().get_connection_with_tls_context(request, True, *args, **more)

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """Nothing to read."""
        conn.cert_reqs, conn.ca_certs = "CERT_REQUIRED", None
