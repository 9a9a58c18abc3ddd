"""One WebSocket between a page and the carrier.

Text is JSON. A page sends `{"id": 1, "do": "answer", …}`, and gets `{"id": 1, "ok": …}` or `{"id": 1, "error": …}`, and
events, `{"n": 1, "event": …, "args": […]}`: numbered, so that a page that comes back gets those that it missed. Binary
is sound: see media.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import WSMsgType, web

Json = dict[str, Any]

LARGEST = 32 * 1024  # bytes of a message
MOST_WAITING = 500  # messages that a page has not taken yet; one that is so far behind is cut off
MOST_SOUND_WAITING = 50  # frames: a second. Sound that comes later than that is of no use
TEXTS_A_SECOND, TEXTS_AT_ONCE = 50.0, 200.0
FRAMES_A_SECOND, FRAMES_AT_ONCE = 250.0, 500.0  # four calls at 50 each, and some that come in a rush
MOST_UNDER_WAY = 32  # requests


class Allowance:
    """A bucket of *most* that fills by *each_second*: what may come in a rush, and in the long run."""

    def __init__(self, each_second: float, most: float) -> None:
        self._each_second, self._most, self._left = each_second, most, most
        self._at = time.monotonic()

    def take(self) -> bool:
        """Take one; False if there is none."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._each_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Connection:
    """What is sent waits in a queue, so that no page makes a call wait."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._socket, self._request = socket, request
        self._waiting: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def closed(self) -> bool:
        return self._socket.closed

    def send(self, message: Json) -> None:
        if self._waiting.qsize() >= MOST_WAITING:
            self.cut()
        else:
            self._waiting.put_nowait(json.dumps(message))

    def send_sound(self, frame: bytes) -> bool:
        """Send a frame of sound; False if the page is too far behind."""
        if self._waiting.qsize() >= MOST_SOUND_WAITING:
            return False
        self._waiting.put_nowait(frame)
        return True

    def cut(self) -> None:
        """Close without a word, as a network does that is gone."""
        if self._request.transport:
            self._request.transport.abort()

    async def run(self, answer: Callable[[Json], Coroutine[Any, Any, None]], sound: Callable[[bytes], None]) -> None:
        """Pass on what comes until the connection is closed. *answer* gets requests, *sound* frames."""
        writer = asyncio.create_task(self._write())
        texts = Allowance(TEXTS_A_SECOND, TEXTS_AT_ONCE)
        frames = Allowance(FRAMES_A_SECOND, FRAMES_AT_ONCE)
        try:
            async for message in self._socket:
                if message.type == WSMsgType.BINARY:
                    if frames.take():  # else it is lost, as sound may be
                        sound(message.data)
                elif message.type == WSMsgType.TEXT:
                    request = _read(message.data) if texts.take() and len(self._under_way) < MOST_UNDER_WAY else None
                    if request is None:
                        await self._socket.close(code=1008, message=b"no request, or too many")
                        break
                    task = asyncio.create_task(answer(request))
                    self._under_way.add(task)
                    task.add_done_callback(self._under_way.discard)
        finally:
            writer.cancel()
            for task in self._under_way:
                task.cancel()

    async def finish(self) -> None:
        """Close once all is sent."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await self._waiting.join()
        with contextlib.suppress(ConnectionError):
            await self._socket.close()

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):  # then reading ends, too
            while True:
                message = await self._waiting.get()
                if isinstance(message, bytes):
                    await self._socket.send_bytes(message)
                else:
                    await self._socket.send_str(message)
                self._waiting.task_done()


def _read(text: str) -> Json | None:
    """The request in *text*; None if there is none."""
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        return None
    well = isinstance(request, dict) and isinstance(request.get("id"), int) and isinstance(request.get("do"), str)
    return request if well else None
