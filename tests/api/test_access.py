"""Who may read and who may act; without a role a response reveals nothing."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from typing import Any

import pytest

from app.auth import sessions, tokens
from tests.api.site import ANOTHER, LIST, OPERATOR, TOKENS, VIEWER, Site, csrf_token, is_problem, log_out, status

READ = [
    *(LIST, f"{LIST}?limit=0", f"{LIST}?state=live", f"{LIST}/CON-1", f"{LIST}/CON-none", f"{LIST}/CON-1/events"),
    *(f"{LIST}/CON-none/events", f"{LIST}/CON-1/events?limit=x", "/api/v1/legs/leg", "/api/v1/legs/none"),
    *("/status", "/openapi.json", "/docs", "/api/v1/audit", "/api/v1/names/447700900123", "/api/v1/names/x"),
    *("/api/v1/recordings/x", "/api/v1/recordings/x?conversation_uuid=CON-1"),
]
ACT = [("DELETE", f"{LIST}/CON-1"), ("DELETE", f"{LIST}/CON-none")]
REQUESTS = [(method, path) for path in READ for method in ("GET", "HEAD")] + ACT
NOBODY = {
    "none at all": None,
    "empty": "",
    "a scheme alone": "Bearer",
    "a scheme and a blank": "Bearer ",
    "unknown": "Bearer nobody-of-the-board",
    "a part of one": f"Bearer {OPERATOR[:-1]}",
    "more than one": f"Bearer {OPERATOR}x",
    "two at once": f"Bearer {OPERATOR} {VIEWER}",
    "in capitals": f"Bearer {OPERATOR.upper()}",
    "without a scheme": OPERATOR,
    "with its role": f"Bearer operator:{OPERATOR}",
    "another scheme": f"Token {OPERATOR}",
    "Basic": "Basic " + base64.b64encode(f"operator:{OPERATOR}".encode()).decode(),
    "Basic, the token as it is": f"Basic {OPERATOR}",
    "not ASCII": f"Bearer {OPERATOR}é\xff",
    "not ASCII alone": "Bearer \x80\xff",
    "quoted": f'Bearer "{OPERATOR}"',
}


@pytest.fixture
def filled(site: Site) -> Site:
    """A site with one call."""
    site.record(status("ringing", "CON-1", "leg", from_="447700900123"))
    return site


@pytest.mark.parametrize("authorization", NOBODY.values(), ids=NOBODY)
def test_without_a_token_a_response_does_not_even_reveal_what_exists(filled: Site, authorization: str | None) -> None:
    """The response is the same whether the thing exists or not, and the arguments are right or wrong."""
    headers = {} if authorization is None else {"Authorization": authorization}
    responses = [filled.send(method, path, token=None, headers=headers) for method, path in REQUESTS]
    for (method, _), response in zip(REQUESTS, responses, strict=True):
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.content_type == "application/problem+json"
        if method != "HEAD":
            assert "ACCESS_TOKENS" in is_problem(response, 401)["detail"]
    assert {response.text for response in responses} == {responses[0].text, ""}
    for wanted in ("GET", "HEAD", "DELETE"):
        heads = [got.headers for (method, _), got in zip(REQUESTS, responses, strict=True) if method == wanted]
        assert all(head == heads[0] for head in heads)
    assert filled.listed() == ["CON-1"]


def test_the_scheme_may_be_written_in_any_case(filled: Site) -> None:
    for scheme in ("bearer", "BEARER"):
        assert filled.send("GET", LIST, token=None, headers={"Authorization": f"{scheme} {VIEWER}"}).status_code == 200


@pytest.mark.parametrize("token", [VIEWER, OPERATOR, ANOTHER])
def test_every_token_reads(filled: Site, token: str) -> None:
    for path in (
        LIST,
        f"{LIST}/CON-1",
        f"{LIST}/CON-1/events",
        "/api/v1/legs/leg",
        "/status",
        "/openapi.json",
        "/docs",
    ):
        assert filled.get(path, token=token).status_code == 200
        head = filled.send("HEAD", path, token=token)
        assert (head.status_code, head.data) == (200, b"")


def test_a_viewer_may_not_act_and_learns_which_role_may(filled: Site) -> None:
    """The response is the same whether the call exists or not."""
    problems = [is_problem(filled.send(method, path), 403) for method, path in ACT]
    assert problems[0] == problems[1]
    assert "operator" in problems[0]["detail"]
    assert filled.listed() == ["CON-1"]


def test_an_operator_acts(filled: Site) -> None:
    assert filled.send("DELETE", f"{LIST}/CON-1", token=OPERATOR).status_code == 204


@pytest.mark.parametrize("token", [VIEWER, OPERATOR])
def test_a_cookie_reads_and_never_acts_alone(filled: Site, token: str) -> None:
    """Another site's page can make a browser send a cookie, but not a bearer token, and no CSRF token of ours."""
    browser = filled.browser()
    assert browser.post("/login", data={"token": token}).status_code == 302
    for path in (
        LIST,
        f"{LIST}/CON-1",
        f"{LIST}/CON-1/events",
        "/api/v1/legs/leg",
        "/status",
        "/openapi.json",
        "/docs",
    ):
        assert browser.get(path).status_code == 200
        assert browser.head(path).status_code == 200
    other = filled.browser()
    other.post("/login", data={"token": token})
    for sent in (None, "", "x", csrf_token(other), csrf_token(browser)[:-1], csrf_token(browser) + "x", "é\xff"):
        for method, path in ACT:
            headers = {} if sent is None else {"X-CSRF-Token": sent}
            assert "X-CSRF-Token" in is_problem(browser.open(path, method=method, headers=headers), 403)["detail"]
    assert filled.listed() == ["CON-1"]


