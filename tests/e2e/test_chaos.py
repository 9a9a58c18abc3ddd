"""Short campaigns of `make chaos`, in which each fault comes once, and that their check finds what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import chaos_faults
from benchmarks.chaos import RIGHT, campaign
from benchmarks.chaos_faults import PAIR, SERVER, STORE
from benchmarks.chaos_server import Supervised, ask, patiently
from benchmarks.chaos_truth import Truth, differences, judged, webhooks


@pytest.mark.parametrize("concerns", [(SERVER,), (STORE, PAIR)])
def test_faults_under_load_lose_and_double_nothing(
    tmp_path: Path, concerns: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaos_faults, "MOST_SECONDS", 0.8)  # the campaigns by hand have longer ones
    said = campaign(tmp_path, concerns, faults=None, seed=5)
    assert said[-1] == RIGHT, said


@pytest.mark.parametrize(
    ("path", "status", "reply", "full", "nowhere", "came", "right"),
    [
        ("/voice/event", 200, b"", False, False, "200", True),
        ("/voice/event", 503, b"", True, True, "503", True),
        ("/voice/event", 503, b"", True, False, "503 of a slow store", True),
        ("/voice/event", 503, b"", False, False, "503", False),
        ("/voice/event", 500, b"", True, True, "500", False),
        ("/voice/answer", 200, b'[{"action": "talk"}]', False, False, "200", True),
        ("/voice/answer", 200, b"[]", False, False, "200 without NCCO", False),
        ("/voice/answer", 503, b"", True, True, "503 without NCCO", False),
    ],
)
def test_only_where_nothing_takes_an_event_503_is_right(
    path: str, status: int, reply: bytes, full: bool, nowhere: bool, came: str, right: bool
) -> None:
    assert judged(path, status, reply, full=full, nowhere=nowhere) == (came, right)


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
