"""The examples of docs/clients.md do what they say. The first is in tests/e2e/test_user_stream.py, that of a page and
its backend in tests/browser/test_client.py.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.clients.documented import PAGE, example
from tests.clients.node import run
from tests.control.conftest import world
from tests.control.test_session_verbs import ALICE, SECOND, THIRD, call_of_alice, lasting_world
from tests.control.world import AGENT, World
from tests.serving import ROOT
from vonage_simulator.ledger import Leg

__all__ = ["lasting_world", "world"]
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
CLIENT = (ROOT / "app" / "pages" / "static" / "switchhook.js").as_uri()


def two_calls(world: World) -> tuple[list[Leg], list[str]]:
    """Customers and Alice's sessions with them; the first one is on hold."""
    legs, ids = [], []
    for room, number in (("one", AGENT), ("two", SECOND)):
        customer, _, session = call_of_alice(world, number, room)
        legs.append(customer)
        ids.append(session)
        if room == "one":
            assert world.ask("POST", f"/users/Alice/sessions/{session}/hold", {}, token=ALICE).status_code == 200
            world.until(lambda: world.control(legs[0])["hold"] == "held")
    return legs, ids


def in_node(folder: Path, world: World, block: str, ids: list[str], then: str) -> object:
    """What *then* is after the block, in which *ids* are `callSession`, `another` and `third`."""
    script = folder / "example.mjs"
    script.write_text(
        f"import {{ Phone }} from {json.dumps(CLIENT)};\n"
        f"const phone = new Phone({json.dumps({'url': world.base, 'user': 'Alice', 'token': ALICE})});\n"
        "await phone.connect();\n"
        f"const [callSession, another, third] = {json.dumps(ids)}.map((id) => phone.getSession(id));\n"
        f"{block}\nprocess.stderr.write(JSON.stringify({then}));\nprocess.exit();\n"
    )
    ran = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr
    return json.loads(ran.stderr)


@needs_node
def test_a_call_is_acted_on(world: World, tmp_path: Path) -> None:
    customer, alice, session = call_of_alice(world)
    block = example("js", "phone.mute(").replace("447700900123", THIRD)
    assert in_node(tmp_path, world, block, [session], "[phone.lastError, transfer.flow]") == [None, "attended"]
    assert alice.muted
    assert world.ask("GET", f"/users/Alice/sessions/{session}", token=ALICE).json["displayName"] == "Ada"
    world.until(lambda: alice.hears(customer))  # again, as the transfer was cancelled


@needs_node
def test_a_conference(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    legs, ids = two_calls(world)
    assert world.ask("POST", f"/users/Alice/sessions/{ids[1]}/hold", {}, token=ALICE).status_code == 200
    world.until(lambda: world.control(legs[1])["hold"] == "held")
    third, _, last = call_of_alice(world, THIRD, "three")
    monkeypatch.setattr("app.domain.step_log.CONFIRM_SECONDS", 1)
    block = example("js", "startConference")
    then = "[adHocConference.finished, adHocConference.participants.size]"
    assert in_node(tmp_path, world, block, [last, ids[1], ids[0]], then) == [True, 0]
    for leg in (*legs, third):
        world.known(leg, "completed")


def test_the_python_client(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    legs, (held, talking) = two_calls(world)
    block = example("python", "from app.client import").replace("https://YOUR-SERVER", world.base)
    exec(block, {"token": ALICE, "session": held, "another": talking})  # noqa: S102 - of our own page
    for leg in legs:
        world.until(partial(lambda leg: leg.over, leg))
    assert capsys.readouterr().out.startswith("409 "), "it is on hold already"


@needs_node
def test_every_method_is_documented() -> None:
    (found,) = run("names.mjs")
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", PAGE))))
    assert {*found["methods"], *found["ofConferences"], *found["ofSessions"]} <= named
    assert set(found["attributes"]) <= named | {"url", "user", "token", "fetch", "base", "lastEventId"}
