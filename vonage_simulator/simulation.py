"""Puts a carrier together: clock, application, webhook sender and faults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from vonage_simulator.behaviour import Behaviour
from vonage_simulator.carrier import Carrier
from vonage_simulator.clock import Clock
from vonage_simulator.delivery.fault_plan import FaultPlan
from vonage_simulator.delivery.webhook_sender import WebhookSender
from vonage_simulator.ledger import ANSWER_SECONDS, Application, Target
from vonage_simulator.scenario import FarEnd
from vonage_simulator.trace import Watch, Watchers

# Where none is set. A server that verifies signatures refuses what is signed with this secret.
APPLICATION_ID = "5e1ec7ed-0000-4000-8000-000000000000"
API_KEY, SIGNATURE_SECRET = "simulated", "the simulator signs with this where no secret is set"


def application(
    *,
    answer_url: str | None,
    event_url: str | None,
    fallback_url: str | None = None,
    answer_method: str = "GET",
    event_method: str = "POST",
    application_id: str | None = None,
    secret: tuple[str, str] | None = None,
    calls_per_second: float | None = None,
) -> Application:
    """An application whose webhooks go to these URLs. *secret*: API key and signature secret."""
    api_key, signature_secret = secret or (API_KEY, SIGNATURE_SECRET)
    return Application(
        id=application_id or APPLICATION_ID,
        api_key=api_key,
        signature_secret=signature_secret,
        answer=Target(answer_url, answer_method, socket_timeout=ANSWER_SECONDS) if answer_url else None,
        event=Target(event_url, event_method) if event_url else None,
        fallback=Target(fallback_url, answer_method, socket_timeout=ANSWER_SECONDS) if fallback_url else None,
        calls_per_second=calls_per_second,
    )


@asynccontextmanager
async def simulation(
    application: Application,
    *,
    speed: float | None = 1.0,
    start: datetime | None = None,
    faults: FaultPlan | None = None,
    seed: int = 0,
    ids: int | None = None,
    watch: Watch | None = None,
    callees: Mapping[str, FarEnd] | None = None,
    behaviour: Behaviour | None = None,
) -> AsyncIterator[Carrier]:
    """A carrier for *application* that is stopped at the end.

    Args:
        speed: Seconds of the carrier's time in one real second; None: its time jumps.
        start: When its time begins; None: now.
        faults, seed: The faults of webhooks, the same ones for the same seed.
        ids: The seed of all ids; None: new ones each time, as a server that keeps calls needs them.
        watch: Called with everything that happens.
        callees: The far ends of calls that the Voice API creates, by name; "*" is anybody else.
        behaviour: Where Vonage's documentation leaves it open.
    """
    clock, watchers = Clock(start, speed=speed), Watchers(watch)
    async with WebhookSender(application, clock=clock, faults=faults, seed=seed, watch=watchers) as sender:
        carrier = Carrier(
            application, clock=clock, sender=sender, seed=ids, watch=watchers, callees=callees, behaviour=behaviour
        )
        try:
            yield carrier
        finally:
            carrier.stop()
