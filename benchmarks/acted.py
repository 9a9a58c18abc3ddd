"""Many calls at once that are acted on at random, and whether the server's API says of them what happened.

    python -m benchmarks.acted [--calls 500] [--seed 1] [--at-once 60] [--cluster]

Each call has a story of its own, the same for the same seed; in some the flow calls a user into a room, or a user
calls. There is hold, resume, mute, record, transfers, conferences and hanging up, some by two clients at once, through
the API of two workers. The carrier's webhooks and its API have faults meanwhile. While all stories pause, and at the
end, the API has to say what the ledger of the carrier says, and nobody may be left alone. With --cluster the store is
one of three primaries with a replica each; every quarter of a minute one of them is killed, replaced, or loses slots.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from app.domain.leg_actions import SWITCHES
from benchmarks import servers
from benchmarks.chaos_cluster import disturbed
from vonage_simulator import certificate
from vonage_simulator.behaviour import Behaviour
from vonage_simulator.carrier import Carrier
from vonage_simulator.clock import Clock
from vonage_simulator.delivery.fault_plan import FaultPlan
from vonage_simulator.delivery.webhook_sender import WebhookSender
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import Call, FarEnd
from vonage_simulator.simulation import application
from vonage_simulator.verify.check import check
from vonage_simulator.verify.differences import Difference, differences
from vonage_simulator.verify.expected_control import conference_differences, early, expected_controls, is_held
from vonage_simulator.verify.expected_recording import recording_differences
from vonage_simulator.verify.server_api import Json, Server
from vonage_simulator.voice_api.api import VoiceApi
from vonage_simulator.voice_api.faults import ApiFaults

APPLICATION_ID: Final = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
FLOWS: Final = """\
routes:
  - {from_user: "*", flow: out}
  - {to: "442079462*", flow: user}
  - {flow: room}
flows:
  user:
    about: A user of the application, who is called into a room
    steps:
      start:
        - {action: connect, timeout: 20, endpoint: [{type: app, user: "u{{ to }}"}]}
  out:
    about: A user of the application calls a number, which is called into a room
    steps:
      start:
        - {action: connect, timeout: 20, randomFromNumber: true, endpoint: [{type: phone, number: "{{ to }}"}]}
  room:
    about: Whoever calls the same number meets in one room
    steps:
      start:
        - {action: conversation, name: "room-{{ to }}"}
"""
WEBHOOK_FAULTS: Final = "lossless=0.1"
API_FAULTS: Final = "429=0.05,503=0.03,lost=0.05,cut=0.05,slow=0.05"
SPEED: Final = 5.0  # of the carrier's clock: a webhook that comes 8 s late comes 1.6 s late
REQUESTS_A_SECOND: Final = 10.0  # by all stories; Vonage takes 15, and operations need some of them
PATIENCE: Final = 90.0  # seconds for what has to come about by itself: a step may wait for its turn a minute
EVERY: Final = ("toggles", "hold", "hold", "muted_hold", "attended", "attended", "blind", "conference", "recorded")
# Parts of a recording: each list is what one client does, one after the other.
PARTS: Final = (
    *(("start", "stop"), ("start", "pause", "resume", "stop"), ("start", "pause", "resume"), ("start", "pause")),
    *(("start",), ("start", "start"), ("start", "pause", "stop", "start")),
)
STAYS: Final = FarEnd(after=0.5, stays_alone=1e6)
BUSY: Final = FarEnd(does="busy", after=0.5)
ALONE: Final = "left alone"
# Requests of the Voice API of which none may be carried out more often than requested, and what each action is sent as.
# Only a switch is repeated, if there was no response.
COUNTED: Final = frozenset(
    {"hangup", "transfer", "mute", "unmute", "earmuff", "unearmuff", "stream", "stop_stream", "record", "stop_record"}
)
SENT_AS: Final[Mapping[str, Sequence[str]]] = {
    **dict.fromkeys(("hold", "resume", "move"), ("transfer",)),
    **dict.fromkeys(("record_start", "record_resume"), ("record",)),
    **dict.fromkeys(("record_pause", "record_stop"), ("stop_record",)),
}
WEAK: Final = {"hold": ("mute", "earmuff"), "resume": ("unmute", "unearmuff")}  # in a pair


def environment(folder: Path, api_port: int) -> dict[str, str]:
    """The settings of a server whose Vonage is the carrier with its API at *api_port*, and its files in *folder*."""
    made = certificate.make(folder)
    private_key, _ = certificate.application_keys(folder)
    flows = folder / "flows.yaml"
    flows.write_text(FLOWS)
    return {
        "VONAGE_APPLICATION_ID": APPLICATION_ID,
        "VONAGE_PRIVATE_KEY": str(private_key),
        "VONAGE_API_HOSTS": f"127.0.0.1:{api_port}",
        "FLOWS_FILE": str(flows),
        "REQUESTS_CA_BUNDLE": str(made.ca),
        "NO_PROXY": "127.0.0.1",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A load. `api_key` and `secret` sign the webhooks; *only*: the names of the chapters that stories have."""

    url: str
    token: str
    folder: Path
    api_port: int
    secret: tuple[str, str]
    calls: int
    at_once: int = 60
    seed: int = 1
    webhook_faults: str = WEBHOOK_FAULTS
    api_faults: str = API_FAULTS
    behaviour: Behaviour | None = None
    only: Sequence[str] = ()
    patience: float = PATIENCE


