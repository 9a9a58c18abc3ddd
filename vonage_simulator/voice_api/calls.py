"""Calls by the simulated Voice API: made, listed, and acted on while they last.

Source: https://developer.vonage.com/en/api/voice
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from vonage_simulator.carrier import Carrier
from vonage_simulator.ledger import ANSWER_SECONDS, EVENT_SECONDS, Leg, Target
from vonage_simulator.scenario import Call, Endpoint
from vonage_simulator.voice_api import reading, schemas
from vonage_simulator.voice_api.endpoints import To
from vonage_simulator.voice_api.errors import NotFound

CONTENT_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg", "json": "application/json"}
ADDRESS = {"phone": "number", "sip": "uri", "websocket": "uri", "vbc": "extension", "app": "user"}
UNKNOWN = "Unknown"  # what webhooks call a caller whom nobody knows
Body = dict[str, Any]


class Calls:
    """The routes of calls, of what is recorded of them, and of the recordings."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    def routes(self) -> list[web.RouteDef]:
        """All of them. A recording's address also begins with the host it would have: SDKs ask for that."""
        call = "/v1/calls/{uuid}"
        return [
            web.post("/v1/calls", self.create),
            web.get("/v1/calls", self.list),
            web.get(call, self.get),
            web.put(call, self.modify),
            web.put(f"{call}/stream", self.stream),
            web.delete(f"{call}/stream", self.stop_stream),
            web.put(f"{call}/talk", self.talk),
            web.delete(f"{call}/talk", self.stop_talk),
            web.put(f"{call}/dtmf", self.dtmf),
            web.put(f"{call}/input/dtmf", self.listen),
            web.delete(f"{call}/input/dtmf", self.stop_listening),
            web.put("/v1/conversations/{uuid}/record", self.record),
            web.get("/v1/files/{id}", self.file),
            web.get("/api.nexmo.com/v1/files/{id}", self.file),
        ]

    # ---- made, and looked at

    async def create(self, request: web.Request) -> web.Response:
        """Make an outbound call."""
        ours = self._carrier.application
        asked = await reading.read(request, schemas.CreateSchema(ours))
        to: To = asked["to"][0]
        call = Call(
            from_=asked["from_"] or random.choice(ours.numbers),  # noqa: S311 - any will do
            to=to.name,
            direction="outbound",
            endpoint=to.endpoint,
            headers=to.headers,
            ncco=None if asked["ncco"] is None else tuple(asked["ncco"]),
            ringing_timer=asked["ringing_timer"],
            length_timer=asked["length_timer"],
            machine_detection=asked["machine_detection"],
            advanced_machine_detection=asked["advanced_machine_detection"],
        )
        answer = _target(ours.answer, asked["answer_url"], asked["answer_method"], seconds=ANSWER_SECONDS)
        event = _target(ours.event, asked["event_url"], asked["event_method"]) or ours.event
        leg = self._carrier.create(call, answer=answer, event=event)
        made = {"uuid": leg.uuid, "status": leg.status, "direction": leg.direction}
        return web.json_response(made | {"conversation_uuid": leg.conversation.uuid}, status=201)

    async def list(self, request: web.Request) -> web.Response:
        """List calls, oldest first unless `order` says otherwise.

        `record_index` counts calls, so Vonage's Python SDK, which adds one to it for the next page, sees most of them
        again. The times asked for are those of `started`; with `machine` come the calls that a machine took.
        """
        asked = reading.load(schemas.CallsSchema(), dict(request.query))
        legs = [leg for leg in self._carrier.ledger.legs.values() if self._wanted(leg, asked)]
        if asked["order"] == "desc":
            legs.reverse()
        size, index = asked["page_size"], asked["record_index"]
        starts = {"self": index, "first": 0, "last": max(0, len(legs) - 1) // size * size}
        if index + size < len(legs):
            starts["next"] = index + size
        if index > 0:
            starts["prev"] = max(0, index - size)
        query = dict(request.query) | {"page_size": size}
        hrefs = {name: f"/v1/calls?{urlencode(query | {'record_index': start})}" for name, start in starts.items()}
        body = {"count": len(legs), "page_size": size, "record_index": index}
        body |= {"_embedded": {"calls": [describe(leg) for leg in legs[index : index + size]]}}
        return web.json_response(body | {"_links": {name: {"href": href} for name, href in hrefs.items()}})

    async def get(self, request: web.Request) -> web.Response:
        """One call."""
        leg = self._carrier.ledger.legs.get(request.match_info["uuid"])
        if leg is None:
            raise NotFound
        return web.json_response(describe(leg))

    # ---- acted on

    async def modify(self, request: web.Request) -> web.Response:
        """Hang up, mute, earmuff, transfer."""
        asked = await reading.read(request, schemas.ModifySchema())
        uuid = request.match_info["uuid"]
        match asked["action"]:
            case "hangup":
                self._carrier.hang_up(uuid)
            case "mute" | "unmute" as action:
                self._carrier.mute(uuid, action == "mute")
            case "earmuff" | "unearmuff" as action:
                self._carrier.earmuff(uuid, action == "earmuff")
            case "transfer":
                where = asked["destination"]
                url = _target(self._carrier.application.answer, where.get("url"), "GET", seconds=ANSWER_SECONDS)
                self._carrier.transfer(uuid, ncco=where.get("ncco"), url=url)
        return web.Response(status=204)

    async def stream(self, request: web.Request) -> web.Response:
        """Play a file to the leg."""
        asked = await reading.read(request, schemas.StreamSchema())
        self._carrier.stream(request.match_info["uuid"], asked["stream_url"][0], loop=asked["loop"])
        return _done(request, "Stream started")

    async def stop_stream(self, request: web.Request) -> web.Response:
        """Play it no more."""
        self._carrier.stop_stream(request.match_info["uuid"])
        return _done(request, "Stream stopped")

    async def talk(self, request: web.Request) -> web.Response:
        """Say something to the leg."""
        asked = await reading.read(request, schemas.TalkSchema())
        self._carrier.talk(request.match_info["uuid"], asked["text"], loop=asked["loop"])
        return _done(request, "Talk started")

    async def stop_talk(self, request: web.Request) -> web.Response:
        """Say it no more."""
        self._carrier.stop_talk(request.match_info["uuid"])
        return _done(request, "Talk stopped")

    async def dtmf(self, request: web.Request) -> web.Response:
        """Send keys to the leg."""
        asked = await reading.read(request, schemas.DtmfSchema())
        self._carrier.dtmf(request.match_info["uuid"], asked["digits"])
        return _done(request, "DTMF sent")

    async def listen(self, request: web.Request) -> web.Response:
        """Tell of each key that the leg presses. What Vonage's answer says is not published; SDKs do not read it."""
        asked = await reading.read(request, schemas.ListenSchema())
        self._carrier.listen(request.match_info["uuid"], Target(asked["event_url"][0]))
        return _done(request, "DTMF listener started")

    async def stop_listening(self, request: web.Request) -> web.Response:
        """Tell of them no more."""
        self._carrier.stop_listening(request.match_info["uuid"])
        return _done(request, "DTMF listener stopped")

    async def record(self, request: web.Request) -> web.Response:
        """Record a conversation, or stop that."""
        asked = await reading.read(request, schemas.RecordSchema())
        conversation = request.match_info["uuid"]
        if asked.pop("action") == "start":
            self._carrier.record(conversation, asked)
        else:
            self._carrier.stop_record(conversation)
        return web.Response(status=204)

    async def file(self, request: web.Request) -> web.Response:
        """A recording itself, or its text."""
        file = self._carrier.files.get(request.match_info["id"])
        if file is None:
            raise NotFound
        return web.Response(body=file.content, content_type=CONTENT_TYPES[file.kind])

    def _wanted(self, leg: Leg, asked: Body) -> bool:
        started = leg.times.get("started")
        after, before = asked.get("date_start"), asked.get("date_end")
        status = leg.status
        if asked.get("status") == "machine" and leg.machine not in (None, "human"):
            status = "machine"
        conversation = self._carrier.ledger.conversations.get(asked.get("conversation_uuid", ""))
        return (
            asked.get("status", status) == status
            and (after is None or (started is not None and _naive(started) >= after))
            and (before is None or (started is not None and _naive(started) <= before))
            and ("conversation_uuid" not in asked or (conversation is not None and leg.uuid in conversation.legs))
        )


def describe(leg: Leg) -> Body:
    """A leg as the Voice API shows it; with what it cost and when it was once it is `completed`."""
    us = _endpoint("phone", leg.to if leg.direction == "inbound" else leg.from_ or UNKNOWN)
    if leg.from_user:  # an app caller: `to` is what it asked for, a number or another user
        us = _endpoint("phone" if leg.dialled.isdigit() else "app", leg.dialled)
    them = _endpoint(leg.endpoint, leg.to if leg.direction == "outbound" else leg.caller or UNKNOWN)
    body: Body = {"_links": {"self": {"href": f"/v1/calls/{leg.uuid}"}}, "uuid": leg.uuid}
    body |= {"conversation_uuid": leg.conversation.uuid}
    body |= {"to": us, "from": them} if leg.direction == "inbound" else {"to": them, "from": us}
    body |= {"status": leg.status, "direction": leg.direction}
    if leg.status == "completed" and (bill := leg.bill):
        body |= {"rate": bill.rate, "price": bill.price, "duration": str(bill.duration)}
        body |= {"start_time": _time(bill.start_time), "end_time": _time(bill.end_time), "network": bill.network}
    return body


def _endpoint(kind: Endpoint, name: str) -> Body:
    if kind == "phone" and name.startswith(("sip:", "sips:")):  # a caller may be one: it is how it calls that differs
        kind = "sip"
    return {"type": kind, ADDRESS[kind]: name}


def _time(moment: datetime | None) -> str | None:
    """UTC, though it does not say so."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if moment else None


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _target(
    usual: Target | None, url: list[str] | None, method: str, *, seconds: float = EVENT_SECONDS
) -> Target | None:
    """What was asked for, with the time limits of the application's own, which nobody can set for one call."""
    if not url:
        return None
    return replace(usual or Target("", socket_timeout=seconds), url=url[0], method=method)


def _done(request: web.Request, message: str) -> web.Response:
    return web.json_response({"message": message, "uuid": request.match_info["uuid"]})
