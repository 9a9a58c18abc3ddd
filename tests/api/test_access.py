"""Who may read and who may act; and that whoever may neither is told nothing."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from typing import Any

import pytest

from app.auth import tokens
from tests.api.asking import ANOTHER, LIST, OPERATOR, TOKENS, VIEWER, Site, is_problem, status

READ = [
    *(LIST, f"{LIST}?limit=0", f"{LIST}?state=live", f"{LIST}/CON-1", f"{LIST}/CON-none", f"{LIST}/CON-1/events"),
    *(f"{LIST}/CON-none/events", f"{LIST}/CON-1/events?limit=x", "/api/v1/legs/leg", "/api/v1/legs/none"),
    *("/status", "/openapi.json", "/docs"),
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
def told(site: Site) -> Site:
    """One call."""
    site.tell(status("ringing", "CON-1", "leg", from_="447700900123"))
    return site


@pytest.mark.parametrize("authorization", NOBODY.values(), ids=NOBODY)
def test_without_a_token_nothing_is_told_not_even_what_there_is(told: Site, authorization: str | None) -> None:
    """The answer is one and the same whether the thing exists or not, and the question right or wrong."""
    headers = {} if authorization is None else {"Authorization": authorization}
    answers = [told.ask(method, path, token=None, headers=headers) for method, path in REQUESTS]
    for (method, _), answer in zip(REQUESTS, answers, strict=True):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.content_type == "application/problem+json"
        if method != "HEAD":
            assert "ACCESS_TOKENS" in is_problem(answer, 401)["detail"]
    assert {answer.text for answer in answers} == {answers[0].text, ""}
    for wanted in ("GET", "HEAD", "DELETE"):
        heads = [answer.headers for (method, _), answer in zip(REQUESTS, answers, strict=True) if method == wanted]
        assert all(head == heads[0] for head in heads)
    assert told.listed() == ["CON-1"]


def test_the_scheme_may_be_written_in_any_case(told: Site) -> None:
    for scheme in ("bearer", "BEARER"):
        assert told.ask("GET", LIST, token=None, headers={"Authorization": f"{scheme} {VIEWER}"}).status_code == 200


@pytest.mark.parametrize("token", [VIEWER, OPERATOR, ANOTHER])
def test_every_token_reads(told: Site, token: str) -> None:
    for path in (
        LIST,
        f"{LIST}/CON-1",
        f"{LIST}/CON-1/events",
        "/api/v1/legs/leg",
        "/status",
        "/openapi.json",
        "/docs",
    ):
        assert told.get(path, token=token).status_code == 200
        head = told.ask("HEAD", path, token=token)
        assert (head.status_code, head.data) == (200, b"")


def test_a_viewer_may_not_act_and_is_told_what_it_takes(told: Site) -> None:
    """The same for a call that exists and one that does not."""
    problems = [is_problem(told.ask(method, path), 403) for method, path in ACT]
    assert problems[0] == problems[1]
    assert "operator" in problems[0]["detail"]
    assert told.listed() == ["CON-1"]


def test_an_operator_acts(told: Site) -> None:
    assert told.ask("DELETE", f"{LIST}/CON-1", token=OPERATOR).status_code == 204


@pytest.mark.parametrize("token", [VIEWER, OPERATOR])
def test_a_cookie_reads_and_never_acts(told: Site, token: str) -> None:
    """Another site's page can make a browser send a cookie, but not a bearer token."""
    browser = told.browser()
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
    for method, path in ACT:
        is_problem(browser.open(path, method=method), 401)
    assert told.listed() == ["CON-1"]


def test_a_wrong_token_is_not_made_good_by_a_cookie(told: Site) -> None:
    browser = told.browser()
    browser.post("/login", data={"token": OPERATOR})
    for authorization in ("Bearer nobody", "Basic eDp5", "Bearer"):
        is_problem(browser.get("/status", headers={"Authorization": authorization}), 401)


def test_the_tokens_role_counts_not_the_cookies(told: Site) -> None:
    browser = told.browser()
    browser.post("/login", data={"token": OPERATOR})
    answer = browser.delete(f"{LIST}/CON-1", headers={"Authorization": f"Bearer {VIEWER}"})
    is_problem(answer, 403)
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


def test_a_cookie_that_somebody_made_up_is_none(told: Site) -> None:
    for cookie in ("", "x", "eyJsb2dpbiI6IiJ9.x.y", "eyJsb2dpbiI6bnVsbH0", "\xff"):
        assert _with_cookie(told, cookie) == 401


def test_tokens_are_compared_in_constant_time_each_with_every_one(told: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither how far a guess is right, nor which token it is, shows in how long the answer takes."""
    compared: list[tuple[Any, Any]] = []

    def compare(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    class Counted:
        new = staticmethod(hmac.new)
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(tokens, "hmac", Counted)
    for token in ("nobody", VIEWER, OPERATOR):
        compared.clear()
        told.get("/status", token=token)
        assert {known for _, known in compared} == {known.encode() for _, known in TOKENS}


def test_asking_what_may_be_asked_tells_nothing_of_what_there_is(told: Site) -> None:
    answers = [told.ask("OPTIONS", path, token=None) for path in (f"{LIST}/CON-1", f"{LIST}/CON-none")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].headers == answers[1].headers
    assert answers[0].data == b""


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
def test_a_method_that_is_not_taken_is_a_problem_that_names_those_that_are(
    told: Site, method: str, path: str, allowed: set[str]
) -> None:
    answer = told.ask(method, path, token=OPERATOR)
    assert "Allow" in is_problem(answer, 405)["detail"]
    assert set(answer.headers["Allow"].split(", ")) == allowed
    assert told.listed() == ["CON-1"]


@pytest.mark.parametrize("path", ["/api", "/api/v1", "/api/v2/conversations", f"{LIST}/", "/Status", "/status/"])
def test_an_unknown_address_is_a_problem_that_says_where_to_look(told: Site, path: str) -> None:
    assert "/openapi.json" in is_problem(told.get(path), 404)["detail"]


def _with_cookie(site: Site, cookie: str) -> int:
    browser = site.browser()
    browser.set_cookie("switchhook", cookie)
    return browser.get("/status").status_code