@dataclass(slots=True)
class Outcome:
    """What came of a load; `wrong` has a line for each difference, and nothing if all is well."""

    seconds: float = 0.0
    stories: int = 0
    requests: Counter[str] = field(default_factory=Counter)  # of the stories, by verb
    statuses: Counter[int] = field(default_factory=Counter)  # of the responses
    faults: Counter[str] = field(default_factory=Counter)  # of the carrier's API
    looks: int = 0  # at legs, conferences and recordings while all paused
    files: int = 0  # of recordings
    webhooks: int = 0
    legs: int = 0
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people."""
        counts = [", ".join(f"{name} {count}" for name, count in sorted(of.items(), key=str)) for of in (
            self.requests, self.statuses, self.faults)]  # fmt: skip
        return [
            f"{self.stories} calls of {self.legs} legs in {self.seconds:.0f} s; {self.webhooks} webhooks",
            f"Actions: {counts[0]}",
            f"Responses: {counts[1]}",
            f"Faults of the carrier's API: {counts[2]}",
            f"Compared while all paused: {self.looks} legs, conferences and recordings; in the end {self.files} files",
            *(self.wrong[:40] or ["The API says what happened, and nobody was left alone."]),
        ]


class World:
    """The carrier, and clients of the server."""

    def __init__(self, plan: Plan, carrier: Carrier, http: aiohttp.ClientSession, server: Server) -> None:
        self.plan, self.carrier, self.server, self._http = plan, carrier, server, http
        self.outcome = Outcome()
        self.conferences: list[str] = []
        self.recorded: dict[str, bool | None] = {}  # by conversation: whether it is paused; None: it may be

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Json]:
        """Status and JSON of a response. What is only read is read again while a node of Redis is away."""
        if method != "GET":
            verb = path.rpartition("/")[2] if method == "POST" else f"{method.lower()} {path.split('/')[1]}"
            self.outcome.requests[verb.partition("?")[0]] += 1
        end = time.monotonic() + self.plan.patience
        while True:
            async with self._http.request(method, f"{self.plan.url}/api/v1{path}", json=body) as response:
                status, found = response.status, await response.json(content_type=None)
            if (method, status) != ("GET", 503) or time.monotonic() > end:
                break
            await asyncio.sleep(0.2)
        if method != "GET":
            self.outcome.statuses[status] += 1
        if status == 500:
            self.wrong(f"{method} {path}: 500 {found}")
        return status, found

    def wrong(self, line: str) -> None:
        self.outcome.wrong.append(line)

    async def until(self, holds: Callable[[], bool], what: str) -> bool:
        """Whether it comes about in time that *holds* returns True; if not, *what* is wrong, unless that is empty."""
        end = time.monotonic() + self.plan.patience
        while not holds():
            if time.monotonic() > end:
                if what:
                    self.wrong(what)
                return False
            await asyncio.sleep(0.2)
        return True


class Story:
    """One call, with all legs that come to it."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number = world, number
        self.chance = random.Random(f"{world.plan.seed} {number}")
        self.legs: list[Leg] = []
        self.numbers = 0
        self.called: str | None = None  # into a room
        self.tale: list[str] = []  # what was done

    # -- who is there -------------------------------------------------------------------------------------------------

    async def pair(self, room: int = 0) -> tuple[Leg, Leg] | None:
        """Two who call the same number, and so meet, or a user and who calls them; None: they did not."""
        kind = self.chance.random()
        if not room and kind < 0.4:
            return await (self.called_user() if kind < 0.2 else self.calling_user())
        carrier, to = self.world.carrier, f"44207946{room}{self.number:03}"
        first, second = (
            carrier.place(Call(from_=f"4477009{room}{self.number:03}{which}", to=to, far_end=STAYS)) for which in (0, 1)
        )
        self.legs += [first, second]
        if not await self.world.until(lambda: first.hears(second), f"story {self.number}: the two never met"):
            return None
        await self.known(first, second)
        return first, second

    async def called_user(self) -> tuple[Leg, Leg] | None:
        """A user, whom the server calls into the room of a caller; None: Vonage could not be reached for that."""
        to = f"442079462{self.number:03}"
        self.called = f"u{to}"
        self.tale.append("a user is called")
        caller = Call(from_=f"44770092{self.number:03}0", to=to, far_end=STAYS)
        met = await self.called_into_room(caller)
        return (met[1], met[0]) if met else None

    async def calling_user(self) -> tuple[Leg, Leg] | None:
        """A user, who calls from a page, and whom the server calls into the user's room; None: the same."""
        self.called = f"4477009{self.number:03}99"
        self.tale.append("a user calls")
        caller = Call(from_=f"c{self.number}", endpoint="app", to=self.called, far_end=STAYS)
        return await self.called_into_room(caller)

    async def called_into_room(self, call: Call) -> tuple[Leg, Leg] | None:
        """The caller of *call*, and the other one once the two have met."""
        carrier = self.world.carrier
        carrier.callees[str(self.called)] = STAYS
        caller = carrier.place(call)
        self.legs.append(caller)

        def met() -> Leg | None:
            return next((leg for leg in self.alive() if leg.to == self.called and leg.hears(caller)), None)

        if not await self.world.until(
            lambda: caller.over or met() is not None, f"story {self.number}: whom the caller called never came"
        ):
            return None
        other = met()
        if other is None:
            return None
        await self.known(caller, other)
        return caller, other

    async def known(self, *legs: Leg) -> None:
        """Wait until the server knows that *legs* have met, too."""
        for leg in legs:
            for _ in range(100):
                found = (await self.world.ask("GET", f"/legs/{leg.uuid}"))[1]
                if found.get("state") == "answered" and found.get("moved_from"):
                    break
                await asyncio.sleep(0.2)

    def alive(self) -> list[Leg]:
        """The legs of this story that are not over, those that were called by the server among them."""
        numbers = {*map(self.recipient, range(self.numbers)), self.called}
        known = self.world.carrier.ledger.legs.values()
        return [leg for leg in known if not leg.over and (leg in self.legs or leg.to in numbers)]

    def recipient(self, number: int) -> str:
        return f"4478{self.number:05}{number:02}"

    def new_recipient(self, far_end: FarEnd) -> str:
        """A number that nobody else calls."""
        number = self.recipient(self.numbers)
        self.numbers += 1
        self.world.carrier.callees[number] = far_end
        return number

    # -- actions ------------------------------------------------------------------------------------------------------

    async def act(self, leg: Leg, verb: str) -> tuple[int, Json]:
        return await self.post(f"/legs/{leg.uuid}/{verb}", {})

    async def post(self, path: str, body: Any = None, method: str = "POST") -> tuple[int, Json]:
        status, found = await self.world.ask(method, path, body)
        self.tale.append(f"{method} {path} {status}")
        return status, found

    async def pause(self, most: float = 2.0) -> None:
        await asyncio.sleep(self.chance.uniform(0, most))

    async def at_once(self, *doing: Any) -> None:
        """Two clients, which need not be at the same worker."""
        await asyncio.gather(*doing)

    async def toggles(self, leg: Leg) -> None:
        """Mute, earmuff, and the reverse."""
        for _ in range(self.chance.randint(1, 3)):
            verb = self.chance.choice(("mute", "mute", "unmute", "earmuff", "unearmuff"))
            if self.chance.random() < 0.2:
                other = verb[2:] if verb.startswith("un") else f"un{verb}"
                await self.at_once(self.act(leg, verb), self.act(leg, other))
            else:
                await self.act(leg, verb)
            await self.pause(1.0)

    async def hold(self, _: Leg, customer: Leg) -> None:
        since = self.world.carrier.clock.now()
        both = [self.act(customer, "hold") for _ in range(2 if self.chance.random() < 0.3 else 1)]
        if any(status == 200 for status, _ in await asyncio.gather(*both)):
            await self.never_early(f"/legs/{customer.uuid}", since)
        if self.chance.random() < 0.3:
            await self.toggles(customer)
        await self.pause()
        if self.chance.random() < 0.7:
            await self.at_once(
                *(self.act(customer, "resume") for _ in range(1 + (self.chance.random() < 0.2))),
                *([self.act(customer, "mute")] if self.chance.random() < 0.2 else []),
            )
            await self.pause()

    async def held(self, _: Leg, customer: Leg) -> None:
        """It stays on hold."""
        await self.act(customer, "hold")

    async def muted_hold(self, _: Leg, customer: Leg) -> None:
        """It is muted, and comes back from hold as that."""
        if not customer.muted:
            await self.act(customer, "mute")
            await self.act(customer, "hold")
            await self.pause()
            await self.act(customer, "resume")

    async def attended(self, agent: Leg, customer: Leg) -> None:
        far_end = self.chance.choice((STAYS, STAYS, STAYS, BUSY))
        body = {"initiator_call": agent.uuid, "to": self.new_recipient(far_end), "transferred_call": customer.uuid}
        status, found = await self.post("/transfers", body)
        if status != 201:
            return
        path = f"/transfers/{found['id']}"
        await self.pause(4.0)
        if self.chance.random() < 0.3:
            await self.toggles(self.chance.choice((agent, customer)))
        if self.chance.random() < 0.3:
            await self.post(f"{path}/swap", {})
            await self.pause()
        how = self.chance.choice(("complete", "complete", "cancel", "both", "merge", "hangup", "nothing"))
        if how == "complete":
            await self.post(f"{path}/complete", {})
        elif how == "cancel":
            await self.post(path, method="DELETE")
        elif how == "both":
            await self.at_once(self.post(f"{path}/complete", {}), self.post(path, method="DELETE"))
        elif how == "merge":
            await self.post(f"{path}/merge", {})
        elif how == "hangup":
            leg = self.chance.choice((agent, customer))
            if not leg.over:
                self.tale.append(f"{leg.uuid} hangs up")
                self.world.carrier.people.hang_up(leg.uuid)

    async def blind(self, agent: Leg, customer: Leg) -> None:
        far_end = self.chance.choice((STAYS, STAYS, BUSY))
        body: Json = {"initiator_call": agent.uuid, "transferred_call": customer.uuid, "flow": "blind"}
        body["to"] = self.new_recipient(far_end)
        if self.chance.random() < 0.3:
            body["fallback"] = {"ncco": [{"action": "talk", "text": "Nobody is there."}]}
        status, found = await self.post("/transfers", body)
        if status == 201 and self.chance.random() < 0.2:
            await self.pause()
            await self.post(f"/transfers/{found['id']}", method="DELETE")

    async def conference(self, agent: Leg, customer: Leg) -> None:
        if self.chance.random() < 0.5:
            await self.act(customer, "hold")
        second = await self.pair(room=1)
        if second is None:
            return
        third, since = second[1], self.world.carrier.clock.now()
        body: Json = {"host_call_id": agent.uuid, "participant_call_ids": [customer.uuid, third.uuid]}
        body |= {"host_leaves": "hand_over"} if self.chance.random() < 0.3 else {}
        status, found = await self.post("/conferences", body)
        if status != 201:
            return
        path = f"/conferences/{found['conference_id']}"
        self.world.conferences.append(found["conference_id"])
        await self.never_early(path, since)
        await self.pause()
        if self.chance.random() < 0.3:
            await self.toggles(third)
        members = [customer, third]
        how = self.chance.choice(("hold", "remove", "detach", "both", "end", "host", "nothing"))
        one = self.chance.choice(members)
        if how == "hold":
            await self.post(f"{path}/participants/{one.uuid}/hold", {})
            await self.pause()
            if self.chance.random() < 0.7:
                await self.post(f"{path}/participants/{one.uuid}/resume", {})
        elif how in ("remove", "detach"):
            mode = "?mode=detach" if how == "detach" else ""
            await self.post(f"{path}/participants/{one.uuid}{mode}", method="DELETE")
        elif how == "both":
            await self.at_once(*(self.post(f"{path}/participants/{leg.uuid}", method="DELETE") for leg in members))
        elif how == "end":
            await self.post(path, method="DELETE")
        elif how == "host" and not agent.over:
            self.tale.append("the host hangs up")
            self.world.carrier.people.hang_up(agent.uuid)

    async def recorded(self, agent: Leg, _: Leg) -> None:
        """Where the agent is now is recorded in parts; at times two clients disagree."""
        room = agent.conversation.uuid
        for what in self.chance.choice(PARTS):
            await self.record(room, what)
            await self.pause()
        if self.chance.random() < 0.4:
            await self.at_once(self.record(room, "start"), self.record(room, "stop"))
            self.world.recorded[room] = None
            await self.pause()

    async def record(self, room: str, what: str) -> None:
        status, _ = await self.post(f"/conversations/{room}/record", {"action": what})
        if status == 200:
            self.world.recorded[room] = what == "pause"
        elif status != 409:
            self.world.recorded[room] = None

    async def never_early(self, path: str, since: Any) -> None:
        """Nothing is said to be so before it is."""
        for _ in range(8):
            status, view = await self.world.ask("GET", path)
            if status == 200:
                for difference in early(self.world.carrier.ledger, view, since):
                    self.world.wrong(f"{self}: {difference}")
                if view.get("control", {}).get("hold") == "held":
                    return
            await asyncio.sleep(0.1)

    # -- the story ----------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Two meet, and one to three chapters follow."""
        pair = await self.pair()
        if pair is None:
            return
        chapters: dict[str, Callable[[Leg, Leg], Any] | None]
        chapters = {"toggles": None, "hold": self.hold, "attended": self.attended, "blind": self.blind}
        chapters |= {"conference": self.conference, "held": self.held, "muted_hold": self.muted_hold}
        chapters |= {"recorded": self.recorded}
        names = self.world.plan.only or EVERY
        for _ in range(self.chance.randint(1, 2)):
            if any(leg.over for leg in pair):
                break
            name = self.chance.choice(names)
            self.tale.append(name)
            chapter = chapters[name]
            await (chapter(*pair) if chapter else self.toggles(self.chance.choice(pair)))
            await self.pause()

    async def end(self) -> None:
        """One after the other hangs up, until nobody is left; nobody is left alone where the server moved them to."""
        for _ in range(12):
            alive = [leg for leg in self.alive() if leg.answered]
            if not alive:
                break
            leg = self.chance.choice(alive)
            self.tale.append(f"{leg.uuid} hangs up at the end")
            if self.chance.random() < 0.5:
                await self.act(leg, "hangup")
            if not leg.over:
                self.world.carrier.people.hang_up(leg.uuid)
            await self.world.until(lambda: not any(map(self.forsaken, self.alive())), "")
            for left in filter(self.forsaken, self.alive()):
                self.world.wrong(f"{self}: leg {left.uuid} was {ALONE} in {left.conversation.name}")
                self.world.carrier.people.hang_up(left.uuid)
        await self.world.until(lambda: not self.alive(), f"{self}: {[leg.uuid for leg in self.alive()]} never ended")

    def forsaken(self, leg: Leg) -> bool:
        """Whether nobody is left whom it could talk to where the server has moved it, which its own room is not."""
        if len(leg.conversation.present) > 1 or not leg.answered:
            return False
        if (leg.conversation.name or "").startswith("room-"):
            return False
        others = [other for other in self.alive() if other is not leg]
        return not others or (leg.conversation.name is not None and not any(map(self.comes, others)))

    def comes(self, leg: Leg) -> bool:
        """Whether it may still come to where another one waits: it rings, or is on hold."""
        return not leg.answered or is_held(self.world.carrier.ledger, leg)

    def __str__(self) -> str:
        return f"story {self.number} ({'; '.join(self.tale)})"


