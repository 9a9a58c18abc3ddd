"""Sends a step to Vonage, and says what came of it.

A leg is looked for in its region, what is refused as too fast is sent again for a while, and what nobody can say is
looked up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from app.control.new_call import address_of
from app.control.regions import Regions
from app.control.requests import ACTIONS, CREATING, MOVING, VonageRequest, calls_since, lookup_of, request_of
from app.control.vonage_client import LateReply, NoReply, NotSent, Response, VonageClient
from app.domain.actions import called_by
from app.domain.conversations import moments
from app.domain.leg_control import done_to
from app.domain.leg_state import BITS, FINAL
from app.domain.legs import project_leg
from app.domain.looked_up import was_moved
from app.domain.operations import Entry, Step
from app.store.store import Store

TURN_SECONDS: Final = 1.0  # how long a step waits for its turn before the operation is let go
# https://api.support.vonage.com/hc/en-us/articles/207100288: 3 new calls, and 15 other requests, a second
RATES: Final = {"calls": 3, "requests": 15}
TOO_FAST: Final = 429
CLOCK_SECONDS: Final = 60.0  # clocks may differ by this
PATIENCE_SECONDS: Final = 5.0  # how long what is refused as too fast, or in one region, is tried again
MOVED: Final = {True: "done", False: "failed", None: "unknown"}
LOOKS: Final = 4  # how often a step is looked up at Vonage; after that, what became of it is unknown
LOOK_AGAIN_SECONDS: Final = 1.0


class Overtaken(Exception):
    """Another worker goes on with the operation: what this one was about to do is not done."""


class Sender:
    """Sends steps over *client*. *goes_on* says before each request whether the operation is still this worker's."""

    def __init__(self, store: Store, client: VonageClient, regions: Regions, goes_on: Callable[[str], bool]) -> None:
        self._store, self._client, self._regions, self._goes_on = store, client, regions, goes_on

    def turn(self, verb: str) -> float | None:
        """In how many seconds it is this request's turn, over all workers; None: not within TURN_SECONDS."""
        rate = "calls" if verb in CREATING else "requests"
        return self._store.take_turn(rate, RATES[rate], TURN_SECONDS)

    def outcome(self, operation: str, entry: Entry, step: Step) -> dict[str, Any]:
        """What came of sending *step*, whose *entry* is kept."""
        request = request_of(step.verb, step.leg, entry.data.get("conversation"), step.arguments)
        try:
            response = self._in_its_region(operation, request, step)
        except NotSent as why:
            return {"result": "failed", "detail": str(why)}
        except NoReply as why:
            found = self.look_up(operation, entry)
            if isinstance(why, LateReply) and step.verb in CREATING and found["result"] == "failed":
                found = {"result": "unknown"}  # not there yet: a second call would ring as well
            return found | {"detail": str(why)} if found["result"] == "unknown" else found
        result = _result(response, step.verb)
        if result["result"] == "unknown" and step.verb in (*MOVING, "hangup"):  # an error of Vonage's
            return result | self.look_up(operation, entry)
        return result

    def _in_its_region(self, operation: str, request: VonageRequest, step: Step) -> Response:
        """The response of the region that knows the leg; 404 if none does."""
        response: Response | None = None
        hosts, until = self._regions.hosts(step.leg, step), time.monotonic() + PATIENCE_SECONDS
        for index, host in enumerate(hosts):
            try:
                response = self._patiently(operation, request, host, until, step.verb, first=index == 0)
            except NotSent:
                if index + 1 == len(hosts) and response is None:
                    raise
                continue
            if response.status != 404 or step.leg is None or time.monotonic() > until:
                break
        assert response is not None  # noqa: S101 - there is one host at least
        return response

    def _patiently(
        self, operation: str, request: VonageRequest, host: str, until: float, verb: str, *, first: bool
    ) -> Response:
        """The response; 429 means that nothing was done, and that somebody else uses the application's turns."""
        while True:
            if not first:
                time.sleep(self.turn(verb) or 0.0)
            if not self._goes_on(operation):
                raise Overtaken
            response = self._client.send(host, request.method, request.path, request.body)
            if response.status != TOO_FAST or time.monotonic() > until:
                return response
            first = False
            time.sleep(1.0)

    def _look_up_call(self, operation: str, entry: Entry) -> dict[str, Any]:
        """Whether the call of a step was placed: Vonage lists calls, and knows no id of ours.

        It is the one to this endpoint that began since, and that no other operation has. If there are several, nobody
        can say.
        """
        since = entry.at - timedelta(seconds=CLOCK_SECONDS)
        step = Step(entry.name, "create", None, {}, {})
        response = self._looked_up(operation, calls_since(since), step)
        if response is None or not response.ok:
            return {"result": "unknown"}
        listed = response.body.get("_embedded", {}).get("calls", [])
        to = address_of(entry.data["to"])
        found = [
            call
            for call in listed
            if call.get("direction") == "outbound"
            and address_of(call.get("to")) == to
            and not self._is_another(call["uuid"], operation, entry.at)
        ]
        if len(found) != 1:
            return {"result": "failed" if not found else "unknown"}
        return {"result": "done", "uuid": found[0]["uuid"], "conversation_uuid": found[0].get("conversation_uuid")}

    def _is_another(self, uuid: str, operation: str, since: datetime) -> bool:
        """Whether the leg was known before, or is known to have been called by another action or operation.

        That another one decides where the leg is now says nothing: it was called, and somebody acted on it at once.
        """
        kept = self._store.leg_history(uuid).events.values()
        return any(each.received < since for each in kept) or any(
            by not in (None, operation) for by in map(called_by, (each.event for each in kept))
        )

    def _looked_up(self, operation: str, request: VonageRequest, step: Step) -> Response | None:
        """The response to a request that only reads, which is sent again if none came; None: Vonage does not say."""
        for look in range(LOOKS):
            if look:
                time.sleep(LOOK_AGAIN_SECONDS)
            with suppress(NotSent, NoReply):
                response = self._in_its_region(operation, request, step)
                if response.status < 500 and response.status != TOO_FAST:
                    return response
        return None

    def look_up(self, operation: str, entry: Entry) -> dict[str, Any]:
        """What became of a step of which no result is known, as far as Vonage knows."""
        verb, leg = entry.data["verb"], entry.data.get("leg")
        if verb in CREATING:
            return self._look_up_call(operation, entry)
        if leg is None or (verb not in MOVING and verb not in ACTIONS):
            return {"result": "unknown"}
        step = Step(entry.name, verb, leg, {}, {})
        response = self._looked_up(operation, lookup_of(leg), step)
        if response is None:
            return {"result": "unknown"}
        if response.status == 404:
            return {"result": "gone", "status": 404}
        status = str(response.body.get("status", ""))
        over = BITS.get(status, 0) & FINAL
        if not response.ok or not status:
            return {"result": "unknown"}
        if verb == "hangup":
            return {"result": "done" if over else "failed"}
        if over:
            return {"result": "gone"}
        if verb in MOVING:
            return {"result": MOVED[self._was_moved(operation, entry, leg, response.body.get("conversation_uuid"))]}
        return {"result": "unknown"}

    def _was_moved(self, operation: str, entry: Entry, leg: str, here: str | None) -> bool | None:
        events, known = self._store.leg_history(leg)
        happened = moments(events)
        left, names = entry.data.get("conversation"), {operation, f"{operation}:{entry.name}"}
        actions = [done for done in done_to(happened, {}) if done.action.leg == leg]
        moves = project_leg(leg, happened, known).moves
        return was_moved(here, left, names, entry.at, actions, moves)


def _result(response: Response, verb: str) -> dict[str, Any]:
    """What a response means."""
    known: dict[str, Any] = {"status": response.status}
    if response.ok:
        if verb in CREATING:
            known |= {name: response.body.get(name) for name in ("uuid", "conversation_uuid")}
        return known | {"result": "done"}
    if response.detail:
        known["detail"] = response.detail
    if response.status == 404 and verb not in CREATING:
        return known | {"result": "gone"}
    if response.status == TOO_FAST:
        return known | {"result": "failed"}
    return known | {"result": "refused" if response.status < 500 else "unknown"}
