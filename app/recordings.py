"""Recordings: Vonage keeps them, and gives them to the application alone that made them. Fetched and passed on.

https://developer.vonage.com/en/voice/voice-api/code-snippets/download-a-recording
A webhook says where a recording is, and webhooks come from outside: the application's token is sent to Vonage's hosts
only, over TLS, and wherever else an address leads, nothing is requested.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from urllib.parse import urljoin, urlsplit

from app.vonage_hosts import is_vonages
from app.vonage_token import ApplicationTokens

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

MOST_REDIRECTIONS: Final = 2
TOKEN_SECONDS: Final = 120
CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 10.0  # between two pieces
TOTAL_SECONDS: Final = 900.0  # a player that pauses keeps the connection; it asks again for the rest
MOST_BYTES: Final = 500 * 1024 * 1024
MOST_AT_ONCE: Final = 8  # in each worker
PIECE: Final = 64 * 1024
RANGE: Final = re.compile(r"bytes=(\d{1,12})-(\d{1,12})?", re.ASCII)
# What it is where Vonage's content type does not say so.
BEGINNINGS: Final = (
    *((b"ID3", "audio/mpeg"), (b"\xff\xfb", "audio/mpeg"), (b"\xff\xf3", "audio/mpeg")),
    *((b"RIFF", "audio/wav"), (b"OggS", "audio/ogg")),
)

Reason = Literal["no_key", "elsewhere", "gone", "refused", "away", "slow", "too_large", "no_audio", "busy"]


class NotPlayable(Exception):
    """The recording cannot be passed on; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"the recording cannot be played: {reason}")
        self.reason = reason


class Span(NamedTuple):
    """The part of a file that is wanted. `end` is None for all the rest."""

    start: int
    end: int | None

    @classmethod
    def read(cls, header: str | None) -> Span | None:
        """The span of a Range header; None without one, or for one of a form that players do not send: the whole."""
        found = RANGE.fullmatch(header or "")
        if not found:
            return None
        start, end = int(found[1]), int(found[2]) if found[2] else None
        return cls(start, end) if end is None or end >= start else None


class Audio:
    """A recording, or a part of it, as it comes. To be closed."""

    def __init__(self, response: Response, wanted: Span | None, release: threading.Semaphore) -> None:
        """Raises NotPlayable."""
        self._response, self._release, self._open = response, release, True
        try:
            length = response.headers.get("Content-Length", "")
            self._skip, self.length = 0, int(length) if length.isdecimal() else None
            if (self.length or 0) > MOST_BYTES:
                raise NotPlayable("too_large")
            self.status, self.content_range = response.status_code, response.headers.get("Content-Range")
            if self.status == 416:
                self.type, self.length, self._pieces = "", 0, iter(())
                return
            self._pieces = response.iter_content(PIECE)
            self._first = _first(self._pieces)
            self.type = self._type()
            if self.status == 200 and wanted is not None:
                self._cut(wanted)
        except BaseException:
            self.close()
            raise

    def _type(self) -> str:
        named = self._response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if self._response.headers.get("Content-Encoding", "identity") != "identity":
            raise NotPlayable("no_audio")
        if re.fullmatch(r"audio/[\w.+-]+", named, re.ASCII):
            return named
        if named in ("", "application/octet-stream", "binary/octet-stream"):
            for beginning, kind in BEGINNINGS:
                if self._first.startswith(beginning):
                    return kind
        raise NotPlayable("no_audio")

    def _cut(self, wanted: Span) -> None:
        """Take the part out of the whole, which the host sent instead; a player jumps by asking for a part."""
        if self.length is None:
            return
        if wanted.start >= self.length:
            self.status, self.content_range, self.length = 416, f"bytes */{self.length}", 0
            self._first, self._pieces = b"", iter(())
            return
        end = min(wanted.end if wanted.end is not None else self.length, self.length - 1)
        self.status, self.content_range = 206, f"bytes {wanted.start}-{end}/{self.length}"
        self._skip, self.length = wanted.start, end - wanted.start + 1

    def __iter__(self) -> Iterator[bytes]:
        """Pieces. They end early if it takes too long or is too much: a player sees that by the length."""
        from requests import RequestException

        until, skip, left = time.monotonic() + TOTAL_SECONDS, self._skip, min(self.length or MOST_BYTES, MOST_BYTES)
        piece = self._first if self.status != 416 else b""
        try:
            while piece and left > 0 and time.monotonic() < until:
                part = piece[skip : skip + left]
                skip = max(0, skip - len(piece))
                left -= len(part)
                if part:
                    yield part
                piece = next(self._pieces, b"") if left > 0 else b""
        except RequestException:
            return

    def close(self) -> None:
        """End the request."""
        if self._open:
            self._open = False
            self._response.close()
            self._release.release()