async def load(plan: Plan) -> Outcome:
    """Play all stories of *plan*, and compare."""
    keys = certificate.application_keys(plan.folder)
    aim = application(
        answer_url=f"{plan.url}/voice/answer",
        event_url=f"{plan.url}/voice/event",
        application_id=APPLICATION_ID,
        secret=plan.secret,
        calls_per_second=3.0 * SPEED,
    )
    aim.public_key = keys[1]
    clock = Clock(speed=SPEED)
    headers = {"Authorization": f"Bearer {plan.token}"}
    faults, timeout = FaultPlan.read(plan.webhook_faults), aiohttp.ClientTimeout(total=60)
    async with (
        WebhookSender(aim, clock=clock, faults=faults, seed=plan.seed) as sender,
        aiohttp.ClientSession(headers=headers, timeout=timeout) as http,
        Server(plan.url, plan.token, seconds=60) as server,
    ):
        callees: dict[str, FarEnd] = {"*": STAYS}
        carrier = Carrier(aim, clock=clock, sender=sender, callees=callees, behaviour=plan.behaviour)
        api = VoiceApi(carrier, faults=ApiFaults.read(plan.api_faults, plan.seed))
        await api.start(certificate.make(plan.folder), port=plan.api_port)
        try:
            world, began = World(plan, carrier, http, server), time.monotonic()
            for first in range(0, plan.calls, plan.at_once):
                stories = [Story(world, n) for n in range(first, min(first + plan.at_once, plan.calls))]
                await _wave(world, stories)
            await _last_check(world)
            world.outcome.seconds = time.monotonic() - began
            return world.outcome
        finally:
            await api.stop()
            carrier.stop()


