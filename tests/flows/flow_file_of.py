"""Flows for tests, from the text of a flows file."""

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
    """The flows in a file with this *text*."""
    file = folder / "flows.yaml"
    file.write_text(dedent(text))
    return flows_of(file, **settings)


def flows_of(file: Path, **settings: Any) -> Flows:
    """The flows of *file*."""
    known = SETTINGS | settings
    return Flows(FlowReloader(file, known), settings=known, base=BASE, secret=SECRET)


def answered(flows: Flows, request: Request = CALL) -> Reply:
    """The reply to a call, by the file and not the last resort."""
    reply = flows.answer(request, NOON)
    assert reply.fault is None, reply.fault
    return reply


def address(reply: Reply) -> tuple[str, str, str]:
    """Flow, step and state in the only `eventUrl` of *reply*."""
    (url,) = (action["eventUrl"][0] for action in reply.ncco if "eventUrl" in action)
    parts = urlsplit(url)
    *_, flow, step = parts.path.split("/")
    assert url.startswith(f"{BASE}/voice/flows/")
    return flow, step, parse_qs(parts.query)["state"][0]


def came_back(flows: Flows, reply: Reply, **result: Any) -> Reply | None:
    """The next reply, after *reply* had this *result*."""
    known: Mapping[str, Any] = {"kind": "input", "digits": "", "speech": ""} if "kind" not in result else {}
    return flows.follow(*address(reply), Request(), Result(**(dict(known) | result)))


def is_last_resort(reply: Reply | None, words: str) -> None:
    """Fail unless *reply* is the last resort, for a reason that has *words* in it."""
    assert reply is not None
    assert (reply.flow, reply.ncco) == (LAST_RESORT.flow, LAST_RESORT.ncco)
    assert words in (reply.fault or "")
