"""Flows for tests, from a text as it would stand in the file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import parse_qs, urlsplit

from app.flows.flows import Flows
from app.flows.reload import FlowReloader
from app.flows.reply import LAST_RESORT, Reply
from app.flows.request import Request, Result

CALLER, CALLED = "447700900123", "442079460000"
SETTINGS = {"APP_USER": "Alice", "CALLER_NUMBER": None, "PUBLIC_URL": "https://calls.example.com"}
BASE = "https://calls.example.com"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "secret-key-of-the-cookies-32-long"
CALL = Request(from_=CALLER, to=CALLED, uuid="leg", conversation_uuid="CON-1", endpoint_type="phone")


def flows_in(folder: Path, text: str, **settings: Any) -> Flows:
    """The flows that *text* says."""
    file = folder / "flows.yaml"
    file.write_text(dedent(text))
    return flows_of(file, **settings)


def flows_of(file: Path, **settings: Any) -> Flows:
    """The flows of *file*."""
    told = SETTINGS | settings
    return Flows(FlowReloader(file, told), settings=told, base=BASE, secret=SECRET)


def answered(flows: Flows, request: Request = CALL) -> Reply:
    """What a caller gets who is served what the file says."""
    served = flows.answer(request, NOON)
    assert served.fault is None, served.fault
    return served


def address(served: Reply) -> tuple[str, str, str]:
    """Flow, step and state in the one `eventUrl` of what was served."""
    (url,) = (one["eventUrl"][0] for one in served.ncco if "eventUrl" in one)
    parts = urlsplit(url)
    *_, flow, step = parts.path.split("/")
    assert url.startswith(f"{BASE}/voice/flows/")
    return flow, step, parse_qs(parts.query)["state"][0]


def came_back(flows: Flows, served: Reply, **result: Any) -> Reply | None:
    """What follows once *result* came back from what was *served*."""
    known: Mapping[str, Any] = {"kind": "input", "digits": "", "speech": ""} if "kind" not in result else {}
    return flows.follow(*address(served), Request(), Result(**(dict(known) | result)))


def is_last_resort(served: Reply | None, words: str) -> None:
    """Fails unless the caller hears the last resort, for a reason that has *words* in it."""
    assert served is not None
    assert (served.flow, served.ncco) == (LAST_RESORT.flow, LAST_RESORT.ncco)
    assert words in (served.fault or "")
