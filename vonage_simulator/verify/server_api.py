"""Reads a Switchhook server's API."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp

Json = dict[str, Any]

SECONDS: Final = 15.0  # for one reply
NOT_YET: Final = (0.05, 0.2, 1.0)  # seconds before each new try: the record of an answer is written after the reply
STILL_AWAY: Final = (2.0, 4.0)  # and before two more tries while the server has no time for a read
SETTLED_SECONDS: Final = 60.0
PAGE: Final = 500  # the most that one page can have
PAGES: Final = 200  # of the list
AWAY: Final = (502, 503, 504)
MASKED: Final = re.compile(r"\*{3}")  # viewers see 12345678 as ****5678


class ServerError(Exception):
    """The server does not say what is needed. The text says why, and what to do."""


class NotThere(ServerError):
    """Nothing answers at the address."""


class NotAllowed(ServerError):
    """The token is unknown, or its role is not enough."""


class NotSwitchhook(ServerError):
    """Something else answers at the address."""


class NotNow(ServerError):
    """The server is there, but cannot read its store."""


class NumbersMasked(ServerError):
    """Masked telephone numbers cannot be compared."""


class Server:
    """An async context manager that keeps connections open.

    *url*: "http://127.0.0.1:8080"; *token*: an operator's, viewers see masked numbers; *seconds*: for one reply.
    """

    def __init__(self, url: str, token: str, *, seconds: float = SECONDS) -> None:
        self.url = url.rstrip("/")
        self._token, self._seconds = token, seconds

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=self._seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def conversation(self, uuid: str) -> Json | None:
        """What the API says about a conversation; None if it is unknown, also after a while. Raises ServerError."""
        view = await self._get(f"/api/v1/conversations/{_quoted(uuid)}")
        if view is None:
            return None
        legs: Any = view.get("legs")
        has_legs = isinstance(legs, list) and all(isinstance(leg, dict) for leg in legs)
        if not has_legs or view.get("conversation_uuid") != uuid:
            raise self._something_else("a conversation has no legs or the wrong id")
        if any(MASKED.search(str(leg.get(end))) for leg in legs for end in ("from", "to")):
            raise NumbersMasked(f"{self.url} masks telephone numbers for this token: take an operator's.")
        return view

    async def events(self, uuid: str) -> list[Json]:
        """All events of a conversation, oldest first; none if it is unknown. Raises ServerError."""
        path = f"/api/v1/conversations/{_quoted(uuid)}/events?limit={PAGE}"
        return [event async for items in self._pages(path, "events") for event in items]

    async def unlisted(self, uuids: Iterable[str]) -> list[str]:
        """Those of *uuids* that are not in the first PAGES pages of the list of conversations. Raises ServerError."""
        left, read = dict.fromkeys(uuids), 0
        async for items in self._pages(f"/api/v1/conversations?limit={PAGE}", "conversations"):
            read += 1
            for item in items:
                left.pop(str(item.get("conversation_uuid")) if isinstance(item, dict) else "", None)
            if not left or read == PAGES:
                break
        if not read:
            raise self._something_else("it has no list of conversations")
        return list(left)

    async def fetch(self, uuid: str) -> tuple[Json | None, list[Json]]:
        """`conversation` and `events`, as `check` needs them. Raises ServerError."""
        view = await self.conversation(uuid)
        return view, await self.events(uuid) if view is not None else []

    async def settled(self) -> None:
        """Return once nothing waits on the server's disk for its store, or after a while. Raises ServerError."""
        until = time.monotonic() + SETTLED_SECONDS
        while time.monotonic() < until:
            waiting = (await self.status()).get("spool")
            if not isinstance(waiting, dict) or not waiting.get("waiting"):
                return
            await asyncio.sleep(NOT_YET[-1])

    async def status(self) -> Json:
        """What /status says. Raises ServerError, also NotSwitchhook."""
        status = await self._get("/status") or {}
        service = status.get("service")
        if not isinstance(service, dict) or service.get("name") != "switchhook":
            raise self._something_else("its /status is another service's")
        return status

    async def _pages(self, path: str, what: str) -> AsyncIterator[list[Any]]:
        cursor = ""
        while (page := await self._get(path + (f"&cursor={_quoted(cursor)}" if cursor else ""))) is not None:
            if not isinstance(page.get("items"), list):
                raise self._something_else(f"a page of {what} has no items")
            yield page["items"]
            if not page.get("next") or page["next"] == cursor:
                return
            cursor = page["next"]

    async def _get(self, path: str) -> Json | None:
        """The JSON object at *path*; None if there is no such thing."""
        for seconds in (*NOT_YET, *STILL_AWAY, None):
            status, text, location = await self._request(path)
            if seconds is None or status not in (AWAY if seconds in STILL_AWAY else (404, *AWAY)):
                break
            await asyncio.sleep(seconds)
        body = _object(text)
        detail = str(body.get("detail") or "") if body else ""
        if 300 <= status < 400:
            raise self._something_else(f"it says that it is at {location}")
        if status in (401, 403):
            raise NotAllowed(f"{self.url} does not take this token. {detail}".strip())
        if status in AWAY:
            raise NotNow(f"{self.url} answers {status}. {detail}".strip())
        if status == 404 and body and body.get("status") == 404:  # Switchhook's own problem+json
            return None
        if status != 200:
            raise self._something_else(f"it answers {status} to {path}. {detail}".strip())
        if body is None:
            raise self._something_else("what it answers is no JSON object")
        return body

    async def _request(self, path: str) -> tuple[int, bytes, str]:
        try:
            async with self._http.get(self.url + path, allow_redirects=False) as response:
                return response.status, await response.read(), response.headers.get("Location", "")
        except TimeoutError:
            raise NotThere(f"No answer from {self.url} within {self._seconds:g} s.") from None
        except aiohttp.InvalidURL:
            raise NotThere(f"{self.url} is no http:// or https:// address.") from None
        except (OSError, aiohttp.ClientError) as error:
            raise NotThere(f"Nobody answers at {self.url} ({type(error).__name__}). Is it running?") from None

    def _something_else(self, why: str) -> NotSwitchhook:
        return NotSwitchhook(f"{self.url} answers, but is no Switchhook: {why}")


def _object(text: bytes) -> Json | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")
