"""The simulated Application API: the application and its settings, which may be replaced.

Source: https://developer.vonage.com/en/api/application.v2
"""

from __future__ import annotations

from typing import Any, Final, get_args

from aiohttp import web
from marshmallow import INCLUDE, Schema, fields, post_load, validate

from vonage_simulator.ledger import ANSWER_SECONDS, EVENT_SECONDS, Application, Target
from vonage_simulator.scenario import Region
from vonage_simulator.voice_api import reading
from vonage_simulator.voice_api.errors import NotFound
from vonage_simulator.voice_api.reading import links

Body = dict[str, Any]


class ApplicationsSchema(reading.Body):
    """The query of `GET /v2/applications`."""

    page_size = fields.Integer(validate=validate.Range(1, 100), load_default=10)
    page = fields.Integer(validate=validate.Range(1), load_default=1)


WEBHOOKS: Final = {"answer_url": "answer", "fallback_answer_url": "fallback", "event_url": "event"}  # -> our attribute


class WebhookSchema(reading.Body):
    """The answer or the fallback webhook -> Target.

    Its ranges and defaults: https://developer.vonage.com/en/application/technical-details#webhook-timeouts
    """

    address = reading.url(required=True)
    http_method = reading.method(load_default="POST")
    connect_timeout = reading.whole(300, 1000, load_default=1000)
    socket_timeout = reading.whole(1000, round(1000 * ANSWER_SECONDS), load_default=round(1000 * ANSWER_SECONDS))

    @post_load
    def build(self, data: Body, **_: Any) -> Target:
        limits = data["connect_timeout"] / 1000, data["socket_timeout"] / 1000
        return Target(data["address"], data["http_method"], *limits)


class EventWebhookSchema(WebhookSchema):
    """The event webhook -> Target."""

    socket_timeout = reading.whole(1000, round(1000 * EVENT_SECONDS), load_default=round(1000 * EVENT_SECONDS))


class WebhooksSchema(reading.Body):
    """The webhooks of the capability Voice; one that is left out is not set."""

    answer_url = fields.Nested(WebhookSchema)
    fallback_answer_url = fields.Nested(WebhookSchema)
    event_url = fields.Nested(EventWebhookSchema)


class VoiceSchema(reading.Body):
    """The capability Voice."""

    webhooks = fields.Nested(WebhooksSchema, load_default=dict)
    signed_callbacks = fields.Boolean(load_default=False)
    conversations_ttl = reading.whole(1, 9000, load_default=48)
    leg_persistence_time = reading.whole(1, 31, load_default=2)
    region = fields.String(validate=validate.OneOf(get_args(Region)))


class CapabilitiesSchema(Schema):
    """Voice; others are kept as they come, and have no effect."""

    class Meta:
        unknown = INCLUDE

    voice = fields.Nested(VoiceSchema)


class KeysSchema(reading.Body):
    """The key that verifies the application's JWTs."""

    public_key = fields.String()


class ApplicationSchema(reading.Body):
    """The body of `PUT /v2/applications/{id}`, as far as it is simulated."""

    name = fields.String(required=True, validate=validate.Length(1))
    keys = fields.Nested(KeysSchema, load_default=dict)
    capabilities = fields.Nested(CapabilitiesSchema, load_default=dict)
    privacy = fields.Dict(load_default=dict)


class Applications:
    """The routes of the only application. It has the capability Voice, until a PUT leaves that out."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._others: Body = {}  # other capabilities, which have no effect
        self._voice: Body | None = {"conversations_ttl": 48, "leg_persistence_time": 2}  # what has no effect of it
        self._privacy: Body = {"improve_ai": False}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/applications", self.list),
            web.get("/v2/applications/{id}", self.get),
            web.put("/v2/applications/{id}", self.replace),
        ]

    async def list(self, request: web.Request) -> web.Response:
        query = reading.load(ApplicationsSchema(), dict(request.query))
        size, page = query["page_size"], query["page"]
        body: Body = {"page_size": size, "page": page, "total_items": 1, "total_pages": 1}
        body |= {"_embedded": {"applications": [self._described()] if page == 1 else []}}
        pages = {"self": page, "first": 1, "last": 1}
        hrefs = {name: f"/v2/applications?page_size={size}&page={number}" for name, number in pages.items()}
        return web.json_response(body | links(hrefs))

    async def get(self, request: web.Request) -> web.Response:
        self._check_id(request)
        return web.json_response(self._described())

    async def replace(self, request: web.Request) -> web.Response:
        """All settings: one that is left out has its default then. The key stays where none is sent, and the region.

        Vonage's own example sends no key:
        https://developer.vonage.com/en/application/code-snippets/application/update-application
        """
        self._check_id(request)
        body = await reading.read(request, ApplicationSchema())
        others, has_voice = dict(body["capabilities"]), "voice" in body["capabilities"]
        given = others.pop("voice", None) or reading.load(VoiceSchema(), {})
        ours = self._application
        for name, attribute in WEBHOOKS.items():
            setattr(ours, attribute, given["webhooks"].get(name))
        ours.name, ours.signed_callbacks = body["name"], given["signed_callbacks"]
        ours.public_key = body["keys"].get("public_key", ours.public_key)
        ours.region = given.get("region", ours.region)
        kept = {name: given[name] for name in ("conversations_ttl", "leg_persistence_time")}
        self._others, self._voice, self._privacy = others, kept if has_voice else None, body["privacy"]
        return web.json_response(self._described())

    def _check_id(self, request: web.Request) -> None:
        if (wanted := request.match_info["id"]) != self._application.id:
            raise NotFound(wanted)

    def _described(self) -> Body:
        """The JSON of the application, without its private key."""
        ours = self._application
        capabilities = dict(self._others)
        if self._voice is not None:
            found = {name: getattr(ours, attribute) for name, attribute in WEBHOOKS.items()}
            webhooks = {name: _webhook(target) for name, target in found.items() if target}
            voice = {"webhooks": webhooks, "signed_callbacks": ours.signed_callbacks, "region": ours.region}
            capabilities["voice"] = voice | self._voice
        return {
            "id": ours.id,
            "name": ours.name,
            "keys": {"public_key": ours.public_key},
            "capabilities": capabilities,
            "privacy": self._privacy,
            "_links": {"self": {"href": f"/v2/applications/{ours.id}"}},
        }


def _webhook(target: Target) -> Body:
    return {
        "address": target.url,
        "http_method": target.method,
        "connect_timeout": round(target.connect_timeout * 1000),
        "socket_timeout": round(target.socket_timeout * 1000),
    }
