"""The simulated Users API: the users of an application.

Source: https://developer.vonage.com/en/api/users
"""

from __future__ import annotations

import itertools
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from marshmallow import fields, validate

from vonage_simulator.voice_api import reading
from vonage_simulator.voice_api.errors import DuplicateName, Invalid, NotFound
from vonage_simulator.voice_api.reading import links

CHANNELS = ("sms", "mms", "whatsapp", "viber", "messenger", "pstn", "sip", "websocket", "vbc")
Body = dict[str, Any]


class UserSchema(reading.Body):
    """A user to create or update. No field is required."""

    name = fields.String(validate=validate.Length(1))
    display_name = fields.String()
    image_url = fields.String()
    channels = fields.Dict(
        keys=fields.String(validate=validate.OneOf(CHANNELS)), values=fields.List(fields.Dict(keys=fields.String()))
    )
    properties = fields.Dict(keys=fields.String())


class UsersSchema(reading.Body):
    """The query of `GET /v1/users`."""

    page_size = fields.Integer(validate=validate.Range(1, 100), load_default=10)
    order = fields.String(validate=validate.OneOf(("asc", "desc", "ASC", "DESC")), load_default="asc")
    cursor = fields.String()
    name = fields.String()


class Users:
    """The users, and their routes. They are kept in memory."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._users: dict[str, tuple[int, Body]] = {}  # by id: a number that grows with each, and its fields

    def routes(self) -> list[web.RouteDef]:
        user = "/v1/users/{id}"
        return [
            web.get("/v1/users", self.list),
            web.post("/v1/users", self.create),
            web.get(user, self.get),
            web.patch(user, self.update),
            web.delete(user, self.delete),
        ]

    def names(self) -> set[str]:
        return {user["name"] for _, user in self._users.values()}

    def named(self, name: str) -> Body | None:
        """The fields of the user of this name."""
        return next((user for _, user in self._users.values() if user["name"] == name), None)

    def add(self, given: Body) -> Body:
        """Add a user with the fields *given*, and return all that it has. Raises DuplicateName."""
        self._check_unused(given.get("name"))
        id_ = f"USR-{uuid.uuid4()}"
        made = {"id": id_, "name": f"NAM-{uuid.uuid4()}", "properties": {}} | given
        self._users[id_] = (next(self._numbers), made)
        return made

    async def list(self, request: web.Request) -> web.Response:
        """A page of users, oldest first unless `order` says otherwise. A cursor is where the page begins."""
        wanted = reading.load(UsersSchema(), dict(request.query))
        size, newest_first = wanted["page_size"], wanted["order"].lower() == "desc"
        found = [entry for entry in self._users.values() if wanted.get("name", entry[1]["name"]) == entry[1]["name"]]
        if newest_first:
            found.reverse()
        begin = 0
        if "cursor" in wanted:
            try:
                first = int(urlsafe_b64decode(wanted["cursor"]))
            except ValueError as error:
                raise Invalid([("cursor", "Not one of ours.")]) from error
            begin = sum(number > first if newest_first else number < first for number, _ in found)
        starts = {"prev": max(0, begin - size)} if begin else {}
        if begin + size < len(found):
            starts["next"] = begin + size
        address = request.url.with_query(None)
        query = {name: value for name, value in request.query.items() if name != "cursor"} | {"page_size": str(size)}
        hrefs = {"self": str(request.url), "first": f"{address}?{urlencode(query)}"}
        for name, start in starts.items():
            cursor = urlsafe_b64encode(str(found[start][0]).encode()).decode()
            hrefs[name] = f"{address}?{urlencode(query | {'cursor': cursor})}"
        users = [
            {key: user[key] for key in ("id", "name", "display_name") if key in user} | _self(request, user)
            for _, user in found[begin : begin + size]
        ]
        return web.json_response({"page_size": size, "_embedded": {"users": users}} | links(hrefs))

    async def create(self, request: web.Request) -> web.Response:
        """Add a user; without a name Vonage gives it one."""
        made = self.add(await reading.read(request, UserSchema(), needed=False))
        return web.json_response(made | _self(request, made), status=201)

    async def get(self, request: web.Request) -> web.Response:
        user = self._find(request)
        return web.json_response(user | _self(request, user))

    async def update(self, request: web.Request) -> web.Response:
        user = self._find(request)
        given = await reading.read(request, UserSchema())
        if given.get("name") != user["name"]:
            self._check_unused(given.get("name"))
        user.update(given)
        return web.json_response(user | _self(request, user))

    async def delete(self, request: web.Request) -> web.Response:
        del self._users[self._find(request)["id"]]
        return web.Response(status=204)

    def _find(self, request: web.Request) -> Body:
        if (found := self._users.get(request.match_info["id"])) is None:
            raise NotFound
        return found[1]

    def _check_unused(self, name: str | None) -> None:
        if name in self.names():
            raise DuplicateName


def _self(request: web.Request, user: Body) -> Body:
    return links({"self": f"{request.url.origin()}/v1/users/{user['id']}"})
