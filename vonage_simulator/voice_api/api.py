"""Serves the simulated APIs over HTTPS on this machine, for an SDK that is configured to use them:

api = VoiceApi(carrier)
base = await api.start(certificate.make(folder))  # https://127.0.0.1:40123
Vonage(auth, HttpClientOptions(api_host="127.0.0.1:40123"))  # with REQUESTS_CA_BUNDLE set to the certificate's CA
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from aiohttp import web
from yarl import URL

from vonage_simulator.carrier import Carrier
from vonage_simulator.certificate import Certificate
from vonage_simulator.scenario import Region
from vonage_simulator.voice_api.access import guard
from vonage_simulator.voice_api.applications import Applications
from vonage_simulator.voice_api.calls import Calls
from vonage_simulator.voice_api.disturb import disturb
from vonage_simulator.voice_api.errors import error_responses
from vonage_simulator.voice_api.faults import ApiFaults
from vonage_simulator.voice_api.regions import Regions
from vonage_simulator.voice_api.request_log import log
from vonage_simulator.voice_api.simulator import Simulator
from vonage_simulator.voice_api.users import Users

HOST = "127.0.0.1"


class VoiceApi:
    """The Voice API, Users API and Application API of one carrier's application.

    Args:
        carrier: Makes the calls, in the event loop that `start` runs in.
        other_requests_per_second: Limit of Voice API requests other than for new calls, by the real clock; beyond it
            they get 429. None: no limit. The carrier counts new calls.
            Source: https://api.support.vonage.com/hc/en-us/articles/207100288
        faults: Faults on purpose. The attribute may be set anew at any time.

    Sources: https://developer.vonage.com/en/api/voice, …/api/users, …/api/application.v2.
    """

    def __init__(
        self,
        carrier: Carrier,
        *,
        other_requests_per_second: float | None = 15.0,
        faults: ApiFaults | None = None,
    ) -> None:
        self.users = Users()
        self.faults = faults or ApiFaults()
        self._carrier = carrier
        self._regions = Regions()
        guarded = guard(carrier.application, other_requests_per_second)
        disturbed, apart = disturb(lambda: self.faults), self._regions.keep_apart(carrier.ledger)
        self._app = web.Application(middlewares=[error_responses, log(carrier), guarded, disturbed, apart])
        simulator = Simulator(carrier, lambda faults: setattr(self, "faults", faults))
        for part in (Calls(carrier, self._regions), self.users, Applications(carrier.application), simulator):
            for route in part.routes():  # some SDKs end every path with a slash
                slashed = web.RouteDef(route.method, f"{route.path}/", route.handler, route.kwargs)
                self._app.add_routes([route, slashed])
        self._runner: web.AppRunner | None = None
        self.by_region: dict[Region, str] = {}  # base URLs

    async def start(self, certificate: Certificate, *, port: int = 0, regions: Sequence[Region] = ()) -> str:
        """Listen, and return the base URL, without a slash at its end. *port* 0: any that is free. Raises OSError.

        Each of *regions* gets a port of its own, which answer webhooks name as its `region_url`; the base is that of
        the first, where callers arrive, and `by_region` has them all. A call that is made in one lives there.

        From now on URLs of recordings lead here, with `api.nexmo.com/` in the path: Vonage's SDKs download only from
        URLs that have that name, or `vonage.com`, somewhere in them.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.cert, certificate.key)
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        for number in (port, *(0 for _ in regions[1:])):
            await web.TCPSite(self._runner, HOST, number, ssl_context=context).start()
        ports = [address[1] for address in self._runner.addresses]
        bases = [str(URL.build(scheme="https", host=HOST, port=listens)) for listens in ports]
        if regions:
            self._carrier.application.region = regions[0]
        self._regions.by_port = dict(zip(ports, regions, strict=False))
        self.by_region = self._carrier.application.region_urls = dict(zip(regions, bases, strict=False))
        self._carrier.files.url = f"{bases[0]}/api.nexmo.com/v1/files"
        return bases[0]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is None:
            return
        open_yet = self._runner.server.connections if self._runner.server else []
        transports = [connection.transport for connection in open_yet if connection.transport]
        await self._runner.cleanup()
        self._runner = None
        for transport in transports:  # else TLS waits for each client to close, too
            transport.abort()
        await asyncio.sleep(0)
