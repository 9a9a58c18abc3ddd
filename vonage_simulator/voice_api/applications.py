"""The simulated Application API, read-only: the application and its settings.

Source: https://developer.vonage.com/en/api/application.v2
"""

from __future__ import annotations

from typing import Any

from aiohttp import web
from marshmallow import fields, validate

from vonage_simulator.ledger import Application
from vonage_simulator.voice_api import reading
from vonage_simulator.voice_api.errors import NotFound
from vonage_simulator.voice_api.reading import links

Body = dict[str, Any]


class ApplicationsSchema(reading.Body):
    """The query of `GET /v2/applications`."""

    page_size = fields.Integer(validate=validate.Range(1, 100), load_default=10)
    page = fields.Integer(validate=validate.Range(1), load_default=1)


class Applications:
    """The routes of the only application."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v2/applications", self.list), web.get("/v2/applications/{id}", self.get)]

    async def list(self, request: web.Request) -> web.Response:
        query = reading.load(ApplicationsSchema(), dict(request.query))
        size, page = query["page_size"], query["page"]
        body: Body = {"page_size": size, "page": page, "total_items": 1, "total_pages": 1}
        body |= {"_embedded": {"applications": [describe(self._application)] if page == 1 else []}}
        pages = {"self": page, "first": 1, "last": 1}
        hrefs = {name: f"/v2/applications?page_size={size}&page={number}" for name, number in pages.items()}
        return web.json_response(body | links(hrefs))

    async def get(self, request: web.Request) -> web.Response:
        if (wanted := request.match_info["id"]) != self._application.id:
            raise NotFound(wanted)
        return web.json_response(describe(self._application))


def describe(application: Application) -> Body:
    """The JSON of an application, without its private key. What is not simulated has its default."""
    targets = {
        "answer_url": application.answer,
        "fallback_answer_url": application.fallback,
        "event_url": application.event,
    }
    webhooks = {
        name: {
            "address": target.url,
            "http_method": target.method,
            "connect_timeout": round(target.connect_timeout * 1000),
            "socket_timeout": round(target.socket_timeout * 1000),
        }
        for name, target in targets.items()
        if target
    }
    voice: Body = {
        "webhooks": webhooks,
        "signed_callbacks": application.signed_callbacks,
        "conversations_ttl": 48,
        "leg_persistence_time": 2,
        "region": application.region,
    }
    return {
        "id": application.id,
        "name": application.name,
        "keys": {"public_key": application.public_key},
        "capabilities": {"voice": voice},
        "privacy": {"improve_ai": False},
        "_links": {"self": {"href": f"/v2/applications/{application.id}"}},
    }
