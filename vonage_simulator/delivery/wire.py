"""A webhook as an HTTP request: POST with JSON, or GET with a query string.

https://developer.vonage.com/en/voice/voice-api/webhook-reference
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote

from yarl import URL

from vonage_simulator.ledger import Target

HEADERS = {"Accept": "*/*", "User-Agent": "Apache-HttpAsyncClient/4.1 (Java/1.8.0_66)"}  # as seen in published logs


@dataclass(frozen=True, slots=True)
class Request:
    """One webhook, ready to be signed and sent. `hashed` are the bytes whose hash is in its token."""

    method: str
    url: URL
    content: bytes
    hashed: bytes

    def headers(self, token: str | None) -> dict[str, str]:
        """All but Host and Content-Length; *token* None: not signed."""
        headers = dict(HEADERS)
        if self.content:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def written(self, token: str | None) -> bytes:
        """The request as HTTP/1.1, to be written to a bare connection."""
        headers = {"Host": self.url.host_port_subcomponent or "", **self.headers(token)}
        if self.content:
            headers["Content-Length"] = str(len(self.content))
        lines = [
            f"{self.method} {self.url.raw_path_qs} HTTP/1.1",
            *(f"{name}: {text}" for name, text in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + self.content


def write(target: Target, body: Mapping[str, Any]) -> Request:
    """Return the request that sends *body* to *target*. Raises ValueError for a URL that is not http:// or https://."""
    url, method = _address(target.url), target.method.upper()
    if method != "GET":
        content = _compact(body)
        return Request(method, url, content, content)
    parameters = [(name, _parameter(value)) for name, value in body.items()]
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe=':,')}" for name, value in parameters)
    own = parse_qsl(url.raw_query_string, keep_blank_values=True)
    whole = "&".join(filter(None, (url.raw_query_string, query)))
    url = URL.build(scheme=url.scheme, authority=url.raw_authority, path=url.raw_path, query_string=whole, encoded=True)
    return Request(method, url, b"", _compact(_by_name([*own, *parameters])))


@lru_cache(maxsize=1024)
def _address(text: str) -> URL:
    url = URL(text).with_fragment(None)
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("it is no http:// or https:// address")
    return url


def _parameter(value: Any) -> str:
    """A value in a query: text as it is, everything else as JSON; `:` and `,` stay bare, as in published logs.

    Null is empty: the webhook reference calls fields so that are null in a POST; no published log shows one in a GET.
    """
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair has no form in a query


def _by_name(parameters: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    """The object that is hashed: *parameters* in their order, as text.

    A repeated name (one that the target's URL has too) gets a list, as Node's frameworks read it, for which the
    documentation's example is written; Vonage does not say.
    """
    values: dict[str, list[str]] = {}
    for name, value in parameters:
        values.setdefault(name, []).append(value)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def _compact(value: Any) -> bytes:
    """JSON as JavaScript's JSON.stringify writes it: no spaces, only lone surrogates escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