async def _wave(world: World, stories: Sequence[Story]) -> None:
    """Play *stories* to their ends; in between all pause, and are compared."""
    spread = len(stories) * 6 / REQUESTS_A_SECOND  # seconds over which they begin

    async def later(story: Story) -> None:
        await asyncio.sleep(story.chance.uniform(0, spread))
        await story.begin()

    await asyncio.gather(*map(later, stories))
    await _quiet(world, stories)
    await asyncio.gather(*(story.end() for story in stories))
    world.outcome.stories += len(stories)


async def _quiet(world: World, stories: Sequence[Story]) -> None:
    """Once nothing is being done, what is said of each leg and conference is so. What is under way has some time."""
    end = time.monotonic() + world.plan.patience
    about = {leg.uuid: story for story in stories for leg in story.alive()}
    while True:
        found = {}
        ledger = world.carrier.ledger
        for uuid in about:
            should = expected_controls(ledger)[uuid]  # before and after: it may have changed meanwhile
            status, view = await world.ask("GET", f"/legs/{uuid}")
            if status == 200 and should == expected_controls(ledger)[uuid]:
                found[uuid] = differences(should, view["control"])
            else:
                found[uuid] = differences({"leg": "there"}, {"leg": status})
        for id_ in world.conferences:
            _, view = await world.ask("GET", f"/conferences/{id_}")
            found[id_] = conference_differences(ledger, view)
        for uuid in world.recorded:
            found[uuid] = await _of_recording(world, uuid)
        if not any(found.values()) or time.monotonic() > end:
            break
        await asyncio.sleep(1.0)
    world.outcome.looks += len(found)
    for name, different in found.items():
        for difference in different:
            world.wrong(f"{about.get(name, name)}: {name} {difference}")


