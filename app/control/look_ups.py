"""Asks Vonage what became of calls of which nothing was received for long: webhooks may be lost for good.

One worker does so for all, a request every few seconds, and only when no action of ours needs the turn. What Vonage
says that is not known is kept as an event (`app/domain/call_object.py`).
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from app.control.new_call import address_of
from app.control.regions import Regions
from app.control.requests import lookup_of
from app.control.sending import RATES, TOO_FAST
from app.control.vonage_client import NoReply, NotSent, Response, VonageClient
from app.domain.call_object import news_in, not_found
from app.domain.conversations import moments
from app.domain.events import CANONICAL
from app.domain.legs import Leg, project_leg
from app.store.errors import StoreError
from app.store.look_ups import Span
from app.store.store import Store

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 2.0  # between two requests
LEASE_SECONDS: Final = 10.0
READ_SECONDS: Final = 20.0  # how often it is looked which calls have become silent
SILENT_SECONDS: Final = 300.0  # then it is asked; after that, each time that it has been silent for twice as long
ASK_AT, CONFIRM_AT = 0.9, 0.85  # parts of PRESUME_ENDED_AFTER: a call that goes on must not be presumed to have ended
MOST_WAITING: Final = 5000  # conversations
UNREACHABLE_SECONDS: Final = 30.0  # until Vonage is asked again after it did not answer
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class NoTurn(Exception):
    """Vonage takes no further request just now."""


class LookUps:
    """Looks up silent calls of *store* over *client*; in each worker there is one, and one of them does so."""

    name = "look-ups"

    def __init__(self, store: Store, client: VonageClient, regions: Regions, presume_ended_after: timedelta) -> None:
        self._store, self._client, self._regions = store, client, regions
        self._presumed = presume_ended_after
        self._holder = uuid4().hex
        self._holds = False
        self._read = datetime.now(UTC)
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)  # conversations
        self._doubted: deque[str] = deque(maxlen=MOST_WAITING)  # legs, of this worker's operations
        self._stop, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="look-ups", daemon=True)

    def start(self) -> None:
        """Begin, if there are credentials to ask with."""
        if self._client.credentials is not None:
            self._thread.start()

    def stop(self) -> None:
        """End after the current request; another worker goes on."""
        self._stop.set()
        self._wake.set()
        if self._holds:
            try:
                self._store.end_look_ups(self._holder)
            except StoreError as away:
                log.debug("another worker looks up calls in %.0f s: %s", LEASE_SECONDS, away)

    def ping(self) -> str | None:
        """Always None: nothing waits for it."""
        return None

    def doubt(self, legs: Iterable[str]) -> None:
        """Ask about *legs* soon: what was expected of them did not come. The caller does not wait."""
        if self._client.credentials is not None:
            self._doubted.extend(legs)
            self._wake.set()

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.is_set():
            self._wake.wait(pause)
            self._wake.clear()
            if self._stop.is_set():
                return
            pause = EVERY_SECONDS
            try:
                if not self.ask_next(datetime.now(UTC)):
                    pause = UNREACHABLE_SECONDS if self._waiting and self._holds else EVERY_SECONDS
            except StoreError as away:
                log.debug("no call is looked up: %s", away)
            except Exception:  # a bug of ours must not end the thread
                log.exception("an error of ours while looking up a call")

    def ask_next(self, now: datetime) -> bool:
        """Ask about the next leg in doubt, or the legs of the next silent call. False: Vonage did not answer."""
        self._keep_lease(now)
        queue = self._doubted or self._waiting
        if not queue:
            return True
        name = queue.popleft()
        legs = [name] if queue is self._doubted else self._present(name)
        try:
            for index, leg in enumerate(legs):
                if index and self._stop.wait(EVERY_SECONDS):
                    break
                if not self.look_up(leg, now):
                    self._waiting.extend([name] if queue is self._waiting else ())
                    return False
        except NoTurn:
            queue.appendleft(name)
        return True

    def _keep_lease(self, now: datetime) -> None:
        """Hold the lease, or get it, and note which calls have become silent.

        The worker that gets it when none had it asks about every live call once: webhooks may have come to a server
        that was stopped, or that had lost its Redis.
        """
        spans: list[Span] = []
        self._holds = self._holds and self._store.keep_look_ups(self._holder, LEASE_SECONDS)
        if not self._holds:
            self._waiting.clear()
            if not self._store.take_look_ups(self._holder, LEASE_SECONDS):
                return
            self._holds, spans = True, [Span(LONG_AGO, now)]
        elif now - self._read >= timedelta(seconds=READ_SECONDS):
            spans = [Span(self._read - silent, now - silent) for silent in self._silences()]
        if spans:
            self._read = now
            waiting = {*self._waiting}
            self._waiting.extend(name for name in self._store.silent(spans) if name not in waiting)

    def _silences(self) -> Iterable[timedelta]:
        """After how long a silence a call is asked about; last, before it would be presumed ended."""
        last, silence = ASK_AT * self._presumed, timedelta(seconds=SILENT_SECONDS)
        while silence < last:
            yield silence
            silence *= 2
        yield last

    def _present(self, conversation: str) -> list[str]:
        """The legs that are in *conversation* and have not ended, as far as is known."""
        history = self._store.histories([conversation]).conversations.get(conversation, {})
        uuids = dict.fromkeys(kept.event.leg for kept in history.values() if kept.event.leg)
        legs = [leg for uuid in uuids if (leg := self._leg(uuid)[0])]
        return [leg.uuid for leg in legs if leg.state != "completed" and leg.place.conversation == conversation]

    def _leg(self, uuid: str) -> tuple[Leg | None, datetime]:
        """The leg *uuid*, and when anything was received of it last."""
        events, known = self._store.leg_history(uuid)
        last = max((kept.received for kept in events.values()), default=LONG_AGO)
        return (project_leg(uuid, moments(events), known) if events else None), last

    def look_up(self, uuid: str, now: datetime) -> bool:
        """Ask Vonage about the leg *uuid*, and keep what is new. False: Vonage did not answer. Raises NoTurn."""
        leg, last = self._leg(uuid)
        if leg is None or leg.state == "completed":
            return True
        response = self._response(uuid)
        if response is None:
            return False
        after, _ = self._leg(uuid)
        if after is None or after.place != leg.place:  # a webhook came meanwhile: it may be newer than the response
            return True
        if response.status == 404:
            log.warning("leg %s: no region of Vonage knows it", uuid)
            bodies = [not_found(after)]
        else:
            call = {**response.body, **{name: address_of(response.body.get(name)) for name in ("from", "to")}}
            at = response.date or now
            bodies = news_in(call, after, at, confirm=now - last > CONFIRM_AT * self._presumed)
        for body in bodies:
            if self._store.record_looked_up(CANONICAL.encode(body).encode(), now) and response.status != 404:
                what = body.get("status") or f"in conversation {body.get('conversation_uuid_to')}"
                log.info("leg %s: by Vonage's API it is %s", uuid, what)
        return True

    def _response(self, uuid: str) -> Response | None:
        """What the region that knows the leg says, or 404; None if none of them can say. Raises NoTurn."""
        request, response, silent = lookup_of(uuid), None, False
        for host in self._regions.hosts_of(uuid):
            turn = self._store.take_turn("requests", RATES["requests"], 0.0)  # actions go first
            if turn is None:
                raise NoTurn
            try:
                response = self._client.send(host, request.method, request.path, request.body)
            except (NotSent, NoReply) as why:
                log.debug("leg %s is not looked up: %s", uuid, why)
                silent = True
                continue
            if response.ok:
                return response
            if response.status != 404:
                level = logging.DEBUG if response.status >= 500 or response.status == TOO_FAST else logging.WARNING
                log.log(level, "leg %s is not looked up: Vonage's API says %d", uuid, response.status)
                silent = True
        return None if silent else response
