"""While Redis is away requests get 503 and are to be sent again."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.auth import guessing
from app.auth.guessing import FROM_ONE
from app.auth.sessions import ID
from app.spool.spool import FRESH_SECONDS
from tests.api.site import BROWSER, LIST, OPERATOR, VIEWER, Site, is_problem, status
from tests.engines import Node
from tests.folders import NOWHERE

pytestmark = pytest.mark.short_timeouts

READ = [
    LIST,
    f"{LIST}?state=live",
    f"{LIST}/CON-1",
    f"{LIST}/CON-none",
    f"{LIST}/CON-1/events",
    "/api/v1/legs/leg",
    *("/api/v1/calls", "/api/v1/calls?id=leg", "/api/v1/calls?user=Alice", "/api/v1/calls.csv", "/api/v1/calls.ndjson"),
    *("/api/v1/calls/leg", "/api/v1/calls/leg/events", "/api/v1/calls/leg/ladder.txt"),
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
    site.record(status("ringing", "CON-1", "leg"))
    assert site.listed() == ["CON-1"]
    if request.param == "killed":
        node.kill()
    else:
        node.freeze()
    return site


def is_503(response: Any) -> Any:
    """The problem; fails without Retry-After."""
    problem = is_problem(response, 503)
    assert int(response.headers["Retry-After"]) >= 1
    return problem


def test_reads_and_deletions_get_503_with_retry_after(away: Site) -> None:
    for path in READ:
        problem = is_503(away.get(path))
        assert problem["part"] == "redis"
        assert "REDIS_URL" in problem["detail"]
    problem = is_503(away.send("DELETE", f"{LIST}/CON-1", token=OPERATOR))
    assert problem["part"] == "redis"
    assert "send it again" in problem["detail"]
    head = away.send("HEAD", LIST)
    assert (head.status_code, head.headers["Retry-After"]) == (503, "1")


def test_alive_and_ready_differ(away: Site) -> None:
    """A platform restarts what is not alive, and that would not bring Redis back. Events wait on disk meanwhile."""
    assert away.read("/healthz", token=None) == {"alive": True}
    assert away.read("/readyz", token=None) == {"degraded": ["redis"]}


def test_the_status_says_what_waits_and_how_the_server_is(away: Site) -> None:
    away.post(status("answered", "CON-2"))
    away.post(status("answered", "CON-3"))
    time.sleep(FRESH_SECONDS)
    problem = is_503(away.get("/status"))
    assert problem["spool"]["waiting"] >= 2
    assert problem["spool"]["oldest_seconds"] > 0
    assert (problem["store"]["reachable"], problem["flows"]["faults"]) == (False, 0)
    assert problem["service"]["name"] == "switchhook"
    page = away.send("GET", "/status", headers=BROWSER).text
    assert re.search(r"\d events wait, the oldest since \d\d:\d\d:\d\d UTC", page)


def test_where_the_disk_takes_nothing_either_it_is_not_ready(node: Node, open_site: Callable[..., Site]) -> None:
    site = open_site(node.url, data_dir=NOWHERE)
    assert site.read("/readyz", token=None) == {"degraded": ["spool"]}
    node.kill()
    problem = is_503(site.get("/readyz", token=None))
    assert problem["degraded"] == ["spool", "redis"]
    assert "nor can the disk" in problem["detail"]


def test_requests_that_need_no_redis_succeed(away: Site) -> None:
    assert away.get("/openapi.json").status_code == 200
    assert away.get("/docs").status_code == 200
    is_problem(away.get(LIST, token=None), 401)
    is_problem(away.send("DELETE", f"{LIST}/CON-1"), 403)
    is_problem(away.get(LIST, limit=0), 422)
    is_problem(away.get("/nowhere"), 404)


def test_the_page_shows_the_outage_too(away: Site) -> None:
    assert away.browser().get("/login").status_code == 200
    inside = away.browser()
    with inside.session_transaction() as cookie:
        cookie[ID] = "a session of before"
    login = away.browser().post("/login", data={"token": VIEWER}, headers=BROWSER)
    for page in (inside.get("/", headers=BROWSER), login):
        assert (page.status_code, page.headers["Retry-After"]) == (503, "1")
        assert page.content_type == "text/html; charset=utf-8"
        assert "Redis is away" in page.text
        assert "Content-Security-Policy" in page.headers


def test_guessing_is_slow_without_redis_too(away: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker counts for itself then."""
    monkeypatch.setattr(guessing, "_here", Counter())
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)  # all in one minute
    browser, mine = away.browser(), {"REMOTE_ADDR": "192.0.2.77"}
    codes = [browser.post("/login", data={"token": "wrong"}, environ_base=mine).status_code for _ in range(12)]
    assert codes == [401] * FROM_ONE + [429] * 2
    assert browser.post("/login", data={"token": VIEWER}).status_code == 503, "from elsewhere it is looked at"


def test_the_list_returns_with_redis(node: Node, open_site: Callable[..., Site]) -> None:
    site = open_site(node.url)
    site.record(status("ringing", "CON-1"))
    node.freeze()
    is_503(site.get(LIST))
    node.thaw()
    assert site.listed() == ["CON-1"]
    node.kill()
    is_503(site.get(LIST))
    node.start()
    node.ready()
    assert site.listed() == [], "it kept nothing on disk"


@pytest.mark.parametrize("ask", ["list", "ready", "event"])
def test_a_connection_that_redis_closed_while_idle_costs_no_request(
    node: Node, open_site: Callable[..., Site], ask: str
) -> None:
    """Redis closes idle connections after its `timeout`: 300 s with some providers, Heroku among them."""
    site = open_site(node.url)
    site.record(status("ringing", "CON-1"))
    site.read(LIST)
    for client in node.client.client_list(_type="normal"):
        if client["cmd"] != "client|list":
            node.client.client_kill_filter(_id=client["id"])
    if ask == "event":
        site.record(status("answered", "CON-1"))
    else:
        site.read(LIST if ask == "list" else "/readyz")


def test_a_read_only_redis_is_degraded_but_can_be_read(node: Node, open_site: Callable[..., Site]) -> None:
    site = open_site(node.url)
    site.record(status("ringing", "CON-1"))
    node.client.replicaof("127.0.0.1", 1)
    assert site.read("/readyz", token=None) == {"degraded": ["redis"]}
    assert site.read(LIST)["items"]
    assert is_503(site.send("DELETE", f"{LIST}/CON-1", token=OPERATOR))["part"] == "redis"
