"""Makes one HTTP request to the application's server: a reply, or the reason why there is none."""

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

# The `reason` of a fallback request, apart from "Invalid NCCO."
# https://developer.vonage.com/en/voice/voice-api/webhook-reference#fallback-url
Reason = Literal["Connection closed.", "Connection reset.", "Socket timeout.", "Invalid response code."]

CONNECTIONS = 900  # at once: a program may mostly have 1,024 files open. Waiting for one counts against no time limit
SPOILED = 50  # of those with a fault: more at once delay the others beyond their time limit
KEEP_ALIVE = 1.5  # seconds; below what servers keep (gunicorn: 2), else a request meets a connection just closed
LONGEST_REPLY = 1024 * 1024  # bytes; ours, Vonage names no limit
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time; closing such a connection resets it


@dataclass(frozen=True, slots=True)
class Reply:
    """`content_type` is in lower case, without parameters, "" if there was none."""

    status: int
    text: bytes
    content_type: str
    seconds: float  # by the real clock, from before the connection was made


class NoReply(Exception):
    """No reply, or none that counts; after the last try the webhook is undelivered.

    `reason` is Vonage's word for it, `words` are for people. `again`: Vonage would try again; `reached`: the server may
    have received the request.
    """

    def __init__(self, reason: Reason, words: str, *, again: bool, reached: bool) -> None:
        super().__init__(words)
        self.reason, self.words, self.again, self.reached = reason, words, again, reached


class Exchange:
    """An async context manager that keeps connections open.

    It follows no redirect, keeps no cookie, uses no proxy, and never repeats a request by itself.
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
        # aiohttp repeats a GET in silence if a connection that was kept turns out to be closed: the application would
        # have a copy that is not in the record. Its own TestClient switches that off the same way.
        self._session._retry_connection = False  # noqa: SLF001
        self._spoiled = asyncio.Semaphore(SPOILED)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def request(self, target: Target, request: Request, token: str | None) -> Reply:
        """Send *request* and return the reply, of any status. Raises NoReply."""
        begun = time.monotonic()
        no_time = aiohttp.ClientTimeout(total=None, sock_connect=target.connect_timeout)
        limit = asyncio.timeout(None)
        with no_reply(target, limit):
            async with (
                limit,
                self._session.request(
                    request.method,
                    request.url,
                    data=request.content or None,
                    headers=request.headers(token),
                    allow_redirects=False,
                    timeout=no_time,
                    trace_request_ctx=(limit, target.socket_timeout),
                ) as response,
            ):
                text = await _whole(response)
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Reply(response.status, text, kind, time.monotonic() - begun)

    async def drop(self, target: Target, request: Request) -> NoReturn:
        """Open a connection and reset it without sending anything. Always raises NoReply."""
        async with self._spoiled:
            writer = await self._open(target, request)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
            await _closed(writer)
        raise NoReply("Connection reset.", "the connection was reset on the way", again=True, reached=False)

    async def hang_up(self, target: Target, request: Request, token: str | None) -> NoReturn:
        """Send the request and close the connection without reading the reply. Always raises NoReply."""
        async with self._spoiled:
            writer = await self._open(target, request)
            try:
                writer.write(request.written(token))
                async with asyncio.timeout(target.socket_timeout):
                    await writer.drain()
            except OSError:  # or TimeoutError, a kind of it: part of the request may have arrived
                pass
            finally:
                await _closed(writer)
        raise NoReply("Connection closed.", "the connection was closed on the way back", again=True, reached=True)

    async def _open(self, target: Target, request: Request) -> asyncio.StreamWriter:
        tls = ssl.create_default_context() if request.url.scheme == "https" else None
        with no_reply(target):
            async with asyncio.timeout(target.connect_timeout):
                _, writer = await asyncio.open_connection(request.url.host, request.url.port, ssl=tls)
        return writer


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The body, decompressed. Raises NoReply if it is longer than any NCCO."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LONGEST_REPLY:
            words = f"its answer is longer than {LONGEST_REPLY // 1024} KiB"
            raise NoReply("Invalid response code.", words, again=False, reached=True)
    return b"".join(parts)


async def _connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
    """Connected: the time limit for the whole reply, to its last byte, begins."""
    limit, seconds = context.trace_request_ctx
    limit.reschedule(asyncio.get_running_loop().time() + seconds)


@contextlib.contextmanager
def no_reply(target: Target, limit: asyncio.Timeout | None = None) -> Iterator[None]:
    """Turn the errors of a request into NoReply; *limit* has an end once there is a connection.

    What is tried again: help article 115016024247. It does not name a refused connection, which counts as reset here:
    that is what the server's machine answers. Bad addresses, names and certificates are not tried again.
    """
    try:
        yield
    except aiohttp.ClientResponseError as error:
        words = f"its answer is no HTTP: {error.message.partition(chr(10))[0].strip()}"
        raise NoReply("Invalid response code.", words, again=False, reached=True) from None
    except aiohttp.InvalidURL as error:
        raise _no_address(target, error) from None
    except TimeoutError:
        reached = _connected_yet(limit)
        connecting = f"no connection to {target.url} within {target.connect_timeout:g} s"
        words = f"no answer within {target.socket_timeout:g} s" if reached else connecting
        raise NoReply("Socket timeout.", words, again=True, reached=reached) from None
    except (OSError, aiohttp.ClientError) as error:  # among them certificate errors, which are ValueErrors too
        raise _broken(error, target, reached=_connected_yet(limit)) from None
    except ValueError as error:
        raise _no_address(target, error) from None


def _connected_yet(limit: asyncio.Timeout | None) -> bool:
    return limit is not None and limit.when() is not None


def _no_address(target: Target, error: ValueError) -> NoReply:
    return NoReply("Connection closed.", f"{target.url} cannot be asked: {error}", again=False, reached=False)


def _broken(error: OSError | aiohttp.ClientError, target: Target, *, reached: bool) -> NoReply:
    """There was no connection, or it broke."""
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