class Recordings:
    """Fetches recordings with the application's token.

    *hosts*: more hosts, `host:port`, that are trusted like Vonage's, also on a private network: the simulator's.
    """

    def __init__(self, tokens: ApplicationTokens | None, hosts: tuple[str, ...] = ()) -> None:
        self._tokens, self._hosts = tokens, hosts
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)

    def open(self, url: str, wanted: Span | None = None) -> Audio:
        """The recording at *url*, or the part that is *wanted*. Raises NotPlayable."""
        if self._tokens is None:
            raise NotPlayable("no_key")
        if not self._free.acquire(blocking=False):
            raise NotPlayable("busy")
        try:
            response = self._request(url, wanted)
        except BaseException:
            self._free.release()
            raise
        return Audio(response, wanted, self._free)

    def _request(self, url: str, wanted: Span | None) -> Response:
        import requests  # takes a tenth of a second, and no webhook needs it

        headers = {"Accept": "audio/*, application/octet-stream;q=0.5", "Accept-Encoding": "identity"}
        if wanted is not None:
            headers["Range"] = f"bytes={wanted.start}-{'' if wanted.end is None else wanted.end}"
        try:
            for _ in range(1 + MOST_REDIRECTIONS):
                self._check(url)
                response = requests.get(
                    url,
                    headers=headers,
                    auth=self._authorize,
                    stream=True,
                    allow_redirects=False,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                )
                if not response.is_redirect:
                    return _accepted(response)
                response.close()
                url = urljoin(url, response.headers["Location"])
        except requests.Timeout:
            raise NotPlayable("slow") from None
        except requests.RequestException:
            raise NotPlayable("away") from None
        raise NotPlayable("elsewhere")

    def _authorize(self, request: PreparedRequest) -> PreparedRequest:
        """With a token made for it. As `auth`, so that requests does not look into a .netrc."""
        assert self._tokens is not None  # noqa: S101 - refused before
        request.headers["Authorization"] = f"Bearer {self._tokens.make(TOKEN_SECONDS)}"
        return request

    def _check(self, url: str) -> None:
        """Raise NotPlayable unless *url* is of a host that may get the token."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 443
        except ValueError:
            raise NotPlayable("elsewhere") from None
        if parts.scheme != "https" or parts.username is not None or parts.password is not None:
            raise NotPlayable("elsewhere")
        if f"{host}:{port}" in self._hosts:
            return
        if port != 443 or not is_vonages(host) or not _is_public(host):
            raise NotPlayable("elsewhere")


def _first(pieces: Iterator[bytes]) -> bytes:
    from requests import RequestException

    try:
        return next(pieces, b"")
    except RequestException:
        raise NotPlayable("slow") from None


def _is_public(host: str) -> bool:
    """Whether every address of *host* is on the internet.

    Who controls its DNS could change them after this; the certificate, which is checked before the token is sent, is
    what keeps it safe then.
    """
    try:
        found = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the second: a label that is empty or longer than 63 characters
        raise NotPlayable("away") from None
    return all(ip_address(address[4][0]).is_global for address in found)


def _accepted(response: Response) -> Response:
    """*response*, if it may be a recording. Raises NotPlayable."""
    if response.status_code in (200, 206, 416):
        return response
    response.close()
    if response.status_code in (404, 410):
        raise NotPlayable("gone")
    raise NotPlayable("refused" if response.status_code in (401, 403) else "away")
