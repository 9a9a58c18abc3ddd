"""Serves the script and its WebSocket on this machine, over plain HTTP, which browsers take for safe there.

sdk = ClientSdk(carrier, api.users)
script = await sdk.start()  # http://127.0.0.1:40123/vonageClientSDK.min.js
"""

from __future__ import annotations

import asyncio
from importlib import resources

from aiohttp import web

from vonage_simulator.carrier import Carrier
from vonage_simulator.client_sdk.calls import Calls
from vonage_simulator.client_sdk.connection import LARGEST, Connection
from vonage_simulator.client_sdk.media import Media, Network
from vonage_simulator.client_sdk.requests import Requests
from vonage_simulator.voice_api.users import Users

HOST = "127.0.0.1"
# The name of the file in the package: https://www.npmjs.com/package/@vonage/client-sdk
SCRIPT, SOCKET, WORKLET = "/vonageClientSDK.min.js", "/session", "/sound.worklet.js"
FOLDER = resources.files("vonage_simulator.client_sdk") / "script"
PARTS = ("enums.js", "transport.js", "sound.js", "client.js")
MOST_CONNECTIONS = 200
LOGS_IN_WITHIN = 15.0  # seconds until a connection without a session is closed
HEARTBEAT = 20.0  # seconds between two pings; a page that does not answer one in half of that is gone
# A page of any origin may load the script, as from the network that Vonage's is delivered by.
OPEN = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}


class ClientSdk:
    """The stand-in of one carrier. From `start` to `stop` app users with a session really ring."""

    def __init__(self, carrier: Carrier, users: Users) -> None:
        self._carrier, self._users = carrier, users
        self.calls, self.media = Calls(carrier), Media(carrier)
        self._app = web.Application()
        routes = {SCRIPT: self._script, WORKLET: self._worklet, SOCKET: self._socket}
        self._app.add_routes([web.get(path, handler) for path, handler in routes.items()])
        self._runner: web.AppRunner | None = None
        self._connections: set[Connection] = set()

    async def start(self, port: int = 0) -> str:
        """Listen, and return the script's address. *port* 0: any that is free. Raises OSError."""
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        self._carrier.set_browsers(self.calls.sessions.has)
        return f"http://{HOST}:{self._runner.addresses[0][1]}{SCRIPT}"

    async def stop(self) -> None:
        """Close all connections, and stop listening."""
        if self._runner is None:
            return
        self._carrier.set_browsers(lambda _: False)
        self.calls.stop()
        self.media.stop()
        for connection in [*self._connections]:
            connection.cut()
        await self._runner.cleanup()
        self._runner = None

    def online(self) -> set[str]:
        """The users who have a page open."""
        return {session.user for session in self.calls.sessions if session.connection}

    # What a test does to browsers

    def cut(self, user: str) -> None:
        """Cut the connections of *user*. The pages may come back to their sessions."""
        for session in self.calls.sessions.of(user):
            if session.connection:
                session.connection.cut()

    def expire(self, user: str) -> None:
        """Let the tokens of *user* be expired."""
        for session in self.calls.sessions.of(user):
            self.calls.sessions.expire(session)

    def disturb(self, user: str, *, lost: float = 0.0, delay: float = 0.0) -> None:
        """Lose this share of the frames of sound from and to *user*, and delay those to them by so many seconds."""
        self.media.set_network(user, Network(lost, delay))

    # Routes

    async def _script(self, _: web.Request) -> web.Response:
        return _javascript(script())

    async def _worklet(self, _: web.Request) -> web.Response:
        return web.Response(
            text=(FOLDER / "sound.worklet.js").read_text(), content_type="text/javascript", headers=OPEN
        )

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if len(self._connections) >= MOST_CONNECTIONS:
            return web.Response(status=503, text="too many connections")
        socket = web.WebSocketResponse(max_msg_size=LARGEST, heartbeat=HEARTBEAT)
        await socket.prepare(request)
        connection = Connection(socket, request)
        requests = Requests(self._carrier, self.calls, self.media, self._users, connection)
        self._connections.add(connection)
        loop = asyncio.get_running_loop()
        deadline = loop.call_later(LOGS_IN_WITHIN, requests.end_unless_logged_in)
        try:
            await connection.run(requests.answer, requests.sound)
        finally:
            deadline.cancel()
            self._connections.discard(connection)
            if requests.session:
                self.calls.sessions.lose(requests.session, connection)
        return socket


def script() -> str:
    """The script, from its parts: in a function of its own, so that it defines nothing but `vonageClientSDK`."""
    parts = "\n".join((FOLDER / part).read_text() for part in PARTS)
    return f'(() => {{\n"use strict";\n{parts}\n}})();\n'


def _javascript(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/javascript", charset="utf-8", headers=OPEN)
