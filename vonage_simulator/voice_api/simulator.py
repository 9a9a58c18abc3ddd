"""Routes that only the simulator has, for tests in another process. They need no token and count for no limit.

GET  /simulator/ledger               what happened (ledger_json.py)
GET  /simulator/legs/<uuid>          what happened to one leg
POST /simulator/calls                somebody calls: a call as in a scenario; 201 with `uuid`, `conversation_uuid`
POST /simulator/legs/<uuid>/<act>    the far end of a leg acts: answer, reject, hangup, press with {"digits": "12"}
PUT  /simulator/faults               the faults of the API from now on: {"rules": [{"fault": "lost", "count": 1}]}
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from aiohttp import web
from marshmallow import fields, validate

from vonage_simulator.carrier import Carrier
from vonage_simulator.ledger_json import describe, describe_leg
from vonage_simulator.scenarios import read
from vonage_simulator.voice_api import reading
from vonage_simulator.voice_api.access import OPEN
from vonage_simulator.voice_api.errors import ApiFault, Invalid, NotFound
from vonage_simulator.voice_api.faults import ApiFaults, FaultRule
from vonage_simulator.yaml_source import Faults


class PressSchema(reading.Body):
    digits = fields.String(required=True, validate=validate.Regexp(r"[0-9*#]+\Z", error="Not digits, * and #."))


class RuleSchema(reading.Body):
    """As FaultRule has it."""

    fault = fields.String(required=True)
    verbs = fields.List(fields.String())
    first = reading.whole(1)
    count = reading.whole(0, allow_none=True)
    share = fields.Float()
    seconds = fields.Float()


class FaultsSchema(reading.Body):
    rules = fields.List(fields.Nested(RuleSchema), required=True)
    seed = reading.whole(0, load_default=0)


class Simulator:
    def __init__(self, carrier: Carrier, set_faults: Callable[[ApiFaults], None]) -> None:
        self._carrier, self._set_faults = carrier, set_faults

    def routes(self) -> list[web.RouteDef]:
        leg = f"{OPEN}legs/{{leg}}"
        return [
            web.get(f"{OPEN}ledger", self.ledger),
            web.post(f"{OPEN}calls", self.call),
            web.get(leg, self.leg),
            web.post(f"{leg}/answer", self._act(self._carrier.people.answer)),
            web.post(f"{leg}/reject", self._act(self._carrier.people.reject)),
            web.post(f"{leg}/hangup", self._act(self._carrier.people.hang_up)),
            web.post(f"{leg}/press", self.press),
            web.put(f"{OPEN}faults", self.faults),
        ]

    async def ledger(self, _: web.Request) -> web.Response:
        return web.json_response(describe(self._carrier.ledger))

    async def leg(self, request: web.Request) -> web.Response:
        ledger = self._carrier.ledger
        found = ledger.legs.get(request.match_info["leg"])
        if found is None:
            raise NotFound
        return web.json_response(describe_leg(ledger, found))

    async def call(self, request: web.Request) -> web.Response:
        """Place a call now. Its callees are those of the carrier."""
        body = await request.text()
        try:
            story = read(json.dumps({"about": "a call", "calls": [json.loads(body)]}), "call")  # JSON is YAML
        except (ValueError, RecursionError) as error:
            raise ApiFault("the body is no JSON") from error
        except Faults as error:
            raise Invalid([(fault.field, fault.words) for fault in error.faults]) from error
        leg = self._carrier.place(story.calls[0])
        return web.json_response({"uuid": leg.uuid, "conversation_uuid": leg.conversation.uuid}, status=201)

    async def press(self, request: web.Request) -> web.Response:
        body = await reading.read(request, PressSchema())
        self._carrier.people.press(request.match_info["leg"], body["digits"])
        return web.Response(status=204)

    async def faults(self, request: web.Request) -> web.Response:
        body = await reading.read(request, FaultsSchema())
        try:
            rules = [FaultRule(**rule | {"verbs": tuple(rule.get("verbs", ()))}) for rule in body["rules"]]
        except ValueError as error:
            raise Invalid([("rules", str(error))]) from error
        self._set_faults(ApiFaults(rules, body["seed"]))
        return web.Response(status=204)

    @staticmethod
    def _act(act: Callable[[str], None]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def done(request: web.Request) -> web.Response:
            act(request.match_info["leg"])
            return web.Response(status=204)

        return done
