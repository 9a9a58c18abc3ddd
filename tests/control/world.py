"""The whole app, served, with the simulated carrier on its other side: webhooks one way, the Voice API the other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from app import create_app
from app.domain.conversations import moments
from app.domain.legs import project_leg
from app.services import Services, services
from app.store import keys
from app.store.link import Command
from config.settings import Settings
from tests.api.site import OPERATOR, TOKENS, VIEWER
from tests.engines import Engine
from vonage_simulator.carrier import Carrier
from vonage_simulator.certificate import application_keys, make
from vonage_simulator.client_sdk.server import ClientSdk
from vonage_simulator.clock import Clock
from vonage_simulator.delivery.webhook_sender import WebhookSender
from vonage_simulator.harness import served
from vonage_simulator.ledger import Application, Leg, Target
from vonage_simulator.scenario import Call, FarEnd
from vonage_simulator.voice_api.api import VoiceApi
from vonage_simulator.voice_api.faults import ApiFaults, FaultRule

APPLICATION_ID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
NUMBER, CALLER, AGENT, BUSY = "442079460000", "447700900101", "447700900102", "447700900103"
RINGS = "447700900109"
STAYS = FarEnd(after=0.1, stays_alone=1e6)
FAR_ENDS = {
    BUSY: FarEnd(does="busy", after=0.1),
    "Busy": FarEnd(does="busy", after=0.1),
    "Slow": FarEnd(after=100.0, stays_alone=1e6),
    RINGS: FarEnd(does="never_answers"),
    "Nobody": FarEnd(does="never_answers"),
    "*": STAYS,
}
ROOM = "room"  # to which the flow of callers leads
FLOWS = Path(__file__).parent / "flows.yaml"
Json = dict[str, Any]
Made = TypeVar("Made")


class World:
    """An app and a carrier. `base` is the app's address, `api` the carrier's API."""

    def __init__(self, base: str, services_: Services, app: Any) -> None:
        self.base, self.services, self.app = base, services_, app
        self.room = "room"  # another one for each test: legs of those before may still be in theirs
        self.hosts: tuple[str, ...] = ()  # of the carrier's API, one for each region
        self.loop: asyncio.AbstractEventLoop
        self.carrier: Carrier
        self.api: VoiceApi
        self.sdk: ClientSdk
        self._work: list[Future[Any]] = []  # of the driver
        self.sdk_url = ""  # of the script of the stand-in for the Client SDK

    def emptied(self, engine: Engine) -> World:
        """The same, with nothing stored, and nothing under way: a late webhook would be a call of the next test."""
        self.until(self._is_quiet)
        self._work.clear()
        engine.flush()
        return self

    def _is_quiet(self) -> bool:
        """Hang up every leg; whether all webhooks of that were sent, and the driver has nothing to do."""
        begun = len(self._work)
        asyncio.run_coroutine_threadsafe(self._all_over(), self.loop).result(60)
        return all(work.done() for work in self._work) and len(self._work) == begun

    async def _all_over(self) -> None:
        for active in list(self.carrier._legs.values()):
            active.end("platform", "the next test")
        await self.carrier.over()

    def watch_driver(self) -> None:
        """Know what the driver works on."""
        pool = self.services.control.driver._pool
        submit = pool.submit

        def submitted(*work: Any, **named: Any) -> Future[Any]:
            self._work.append(submit(*work, **named))
            return self._work[-1]

        pool.submit = submitted  # type: ignore[method-assign]

    # -- the app's API --------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None, *, token: str = OPERATOR, **headers: str) -> Any:
        """The response to a request of the app's API."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Authorization"] = f"Bearer {token}"
        return self.app.test_client().open(f"/api/v1{path}", method=method, json=body, headers=headers)

    def act(self, leg: Leg | str, verb: str, body: Any = None, **headers: str) -> Any:
        """The response to an action on a leg."""
        uuid = leg if isinstance(leg, str) else leg.uuid
        return self.ask("POST", f"/legs/{uuid}/{verb}", {} if body is None else body, **headers)

    def consults(self, leg: Leg, to: str) -> str:
        """The path of a transfer that *leg* begins, once *to* has answered."""
        began = self.ask("POST", "/transfers", {"initiator_call": leg.uuid, "to": to})
        assert began.status_code == 201, began.text
        path = f"/transfers/{began.json['id']}"
        self.until(lambda: self.ask("GET", path).json["status"] == "answered")
        return path

    def control(self, leg: Leg | str) -> Any:
        """What the app says of how a leg is controlled."""
        uuid = leg if isinstance(leg, str) else leg.uuid
        response = self.ask("GET", f"/legs/{uuid}", token=VIEWER)
        assert response.status_code == 200, response.text
        return response.json["control"]

    def action(self, id_: str) -> Any:
        """What has become of an action."""
        return self.ask("GET", f"/actions/{id_}").json

    def events(self, leg: Leg) -> Any:
        """The events of the leg's call."""
        return self.ask("GET", f"/calls/{leg.uuid}/events?limit=500").json["items"]

    def open_operations(self) -> list[str]:
        """Operations that have not ended."""
        found = []
        for part in keys.ALL:
            (names,) = self.services.store._reader.fetch([Command(part.due, ("ZRANGE", part.due, 0, -1))])
            found += [keys.decode(name) for name in names]
        return found

    # -- the carrier ----------------------------------------------------------------------------------------------

    def do(self, work: Callable[[], Made]) -> Made:
        """Do *work* in the carrier's event loop."""

        async def doing() -> Made:
            return work()

        return asyncio.run_coroutine_threadsafe(doing(), self.loop).result(20)

    def caller(
        self, from_: str = CALLER, to: str = NUMBER, far_end: FarEnd = STAYS, room: str | None = ROOM, **more: Any
    ) -> Leg:
        """A call that comes in, once it is answered and in *room*, to which the flow leads, and the app knows it."""
        call = Call(from_=from_, to=to, far_end=far_end, **more)
        leg = self.do(lambda: self.carrier.place(call))
        self.known(leg, "answered")
        if room:  # a leg that enters it is not muted any more: what is done before may be lost
            self.until(partial(self.is_in, leg, room))
        return leg

    def legs(self) -> list[Leg]:
        """All legs of the carrier, oldest first."""
        return self.do(lambda: list(self.carrier.ledger.legs.values()))

    def created(self, response: Any) -> Leg:
        """The leg of a call that the app placed."""
        assert response.status_code == 201, response.text
        return self.carrier.ledger.legs[response.json["leg"]]

    @contextmanager
    def faults(self, *rules: FaultRule) -> Iterator[Callable[[], list[Any]]]:
        """Let the carrier's API have faults; yields what lists the requests since."""
        requests = self.requests_from_now()
        self.api.faults = ApiFaults(rules)
        try:
            yield requests
        finally:
            self.api.faults = ApiFaults()

    def requests_from_now(self) -> Callable[[], list[Any]]:
        """What lists the requests that the carrier's API gets from now on."""
        before = len(self.carrier.ledger.requests)
        return lambda: list(self.carrier.ledger.requests)[before:]

    def has_result(self, operation: str) -> bool:
        """Whether something has come of the operation's first step."""
        return any(entry.kind == "result" for entry in self.services.store.log_of(operation))

    def known(self, leg: Leg, state: str) -> None:
        """Wait until the app knows that *leg* is in *state*."""

        def reached() -> bool:
            response = self.ask("GET", f"/legs/{leg.uuid}", token=VIEWER)
            return response.status_code == 200 and response.json["state"] == state

        self.until(reached)

    def in_room(self, *numbers: str, room: str | None = None) -> list[Leg]:
        """Legs in one room of the test: calls that the app places."""
        room, legs = f"{self.room}-{room}" if room else self.room, []
        for number in numbers:
            body = {"to": {"type": "phone", "number": number}, "ncco": [{"action": "conversation", "name": room}]}
            legs.append(self.created(self.ask("POST", "/calls", body)))
        for leg in legs:
            self.known(leg, "answered")
            self.until(partial(self.is_in, leg, room))
        return legs

    def pair(self) -> tuple[Leg, Leg]:
        """A caller and a callee, AGENT, whom a `connect` joined."""
        connect = {"action": "connect", "from": NUMBER, "endpoint": [{"type": "phone", "number": AGENT}]}
        body = {"to": {"type": "phone", "number": CALLER}, "ncco": [connect]}
        caller = self.created(self.ask("POST", "/calls", body))
        callee = self.until(lambda: next((leg for leg in caller.conversation.legs.values() if leg.to == AGENT), None))
        for leg in (caller, callee):
            self.known(leg, "answered")
        return caller, callee

    def is_in(self, leg: Leg, room: str) -> bool:
        """Whether the leg is in *room*, and the app knows that: of the leg and, a moment later, of the conversation."""
        store, here = self.services.store, leg.conversation.uuid
        events, known = store.leg_history(leg.uuid)
        place = project_leg(leg.uuid, moments(events), known).place
        if leg.conversation.name != room or place.name.decode() != here:
            return False
        return any(kept.event.leg == leg.uuid for kept in store.histories([here]).conversations.get(here, {}).values())

    def until(self, holds: Callable[[], Any], seconds: float = 60.0) -> Any:
        """Wait until *holds* is true; returns its value."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < end, "it never became true"
            time.sleep(0.04)
        return found


async def _carry(world: World, folder: Path, ready: threading.Event, over: asyncio.Event, settings: Json) -> None:
    world.loop = asyncio.get_running_loop()
    application = Application(
        id=APPLICATION_ID,
        public_key=application_keys(folder)[1],
        signed_callbacks=False,
        event=Target(f"{world.base}/voice/event", socket_timeout=10.0),
        answer=Target(f"{world.base}/voice/answer", "GET", 1.0, 5.0),
        **({"calls_per_second": 3, "numbers": (NUMBER,)} | settings.pop("application", {})),
    )
    clock = Clock(speed=settings.pop("speed", 20.0))
    async with WebhookSender(application, clock=clock) as sender:
        world.carrier = Carrier(application, clock=clock, sender=sender, callees=FAR_ENDS)
        regions = settings.pop("regions", ())
        world.api = VoiceApi(world.carrier, **settings)
        base = await world.api.start(make(folder), regions=regions)
        urls = world.api.by_region.values() if regions else [base]
        world.sdk = ClientSdk(world.carrier, world.api.users)
        world.sdk_url = await world.sdk.start()
        world.hosts = tuple(url.removeprefix("https://") for url in urls)
        ready.set()
        await over.wait()
        await world.sdk.stop()
        await world.api.stop()
        world.carrier.stop()
        await asyncio.sleep(0)


@contextmanager
def carried(world: World, folder: Path, **settings: Any) -> Iterator[World]:
    """*world* with a carrier, whose webhooks go to `world.base`; certificate and keys are in *folder*."""
    over: list[asyncio.Event] = []
    ready = threading.Event()

    async def run() -> None:
        over.append(asyncio.Event())
        await _carry(world, folder, ready, over[0], settings)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(20)
        yield world
    finally:
        if over:
            world.loop.call_soon_threadsafe(over[0].set)
        thread.join()


@contextmanager
def world_of(
    folder: Path, redis_url: str, *, carrier: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[World]:
    """An app over the Redis at *redis_url*, and its carrier; certificate and keys are in *folder*."""
    made: list[World] = []

    def app_at(base: str) -> Any:
        world = World(base, None, None)  # type: ignore[arg-type]
        made.append(world)
        running.enter_context(carried(world, folder, **(carrier or {})))
        chosen: Json = {"secret_key": "k" * 32, "access_tokens": TOKENS, "redis_url": redis_url, "public_url": base}
        chosen |= {"application_id": APPLICATION_ID, "private_key": application_keys(folder)[0].read_text()}
        chosen |= {"api_hosts": world.hosts, "recording_hosts": world.hosts, "flows_file": FLOWS}
        chosen |= {"webhook_verify": "off", "client_sdk_url": world.sdk_url, "data_dir": folder}
        app = create_app(Settings(**(chosen | settings)))
        world.app, world.services = app, services(app)
        world.watch_driver()
        return app

    certificate = make(folder)
    with pytest.MonkeyPatch.context() as environment, ExitStack() as running:
        environment.setenv("REQUESTS_CA_BUNDLE", str(certificate.ca))
        environment.setenv("NO_PROXY", "127.0.0.1")
        with served(app_at) as _:
            (world,) = made
            parts: Sequence[Any] = (world.services.flows, world.services.store, world.services.control.driver)
            for part in parts:
                part.start()
            try:
                yield world
            finally:  # else the driver of a test that failed would go on with the operations of those after it
                for part in reversed(parts):
                    part.stop()
                world.services.live.stop()
