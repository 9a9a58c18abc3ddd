"""Users: what operators set, what users set themselves, who is listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.site import BROWSER, OPERATOR, TOKENS, VIEWER, Site, csrf_token, is_problem, quoted, status

ALICE = "user-alice-of-the-app-1"
USERS, OWN = "/api/v1/users", "/api/v1/users/Alice"
DEFAULTS: dict[str, Any] = {
    "name": "Alice",
    "display_name": None,
    "max_calls": 2,
    "auto_answer": False,
    "do_not_disturb": False,
    "record_permissions": 0,
    "registered": False,
    "registration_expires_at": None,
    "registration_attempts": 0,
}
READ = {"voicemail": {"total": 0, "unheard": 0}}  # what reading one user says beside


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """A site with a token for Alice."""
    return open_site(access_tokens=(*TOKENS, ("user/Alice", ALICE)))


def change(site: Site, method: str, changes: Any, path: str = OWN, token: str = OPERATOR) -> Any:
    return site.send(method, path, token=token, json=changes)


def test_an_operator_sets_changes_and_deletes_a_user(site: Site) -> None:
    assert site.read(OWN) == DEFAULTS | READ, "who has a token is known"
    every = {"display_name": "Ada", "max_calls": 3, "auto_answer": True, "do_not_disturb": True}
    every["record_permissions"] = 2
    assert change(site, "PUT", every).json == DEFAULTS | every
    assert site.read(OWN) == DEFAULTS | every | READ
    assert change(site, "PATCH", {"max_calls": 1, "display_name": None}).json == DEFAULTS | every | {
        "max_calls": 1,
        "display_name": None,
    }
    assert change(site, "PATCH", {}).status_code == 200
    assert change(site, "PUT", {"display_name": " Ada "}).json == DEFAULTS | {"display_name": "Ada"}, "others: defaults"
    assert site.send("DELETE", OWN, token=OPERATOR).status_code == 204
    assert site.read(OWN) == DEFAULTS | READ
    is_problem(site.send("DELETE", OWN, token=OPERATOR), 404)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("display_name", value) for value in ("", "x" * 61, "a\nb", 7, ["a"])),
        *(("max_calls", value) for value in (0, 51, -1, "2", 2.5, float("inf"), True, None)),
        *(("record_permissions", value) for value in (3, -1, "1", None)),
        *((field, value) for field in ("auto_answer", "do_not_disturb") for value in ("on", 1, None)),
        ("name", "Bob"),
        ("registered", True),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_setting_that_is_none_is_named(site: Site, method: str, field: str, value: Any) -> None:
    assert field in is_problem(change(site, method, {field: value}), 422)["errors"]
    assert site.read(OWN) == DEFAULTS | READ


@pytest.mark.parametrize("name", ["a\nb", "x" * 201, "\x00"])
def test_a_name_that_is_none_is_refused(site: Site, name: str) -> None:
    is_problem(change(site, "PUT", {}, f"{USERS}/{quoted(name)}"), 422)


def test_a_user_sets_do_not_disturb_and_nothing_else(site: Site) -> None:
    assert change(site, "PATCH", {"do_not_disturb": True}, token=ALICE).json == DEFAULTS | {"do_not_disturb": True}
    for changes in ({"max_calls": 9}, {"do_not_disturb": False, "record_permissions": 2}):
        assert "operator" in is_problem(change(site, "PATCH", changes, token=ALICE), 403)["detail"]
    assert site.read(OWN, token=ALICE) == DEFAULTS | READ | {"do_not_disturb": True}


def test_who_was_only_called_is_known_and_whoever_was_not_is_unknown(site: Site) -> None:
    is_problem(site.get(f"{USERS}/Zed"), 404)
    for method, path in (("PATCH", ""), ("PUT", "/registration"), ("PUT", "/current-session")):
        body: dict[str, Any] = {"registered": True} if path == "/registration" else {}
        body = {"currentSessionID": "x"} if path == "/current-session" else body
        is_problem(change(site, method, body, f"{USERS}/Zed{path}"), 404)
    for path in ("/sessions", "/phone", "/current-session", "/sessions/x"):
        is_problem(site.get(f"{USERS}/Zed{path}"), 404)
    site.record(status("ringing", "CON-1", direction="outbound", to="Zed"))
    assert site.read(f"{USERS}/Zed") == DEFAULTS | READ | {"name": "Zed"}
    assert change(site, "PATCH", {"max_calls": 5}, f"{USERS}/Zed").json["max_calls"] == 5


def test_users_are_listed_by_name_page_by_page(site: Site) -> None:
    for name in ("Zoë", "Bob", "alice", "Aaron"):
        change(site, "PUT", {"max_calls": 4}, f"{USERS}/{quoted(name)}")
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = site.read(USERS, limit=2, **cursor)
        assert len(page["items"]) <= 2
        found += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert [user["name"] for user in found] == ["Aaron", "Alice", "Bob", "Zoë", "alice"]
    assert found[1] == DEFAULTS, "by the token alone"
    assert found[2]["max_calls"] == 4
    assert "cursor" in is_problem(site.get(USERS, cursor="x"), 422)["errors"]


def test_a_name_that_is_a_number_is_masked_for_viewers(site: Site) -> None:
    change(site, "PUT", {"display_name": "Ada 447700900123"})
    assert site.read(OWN)["display_name"] == "Ada ********0123"
    for token in (OPERATOR, ALICE):
        assert site.read(OWN, token=token)["display_name"] == "Ada 447700900123"


def test_a_cookie_acts_on_users_with_its_csrf_token_only(site: Site) -> None:
    browser = site.browser()
    browser.post("/login", data={"token": OPERATOR}, headers=BROWSER)
    is_problem(browser.patch(OWN, json={"max_calls": 3}), 403)
    headers = {"X-CSRF-Token": csrf_token(browser)}
    assert browser.patch(OWN, json={"max_calls": 3}, headers=headers).status_code == 200


def test_the_page_reports_its_registration(site: Site) -> None:
    path = f"{OWN}/registration"
    reported = change(site, "PUT", {"registered": True, "seconds": 60, "attempts": 2}, path, token=ALICE).json
    assert (reported["registered"], reported["attempts"]) == (True, 2)
    user = site.read(OWN)
    assert (user["registered"], user["registration_attempts"]) == (True, 2)
    assert user["registration_expires_at"] == reported["expires_at"]
    assert site.read(f"{OWN}/phone")["isRegistered"] is True
    gone = change(site, "PUT", {"registered": False, "attempts": 3}, path, token=ALICE).json
    assert gone == {"registered": False, "expires_at": None, "attempts": 3}
    assert site.read(f"{OWN}/phone")["isRegistered"] is False
    assert site.read(f"{OWN}/phone")["reRegistryPhoneTimes"] == 3
    is_problem(change(site, "PUT", {"registered": True}, path, token=VIEWER), 403)


@pytest.mark.parametrize(
    ("field", "value"),
    [("registered", None), ("registered", "yes"), ("seconds", 9), ("seconds", 3601), ("attempts", -1), ("user", "Bob")],
)
def test_a_report_that_is_none_is_refused(site: Site, field: str, value: Any) -> None:
    body = {"registered": True} | {field: value}
    assert field in is_problem(change(site, "PUT", body, f"{OWN}/registration"), 422)["errors"]
