"""The WebSocket by itself, with what no page sends: garbage, floods, and sound of nobody's call."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import requests

from tests.vonage_simulator.api_server import Server
from tests.vonage_simulator.client_sdk.sdk_pages import ACL
from tests.vonage_simulator.client_sdk.test_browser_calls import call_from_a_phone, connect_to
from vonage_simulator.client_sdk import connection
from vonage_simulator.client_sdk import server as sdk_server

FRAME = struct.pack("<HH", 0, 1) + bytes(320)


class Socket:
    """A connection of a program."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._number = 0
        self.events: list[list[Any]] = []

    async def request(self, do: str, **fields: Any) -> Any:
        self._number += 1
        await self.socket.send_json({"id": self._number, "do": do, **fields})
        while True:
            message = await self.socket.receive(20)
            if message.type == aiohttp.WSMsgType.BINARY:
                continue
            answer = json.loads(message.data)
            if answer.get("id") == self._number:
                return answer
            self.events.append([answer["event"], *answer["args"]])

    async def closed(self) -> int | None:
        """The code that it is closed with."""
        while not self.socket.closed:
            await self.socket.receive(20)
        return self.socket.close_code


def address(server: Server) -> str:
    return f"{server.sdk_url.rpartition('/')[0]}/session"


def connected(server: Server, work: Callable[[Socket], Awaitable[None]]) -> None:
    """Do *work* with a connection."""

    async def run() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(address(server)) as socket:
            await work(Socket(socket))

    asyncio.run(run())


def token(server: Server, user: str = "Alice") -> str:
    if server.api.users.named(user) is None:
        server.do(lambda: server.api.users.add({"name": user}))
    return server.token(sub=user, acl=ACL)


async def log_in(server: Server, socket: Socket) -> None:
    assert "ok" in await socket.request("createSession", token=token(server))


GARBAGE = [
    "",
    "no json",
    "1",
    "null",
    "[]",
    "{}",
    '{"id": 1}',
    '{"do": "ping"}',
    '{"id": "1", "do": "ping"}',
    "[" * 9999,
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_what_is_no_request_ends_the_connection(server: Server, garbage: str) -> None:
    async def work(socket: Socket) -> None:
        await log_in(server, socket)
        await socket.socket.send_str(garbage)
        assert await socket.closed() == 1008

    connected(server, work)


def test_a_message_that_is_too_large_ends_the_connection(server: Server) -> None:
    async def work(socket: Socket) -> None:
        await socket.socket.send_str("x" * (connection.LARGEST + 1))
        assert await socket.closed() == 1009

    connected(server, work)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"do": "vanish"}, "VALIDATION_FAIL"),
        ({"do": "__init__"}, "VALIDATION_FAIL"),
        ({"do": "answer"}, "VALIDATION_FAIL"),
        ({"do": "answer", "call": {}}, "VALIDATION_FAIL"),
        ({"do": "serverCall", "context": "to"}, "VALIDATION_FAIL"),
        ({"do": "getUser", "user": ["me"]}, "USER_NOT_FOUND"),
        ({"do": "createSession", "token": 1}, "ALREADY_ACTIVE_SESSION"),
        ({"do": "refreshSession", "token": {"alg": "none"}}, "EMPTY_TOKEN"),
    ],
)
def test_a_request_that_is_wrong_gets_an_error_and_the_next_one_is_taken(
    server: Server, request_: dict[str, Any], code: str
) -> None:
    async def work(socket: Socket) -> None:
        await log_in(server, socket)
        assert (await socket.request(**request_))["error"]["code"] == code
        assert "ok" in await socket.request("ping")

    connected(server, work)


def test_a_flood_of_requests_ends_the_connection_and_disturbs_no_call(server: Server) -> None:
    async def work(socket: Socket) -> None:
        await log_in(server, socket)
        call_from_a_phone(server, connect_to("Alice"))
        async with aiohttp.ClientSession() as session, session.ws_connect(address(server)) as other:
            await Socket(other).request("createSession", token=token(server, "Bob"))
            for number in range(2000):
                if other.closed:
                    break
                await other.send_json({"id": number, "do": "getUser", "user": "me"})
            assert await Socket(other).closed() == 1008
        while not socket.events:
            await socket.request("ping")
        assert "ok" in await socket.request("answer", call=socket.events[0][1])

    connected(server, work)


@pytest.mark.parametrize(
    "frames", [[b""], [b"\0"], [bytes(5)], [bytes(10_000)], [struct.pack("<HH", 999, 1)], [FRAME] * 3000]
)
def test_sound_of_no_call_is_dropped(server: Server, frames: list[bytes]) -> None:
    async def work(socket: Socket) -> None:
        for frame in frames[:10]:
            await socket.socket.send_bytes(frame)  # before there is a session
        await log_in(server, socket)
        for frame in frames:
            await socket.socket.send_bytes(frame)
        assert (await socket.request("ping"))["ok"] == {"received": {}}

    connected(server, work)


def test_a_flood_of_sound_is_lost_in_part_and_the_call_goes_on(server: Server) -> None:
    async def work(socket: Socket) -> None:
        await log_in(server, socket)
        server.ncco = [{"action": "conversation", "name": "flood"}]
        call = (await socket.request("serverCall", context={}))["ok"]
        for number in range(3000):
            await socket.socket.send_bytes(struct.pack("<HH", call["sound"], number) + bytes(320))
        received = (await socket.request("ping"))["ok"]["received"][str(call["sound"])]
        assert connection.FRAMES_AT_ONCE / 2 < received < 3000
        assert "ok" in await socket.request("hangup", call=call["call"])

    connected(server, work)


def test_a_connection_that_makes_no_session_is_closed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk_server, "LOGS_IN_WITHIN", 0.2)

    async def idle(socket: Socket) -> None:
        assert await socket.closed() == 1006, "without a word"

    async def busy(socket: Socket) -> None:
        await log_in(server, socket)
        await asyncio.sleep(0.4)
        assert "ok" in await socket.request("ping")

    connected(server, idle)
    connected(server, busy)


def test_there_are_so_many_connections_and_no_more(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.until(lambda: not server.sdk._connections)
    monkeypatch.setattr(sdk_server, "MOST_CONNECTIONS", 1)

    async def work(socket: Socket) -> None:
        await log_in(server, socket)
        response = await asyncio.to_thread(requests.get, address(server), timeout=20)
        assert response.status_code == 503

    connected(server, work)


def test_a_page_that_takes_nothing_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its events wait in a queue, which does not grow for ever, and nobody waits for it."""
    monkeypatch.setattr(connection, "MOST_WAITING", 0)

    async def work(socket: Socket) -> None:
        await socket.socket.send_json({"id": 1, "do": "createSession", "token": token(server)})
        assert await socket.closed() == 1006

    connected(server, work)


@pytest.mark.parametrize("path", ["vonageClientSDK.min.js", "sound.worklet.js"])
def test_the_scripts_may_be_loaded_by_pages_of_any_origin(server: Server, path: str) -> None:
    response = requests.get(f"{server.sdk_url.rpartition('/')[0]}/{path}", timeout=20)
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.text
