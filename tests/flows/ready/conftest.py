"""The ready flows of config/ready/, each served by a real server, and called by the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.engines import Engine, free_ports, wait_until
from tests.serving import ROOT, Server
from vonage_simulator.call_result import CallResult
from vonage_simulator.harness import place
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import Call, FarEnd, Scenario
from vonage_simulator.scenarios import dump

READY = ROOT / "config" / "ready"
ENGLISH, FRENCH = "447700900123", "33199001234"  # callers: of Ofcom's numbers for drama, and of Arcep's
OURS = "442079460000"
STAYS = 10.0  # seconds that somebody talks who was put through
WITHIN = 10.0  # seconds until a record is there that is written after the answer


class Carrier:
    """A server with one flows file, and the calls that are placed to it. The carrier's clock jumps."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self._folder = folder

    def call(self, from_: str = ENGLISH, **options: Any) -> CallResult:
        """The result of one call; options as of `vonage_simulator.harness.place`. Raises CallTrouble."""
        return self._place(from_=from_, **options)

    def play(self, *calls: Call, callees: Mapping[str, FarEnd] | None = None, step: str | None = None) -> CallResult:
        """The result of several calls at once, or of one that is placed by us. Raises CallTrouble.

        *step*: the flow and step whose address all webhooks go to, in place of the usual ones.
        """
        known = {"*": FarEnd(hangs_up_after=STAYS), **(callees or {})}
        file = self._folder / "played.yaml"
        file.write_text(dump(Scenario(name="played", about="a test", calls=calls, callees=known)))
        return self._place(step=step, scenario=str(file))

    def conversation(self, call: CallResult) -> dict[str, Any]:
        """The conversation that the call began in, as the API returns it once every answer is recorded."""
        uuid = call.legs[0].moves[0].left if call.legs[0].moves else call.legs[0].conversation.uuid
        conversation: dict[str, Any] = {}

        def complete() -> bool:
            conversation.update(self.server.api(f"/api/v1/conversations/{uuid}").json)
            return len(conversation.get("answers", ())) >= len(call.nccos)

        wait_until(complete, "all answers are written down", WITHIN)
        return conversation

    def served(self, call: CallResult) -> list[tuple[str, str]]:
        """Flow and step of every answer in the conversation that the call began in, none of them with a fault."""
        answers = self.conversation(call)["answers"]
        assert [answer["fault"] for answer in answers] == [None] * len(answers)
        assert all(len(answer["version"]) == 8 for answer in answers)
        assert len({(answer["flow"], answer["version"]) for answer in answers}) == 1, "one flow, in one version"
        return [(answer["flow"], answer["step"]) for answer in answers]

    def _place(self, *, step: str | None = None, **options: Any) -> CallResult:
        answer, event = (f"flows/{step}", f"flows/{step}") if step else ("answer", "event")
        base = f"http://127.0.0.1:{self.server.port}/voice"
        return place(answer_url=f"{base}/{answer}", event_url=f"{base}/{event}", **options)


Serve = Callable[..., Carrier]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory, valkey: Engine) -> Iterator[Serve]:
    """Starts servers, each with a flows file; they are gone when the tests of the module are over."""
    valkey.flush()
    servers: list[Server] = []

    def serve(file: Path, **environ: Any) -> Carrier:
        folder = tmp_path_factory.mktemp("flows")
        port = str(free_ports(1)[0])
        server = Server(
            folder,
            PORT=port,
            PUBLIC_URL=f"http://127.0.0.1:{port}",
            FLOWS_FILE=str(file),
            WEB_CONCURRENCY="1",  # tests/e2e has flows in several workers
            REDIS_URL=valkey.address.url,
            **environ,
        )
        servers.append(server)
        return Carrier(server.ready().with_busy_users(), folder)

    yield serve
    for server in servers:
        server.kill()
    for server in servers:
        assert "Traceback" not in server.said
        assert "last resort" not in server.said


def party(leg: Leg) -> str | None:
    """Who is at the far end of *leg*."""
    return leg.to if leg.direction == "outbound" else leg.from_user or leg.from_


def of(call: CallResult, who: str) -> CallResult:
    """The part of *call* that concerns *who* alone."""
    legs = [leg for leg in call.legs if party(leg) == who]
    own = {leg.uuid for leg in legs}
    return CallResult(legs, [happening for happening in call.happenings if happening.leg in own])


def languages(call: CallResult) -> set[str]:
    """In which languages something was said."""
    return {happening.data["language"] for happening in call.happenings if happening.what == "talk"}
