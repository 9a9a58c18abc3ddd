"""The regions of Vonage, one port each: a leg is controlled where it lives, and is not found elsewhere.

Source: https://developer.vonage.com/en/voice/voice-api/concepts/regions
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from vonage_simulator.ledger import Ledger
from vonage_simulator.scenario import Region
from vonage_simulator.voice_api.errors import NotFound


class Regions:
    """The region of each port. Without any, every request reaches every leg."""

    def __init__(self) -> None:
        self.by_port: dict[int, Region] = {}

    def of(self, request: web.Request) -> Region | None:
        """The region whose host was requested; None: there are no regions."""
        if not self.by_port or request.transport is None:
            return None
        return self.by_port[request.transport.get_extra_info("sockname")[1]]

    def keep_apart(self, ledger: Ledger) -> Middleware:
        """Refuse a request about a leg or a conversation that lives elsewhere: https://github.com/Vonage/vonage-java-sdk/issues/143"""

        @web.middleware
        async def apart(request: web.Request, handler: Handler) -> web.StreamResponse:
            about, here = request.match_info.get("uuid", ""), self.of(request)
            found = ledger.legs.get(about) or ledger.conversations.get(about)
            if here and found and found.region != here:
                raise NotFound
            return await handler(request)

        return apart
