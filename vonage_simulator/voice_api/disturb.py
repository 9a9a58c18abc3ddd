"""Carries out the faults of the Voice API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from vonage_simulator.voice_api.errors import Refused
from vonage_simulator.voice_api.faults import ApiFaults, FaultRule
from vonage_simulator.voice_api.request_log import entry


def disturb(faults: Callable[[], ApiFaults]) -> Middleware:
    """A middleware inside `log` and `guard`: only what has good credentials and is within the limits has faults."""

    @web.middleware
    async def disturbed(request: web.Request, handler: Handler) -> web.StreamResponse:
        logged = entry.get()
        rule = faults().draw(logged.verb) if logged else None
        if logged is None or rule is None:
            return await handler(request)
        logged.fault = rule.fault
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
