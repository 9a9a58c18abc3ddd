"""`make demo` with a user in a browser: `flask simulate call` in another terminal rings there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.browser.demos import START, running_demo
from tests.engines import wait_until
from tests.serving import OPERATOR, ROOT, Server
from tests.vonage_simulator.client_sdk.sdk_pages import page_server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.running(*chromium.FAKE_DEVICES) as browser:
        yield browser


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Server]:
    with running_demo(tmp_path, every="0.5") as running:
        yield running


def test_a_call_of_another_terminal_rings_in_the_browser_and_nothing_else_does(demo: Server, browser: Browser) -> None:
    reply = demo.ask("POST", "/api/v1/users/Alice/token", b"{}", **_json(Authorization=f"Bearer {OPERATOR}"))
    assert reply.status == 201, reply.body
    (script,) = re.findall(r"CLIENT_SDK_URL=(\S+)", demo.said)
    assert reply.json["sdk_url"] == script, "the server of the demo knows it"
    with page_server(script) as origin:
        page = browser.new_context(base_url=origin, permissions=["microphone"]).new_page()
        page.goto("/")
        assert "ok" in page.evaluate("(token) => call('createSession', token)", reply.json["sdk_token"])
        wait_until(lambda: "The phone of Alice is open: no calls but yours" in demo.said, "it stays silent")
        page.evaluate("events.length = 0")
        environ = {"PATH": str(Path(sys.executable).parent), "DATA_DIR": str(demo.folder / "var")}
        environ |= {"PORT": str(demo.port), "ACCESS_TOKENS": f"operator:{OPERATOR}"}
        call = subprocess.Popen(
            (sys.executable, "-m", "flask", "simulate", "call", "--from", "447700900321"),
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

        def invite() -> Any:
            return page.evaluate("events.find(([name, , from]) => name === 'callInvite' && from === '447700900321')")

        wait_until(invite, "it rings", START)
        uuid = invite()[1]
        assert page.evaluate("(uuid) => call('answer', uuid)", uuid) == {"ok": None}
        page.wait_for_timeout(500)
        assert page.evaluate("(uuid) => call('hangup', uuid)", uuid) == {"ok": None}
        out, err = call.communicate(timeout=60)
        assert (call.returncode, err) == (0, "")
        assert "rings in the browser" in out
        assert f"leg {uuid}  outbound  447700900321 → Alice" in out
        assert out.rstrip().endswith("the server's state matches what happened")
        page.context.close()


def _json(**headers: str) -> dict[str, str]:
    return {"Content_Type": "application/json", **headers}
