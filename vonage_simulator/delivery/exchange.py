"""One request to the application's server, and what comes of it: a reply, or in words why there is none."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal, NoReturn, Self

import aiohttp

from vonage_simulator.delivery.wire import Request
from vonage_simulator.ledger import Target

# What a fallback request gives as its `reason`, apart from "Invalid NCCO."
# https://developer.vonage.com/en/voice/voice-api/webhook-reference#fallback-url
Reason = Literal["Connection closed.", "Connection reset.", "Socket timeout.", "Invalid response code."]

CONNECTIONS = 900  # at once: a program may mostly have 1,024 files open. Waiting for one counts against no time limit
SPOILED = 50  # of those that are spoiled on purpose: many at once keep the loop from the others beyond their time limit
KEEP_ALIVE = 1.5  # seconds; below what servers keep (gunicorn: 2), else a request meets a connection just closed
LONGEST_REPLY = 1024 * 1024  # bytes; ours, Vonage names no limit
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time; closing such a connection resets it


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said. `content_type` is in lower case, without parameters, "" if there was none."""

    status: int
    text: bytes
    content_type: str
    seconds: float  # real ones, from before the connection was made


class NoReply(Exception):
    """No reply that counts.

    `reason` is Vonage's word for it, `words` are for people. `again`: the request is worth another try; `reached`: the
    server may have got it.
    """

    def __init__(self, reason: Reason, words: str, *, again: bool, reached: bool) -> None:
        super().__init__(words)
        self.reason, self.words, self.again, self.reached = reason, words, again, reached


class Exchange:
    """Sends requests, over connections that are kept open as long as it is used as a context manager.

    No redirect is followed, no cookie kept, no proxy used; nothing is sent twice unless asked for twice.
    """

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_connected)
        trace.on_connection_reuseconn.append(_connected)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=["Accept-Encoding"],
            trace_configs=[trace],
        )
        # aiohttp would repeat a GET in silence when a connection that was kept turns out to be closed, and then an
        # application had one more copy than the record says. Its own TestClient switches that off the same way.
        self._session._retry_connection = False  # noqa: SLF001
        self._spoiled = asyncio.Semaphore(SPOILED)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(self, target: Target, request: Request, token: str | None) -> Reply:
        """Send *request* and read the reply, whatever its status. Raises NoReply."""
        begun = time.monotonic()
        no_time = aiohttp.ClientTimeout(total=None, sock_connect=target.connect_timeout)
        limit = asyncio.timeout(None)
        with _no_reply(target, limit):
            async with (
                limit,
                self._session.request(
                    request.method,
                    request.url,
                    data=request.content or None,
                    headers=request.headers(token),
                    allow_redirects=False,
                    timeout=no_time,
                    trace_request_ctx=_Limit(limit, target.socket_timeout),
                ) as response,
            ):
                text = await _whole(response)
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Reply(response.status, text, kind, time.monotonic() - begun)

    async def drop(self, target: Target, request: Request) -> NoReturn:
        """Open a connection and reset it, so that the request never arrives. Always raises NoReply."""
        async with self._spoiled:
            writer = await self._open(target, request)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
            await _closed(writer)
        raise NoReply("Connection reset.", "the connection was reset on the way", again=True, reached=False)

    async def hang_up(self, target: Target, request: Request, token: str | None) -> NoReturn:
        """Send the whole request and close the connection unread. Always raises NoReply."""
        async with self._spoiled:
            writer = await self._open(target, request)
            try:
                writer.write(request.written(token))
                async with asyncio.timeout(target.socket_timeout):
                    await writer.drain()
            except OSError:  # TimeoutError is one: also then part of it, or all, is on its way
                pass
            finally:
                await _closed(writer)
        raise NoReply("Connection closed.", "the connection was closed on the way back", again=True, reached=True)

    async def _open(self, target: Target, request: Request) -> asyncio.StreamWriter:
        tls = ssl.create_default_context() if request.url.scheme == "https" else None
        with _no_reply(target):
            async with asyncio.timeout(target.connect_timeout):
                _, writer = await asyncio.open_connection(request.url.host, request.url.port, ssl=tls)
        return writer


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The body, unpacked. Raises NoReply where it is longer than any NCCO is."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LONGEST_REPLY:
            words = f"its answer is longer than {LONGEST_REPLY // 1024} KiB"
            raise NoReply("Invalid response code.", words, again=False, reached=True)
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class _Limit:
    timeout: asyncio.Timeout
    seconds: float


async def _connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
    """From now on the server has its time to reply, to the last byte: slow drops are no reply."""
    limit: _Limit = context.trace_request_ctx
    limit.timeout.reschedule(asyncio.get_running_loop().time() + limit.seconds)


@contextlib.contextmanager
def _no_reply(target: Target, limit: asyncio.Timeout | None = None) -> Iterator[None]:
    """Turn what goes wrong with a request into NoReply; *limit* has an end once the connection stands.

    What is tried again: help article 115016024247. It names no refused connection, which here counts as reset: that is
    what the server's machine answers. Bad addresses, names and certificates are not tried again.
    """
    try:
        yield
    except aiohttp.ClientResponseError as error:
        words = f"its answer is no HTTP: {error.message.partition(chr(10))[0].strip()}"
        raise NoReply("Invalid response code.", words, again=False, reached=True) from None
    except aiohttp.InvalidURL as error:
        raise _no_address(target, error) from None
    except TimeoutError:
        reached = _stands(limit)
        connecting = f"no connection to {target.url} within {target.connect_timeout:g} s"
        words = f"no answer within {target.socket_timeout:g} s" if reached else connecting
        raise NoReply("Socket timeout.", words, again=True, reached=reached) from None
    except (OSError, aiohttp.ClientError) as error:
        raise _broken(error, target, reached=_stands(limit)) from None
    except ValueError as error:
        raise _no_address(target, error) from None


def _stands(limit: asyncio.Timeout | None) -> bool:
    return limit is not None and limit.when() is not None


def _no_address(target: Target, error: ValueError) -> NoReply:
    return NoReply("Connection closed.", f"{target.url} cannot be asked: {error}", again=False, reached=False)


def _broken(error: OSError | aiohttp.ClientError, target: Target, *, reached: bool) -> NoReply:
    """Without a connection, or without one any more."""
    cause = error if isinstance(error, aiohttp.ClientSSLError) else getattr(error, "os_error", error)
    number = getattr(cause, "errno", None)
    if number == errno.ECONNREFUSED:
        return NoReply("Connection reset.", f"nothing listens at {target.url}", again=True, reached=False)
    if number == errno.ECONNRESET or isinstance(cause, ConnectionResetError):
        return NoReply("Connection reset.", "it reset the connection", again=True, reached=reached)
    if reached:
        words = "it closed the connection before its answer was whole"
        return NoReply("Connection closed.", words, again=True, reached=True)
    hopeless = isinstance(cause, (socket.gaierror, ssl.SSLError, aiohttp.ClientSSLError))
    words = f"no way to {target.url}: {getattr(cause, 'strerror', None) or cause}"
    return NoReply("Connection closed.", words, again=not hopeless, reached=False)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
