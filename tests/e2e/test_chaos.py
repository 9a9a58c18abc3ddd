"""A short campaign of `make chaos`, and that its check finds what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.chaos import Supervised, Truth, ask, at_random, campaign, differences, patiently, webhooks
from benchmarks.chaos_faults import FAULTS


def test_what_is_killed_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    said = campaign(tmp_path, at_random(FAULTS, 6, seed=5), seed=5)
    assert said[-1] == "nothing was lost or doubled, and the counters are right", said


def test_the_check_finds_what_is_lost_and_what_is_there_once_more(tmp_path: Path) -> None:
    server = Supervised(tmp_path)
    try:
        patiently(server.port, "/status")
        sent = list(webhooks("CON-1"))
        for body in sent:
            assert ask(server.port, "POST", "/voice/event", json.dumps(body).encode())[0] == 200
        names = [f"{body['uuid']} {body['status']}" for body in sent]
        assert list(differences(server.port, Truth({"CON-1": names}))) == []
        assert list(differences(server.port, Truth({"CON-1": [*names, "CON-1-caller busy"]}))) == [
            "CON-1: lost CON-1-caller busy"
        ]
        assert list(differences(server.port, Truth({"CON-1": names[1:]}))) == [
            "CON-1: CON-1-caller started is there once more"
        ]
        assert list(differences(server.port, Truth())) == [
            "counter ended: 1 instead of 0",
            f"counter kept: {len(names)} instead of 0",
        ]
    finally:
        server.end()