async def _of_recording(world: World, uuid: str) -> list[Difference]:
    """Where the recording of a conversation is not as the carrier knows it."""
    status, view = await world.ask("GET", f"/conversations/{uuid}")
    if status != 200:
        return differences({"conversation": "there"}, {"conversation": status})
    return recording_differences(world.carrier.ledger, view, world.recorded[uuid])


async def _last_check(world: World) -> None:
    """All is over: nothing is open, nothing was done twice, and the whole truth is in the API."""
    carrier, outcome = world.carrier, world.outcome
    await carrier.over()
    for kind in ("transfers", "conferences"):
        for _ in range(int(world.plan.patience)):
            left = (await world.ask("GET", f"/{kind}"))[1]["items"]
            if not left:
                break
            await asyncio.sleep(1.0)
        for each in left:
            world.wrong(f"{kind}: {each} is open")
    for number, legs in Counter(leg.to for leg in carrier.ledger.legs.values() if leg.direction == "outbound").items():
        if legs > 1:
            world.wrong(f"{number} was called {legs} times")
    actions: Counter[tuple[str | None, str]] = Counter()
    known = set()

    async def fetch(uuid: str) -> tuple[Json | None, list[Json]]:
        view, events = await world.server.fetch(uuid)
        for event in events:
            raw = event["raw"]
            if event["kind"] == "action" and raw["action"] not in known:
                known.add(raw["action"])
                for verb in _sent_as(raw):
                    actions[event["leg"] or raw.get("conversation_uuid"), verb] += 1
        return view, events

    conversations, sent = carrier.ledger.conversations.values(), carrier.sender.sent
    controls = expected_controls(carrier.ledger)
    await world.server.settled()
    verdict = await check(conversations, sent, fetch, lossless=True, controls=controls)
    outcome.wrong += [] if verdict.ok else verdict.lines(40)
    carried_out = Counter(
        (request.about, request.verb)
        for request in carrier.ledger.requests
        if request.verb in COUNTED and (request.status in (200, 204) or request.fault == "lost")
    )
    unanswered = Counter(
        (request.about, request.verb)
        for request in carrier.ledger.requests
        if request.verb in SWITCHES and request.fault == "lost"
    )
    for (about, verb), count in (carried_out - unanswered).items():
        if count > actions[about, verb]:
            world.wrong(f"{about}: {verb} was done {count} times, and requested {actions[about, verb]} times")
    for uuid in world.recorded:
        for difference in await _of_recording(world, uuid):
            world.wrong(f"at the end: {uuid} {difference}")
    outcome.files = sum(len(conversation.recordings) for conversation in carrier.ledger.conversations.values())
    outcome.faults.update(request.fault for request in carrier.ledger.requests if request.fault)
    outcome.faults["429 by itself"] = sum(
        request.status == 429 and request.fault is None for request in carrier.ledger.requests
    )
    outcome.webhooks, outcome.legs = len(sent), len(carrier.ledger.legs)


