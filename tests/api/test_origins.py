"""Scripts of other websites, and the proxies in front."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import request

from tests.api.site import LIST, VIEWER, Site, is_problem

BOARD, OTHER = "https://board.example.com", "https://other.example.com:8443"
READABLE = {"Access-Control-Expose-Headers": "Retry-After"}  # beside those that any script reads
STRANGERS = [
    *("https://evil.example.net", "http://board.example.com", "https://board.example.com:444", "null", "*", ""),
    *("https://board.example.com.evil.net", "https://xboard.example.com", "https://boardxexample.com", "file://"),
    *("https://board.example.com/", "https://board.example.com evil", "https://board.example.com\u00e9"),
]


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """An app that two websites' scripts may call."""
    return open_site(cors_origins=(BOARD, OTHER))


def cors(response: Any) -> dict[str, str]:
    """The headers of *response* that let scripts in."""
    return {name: value for name, value in response.headers.items() if name.startswith("Access-Control-")}


def preflight(site: Site, path: str, origin: str, method: str = "GET", wanted: str = "authorization") -> Any:
    """A browser's preflight request for a script, which has headers that are *wanted*."""
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": wanted,
    }
    return site.send("OPTIONS", path, token=None, headers=headers)


@pytest.mark.parametrize("origin", [BOARD, OTHER])
@pytest.mark.parametrize(
    "path", [LIST, f"{LIST}/CON-1", f"{LIST}/CON-1/events", "/api/v1/legs/x", "/status", "/openapi.json"]
)
def test_scripts_of_a_named_website_may_send_requests_and_read(site: Site, origin: str, path: str) -> None:
    response = preflight(site, path, origin)
    assert response.status_code == 200
    assert cors(response)["Access-Control-Allow-Origin"] == origin
    assert cors(response)["Access-Control-Allow-Headers"] == "authorization"
    assert "GET" in cors(response)["Access-Control-Allow-Methods"]
    response = site.send("GET", path, headers={"Origin": origin})
    assert cors(response) == {"Access-Control-Allow-Origin": origin, **READABLE}
    assert "Origin" in response.headers["Vary"]


def test_they_read_errors_too(site: Site) -> None:
    for response in (
        site.send("GET", LIST, token=None, headers={"Origin": BOARD}),
        site.send("GET", f"{LIST}?limit=0", headers={"Origin": BOARD}),
        site.send("GET", f"{LIST}/none", headers={"Origin": BOARD}),
    ):
        assert response.status_code >= 400
        assert cors(response) == {"Access-Control-Allow-Origin": BOARD, **READABLE}


def test_scripts_of_a_named_website_may_act(site: Site) -> None:
    """As the phone of a user on a page of another server does, with that user's token."""
    wanted = "authorization, content-type, idempotency-key, last-event-id"
    for method in ("PUT", "PATCH", "POST", "DELETE"):
        response = preflight(site, "/api/v1/users/Alice/current-session", BOARD, method, wanted)
        assert method in cors(response)["Access-Control-Allow-Methods"]
        assert cors(response)["Access-Control-Allow-Headers"] == wanted


@pytest.mark.parametrize("origin", STRANGERS)
def test_the_scripts_of_any_other_website_may_not(site: Site, origin: str) -> None:
    for path in (LIST, "/status", "/openapi.json"):
        assert cors(preflight(site, path, origin)) == {}
        assert cors(site.send("GET", path, headers={"Origin": origin})) == {}


def test_no_script_is_let_in_where_no_website_is_named(open_site: Callable[..., Site]) -> None:
    site = open_site()
    assert cors(preflight(site, LIST, BOARD)) == {}
    assert cors(site.send("GET", LIST, headers={"Origin": BOARD})) == {}


def test_a_star_in_an_origin_lets_nobody_in(open_site: Callable[..., Site]) -> None:
    """Read as a pattern, "https://*.example.com" would be true of https://xexample.com.evil.net."""
    site = open_site(cors_origins=("https://*.example.com",))
    for origin in ("https://xexample.com.evil.net", "https://a.example.com"):
        assert cors(preflight(site, LIST, origin)) == {}


@pytest.mark.parametrize("path", ["/", "/login", "/docs", "/voice/event", "/voice/answer", "/healthz", "/readyz"])
def test_pages_and_webhooks_are_for_no_script(site: Site, path: str) -> None:
    assert cors(preflight(site, path, BOARD)) == {}
    assert cors(site.send("GET", path, token=None, headers={"Origin": BOARD})) == {}


def test_cookies_are_never_allowed(site: Site) -> None:
    """A script brings its own token; what a browser is logged in as is none of its business."""
    browser = site.browser()
    browser.post("/login", data={"token": VIEWER})
    for response in (browser.get("/status", headers={"Origin": BOARD}), preflight(site, "/status", BOARD)):
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize(
    ("trusted", "scheme", "host", "client"),
    [
        (0, "http", "localhost", "127.0.0.1"),
        (1, "https", "calls.example.com", "198.51.100.7"),
        (2, "http", "localhost", "203.0.113.9"),
    ],
)
def test_as_many_proxies_are_believed_as_are_trusted(
    open_site: Callable[..., Site], trusted: int, scheme: str, host: str, client: str
) -> None:
    """The rest of those headers was written by the client."""
    site = open_site(trusted_proxies=trusted)
    said = {
        "X-Forwarded-For": "203.0.113.9, 198.51.100.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "calls.example.com",
        "X-Forwarded-Prefix": "/hidden",
        "Forwarded": "for=192.0.2.1;proto=https;host=evil.example",
    }
    seen: dict[str, Any] = {}
    site.app.before_request(lambda: seen.update(request.environ))
    assert site.send("GET", "/healthz", token=None, headers=said).status_code == 200
    assert (seen["wsgi.url_scheme"], seen["HTTP_HOST"], seen["REMOTE_ADDR"]) == (scheme, host, client)
    assert seen["SCRIPT_NAME"] == ""


def test_a_redirection_names_no_host(open_site: Callable[..., Site]) -> None:
    """So that no Host header leads elsewhere."""
    response = open_site(trusted_proxies=1).send("GET", "/", token=None, headers={"X-Forwarded-Host": "evil.example"})
    assert (response.status_code, response.headers["Location"]) == (302, "/login")
    is_problem(open_site().get("/nowhere", token=None), 404)
