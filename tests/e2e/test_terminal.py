"""The server's terminal with LOG_FORMAT=pretty: as in the tutorial, whose log is in samples/phone-to-app.log."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.e2e.conftest import Serve
from tests.e2e.simulate_command import serving, simulate
from tests.engines import Engine, wait_until
from tests.serving import Server
from vonage_simulator import scenarios
from vonage_simulator.simulation import application, simulation

SAMPLES = Path(__file__).parents[1] / "samples"
# https://developer.vonage.com/en/tutorials/vg-phone-to-app, "Run your application"; and the line that its server prints
# after the request of the NCCO, which the page leaves out.
PUBLISHED = (SAMPLES / "phone-to-app.log").read_text()
BODIES = [json.loads(line) for line in (SAMPLES / "phone-to-app.events.jsonl").read_text().splitlines()]
CALL = {"to": "442038297050", "from": "441234567890", "conversation_uuid": "CON-1", "uuid": "u1"}
BLOCK = re.compile(r"^(NCCO request|EVENT):\n(.*?)\n---$", re.MULTILINE | re.DOTALL)
# Ids are made anew for each call, and it is now, not 2021.
OTHERS = {"uuid", "conversation_uuid", "timestamp", "start_time", "end_time"}
Json = dict[str, Any]


def of_kind(kind: str, text: str) -> list[str]:
    """What is printed of each webhook of one kind, below its first line."""
    return [found[2] for found in BLOCK.finditer(text) if found[1] == kind]


def fields(block: str) -> Json:
    """The fields of an event as they are printed: `from: '441234567890',`."""
    lines = [line.strip().removesuffix(",").split(": ", 1) for line in block.splitlines()[1:-1]]
    return {name: json.loads(value.replace("'", '"')) for name, value in lines}


def test_the_published_call_is_printed_as_it_was_published(serve: Serve, valkey: Engine) -> None:
    """Byte for byte; and nothing is printed of other requests, but of those that fail."""
    valkey.flush()
    server = serve(REDIS_URL=valkey.address.url, LOG_FORMAT="pretty")
    assert "LOG_FORMAT is pretty: the log has all fields of webhooks, with whole telephone numbers." in server.said
    before = len(server.said)
    assert server.ask("GET", f"/voice/answer?{urlencode(CALL)}").status == 200
    for body in BODIES:
        assert server.post("/voice/event", body).status == 200
        assert server.api("/api/v1/calls").status == 200
    assert server.ask("GET", "/442079460000").status == 404
    wait_until(lambda: "404" in server.said[before:], "it is logged")
    printed, _, rest = server.said[before:].rpartition("---\n")
    assert f"{printed}---\n" == PUBLISHED
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}  404  GET /\*{8}0000  [\d.]+ ms  \n", rest)


def test_the_simulated_call_is_printed_as_the_published_one_but_for_ids_and_times(serve: Serve, valkey: Engine) -> None:
    valkey.flush()
    server = serve(REDIS_URL=valkey.address.url, LOG_FORMAT="pretty")
    before = len(server.said)
    _play(server)
    wait_until(lambda: len(of_kind("EVENT", server.said[before:])) >= len(BODIES), "all of it is printed")
    assert_as_published(server.said[before:])


def test_the_command_prints_the_same(tmp_path: Path) -> None:
    """For a server whose terminal is not at hand, as that of `make demo`: nothing above it, and the check below."""
    with serving(tmp_path) as server:
        done = simulate(server, tmp_path, "call", "--scenario", "phone-to-app", "--speed", "max", "--pretty")
    assert done.status == 0, done.err
    assert done.out.startswith(("NCCO request:\n", "EVENT:\n"))
    assert_as_published(done.out)
    assert "the server's state matches what happened" in done.out.rpartition("---\n")[2]


def assert_as_published(text: str) -> None:
    """*text* has the published webhooks, one by one, with the same fields in the same order.

    Where the request of the NCCO is among them the tutorial does not say.
    """
    assert of_kind("NCCO request", text) == of_kind("NCCO request", PUBLISHED) == ["  - caller: 441234567890"]
    differing: set[str] = set()
    for our, their, body in zip(of_kind("EVENT", text), of_kind("EVENT", PUBLISHED), BODIES, strict=True):
        shown, published = fields(our), fields(their)
        assert published == body, "else the fields would not be read as they are"
        assert list(shown) == list(published)
        differing |= {name for name in shown if shown[name] != published[name]}
        assert [name for name in shown if shown[name] is None] == [name for name in shown if published[name] is None]
    assert differing == OTHERS


def _play(server: Server) -> None:
    base = f"http://127.0.0.1:{server.port}"
    aim = application(answer_url=f"{base}/voice/answer", event_url=f"{base}/voice/event")

    async def run() -> None:
        async with simulation(aim, speed=None) as carrier:
            await carrier.play(scenarios.find("phone-to-app"))
            await carrier.over()

    asyncio.run(run())


def test_a_webhook_that_is_refused_is_a_line_without_its_numbers(serve: Serve, valkey: Engine) -> None:
    """What nobody vouches for is not printed."""
    server = serve(
        REDIS_URL=valkey.address.url,
        LOG_FORMAT="pretty",
        VONAGE_SIGNATURE_SECRETS="abcd1234:signature-secret-of-32-bytes",
    )
    before = len(server.said)
    assert server.post("/voice/event", BODIES[0]).status == 503
    wait_until(lambda: "503" in server.said[before:], "it is logged")
    assert "EVENT:" not in server.said[before:]
    assert BODIES[0]["from"] not in server.said[before:]