def _sent_as(action: Json) -> Sequence[str]:
    """What is sent for an action: one request, or two for a leg of a pair."""
    verb = action["verb"]
    return (WEAK if action.get("arguments", {}).get("weak") else SENT_AS).get(verb, (verb,))


def main() -> int:
    """Print what came of a load on a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--at-once", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cluster", action="store_true", help="with a store of six nodes, which have faults")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(disturbed()) if chosen.cluster else {}
        redis_url = store.get("REDIS_URL") or stack.enter_context(servers.store())
        api_port, port = servers.free_port(), servers.free_port()
        # Recordings are reported to the server's own address, for which production requires https.
        settings = {"APP_ENV": "development", "PUBLIC_URL": f"http://127.0.0.1:{port}", **store}
        settings |= environment(folder, api_port)
        with servers.server("wsgi:app", redis_url, port=port, settings=settings) as server:
            plan = Plan(
                url=f"http://127.0.0.1:{server.port}",
                token=servers.TOKEN,
                folder=folder,
                api_port=api_port,
                secret=(servers.API_KEY, servers.SECRET),
                calls=chosen.calls,
                at_once=chosen.at_once,
                seed=chosen.seed,
            )
            outcome = asyncio.run(load(plan))
    print("\n".join(outcome.lines()))
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
