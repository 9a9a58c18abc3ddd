"""A small application in the carrier's event loop: it gives the answers of the test, and records requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from vonage_simulator.behaviour import Behaviour
from vonage_simulator.call_result import CallResult
from vonage_simulator.carrier import Carrier
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import Call, FarEnd, Scenario
from vonage_simulator.simulation import application, simulation
from vonage_simulator.trace import Happening

ROOT = Path(__file__).parents[2]
START = datetime(2026, 1, 1, tzinfo=UTC)
CALLER, OURS, OTHER = "447700900123", "442079460000", "447700900301"
STAYS = FarEnd(after=1.0, hangs_up_after=10.0)  # a callee who talks for ten seconds

Json = dict[str, Any]
Ncco = list[Json]
Answer = Any  # an NCCO, an object, a status, text of some content type, or what makes one of these of a request
During = Callable[[Carrier, list[Leg]], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Got:
    """One request, as it came."""

    path: str
    method: str
    data: Json  # the body, or the parameters as text


class Stage:
    """A server on a port of its own. *answers*: its replies, by path; from a deque the next one each time."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = dict(answers)
        self.got: list[Got] = []
        self.url = ""

    async def __aenter__(self) -> Stage:
        app = web.Application()
        app.add_routes([web.route("*", "/{path:.*}", self._reply)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _reply(self, request: web.Request) -> web.Response:
        data = await request.json() if request.can_read_body else dict(request.query)
        got = Got(request.path, request.method, data)
        self.got.append(got)
        answer = self.answers.get(request.path)
        if isinstance(answer, deque):
            answer = answer.popleft() if answer else None
        if callable(answer):
            answer = answer(got)
        if isinstance(answer, (list, dict)):
            return web.json_response(absolute(answer, self.url))
        if isinstance(answer, int):
            return web.Response(status=answer)
        content_type, text = answer if isinstance(answer, tuple) else ("text/plain", answer or "")
        return web.Response(text=text, content_type=content_type)


@dataclass
class Played:
    """The result of a scenario."""

    carrier: Carrier
    result: CallResult
    got: list[Got]
    called: list[Leg] = field(default_factory=list)  # the legs of the scenario's calls

    @property
    def leg(self) -> Leg:
        """The leg of the first call."""
        return self.called[0]

    @property
    def callees(self) -> list[Leg]:
        """The legs that were rung."""
        return [leg for leg in self.result.legs if leg not in self.called]

    @property
    def events(self) -> list[Json]:
        """The bodies of the events that came to the application's event URL."""
        return self.to("/event")

    def to(self, path: str) -> list[Json]:
        """The bodies that were sent to a path."""
        return [got.data for got in self.got if got.path == path]

    def statuses(self, leg: Leg | None = None) -> list[str]:
        """The statuses sent about *leg*, or the call's own leg, in order."""
        uuid = (leg or self.leg).uuid
        bodies = (got.data for got in self.got if uuid in (got.data.get("uuid"), got.data.get("call_uuid")))
        return [body["status"] for body in bodies if "status" in body and "original_request" not in body]

    def having(self, name: str, path: str = "/event") -> list[Json]:
        """The events that have a field of this name."""
        return [body for body in self.to(path) if name in body]

    def when(self, what: str, **data: Any) -> list[float]:
        """When it happened, in seconds from the beginning."""
        return [
            seconds(happening)
            for happening in self.result.happenings
            if happening.what == what and all(happening.data.get(name) == value for name, value in data.items())
        ]

    @property
    def ended(self) -> float:
        """When the call's own leg was over, in seconds from the beginning."""
        return (self.leg.times["completed"] - START).total_seconds()


def seconds(happening: Happening) -> float:
    return (happening.at - START).total_seconds()


def absolute(ncco: Any, url: str) -> Any:
    """*ncco* with the stage's own address in place of `stage:`."""
    if isinstance(ncco, str):
        return ncco.replace("stage:", url)
    if isinstance(ncco, dict):
        return {name: absolute(value, url) for name, value in ncco.items()}
    return [absolute(item, url) for item in ncco] if isinstance(ncco, list) else ncco


# Actions and scenarios


def talk(seconds: float = 7.0, **more: Any) -> Json:
    """A `talk` whose words take *seconds*."""
    return {"action": "talk", "text": "x" * round(seconds / 0.07), **more}


def connect(number: str = OTHER, *, kind: str = "phone", field: str = "number", **more: Any) -> Json:
    return {"action": "connect", "from": OURS, "endpoint": [{"type": kind, field: number}], **more}


def room(name: str = "room", **more: Any) -> Json:
    return {"action": "conversation", "name": name, **more}


def inbound(far_end: FarEnd | None = None, **more: Any) -> Call:
    given: Json = {"from_": CALLER, "to": OURS, "far_end": far_end or FarEnd()}
    return Call(**given | more)


def outbound(far_end: FarEnd | None = None, **more: Any) -> Call:
    return inbound(far_end, **{"from_": OURS, "to": CALLER, "direction": "outbound"} | more)


def scenario(*calls: Call, callees: Mapping[str, FarEnd] | None = None, **more: Any) -> Scenario:
    return Scenario(name="test", about="", calls=calls, callees=callees or {}, **more)


def play(
    story: Scenario,
    answers: Mapping[str, Answer] | Ncco | None = None,
    *,
    during: During | None = None,
    start: datetime = START,
    fallback: bool = False,
    **settings: Any,
) -> Played:
    """Play *story* with an application that gives *answers*; no leg and no task is left.

    Args:
        answers: The replies of the application, by path; or only its NCCO.
        during: Awaited while the calls last, with the carrier and their legs.
        fallback: Whether the application has a fallback URL.
        settings: More of the application's, for example `answer_method`; or `behaviour`, the carrier's.
    """
    given = {"/answer": answers} if isinstance(answers, list) else dict(answers or {})
    return asyncio.run(_play(story, given, during, start, settings | {"fallback": fallback}))


async def _play(
    story: Scenario, answers: Mapping[str, Answer], during: During | None, start: datetime, settings: Json
) -> Played:
    happenings: list[Happening] = []
    async with playing(answers, happenings, start=start, **settings) as (carrier, stage):
        called = await carrier.play(story)
        if during:
            await during(carrier, called)
        await carrier.over()
        await leaves_nothing(carrier)
        legs = called + [leg for leg in carrier.ledger.legs.values() if leg not in called]
        bodies = [sent.body for sent in carrier.sender.sent if sent.kind == "event"]
        return Played(carrier, CallResult(legs, happenings, bodies), stage.got, called)


@contextlib.asynccontextmanager
async def playing(
    answers: Mapping[str, Answer],
    happenings: list[Happening] | None = None,
    *,
    start: datetime = START,
    fallback: bool = False,
    behaviour: Behaviour | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[Carrier, Stage]]:
    """A carrier whose time jumps, and the application that it calls."""
    changes = {name: settings.pop(name) for name in ("region", "numbers", "signed_callbacks") if name in settings}
    async with Stage(answers) as stage:
        urls = {name: f"{stage.url}/{name.removesuffix('_url')}" for name in ("answer_url", "event_url")}
        if fallback:
            urls["fallback_url"] = f"{stage.url}/fallback"
        own = application(**urls | settings)
        for name, value in changes.items():
            setattr(own, name, value)
        watch = happenings.append if happenings is not None else None
        async with simulation(own, speed=None, start=start, ids=1, watch=watch, behaviour=behaviour) as carrier:
            yield carrier, stage


async def leaves_nothing(carrier: Carrier) -> None:
    """Raise AssertionError if a leg or a task is left."""
    assert not carrier._legs
    assert not carrier._context._tasks
    assert not any(conversation.present for conversation in carrier.ledger.conversations.values())
    assert not any(conversation.recording for conversation in carrier.ledger.conversations.values())
    for _ in range(5):  # what was called off goes in its next turn
        await asyncio.sleep(0)
    assert all(awoken.done() for _, _, awoken in carrier.clock._sleepers)
    if carrier.clock._driver:
        await asyncio.wait_for(carrier.clock._driver, 5)  # it stops as nobody sleeps
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in others if _made_by(task).endswith(OURS_OR_WAITING)], others


OURS_OR_WAITING = (
    *(str(path.relative_to(ROOT)) for path in (ROOT / "vonage_simulator").glob("*.py")),
    *(str(path.relative_to(ROOT)) for path in (ROOT / "vonage_simulator" / "actions").glob("*.py")),
    "vonage_simulator/delivery/webhook_sender.py",
    "asyncio/locks.py",
)


def _made_by(task: asyncio.Task[Any]) -> str:
    coroutine: Any = task.get_coro()
    return str(coroutine.cr_code.co_filename)
