"""Writes each request of the Voice API into the ledger, and carries out the fault that hits it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from vonage_simulator.carrier import Carrier
from vonage_simulator.ledger import ApiRequest
from vonage_simulator.voice_api.errors import EXPECTED, Refused, fault_of
from vonage_simulator.voice_api.faults import ApiFaults, FaultRule
from vonage_simulator.voice_api.verbs import verb_of

_entry: ContextVar[ApiRequest | None] = ContextVar("entry", default=None)  # of the request that is handled


def log(carrier: Carrier) -> Middleware:
    """Every request of the Voice API is in the ledger, with the status of its response."""

    @web.middleware
    async def logged(request: web.Request, handler: Handler) -> web.StreamResponse:
        verb = await verb_of(request)
        if verb is None:
            _entry.set(None)  # a connection is served by one task
            return await handler(request)
        entry = ApiRequest(at=carrier.clock.now(), verb=verb, about=request.match_info.get("uuid"))
        carrier.ledger.requests.append(entry)
        _entry.set(entry)
        try:
            response = await handler(request)
        except EXPECTED as error:
            entry.status = fault_of(error).status
            raise
        if request.transport is not None and not request.transport.is_closing():
            entry.status = response.status
        return response

    return logged


def disturb(faults: Callable[[], ApiFaults]) -> Middleware:
    """The innermost: a request with good credentials and within the limits has the fault that *faults* draws."""

    @web.middleware
    async def disturbed(request: web.Request, handler: Handler) -> web.StreamResponse:
        entry = _entry.get()
        rule = faults().draw(entry.verb) if entry else None
        if entry is None or rule is None:
            return await handler(request)
        entry.fault = rule.fault
        return await _with(rule, request, handler)

    return disturbed


async def _with(rule: FaultRule, request: web.Request, handler: Handler) -> web.StreamResponse:
    if rule.fault == "slow":
        await asyncio.sleep(rule.seconds)
    elif rule.fault == "cut":
        return _cut(request)
    elif rule.fault.isdigit():
        raise Refused(int(rule.fault))
    response = await handler(request)
    if rule.fault == "late":
        await asyncio.sleep(rule.seconds)
    return _cut(request) if rule.fault == "lost" else response


def _cut(request: web.Request) -> web.Response:
    """Nothing of this response is sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
