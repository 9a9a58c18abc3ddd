"""Errors: always a problem (RFC 9457) that says what is wrong and what to do, and nothing of the inside."""

from __future__ import annotations

from typing import Any

import pytest

from app.calls import queries
from app.store.store import Store
from tests.api.asking import LIST, OPERATOR, Site, is_problem, status

ROUTES = [
    *[
        ("GET", path)
        for path in (LIST, f"{LIST}/CON-1", f"{LIST}/CON-1/events", "/api/v1/legs/leg", "/status", "/readyz")
    ],
    ("DELETE", f"{LIST}/CON-1"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_fault_of_ours_is_said_to_be_one_and_shows_nothing_of_the_inside(
    site: Site, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the secret inside, 447700900123")

    for owner, names in (
        (Store, ("records", "histories", "leg_history", "page", "counts", "ping", "delete", "delete_all")),
        (queries, ("page", "conversations")),
    ):
        for name in names:
            monkeypatch.setattr(owner, name, fail)
    answer = site.ask(method, path, token=OPERATOR)
    problem = is_problem(answer, 500)
    assert problem["title"] == "Internal error"
    assert "its log tells more" in problem["detail"]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_body_that_is_too_large_is_refused(site: Site, method: str, path: str) -> None:
    site.tell(status("ringing", "CON-1", "leg"))
    answer = site.ask(method, path, token=OPERATOR, data=b"x" * (64 * 1024 + 1))
    assert "64 KiB" in is_problem(answer, 413)["detail"]
    assert site.listed() == ["CON-1"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_body_that_nobody_asked_for_does_no_harm(site: Site, method: str, path: str) -> None:
    site.tell(status("ringing", "CON-1", "leg"))
    answer = site.ask(method, path, token=OPERATOR, data=b"\xff{not json", content_type="application/json")
    assert answer.status_code in (200, 204)


def test_every_error_has_its_parts_in_the_same_order(site: Site) -> None:
    for answer in (
        site.get(LIST, token=None),
        site.ask("DELETE", f"{LIST}/CON-1"),
        site.get(f"{LIST}/CON-1"),
        site.get("/api/v1/legs/leg"),
        site.get("/nowhere"),
        site.ask("PUT", LIST),
        site.get(LIST, limit=0),
        site.get(LIST, cursor="x"),
    ):
        problem = is_problem(answer, answer.status_code)
        assert list(problem)[:3] == ["title", "status", "detail"]
        assert answer.text.endswith("\n"), "reads well in a terminal"


def test_what_was_sent_comes_back_only_as_json(site: Site) -> None:
    """A name in an address is shown in the error, but no browser takes it for a page."""
    answer = site.get(f"{LIST}/%3Cscript%3E")
    assert is_problem(answer, 404)["conversation_uuid"] == "<script>"
    assert answer.content_type == "application/problem+json"
