"""A small server that records requests, and misbehaves as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import jwt

from vonage_simulator.clock import Clock
from vonage_simulator.delivery.sent import Sent
from vonage_simulator.delivery.webhook_sender import WebhookSender
from vonage_simulator.ledger import Application, Target
from vonage_simulator.trace import Happening

SECRET = "a-signature-secret-of-more-than-32-bytes"
APPLICATION = Application(id="aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab", signature_secret=SECRET)
UNSIGNED = Application(id=APPLICATION.id, signed_callbacks=False)


@dataclass(frozen=True)
class Received:
    """One request, as it came."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def query(self) -> str:
        return self.line.split(" ")[1].partition("?")[2]

    @property
    def token(self) -> str | None:
        return self.headers.get("authorization", "").removeprefix("Bearer ") or None

    @property
    def data(self) -> dict[str, Any]:
        """The body, or the parameters as text."""
        said: dict[str, Any] = json.loads(self.body) if self.body else dict(parse_qsl(self.query, True))
        return said

    @property
    def verdict(self) -> int:
        """The status from a careful application."""
        if self.token is None:
            return 503
        signed = self.body or json.dumps(self.data, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            claims = jwt.decode(self.token, SECRET, algorithms=["HS256"], options={"verify_iat": False})
        except jwt.InvalidSignatureError:
            return 401
        fresh = abs(time.time() - claims["iat"]) <= 300
        return 200 if fresh and claims["payload_hash"] == hashlib.sha256(signed).hexdigest() else 401


Act = int | str | bytes | float  # a status, how to misbehave, a body, or seconds to wait before 200


class Receiver:
    """Does one of *acts* to each request in turn, then answers by *usual*: a status, or one for each request."""

    def __init__(self, acts: Iterable[Act], usual: int | Callable[[Received], int]) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.most_at_once = 0
        self.headers = ""
        self._at_once = 0
        self._acts = deque(acts)
        self._usual = usual
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    def target(self, method: str = "POST", path: str = "/voice/event", *, socket_timeout: float = 2.0) -> Target:
        return Target(self.url + path, method, socket_timeout=socket_timeout)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [request.data for request in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        try:
            while request := await self._read(reader, number):
                self.received.append(request)
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
                goes_on = await self._act(writer, request)
                self._at_once -= 1
                if not goes_on:
                    break
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @staticmethod
    async def _read(reader: asyncio.StreamReader, connection: int) -> Received | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return None
        line, *rest = head.rstrip().split("\r\n")
        headers = {name.lower(): text for name, _, text in (header.partition(": ") for header in rest)}
        return Received(line, headers, await reader.readexactly(int(headers.get("content-length", 0))), connection)

    async def _act(self, writer: asyncio.StreamWriter, request: Received) -> bool:
        """Answer, or do the act instead. False: the connection is over."""
        act = self._acts.popleft() if self._acts else self._usual if isinstance(self._usual, int) else None
        if act is None:
            assert callable(self._usual)
            act = self._usual(request)
        body = b""
        match act:
            case "close":
                return False
            case "reset":
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
            case "garbage":
                writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
                return False
            case "half":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[")
                return False
            case "drops":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
                while True:
                    writer.write(b" ")
                    await asyncio.sleep(0.05)
            case bytes():
                body, act = act, 200
            case float():
                await asyncio.sleep(act)
                act = 200
        head = f"HTTP/1.1 {act} Said\r\nContent-Length: {len(body)}\r\n{self.headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        return True


@contextlib.asynccontextmanager
async def receiving(*acts: Act, usual: int | Callable[[Received], int] = 200) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver(acts, usual)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, backlog=2048)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()
        await server.wait_closed()
        await receiver.stop()


def nobody() -> Target:
    """A port where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Target(f"http://127.0.0.1:{free.getsockname()[1]}/voice/answer")


def careful(request: Received) -> int:
    """Accept what is signed properly, refuse the rest."""
    return request.verdict


EVENT = {"uuid": "leg", "conversation_uuid": "CON", "status": "ringing", "start_time": None}


@contextlib.asynccontextmanager
async def sending(*acts: Act, **options: Any) -> AsyncIterator[tuple[WebhookSender, Receiver]]:
    """A sender and its receiver; time jumps."""
    async with (
        receiving(*acts) as receiver,
        WebhookSender(
            options.pop("application", APPLICATION), clock=options.pop("clock", Clock(speed=None)), **options
        ) as sender,
    ):
        yield sender, receiver


def send_event(sender: WebhookSender, target: Target, number: int = 0, conversation: str = "CON") -> Sent:
    return sender.send(target, {**EVENT, "number": str(number)}, conversation=conversation, leg="leg")


async def send_one(*acts: Act, method: str = "POST", **options: Any) -> tuple[Sent, Receiver, list[Happening]]:
    """Send one event."""
    troubles: list[Happening] = []
    async with sending(*acts, **{"watch": troubles.append, **options}) as (sender, receiver):
        sent = send_event(sender, receiver.target(method, socket_timeout=0.2))
        await sender.settle()
        assert sender.sent == [sent]
        return sent, receiver, troubles


def maybe_kept(sent: Sent) -> bool:
    """Whether the receiver may have it from a try whose reply was not read."""
    return any(attempt.intact and attempt.reached and attempt.status is None for attempt in sent.tries)
