"""The page of the phone as the server renders it, and the contacts that it finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.pages.contacts import MOST_CONTACTS
from app.pages.phone_headers import phone_headers
from app.services import services
from tests.api.site import BROWSER, OPERATOR, TOKENS, VIEWER, Site
from tests.pages.browsing import Page, logged_in

ALICE = "user-alice-of-the-phone"
USERS = "/api/v1/users"


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """With two users who have tokens."""
    return open_site(access_tokens=(*TOKENS, ("user/Alice", ALICE), ("user/Bob", "user-bob-of-the-phone")))


def put(site: Site, path: str, body: Any) -> None:
    response = site.send("PUT", path, token=OPERATOR, json=body)
    assert response.status_code < 300, response.text


def found(site: Site, query: str = "", token: str = ALICE) -> list[str]:
    """The addresses of the contacts."""
    response = logged_in(site, token).get(f"/phone/contacts?q={query}", headers=BROWSER)
    assert response.status_code == 200, response.text
    return Page(response.text).values("button", "data-dial")


@pytest.mark.parametrize("path", ["/phone", "/phone/contacts"])
def test_only_users_have_a_phone(site: Site, path: str) -> None:
    assert site.browser().get(path, headers=BROWSER).status_code == 401
    for token in (OPERATOR, VIEWER):
        assert logged_in(site, token).get(path, headers=BROWSER).status_code == 403
    assert logged_in(site, ALICE).get(path, headers=BROWSER).status_code == 200


def test_the_page_has_the_users_name_and_the_headers_of_the_phone(site: Site) -> None:
    put(site, f"{USERS}/Alice", {"display_name": "Alice <b>Liddell</b>", "do_not_disturb": True})
    response = logged_in(site, ALICE).get("/phone", headers=BROWSER)
    page = Page(response.text)
    assert page.values("div", "data-user") == ["Alice"]
    assert "Alice &lt;b&gt;Liddell&lt;/b&gt;" in response.text
    with site.app.app_context():
        expected = phone_headers(services().settings)
    assert {name: response.headers[name] for name in expected} == expected
    assert ALICE not in response.text, "no token is in the page"


def test_contacts_are_named_numbers_and_other_users(site: Site) -> None:
    put(site, "/api/v1/names/447700900150", {"name": "Mrs Lovelace"})
    put(site, f"{USERS}/Bob", {"display_name": "Robert"})
    put(site, f"{USERS}/Zoë", {})
    assert found(site) == ["447700900150", "Bob", "Zoë"]
    assert found(site, "LOVE") == found(site, "0150") == ["447700900150"]
    assert found(site, "rob") == found(site, " bob ") == ["Bob"]
    assert found(site, "nobody") == []
    assert found(site, token="user-bob-of-the-phone") == ["Alice", "447700900150", "Zoë"]


def test_who_is_available_is_shown(site: Site) -> None:
    browser = logged_in(site, ALICE)
    assert "available" not in browser.get("/phone/contacts").text
    put(site, f"{USERS}/Bob/registration", {"registered": True})
    assert "available" in browser.get("/phone/contacts").text
    put(site, f"{USERS}/Bob", {"do_not_disturb": True})
    shown = browser.get("/phone/contacts").text
    assert "available" not in shown
    assert "Do not disturb" in shown


def test_contacts_are_listed_up_to_a_limit_and_found_beyond(site: Site) -> None:
    for number in range(MOST_CONTACTS + 1):
        put(site, f"/api/v1/names/4477009{number:05}", {"name": f"Person {number:02}"})
    assert len(found(site)) == MOST_CONTACTS
    assert found(site, f"Person {MOST_CONTACTS}") == [f"4477009{MOST_CONTACTS:05}"]


def test_a_user_whose_whole_name_is_looked_for_is_found_however_many_others_have_it_in_theirs(site: Site) -> None:
    put(site, f"{USERS}/al", {"display_name": "Zoë"})
    for number in range(MOST_CONTACTS):
        put(site, f"/api/v1/names/4477009{number:05}", {"name": f"Albert {number:02}"})
    assert found(site, "al")[0] == "al"
