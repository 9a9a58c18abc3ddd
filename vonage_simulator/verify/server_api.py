"""The API of the server whose webhooks the carrier sends: what it tells of calls."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp

Told = dict[str, Any]

SECONDS: Final = 15.0  # for one answer
NOT_YET: Final = (0.05, 0.2, 1.0)  # seconds after which to ask again: the record of an answer is written after it
PAGE: Final = 500  # events; the most there are to be had at once
PAGES: Final = 200  # of the list, beyond which nothing is looked for
AWAY: Final = (502, 503, 504)
MASKED: Final = re.compile(r"\*{3}")  # a telephone number as viewers see it: 12345678 is ****5678


class ServerError(Exception):
    """The server does not tell what it is asked for. The text says why, and what to do."""


class NotThere(ServerError):
    """Nobody answers at the address."""


class NotAllowed(ServerError):
    """The token is nobody's, or its role may not do that."""


class NotSwitchhook(ServerError):
    """Something else answers at the address."""


class NotNow(ServerError):
    """The server is there, but cannot read what it keeps."""


class NumbersMasked(ServerError):
    """It tells no whole telephone numbers, so nothing can be compared with them."""


class Server:
    """A server's API. An async context manager: its connections stay open so long.

    Args:
        url: Where it is, as in "http://127.0.0.1:8080".
        token: Of an operator: viewers are shown masked numbers.
        seconds: How long one answer may take.
        not_yet: Seconds after which what is not there, or cannot be read, is asked for once more.
    """

    def __init__(self, url: str, token: str, *, seconds: float = SECONDS, not_yet: Sequence[float] = NOT_YET) -> None:
        self.url = url.rstrip("/")
        self._token, self._seconds, self._not_yet = token, seconds, not_yet

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=self._seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def conversation(self, uuid: str) -> Told | None:
        """What it tells of a conversation; None if it knows none, also after a while. Raises ServerError."""
        told = await self._get(f"/api/v1/conversations/{_quoted(uuid)}")
        if told is None:
            return None
        if not isinstance(told.get("legs"), list) or told.get("conversation_uuid") != uuid:
            raise self._something_else("what it tells of a conversation is none")
        if any(MASKED.search(str(leg.get(end))) for leg in told["legs"] for end in ("from", "to")):
            raise NumbersMasked(f"{self.url} masks telephone numbers for this token: take an operator's.")
        return told

    async def events(self, uuid: str) -> list[Told]:
        """All that is kept of a conversation, oldest first; nothing if it knows none. Raises ServerError."""
        path, cursor = f"/api/v1/conversations/{_quoted(uuid)}/events?limit={PAGE}", ""
        found: list[Told] = []
        while True:
            page = await self._get(path + (f"&cursor={_quoted(cursor)}" if cursor else ""))
            if page is None:
                return found
            if not isinstance(page.get("items"), list):
                raise self._something_else("a page of events has no items")
            found += page["items"]
            if not page.get("next") or page["next"] == cursor:
                return found
            cursor = page["next"]

    async def unlisted(self, uuids: Iterable[str]) -> list[str]:
        """Those of *uuids* that the list of conversations has not, as far as it is read. Raises ServerError."""
        left, path, cursor = dict.fromkeys(uuids), f"/api/v1/conversations?limit={PAGE}", ""
        for _ in range(PAGES):
            if not left:
                break
            page = await self._get(path + (f"&cursor={_quoted(cursor)}" if cursor else ""))
            if page is None or not isinstance(page.get("items"), list):
                raise self._something_else("a page of conversations has no items")
            for item in page["items"]:
                left.pop(str(item.get("conversation_uuid")) if isinstance(item, dict) else "", None)
            if not page.get("next") or page["next"] == cursor:
                break
            cursor = page["next"]
        return list(left)

    async def told(self, uuid: str) -> tuple[Told | None, list[Told]]:
        """What it tells of a conversation, and all its events: what `truth.check` asks for. Raises ServerError."""
        told = await self.conversation(uuid)
        return told, await self.events(uuid) if told is not None else []

    async def status(self) -> Told:
        """How it is. Raises ServerError, NotSwitchhook too."""
        told = await self._get("/status")
        service = told.get("service") if told else None
        if told is None or not isinstance(service, dict) or service.get("name") != "switchhook":
            raise self._something_else("its /status is none")
        return told

    async def _get(self, path: str) -> Told | None:
        """The JSON object at *path*; None if the server says that there is no such thing."""
        for seconds in (*self._not_yet, None):
            status, text, where = await self._ask(path)
            if seconds is None or status not in (404, *AWAY):
                break
            await asyncio.sleep(seconds)
        told = _object(text)
        detail = str(told.get("detail") or "") if told else ""
        if 300 <= status < 400:
            raise self._something_else(f"it says that it is at {where}")
        if status in (401, 403):
            raise NotAllowed(f"{self.url} does not take this token. {detail}".strip())
        if status in AWAY:
            raise NotNow(f"{self.url} answers {status}. {detail}".strip())
        if status == 404 and told and told.get("status") == 404:  # a problem of ours, not somebody's page
            return None
        if status != 200:
            raise self._something_else(f"it answers {status} to {path}. {detail}".strip())
        if told is None:
            raise self._something_else("what it answers is no JSON object")
        return told

    async def _ask(self, path: str) -> tuple[int, bytes, str]:
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


def _object(text: bytes) -> Told | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")
