"""Vonage's API as far as calls need it, over HTTPS on this machine: what an SDK is pointed at in place of Vonage.

api = VoiceApi(carrier)
base = await api.start(certificate.make(folder))  # https://127.0.0.1:40123
Vonage(auth, HttpClientOptions(api_host="127.0.0.1:40123"))  # with REQUESTS_CA_BUNDLE set to the certificate's CA
"""

from __future__ import annotations

import asyncio
import ssl

from aiohttp import web
from yarl import URL

from vonage_simulator.carrier import Carrier
from vonage_simulator.certificate import Certificate
from vonage_simulator.voice_api.access import Throttle, guard
from vonage_simulator.voice_api.applications import Applications
from vonage_simulator.voice_api.calls import Calls
from vonage_simulator.voice_api.errors import in_words
from vonage_simulator.voice_api.users import Users


class VoiceApi:
    """The Voice API, Users API and Application API of one carrier's application.

    Args:
        carrier: Whose calls are made and acted on, in the event loop that `start` runs in.
        users: Who is there from the beginning; None: nobody.
        other_requests_per_second: How many requests other than for new calls the Voice API takes in any second by the
            real clock, before it says 429; None: any number. Of new calls the carrier keeps count.
            Source: https://api.support.vonage.com/hc/en-us/articles/207100288

    What it takes and says: https://developer.vonage.com/en/api/voice, …/api/users, …/api/application.v2.
    Errors have the forms published there; see `api_errors`.
    """

    def __init__(
        self, carrier: Carrier, *, users: Users | None = None, other_requests_per_second: float | None = 15.0
    ) -> None:
        self.users = users or Users()
        self._carrier = carrier
        throttle = Throttle(other_requests_per_second)
        self._app = web.Application(middlewares=[in_words, guard(carrier.application, throttle)])
        for part in (Calls(carrier), self.users, Applications(carrier.application)):
            self._app.add_routes(part.routes())
        self._runner: web.AppRunner | None = None

    async def start(self, certificate: Certificate, *, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and return the base URL, without a slash at its end. *port* 0: any that is free.

        From now on recordings are told to be here: under `api.nexmo.com/` in the path, for Vonage's SDKs download
        nothing whose URL does not have that name, or `vonage.com`, somewhere in it. Raises OSError if it cannot listen.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.cert, certificate.key)
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=context).start()
        base = str(URL.build(scheme="https", host=host, port=self._runner.addresses[0][1]))
        self._carrier.files.url = f"{base}/api.nexmo.com/v1/files"
        return base

    async def stop(self) -> None:
        """Listen no more. Does nothing if it never did."""
        if self._runner is None:
            return
        open_yet = self._runner.server.connections if self._runner.server else []
        transports = [connection.transport for connection in open_yet if connection.transport]
        await self._runner.cleanup()
        self._runner = None
        for transport in transports:  # TLS would wait for each client to say goodbye too
            transport.abort()
        await asyncio.sleep(0)
