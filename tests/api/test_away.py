"""Redis goes away: what is asked for is not there now, and everybody is told to come again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.asking import LIST, OPERATOR, VIEWER, Site, is_problem, status
from tests.engines import Node

READ = [
    LIST,
    f"{LIST}?state=live",
    f"{LIST}/CON-1",
    f"{LIST}/CON-none",
    f"{LIST}/CON-1/events",
    "/api/v1/legs/leg",
    "/status",
]


@pytest.fixture
def node() -> Iterator[Node]:
    """An engine of our own, for it will be killed."""
    node = Node()
    try:
        node.start()
        node.ready()
        yield node
    finally:
        node.remove()


@pytest.fixture(params=["killed before the first request", "killed", "frozen"])
def away(request: pytest.FixtureRequest, node: Node, open_site: Callable[..., Site]) -> Site:
    """An app whose Redis is gone."""
    if request.param == "killed before the first request":
        node.kill()
        return open_site(node.url)
    site = open_site(node.url)
    site.tell(status("ringing", "CON-1", "leg"))
    assert site.listed() == ["CON-1"]
    if request.param == "killed":
        node.kill()
    else:
        node.freeze()
    return site


def come_again(answer: Any) -> Any:
    """The problem; fails unless it says when to come again."""
    problem = is_problem(answer, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    return problem


def test_whoever_asks_is_told_to_come_again(away: Site) -> None:
    for path in READ:
        assert come_again(away.get(path))["part"] == "redis"
    assert come_again(away.ask("DELETE", f"{LIST}/CON-1", token=OPERATOR))["part"] == "redis"
    head = away.ask("HEAD", LIST)
    assert (head.status_code, head.headers["Retry-After"]) == (503, "1")


def test_the_checks_tell_alive_from_ready(away: Site) -> None:
    """A platform restarts what is not alive, and that would not bring Redis back."""
    assert away.read("/healthz", token=None) == {"alive": True}
    assert come_again(away.get("/readyz", token=None))["degraded"] == ["redis"]


def test_what_needs_no_redis_goes_on(away: Site) -> None:
    assert away.get("/openapi.json").status_code == 200
    assert away.get("/docs").status_code == 200
    is_problem(away.get(LIST, token=None), 401)
    is_problem(away.ask("DELETE", f"{LIST}/CON-1"), 403)
    is_problem(away.get(LIST, limit=0), 422)
    is_problem(away.get("/nowhere"), 404)


def test_the_page_says_so_too(away: Site) -> None:
    browser = away.browser()
    assert browser.get("/login").status_code == 200
    assert browser.post("/login", data={"token": VIEWER}).status_code == 302
    page = browser.get("/")
    assert page.status_code == 503
    assert page.content_type == "text/html; charset=utf-8"
    assert "Redis is away" in page.text
    assert "Content-Security-Policy" in page.headers


def test_when_redis_is_back_so_is_the_list(node: Node, open_site: Callable[..., Site]) -> None:
    site = open_site(node.url)
    site.tell(status("ringing", "CON-1"))
    node.freeze()
    come_again(site.get(LIST))
    node.thaw()
    assert site.listed() == ["CON-1"]
    node.kill()
    come_again(site.get(LIST))
    node.start()
    node.ready()
    assert site.listed() == [], "it kept nothing on disk"


@pytest.mark.parametrize("ask", ["list", "ready", "event"])
def test_a_connection_that_redis_closed_while_idle_costs_no_request(
    node: Node, open_site: Callable[..., Site], ask: str
) -> None:
    """Redis closes idle connections after its `timeout`: 300 s with some providers, Heroku among them."""
    site = open_site(node.url)
    site.tell(status("ringing", "CON-1"))
    site.read(LIST)
    for client in node.client.client_list(_type="normal"):
        if client["cmd"] != "client|list":
            node.client.client_kill_filter(_id=client["id"])
    if ask == "event":
        site.tell(status("answered", "CON-1"))
    else:
        site.read(LIST if ask == "list" else "/readyz")


def test_a_redis_that_may_not_be_written_to_is_not_ready_but_tells_what_it_has(
    node: Node, open_site: Callable[..., Site]
) -> None:
    site = open_site(node.url)
    site.tell(status("ringing", "CON-1"))
    node.client.replicaof("127.0.0.1", 1)
    assert come_again(site.get("/readyz", token=None))["degraded"] == ["redis"]
    assert site.read(LIST)["items"]
    assert come_again(site.ask("DELETE", f"{LIST}/CON-1", token=OPERATOR))["part"] == "redis"
