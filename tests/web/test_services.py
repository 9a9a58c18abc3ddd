"""The parts of the server: built in one place, started in order, stopped in reverse."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from app import create_app
from app.flows.flows import Flows
from app.services import begin, build, services
from app.store.errors import StoreUnavailable
from app.store.housekeeping import Housekeeping
from app.store.store import Store
from config.settings import Settings
from tests.folders import NOWHERE

SETTINGS = Settings(
    secret_key="secret-key-of-the-cookies-32-long", redis_url="unix:///nonexistent/socket", data_dir=NOWHERE
)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which parts were started and stopped, in order; at the end of the worker as well."""
    made: list[str] = []
    at_exit: list[Callable[[], Any]] = []

    def noting(part: Any, verb: str) -> Callable[..., None]:
        return lambda *_: made.append(f"{verb} {part.name}")

    for part in (Flows, Store, Housekeeping):
        for verb in ("start", "stop"):
            monkeypatch.setattr(part, verb, noting(part, verb))
    monkeypatch.setattr(Store, "evicts", lambda _: at_exit[0]())  # what begin does last
    monkeypatch.setattr(atexit, "register", at_exit.append)
    return made


def test_parts_stop_in_the_reverse_of_the_order_in_which_they_start(calls: list[str]) -> None:
    begin(create_app(SETTINGS))
    assert calls == [
        "start flows",
        "start redis",
        "start housekeeping",
        "stop housekeeping",
        "stop redis",
        "stop flows",
    ]


def test_a_store_that_is_away_keeps_no_other_part_from_starting(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(*_: Any) -> None:
        raise StoreUnavailable("refused")

    monkeypatch.setattr(Store, "start", away)
    begin(create_app(replace(SETTINGS, redis_url="redis://alice:wonderland@127.0.0.1:16379/3")))
    assert calls[:2] == ["start flows", "start housekeeping"]
    written = capsys.readouterr().out
    said = "Redis at 127.0.0.1:16379 (REDIS_URL) does not answer (refused): calls are answered, events wait on disk"
    assert said in written
    assert "alice" not in written
    assert "wonderland" not in written


def test_parts_that_are_handed_in_are_used() -> None:
    made = build(SETTINGS)
    app = create_app(SETTINGS, store=made.store, flows=made.flows)
    assert (services(app).store, services(app).flows) == (made.store, made.flows)


def test_every_part_that_is_degraded_is_named_and_only_store_and_spool_together_make_the_server_unready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = create_app(SETTINGS).test_client()
    monkeypatch.setattr(Housekeeping, "ping", lambda _: "late")
    response = client.get("/readyz")
    assert (response.status_code, response.json and response.json["degraded"]) == (
        503,
        ["spool", "redis", "housekeeping"],
    )
    monkeypatch.setattr(Store, "ping", lambda _: None)
    assert cast("Any", client.get("/readyz").json) == {"degraded": ["spool", "housekeeping"]}
