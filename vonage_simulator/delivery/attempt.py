"""Makes one attempt to deliver a webhook: writes, signs and sends it, with a fault if there is to be one."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid

from vonage_simulator.clock import Clock
from vonage_simulator.delivery.exchange import Exchange, NoReply, Reply, no_reply
from vonage_simulator.delivery.fault_plan import How, Plan, tampered
from vonage_simulator.delivery.sent import Sent, Try
from vonage_simulator.delivery.signing import sign
from vonage_simulator.delivery.wire import Request, write
from vonage_simulator.ledger import Application, Target
from vonage_simulator.trace import Happening, Watch

RETRIED = {429, 503, 504}  # help article 115016024247; every other status is final
SUCCESS = range(200, 206)  # https://developer.vonage.com/en/getting-started/concepts/webhooks
REPLAYED = 600  # seconds ago that the token of a replayed webhook was made


class Attempts:
    """Makes the attempts for one application."""

    def __init__(self, application: Application, exchange: Exchange, clock: Clock, watch: Watch | None) -> None:
        self._application, self._exchange, self._clock, self._watch = application, exchange, clock, watch
        self._order = itertools.count()

    async def make(
        self, sent: Sent, how: How | None, plan: Plan, token: str | None = None
    ) -> tuple[Reply | NoReply, str | None]:
        """Make one attempt. Returns a successful reply or a NoReply, and the token: *token*, or a new one.

        Adds a Try to *sent*, also when it is cancelled.
        """
        order, begun, target = next(self._order), time.monotonic(), sent.target
        status: int | None = None

        def note(words: str, *, reached: bool) -> None:
            seconds = time.monotonic() - begun
            sent.tries.append(Try(order, how, how != "tamper", reached, status, words, seconds))

        try:
            with no_reply(target):
                request = write(target, sent.body)
            token = token or self._token(request, how, plan)
            if how == "tamper":
                request = write(target, tampered(sent.body, plan.pick))
            with self._clock.outside():
                reply = await self._request(target, request, how, token)
            status, words = reply.status, f"it answers {reply.status}"
            if status not in SUCCESS:
                raise NoReply("Invalid response code.", words, again=status in RETRIED, reached=True)
        except NoReply as failure:
            note(failure.words, reached=failure.reached)
            if self._watch is not None and how in {None, "duplicate"}:  # every other fault was meant to cause it
                data = {"words": failure.words, "url": target.url}
                self._watch(Happening(self._clock.now(), "trouble", sent.conversation, sent.leg, data))
            return failure, token
        except asyncio.CancelledError:
            note("called off half-way", reached=True)
            raise
        note(words, reached=True)
        return reply, token

    async def _request(self, target: Target, request: Request, how: How | None, token: str | None) -> Reply:
        if how in {"drop", "lose"}:
            await self._exchange.drop(target, request)
        if how == "close":
            await self._exchange.hang_up(target, request, token)
        return await self._exchange.request(target, request, token)

    def _token(self, request: Request, how: How | None, plan: Plan) -> str | None:
        """A token for one try: Vonage does not say whether it signs the second anew."""
        application = self._application
        if not application.signed_callbacks or how in {"unsigned", "forget"}:
            return None
        now = time.time()  # not the carrier's clock, which may run ahead: the server compares it with its own
        if how == "clock":
            now += plan.skew
        if how == "replay":
            now -= REPLAYED
        secret = f"not {application.signature_secret}" if how == "secret" else None
        return sign(application, request.hashed, now=now, jti=str(uuid.uuid4()), secret=secret)
