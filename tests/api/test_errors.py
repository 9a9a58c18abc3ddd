"""Errors: always a problem (RFC 9457) that says what is wrong and what to do, and reveals no internals."""

from __future__ import annotations

from typing import Any

import pytest

from app.calls.queries import Calls
from app.store.store import Store
from tests.api.site import LIST, OPERATOR, Site, is_problem, status

ROUTES = [
    *[
        ("GET", path)
        for path in (LIST, f"{LIST}/CON-1", f"{LIST}/CON-1/events", "/api/v1/legs/leg", "/status", "/readyz")
    ],
    ("DELETE", f"{LIST}/CON-1"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_an_internal_error_is_a_500_that_reveals_no_internals(
    site: Site, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the secret inside, 447700900123")

    for owner, names in (
        (Store, ("records", "histories", "leg_history", "page", "counts", "ping", "delete", "delete_all")),
        (Calls, ("page", "conversations", "events", "leg")),
    ):
        for name in names:
            monkeypatch.setattr(owner, name, fail)
    response = site.send(method, path, token=OPERATOR)
    problem = is_problem(response, 500)
    assert problem["title"] == "Internal error"
    assert "its log has the details" in problem["detail"]
    assert "secret" not in response.text
    assert "Traceback" not in response.text


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_body_that_is_too_large_is_refused(site: Site, method: str, path: str) -> None:
    site.record(status("ringing", "CON-1", "leg"))
    response = site.send(method, path, token=OPERATOR, data=b"x" * (64 * 1024 + 1))
    assert "64 KiB" in is_problem(response, 413)["detail"]
    assert site.listed() == ["CON-1"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_an_unexpected_body_does_no_harm(site: Site, method: str, path: str) -> None:
    site.record(status("ringing", "CON-1", "leg"))
    response = site.send(method, path, token=OPERATOR, data=b"\xff{not json", content_type="application/json")
    assert response.status_code in (200, 204)


def test_every_error_has_its_parts_in_the_same_order(site: Site) -> None:
    for response in (
        site.get(LIST, token=None),
        site.send("DELETE", f"{LIST}/CON-1"),
        site.get(f"{LIST}/CON-1"),
        site.get("/api/v1/legs/leg"),
        site.get("/nowhere"),
        site.send("PUT", LIST),
        site.get(LIST, limit=0),
        site.get(LIST, cursor="x"),
    ):
        problem = is_problem(response, response.status_code)
        assert list(problem)[:3] == ["title", "status", "detail"]
        assert response.text.endswith("\n"), "reads well in a terminal"


def test_sent_text_is_returned_only_as_json(site: Site) -> None:
    """A name in an address is shown in the error, but no browser takes it for a page."""
    response = site.get(f"{LIST}/%3Cscript%3E")
    assert is_problem(response, 404)["conversation_uuid"] == "<script>"
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'"x"', b"\xff", b'{"name": '])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("PUT", "/api/v1/users/Alice"), ("PATCH", "/api/v1/users/Alice"), ("POST", "/api/v1/users/Alice/token")),
        *(("PUT", "/api/v1/users/Alice/registration"), ("PUT", "/api/v1/names/447700900123")),
    ],
)
def test_a_body_that_is_no_json_object_is_the_senders_fault(site: Site, method: str, path: str, body: bytes) -> None:
    response = site.send(method, path, token=OPERATOR, data=body, content_type="application/json")
    assert response.status_code in (400, 422), response.text
    assert is_problem(response, response.status_code)["errors"]


@pytest.mark.parametrize(
    "name", ["%ff", "%ed%a0%80", "x" * 5000, "%00", "%2e%2e", "%F0%9F%98%80", "{aa}live", "-", "*"]
)
def test_a_user_may_have_any_name_or_be_refused(site: Site, name: str) -> None:
    for rest in ("", "/sessions", "/phone", "/sessions/%ff", "/current-session", "/sessions/%ed%a0%80"):
        is_problem(site.get(f"/api/v1/users/{name}{rest}", token=OPERATOR), 404)
    for method, rest, body in (("PUT", "", {}), ("POST", "/token", {"sdk": False}), ("DELETE", "", {})):
        response = site.send(method, f"/api/v1/users/{name}{rest}", token=OPERATOR, json=body)
        assert response.status_code < 500
    assert site.read("/api/v1/users", token=OPERATOR)["items"] == []
