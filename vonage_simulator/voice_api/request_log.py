"""Writes each request of the Voice API into the ledger."""

from __future__ import annotations

from contextvars import ContextVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from vonage_simulator.carrier import Carrier
from vonage_simulator.ledger import ApiRequest
from vonage_simulator.voice_api.errors import EXPECTED, fault_of
from vonage_simulator.voice_api.verbs import verb_of

entry: ContextVar[ApiRequest | None] = ContextVar("entry", default=None)  # of the request that is handled


def log(carrier: Carrier) -> Middleware:
    """A middleware inside `error_responses`: it notes the status of the response, or of the error to come."""

    @web.middleware
    async def logged(request: web.Request, handler: Handler) -> web.StreamResponse:
        verb = await verb_of(request)
        if verb is None:
            entry.set(None)  # one task serves all requests of a connection
            return await handler(request)
        made = ApiRequest(at=carrier.clock.now(), verb=verb, about=request.match_info.get("uuid"))
        carrier.ledger.requests.append(made)
        entry.set(made)
        try:
            response = await handler(request)
        except EXPECTED as error:
            made.status = fault_of(error).status
            raise
        if request.transport is not None and not request.transport.is_closing():
            made.status = response.status
        return response

    return logged