@pytest.mark.parametrize("way", ["header", "field"])
def test_a_cookie_acts_together_with_its_csrf_token(filled: Site, way: str) -> None:
    for token, code in ((VIEWER, 403), (OPERATOR, 204)):
        browser = filled.browser()
        browser.post("/login", data={"token": token})
        sent = csrf_token(browser)
        more: Any = {"headers": {"X-CSRF-Token": sent}} if way == "header" else {"data": {"csrf_token": sent}}
        response = browser.delete(f"{LIST}/CON-1", **more)
        assert response.status_code == code, response.text
        assert code == 204 or "operator" in is_problem(response, 403)["detail"]
    assert filled.listed() == []


def test_a_csrf_token_alone_does_nothing(filled: Site) -> None:
    """It is no secret of the reader's, and ends with the session."""
    browser = filled.browser()
    browser.post("/login", data={"token": OPERATOR})
    headers = {"X-CSRF-Token": csrf_token(browser)}
    is_problem(filled.send("DELETE", f"{LIST}/CON-1", token=None, headers=headers), 401)
    cookie = browser.get_cookie("switchhook")
    log_out(browser)
    assert cookie is not None
    browser.set_cookie("switchhook", cookie.value)
    is_problem(browser.delete(f"{LIST}/CON-1", headers=headers), 401)
    assert filled.listed() == ["CON-1"]


def test_a_bearer_token_needs_no_csrf_token(filled: Site) -> None:
    for headers in ({}, {"X-CSRF-Token": "wrong"}):
        is_problem(filled.send("DELETE", f"{LIST}/CON-none", token=OPERATOR, headers=headers), 404)


def test_another_sites_form_logs_nobody_out(filled: Site) -> None:
    browser = filled.browser()
    browser.post("/login", data={"token": VIEWER})
    for data in ({}, {"csrf_token": ""}, {"csrf_token": "x" * 64}):
        is_problem(browser.post("/logout", data=data), 403)
    assert browser.get("/status").status_code == 200
    assert log_out(browser).headers["Location"] == "/login"
    assert browser.get("/status").status_code == 401
    assert browser.post("/logout").headers["Location"] == "/login", "there is nothing to end"


def test_a_cookie_does_not_make_up_for_a_wrong_token(filled: Site) -> None:
    browser = filled.browser()
    browser.post("/login", data={"token": OPERATOR})
    for authorization in ("Bearer nobody", "Basic eDp5", "Bearer"):
        is_problem(browser.get("/status", headers={"Authorization": authorization}), 401)


def test_the_tokens_role_counts_not_the_cookies(filled: Site) -> None:
    browser = filled.browser()
    browser.post("/login", data={"token": OPERATOR})
    response = browser.delete(f"{LIST}/CON-1", headers={"Authorization": f"Bearer {VIEWER}"})
    is_problem(response, 403)
    shown = browser.get(f"{LIST}/CON-1", headers={"Authorization": f"Bearer {VIEWER}"})
    assert "447700900123" not in shown.text


