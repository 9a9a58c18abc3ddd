"""The simulated Voice API: creates, lists and controls calls.

Source: https://developer.vonage.com/en/api/voice
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from vonage_simulator.carrier import Carrier
from vonage_simulator.ledger import ANSWER_SECONDS, EVENT_SECONDS, Leg, Target
from vonage_simulator.scenario import Call, Endpoint
from vonage_simulator.voice_api import reading, schemas
from vonage_simulator.voice_api.endpoints import ADDRESS
from vonage_simulator.voice_api.errors import NotFound
from vonage_simulator.voice_api.reading import links
from vonage_simulator.voice_api.regions import Regions

CONTENT_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg", "json": "application/json"}
UNKNOWN = "Unknown"  # the caller in webhooks if there is no number
Body = dict[str, Any]


class Calls:
    """The routes of calls, conversations and recordings."""

    def __init__(self, carrier: Carrier, regions: Regions | None = None) -> None:
        self._carrier = carrier
        self._regions = regions or Regions()

    def routes(self) -> list[web.RouteDef]:
        call = "/v1/calls/{uuid}"
        return [
            web.post("/v1/calls", self.create),
            web.get("/v1/calls", self.list),
            web.get(call, self.get),
            web.put(call, self.modify),
            web.put(f"{call}/stream", self.stream),
            web.delete(f"{call}/stream", self._stop(self._carrier.stop_stream, "Stream stopped")),
            web.put(f"{call}/talk", self.talk),
            web.delete(f"{call}/talk", self._stop(self._carrier.stop_talk, "Talk stopped")),
            web.put(f"{call}/dtmf", self.dtmf),
            web.put(f"{call}/input/dtmf", self.listen),
            web.delete(f"{call}/input/dtmf", self._stop(self._carrier.stop_listening, "DTMF listener stopped")),
            web.put("/v1/conversations/{uuid}/record", self.record),
            web.get("/v1/files/{id}", self.file),
            web.get("/api.nexmo.com/v1/files/{id}", self.file),  # SDKs require that host somewhere in the URL
        ]

    async def create(self, request: web.Request) -> web.Response:
        application = self._carrier.application
        body = await reading.read(request, schemas.CreateSchema(application))
        call = Call(
            **body["to"][0],
            from_=body["from_"] or random.choice(application.numbers),  # noqa: S311 - any will do
            direction="outbound",
            ncco=None if body["ncco"] is None else tuple(body["ncco"]),
            ringing_timer=body["ringing_timer"],
            length_timer=body["length_timer"],
            machine_detection=body["machine_detection"],
            advanced_machine_detection=body["advanced_machine_detection"],
            region=self._regions.of(request),
        )
        answer = _target(application.answer, body["answer_url"], body["answer_method"], seconds=ANSWER_SECONDS)
        event = _target(application.event, body["event_url"], body["event_method"]) or application.event
        leg = self._carrier.create(call, answer=answer, event=event)
        made = {"uuid": leg.uuid, "status": leg.status, "direction": leg.direction}
        return web.json_response(made | {"conversation_uuid": leg.conversation.uuid}, status=201)

    async def list(self, request: web.Request) -> web.Response:
        """List the calls of this region, oldest first unless `order` says otherwise.

        `record_index` counts calls, so Vonage's Python SDK, which adds one to it for the next page, sees most of them
        again. Dates are compared with `started`; `machine` finds the calls that a machine answered.
        """
        wanted = reading.load(schemas.CallsSchema(), dict(request.query))
        here = self._regions.of(request)
        legs = [
            leg
            for leg in self._carrier.ledger.legs.values()
            if here in (None, leg.region) and self._wanted(leg, wanted)
        ]
        if wanted["order"] == "desc":
            legs.reverse()
        size, index = wanted["page_size"], wanted["record_index"]
        starts = {"self": index, "first": 0, "last": max(0, len(legs) - 1) // size * size}
        if index + size < len(legs):
            starts["next"] = index + size
        if index > 0:
            starts["prev"] = max(0, index - size)
        query = dict(request.query) | {"page_size": size}
        hrefs = {name: f"/v1/calls?{urlencode(query | {'record_index': start})}" for name, start in starts.items()}
        calls = [describe(leg) for leg in legs[index : index + size]]
        body = {"count": len(legs), "page_size": size, "record_index": index, "_embedded": {"calls": calls}}
        return web.json_response(body | links(hrefs))

    async def get(self, request: web.Request) -> web.Response:
        leg = self._carrier.ledger.legs.get(request.match_info["uuid"])
        if leg is None:
            raise NotFound
        return web.json_response(describe(leg))

    async def modify(self, request: web.Request) -> web.Response:
        """Hang up, mute, earmuff, transfer."""
        body = await reading.read(request, schemas.ModifySchema())
        uuid = request.match_info["uuid"]
        match body["action"]:
            case "hangup":
                self._carrier.hang_up(uuid)
            case "mute" | "unmute" as action:
                self._carrier.mute(uuid, action == "mute")
            case "earmuff" | "unearmuff" as action:
                self._carrier.earmuff(uuid, action == "earmuff")
            case "transfer":
                to = body["destination"]
                url = _target(self._carrier.application.answer, to.get("url"), "GET", seconds=ANSWER_SECONDS)
                self._carrier.transfer(uuid, ncco=to.get("ncco"), url=url)
        return web.Response(status=204)

    async def stream(self, request: web.Request) -> web.Response:
        body = await reading.read(request, schemas.StreamSchema())
        self._carrier.stream(request.match_info["uuid"], body["stream_url"][0], loop=body["loop"])
        return _done(request, "Stream started")

    async def talk(self, request: web.Request) -> web.Response:
        body = await reading.read(request, schemas.TalkSchema())
        self._carrier.talk(request.match_info["uuid"], body["text"], loop=body["loop"])
        return _done(request, "Talk started")

    async def dtmf(self, request: web.Request) -> web.Response:
        body = await reading.read(request, schemas.DtmfSchema())
        self._carrier.dtmf(request.match_info["uuid"], body["digits"])
        return _done(request, "DTMF sent")

    async def listen(self, request: web.Request) -> web.Response:
        """Send the keys that the leg presses. Vonage's response is not published; SDKs do not read it."""
        body = await reading.read(request, schemas.ListenSchema())
        self._carrier.listen(request.match_info["uuid"], Target(body["event_url"][0]))
        return _done(request, "DTMF listener started")

    async def record(self, request: web.Request) -> web.Response:
        """Start or stop recording a conversation."""
        body = await reading.read(request, schemas.RecordSchema())
        conversation = request.match_info["uuid"]
        if body.pop("action") == "start":
            self._carrier.record(conversation, body)
        else:
            self._carrier.stop_record(conversation)
        return web.Response(status=204)

    async def file(self, request: web.Request) -> web.Response:
        """A recording, or its transcript."""
        file = self._carrier.files.get(request.match_info["id"])
        if file is None:
            raise NotFound
        return web.Response(body=file.content, content_type=CONTENT_TYPES[file.kind])

    def _stop(self, stop: Callable[[str], None], message: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def stopped(request: web.Request) -> web.Response:
            stop(request.match_info["uuid"])
            return _done(request, message)

        return stopped

    def _wanted(self, leg: Leg, wanted: Body) -> bool:
        started = leg.times["started"].replace(tzinfo=None) if "started" in leg.times else None
        after, before = wanted.get("date_start"), wanted.get("date_end")
        by_machine = wanted.get("status") == "machine" and leg.machine not in (None, "human")
        conversation = self._carrier.ledger.conversations.get(wanted.get("conversation_uuid", ""))
        return (
            (by_machine or wanted.get("status", leg.status) == leg.status)
            and (after is None or (started is not None and started >= after))
            and (before is None or (started is not None and started <= before))
            and ("conversation_uuid" not in wanted or (conversation is not None and leg.uuid in conversation.legs))
        )


def describe(leg: Leg) -> Body:
    """The JSON of a leg; with price and times once it is `completed`."""
    us = _endpoint("phone", leg.to if leg.direction == "inbound" else leg.from_ or UNKNOWN)
    if leg.from_user:  # an app caller: `to` is the number or user that it called
        us = _endpoint("phone" if leg.dialled.isdigit() else "app", leg.dialled)
    them = _endpoint(leg.endpoint, leg.to if leg.direction == "outbound" else leg.caller or UNKNOWN)
    body: Body = {"_links": {"self": {"href": f"/v1/calls/{leg.uuid}"}}, "uuid": leg.uuid}
    body |= {"conversation_uuid": leg.conversation.uuid}
    body |= {"to": us, "from": them} if leg.direction == "inbound" else {"to": them, "from": us}
    body |= {"status": leg.status, "direction": leg.direction}
    if leg.status == "completed" and (bill := leg.bill):
        body |= {"rate": bill.rate, "price": bill.price, "duration": str(bill.duration)}
        body |= {"start_time": _time(bill.start_time), "end_time": _time(bill.end_time)}
        body |= {"network": bill.network} if bill.network else {}
    return body


def _endpoint(kind: Endpoint, name: str) -> Body:
    if kind == "phone" and name.startswith(("sip:", "sips:")):  # a SIP caller comes in as a phone
        kind = "sip"
    return {"type": kind, ADDRESS[kind]: name}


def _time(moment: datetime | None) -> str | None:
    """Without its zone, UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else None


def _target(
    usual: Target | None, url: list[str] | None, method: str, *, seconds: float = EVENT_SECONDS
) -> Target | None:
    """The requested URL, with the time limits of the application's own: a call cannot set them."""
    if not url:
        return None
    return replace(usual or Target("", socket_timeout=seconds), url=url[0], method=method)


def _done(request: web.Request, message: str) -> web.Response:
    return web.json_response({"message": message, "uuid": request.match_info["uuid"]})
