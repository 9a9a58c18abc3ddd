import os
import subprocess

import pytest


@pytest.fixture(scope="session")
def urls():
    command, environ = ["node", "server.js"], os.environ | {"PORT": "0"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as server:
        base = f"http://localhost:{server.stdout.readline().strip()}"
        yield {"answer_url": f"{base}/answer", "event_url": f"{base}/event"}
        server.terminate()


def test_one_rings_sales(simulated_call, urls):
    call = simulated_call(**urls, digits=["1"])
    assert call.said == ["For sales press 1."]
    assert call.rung == ["447700900301"]


def test_silence_ends_the_call(simulated_call, urls):
    call = simulated_call(**urls)
    assert call.said[-1] == "Goodbye."
    assert (call.status, call.ended_by) == ("completed", "platform")
