"""A simulated carrier with its API, in an event loop of its own, for tests that send requests to it."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import jwt
import pytest
import requests
import vonage
from aiohttp import web
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from vonage_simulator.behaviour import Behaviour
from vonage_simulator.carrier import Carrier
from vonage_simulator.certificate import Certificate, application_keys, make
from vonage_simulator.client_sdk.server import ClientSdk
from vonage_simulator.clock import Clock
from vonage_simulator.delivery.webhook_sender import WebhookSender
from vonage_simulator.ledger import Application, Leg, Target
from vonage_simulator.scenario import FarEnd, Region
from vonage_simulator.trace import Happening
from vonage_simulator.voice_api.api import VoiceApi

Made = TypeVar("Made")
APPLICATION_ID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
OURS, ALICE, BUSY, RINGS = "442038297050", "447700900123", "447700900001", "447700900002"
FAR_ENDS = {BUSY: FarEnd(does="busy", after=0.1), RINGS: FarEnd(does="never_answers")}
STAYS = FarEnd(after=0.1, stays_alone=1e6, keys=("1", "2"))
ROOM = [{"action": "conversation", "name": "room"}]
CALL: dict[str, Any] = {
    "to": [{"type": "phone", "number": ALICE}],
    "from": {"type": "phone", "number": OURS},
    "ncco": ROOM,
}
Json = dict[str, Any]


@dataclass
class Server:
    """A carrier with its API, and an application's server, in an event loop of their own."""

    certificate: Certificate
    private_key: Path
    carrier: Carrier = field(init=False)
    api: VoiceApi = field(init=False)
    sdk: ClientSdk = field(init=False)
    sdk_url: str = ""  # of its script
    base: str = ""
    application_url: str = ""
    ncco: Any = field(default_factory=lambda: ROOM)  # that its answer URL gives
    events: list[Json] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop = field(init=False)
    client: Any = None

    def __post_init__(self) -> None:
        self.ready, self.over = threading.Event(), asyncio.Event()
        self._key: Any = load_pem_private_key(self.private_key.read_bytes(), None)  # once: that takes a while

    def do(self, work: Callable[[], Made]) -> Made:
        """Do *work* in the carrier's event loop."""

        async def doing() -> Made:
            return work()

        return asyncio.run_coroutine_threadsafe(doing(), self.loop).result(5)

    def token(self, **claims: Any) -> str:
        now = int(time.time())
        given = {"application_id": APPLICATION_ID, "iat": now, "jti": str(uuid.uuid4()), "exp": now + 900} | claims
        given = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(given, self._key, algorithm="RS256")

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **more: Any
    ) -> requests.Response:
        """A request without the SDK; *path* may be a whole URL."""
        headers = {"Authorization": f"Bearer {token or self.token()}"} | more.pop("headers", {})
        url = path if path.startswith("https:") else self.base + path
        return requests.request(
            method, url, json=body, headers=headers, timeout=20, verify=str(self.certificate.ca), **more
        )

    def leg(self, uuid: str) -> Leg:
        return self.carrier.ledger.legs[uuid]

    def until(self, holds: Callable[[], Any]) -> Any:
        """Wait until *holds* is true; returns its value."""
        end = time.monotonic() + 60
        while not (found := holds()):
            assert time.monotonic() < end, "it never became true"
            time.sleep(0.005)
        return found

    def answered(self, **more: Any) -> Leg:
        """A call that is answered, and old enough to be hung up."""
        answer = self.ask("POST", "/v1/calls", CALL | more)
        assert answer.status_code == 201, answer.text
        leg = self.leg(answer.json()["uuid"])
        self.until(lambda: leg.answered)
        young = timedelta(seconds=self.carrier.behaviour.no_hangup_seconds)
        self.until(lambda: self.carrier.clock.now() >= leg.times["started"] + young)
        return leg

    def ended_call(self) -> Leg:
        """A call that is over."""
        leg = self.answered()
        self.until(lambda: self.ask("PUT", f"/v1/calls/{leg.uuid}", {"action": "hangup"}).status_code == 204)
        return leg

    async def _event(self, request: web.Request) -> web.Response:
        self.events.append(await request.json())
        return web.Response()

    async def _answer(self, request: web.Request) -> web.Response:
        self.events.append({"method": request.method, "query": dict(request.query)})
        return web.json_response(self.ncco)

    async def run(
        self,
        application: Application,
        clock: Clock,
        other_requests_per_second: float | None,
        regions: Sequence[Region],
        behaviour: Behaviour | None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        app = web.Application()
        app.add_routes([web.post("/event", self._event), web.route("*", "/answer", self._answer)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.application_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        if application.event:
            application.event = Target(f"{self.application_url}/event", socket_timeout=2.0)
            application.answer = Target(f"{self.application_url}/answer", "GET", 0.5, 5.0)
        async with WebhookSender(application, clock=clock) as sender:
            self.carrier = Carrier(
                application,
                clock=clock,
                sender=sender,
                watch=self.happenings.append,
                callees={**FAR_ENDS, "*": STAYS},
                behaviour=behaviour,
            )
            self.api = VoiceApi(self.carrier, other_requests_per_second=other_requests_per_second)
            self.base = await self.api.start(self.certificate, regions=regions)
            self.sdk = ClientSdk(self.carrier, self.api.users)
            self.sdk_url = await self.sdk.start()
            self.ready.set()
            await self.over.wait()
            await self.sdk.stop()
            await self.api.stop()
            self.carrier.stop()
            await asyncio.sleep(0)
        await runner.cleanup()


@contextmanager
def serving(
    folder: Path,
    *,
    speed: float = 50.0,
    other_requests_per_second: float | None = None,
    regions: Sequence[Region] = (),
    behaviour: Behaviour | None = None,
    **settings: Any,
) -> Iterator[Server]:
    """A server, and the SDK's client of it. Certificate and keys are in *folder*, or are made there.

    Time goes fast. There are no limits unless *settings*, which are the application's, set them.
    """
    certificate = make(folder)
    private_key, public_key = application_keys(folder)
    server = Server(certificate, private_key)
    given: Json = {"event": Target("http://to.be.set/event"), "calls_per_second": None} | settings
    application = Application(id=APPLICATION_ID, public_key=public_key, signed_callbacks=False, **given)
    clock = Clock(speed=speed)
    running = server.run(application, clock, other_requests_per_second, regions, behaviour)
    thread = threading.Thread(target=lambda: asyncio.run(running))
    thread.start()
    try:
        assert server.ready.wait(5)
        auth = vonage.Auth(
            application_id=APPLICATION_ID,
            private_key=str(private_key),
            api_key=application.api_key,
            api_secret=application.api_secret,
        )
        host = server.base.removeprefix("https://")
        server.client = vonage.Vonage(auth, vonage.HttpClientOptions(api_host=host, timeout=20))
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("REQUESTS_CA_BUNDLE", str(certificate.ca))
            environment.setenv("NO_PROXY", "127.0.0.1")
            yield server
    finally:
        if server.client:
            server.client.http_client._session.close()
        if server.ready.is_set():
            server.loop.call_soon_threadsafe(server.over.set)
        thread.join()
