"""The short way of events and answers is Flask's way for all that anybody sees: reply, log line, what is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from app.services import services
from app.web.limits import MOST_BODY
from app.webhooks import front
from tests.folders import NOWHERE
from tests.webhooks.conftest import Body, Site, Start, bearer, compact

PATHS = sorted(front.ROUTES)
ABOUT: Body = {"from": "441234567890", "to": "442038297050", "timestamp": "2021-03-29T21:20:05.582Z"}
SHORT, FLASK = "CON-short", "CON-flask"
BODIES: dict[str, Any] = {
    "an event": {"status": "ringing"},
    "one whose reply is a script": {"status": "machine", "sub_state": "beep_start"},
    "one that names no call": {"conversation_uuid": None, "uuid": None, "status": "ringing"},
    "one of a kind that nobody knows": {"colour": "blue"},
    "no JSON": b'{"status": ',
    "nothing": b"",
    "too much": b"x" * (MOST_BODY + 1),
    "no object": b"[]",
}


class Seen(dict[str, Any]):
    """What came of a request, without what differs each time."""

    def __init__(self, site: Site, app: Any, path: str, text: bytes, headers: dict[str, str], **more: Any) -> None:
        lines = len(site.lines())
        response = Client(app).post(path, data=text, headers=headers, **more)
        (line,) = site.lines()[lines:]
        line.pop("at"), line.pop("ms")
        super().__init__(
            status=response.status, headers=sorted(response.headers), type=response.content_type, line=line
        )
        self["body"] = response.get_data(as_text=True)


def both(site: Site, path: str, body: Any, headers: Any = None, **more: Any) -> list[Any]:
    """What is seen of the same request by the short way, and by Flask's."""

    def by_flask(environ: Any, start_response: Any) -> Any:
        return Flask.wsgi_app(site.app, environ, start_response)

    seen = []
    for app, name in ((site.app, SHORT), (by_flask, FLASK)):
        text = body if isinstance(body, bytes) else compact({**ABOUT, "conversation_uuid": name, "uuid": name} | body)
        found = Seen(site, app, path, text, bearer(text) if headers is None else headers, **more)
        seen.append(json.loads(json.dumps(found).replace(name, "CON")))
    return seen


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_every_body_gets_the_same(site: Site, path: str, body: Any) -> None:
    short, flask = both(site, path, body)
    assert short == flask


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [{}, bearer(b"another body"), {"Authorization": "Basic eDp5"}])
def test_every_refusal_is_the_same(site: Site, path: str, headers: dict[str, str]) -> None:
    short, flask = both(site, path, {"status": "ringing"}, headers)
    assert short == flask
    assert short["status"][:3] in ("401", "503")


@pytest.mark.parametrize("path", PATHS)
def test_a_query_beside_the_body_is_signed_as_well(site: Site, path: str) -> None:
    short, flask = both(site, path, {"status": "ringing"}, query_string="a=1")
    assert short == flask


def test_an_event_that_nobody_takes_is_sent_again(start: Start) -> None:
    site = start("redis://127.0.0.1:1", data_dir=NOWHERE, log_format="json")
    short, flask = both(site, "/voice/event", {"status": "ringing"})
    assert short == flask
    assert short["status"].startswith("503")


@pytest.mark.parametrize("path", PATHS)
def test_an_error_of_ours_is_one_by_both(site: Site, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("nobody thought of it")

    keeper = type(services(site.app).keeper)
    monkeypatch.setattr(keeper, "record", broken)
    monkeypatch.setattr(keeper, "record_later", broken)
    short, flask = both(site, path, {"status": "ringing"})
    assert short == flask
    assert short["status"][:3] == ("500" if path == "/voice/event" else "200")


def test_the_short_way_is_taken(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """By POST alone; errors excepted, which are no reason to do anything twice."""
    contexts: list[str] = []
    request_context = type(site.app).request_context

    def noted(app: Any, environ: Any) -> Any:
        contexts.append(environ["REQUEST_METHOD"])
        return request_context(app, environ)

    monkeypatch.setattr(type(site.app), "request_context", noted)
    for path in PATHS:
        assert site.post(path, ABOUT | {"conversation_uuid": "CON-1", "status": "ringing"}).status_code == 200
    assert contexts == []
    for path in PATHS:
        assert site.get(path, ABOUT | {"conversation_uuid": "CON-1", "status": "ringing"}).status_code == 200
    assert contexts == ["GET", "GET"]
    assert site.post("/voice/event", b"{").status_code == 400
    assert contexts == ["GET", "GET", "POST"]
    assert len(site.unfiled()) == 1, "the body is kept once"