def test_taking_a_token_out_of_the_settings_ends_its_cookies(open_site: Callable[..., Site]) -> None:
    """A cookie is as good as the token it was made with, and no longer; others go on."""
    before = open_site()
    cookies = {}
    for _, token in TOKENS:
        browser = before.browser()
        browser.post("/login", data={"token": token})
        cookie = browser.get_cookie("switchhook")
        assert cookie is not None
        cookies[token] = cookie.value
        assert token not in cookie.value
    left = open_site(access_tokens=(("viewer", ANOTHER), ("operator", "a-new-one-of-the-board")))
    assert {token: _with_cookie(left, cookie) for token, cookie in cookies.items()} == {
        VIEWER: 401,
        OPERATOR: 401,
        ANOTHER: 200,
    }
    promoted = open_site(access_tokens=(("operator", VIEWER),), mask_numbers=True)
    assert _with_cookie(promoted, cookies[VIEWER]) == 200
    assert _with_cookie(open_site(secret_key="another" * 5), cookies[VIEWER]) == 401


def test_a_forged_cookie_is_refused(filled: Site) -> None:
    for cookie in ("", "x", "eyJsb2dpbiI6IiJ9.x.y", "eyJsb2dpbiI6bnVsbH0", "\xff"):
        assert _with_cookie(filled, cookie) == 401


def test_tokens_are_all_compared_in_constant_time(filled: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a response reveals neither how much of a guess is right nor which token it is."""
    compared: list[tuple[Any, Any]] = []

    def compare(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    class Counted:
        new = staticmethod(hmac.new)
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(tokens, "hmac", Counted)
    monkeypatch.setattr(sessions, "hmac", Counted)
    for token in ("nobody", VIEWER, OPERATOR):
        compared.clear()
        filled.get("/status", token=token)
        assert {known for _, known in compared} == {known.encode() for _, known in TOKENS}
    browser = filled.browser()
    browser.post("/login", data={"token": OPERATOR})
    known = csrf_token(browser).encode()
    compared.clear()
    browser.delete(f"{LIST}/CON-1", headers={"X-CSRF-Token": "guessed"})
    assert (b"guessed", known) in compared


def test_a_preflight_does_not_reveal_what_exists(filled: Site) -> None:
    responses = [filled.send("OPTIONS", path, token=None) for path in (f"{LIST}/CON-1", f"{LIST}/CON-none")]
    assert [response.status_code for response in responses] == [200, 200]
    assert responses[0].headers == responses[1].headers
    assert responses[0].data == b""


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", LIST, {"GET", "HEAD", "OPTIONS"}),
        ("PUT", f"{LIST}/CON-1", {"GET", "HEAD", "OPTIONS", "DELETE"}),
        ("DELETE", "/api/v1/legs/leg", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/status", {"GET", "HEAD", "OPTIONS"}),
        ("PATCH", "/healthz", {"GET", "HEAD", "OPTIONS"}),
        ("BREW", LIST, {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_a_problem_that_names_the_right_ones(
    filled: Site, method: str, path: str, allowed: set[str]
) -> None:
    response = filled.send(method, path, token=OPERATOR)
    assert "Allow" in is_problem(response, 405)["detail"]
    assert set(response.headers["Allow"].split(", ")) == allowed
    assert filled.listed() == ["CON-1"]


@pytest.mark.parametrize("path", ["/api", "/api/v1", "/api/v2/conversations", f"{LIST}/", "/Status", "/status/"])
def test_an_unknown_address_is_a_problem_that_says_where_to_look(filled: Site, path: str) -> None:
    assert "/openapi.json" in is_problem(filled.get(path), 404)["detail"]


def _with_cookie(site: Site, cookie: str) -> int:
    browser = site.browser()
    browser.set_cookie("switchhook", cookie)
    return browser.get("/status").status_code


def test_no_response_is_cached_or_taken_for_something_else(filled: Site) -> None:
    for method, path in [*REQUESTS, ("GET", "/healthz"), ("GET", "/nowhere"), ("PUT", LIST), ("GET", "/api/v1/flows")]:
        for token in (None, OPERATOR):
            response = filled.send(method, path, token=token)
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["X-Content-Type-Options"] == "nosniff"


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS")


def test_the_allow_header_names_exactly_the_methods_that_work(filled: Site) -> None:
    for rule in filled.app.url_map.iter_rules():
        path = re.sub("<.*?>", "CON-1", str(rule))
        codes = {method: filled.send(method, path, token=OPERATOR) for method in METHODS}
        works = {method for method, response in codes.items() if response.status_code != 405}
        for response in codes.values():
            if "Allow" in response.headers:
                assert set(response.headers["Allow"].split(", ")) == works, path
