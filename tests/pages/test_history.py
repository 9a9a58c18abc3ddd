"""The history of calls: what is searched for, page by page, and the webhooks that belong to no call."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from app.webhooks.schemas import kept_answer
from tests.api.site import BROWSER, OPERATOR, VIEWER, Site
from tests.generated import BASE, iso, webhooks_of
from tests.pages.browsing import Page, logged_in

SCRIPT = "<script>alert(1)</script>"


def place(site: Site, number: int, *statuses: str, **more: Any) -> None:
    """A call of this number, received so many minutes after the first."""
    began = BASE + timedelta(minutes=number)
    body = {
        "uuid": f"leg-{number}",
        "conversation_uuid": f"CON-{number}",
        "direction": "inbound",
        "from": f"44770090{number:04}",
        "to": "442079460000",
    }
    for second, status in enumerate(statuses):
        at = began + timedelta(seconds=second)
        site.record(body | more | {"status": status, "timestamp": iso(at)}, received=at)


@pytest.fixture
def filled(site: Site) -> Site:
    """Four calls."""
    place(site, 1, "ringing", "answered", "completed")
    place(site, 2, "ringing", "busy")
    place(site, 3, "ringing", to="Alice")
    place(site, 4, "ringing", "unanswered")
    recording = {"conversation_uuid": "CON-1", "recording_uuid": "REC", "recording_url": "https://r.example/1"}
    site.record(recording, received=BASE + timedelta(minutes=1))
    asked = {"uuid": "leg-4", "conversation_uuid": "CON-4", "from": "447700900004", "to": "442079460000"}
    served = {"id": "a" * 16, "flow": "menu", "step": "ask", "took_ms": 1.5, "ncco": []}
    site.record_webhooks(webhooks_of(kept_answer(asked, served), BASE + timedelta(minutes=4, seconds=1)))
    return site


def get(browser: FlaskClient, path: str, status: int = 200) -> str:
    """The text of a page."""
    response = browser.get(path, headers=BROWSER)
    assert response.status_code == status, response.text
    return response.text


def found(text: str) -> list[str]:
    """The ids of the calls that a page lists."""
    return [link.removeprefix("/calls/") for link in Page(text).values("a", "href") if link.startswith("/calls/leg-")]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        *(("", "4321"), ("number=0002", "2"), ("number=447700900003", "3"), ("user=Alice", "3"), ("id=CON-4", "4")),
        *(("state=ended", "421"), ("state=live", "3"), ("outcome=busy", "2"), ("missed=true", "42")),
        *(
            ("missed=false", "31"),
            ("has_recording=true", "1"),
            ("flow=menu", "4"),
            ("flow=other", ""),
            ("number=&state=", "4321"),
        ),
        (f"since={iso(BASE + timedelta(minutes=2))}&until={iso(BASE + timedelta(minutes=4))}", "32"),
        ("since=2020-01-01T00:00&until=2020-01-02T00:00", ""),
        *(("id=leg-2", "2"), ("id=REC", "1"), ("id=none", ""), ("user=Bob", ""), ("number=0009", "")),
        *(("sort=oldest", "1234"), ("sort=newest", "4321"), ("sort=oldest&missed=true", "24")),
    ],
)
def test_calls_are_searched_for_in_the_address(filled: Site, query: str, numbers: str) -> None:
    text = get(logged_in(filled), f"/calls?{query}")
    assert found(text) == [f"leg-{number}" for number in numbers]
    assert numbers or "No call fits" in text


def test_what_was_searched_for_stays_in_the_fields(filled: Site) -> None:
    text = get(logged_in(filled), "/calls?number=0002&state=ended&since=2026-01-31T10:00:00%2B01:00&user=%22Zo%C3%AB")
    page = Page(text)
    values = {attributes.get("name"): attributes.get("value") for _, attributes in page.elements}
    assert (values["number"], values["user"]) == ("0002", '"Zoë')
    assert values["since"] == "2026-01-31T09:00:00", "in UTC, as the field says without scripts"
    chosen = [attributes["value"] for _, attributes in page.elements if "selected" in attributes]
    assert chosen == ["ended"]


def test_a_moment_without_a_zone_is_in_utc(filled: Site) -> None:
    browser = logged_in(filled)
    at = BASE + timedelta(minutes=2)
    assert found(get(browser, f"/calls?since={at:%Y-%m-%dT%H:%M:%S.%f}")) == ["leg-4", "leg-3", "leg-2"]


@pytest.mark.parametrize("name", ["number", "state", "outcome", "missed", "since", "until", "has_recording"])
def test_a_wrong_filter_is_named_beside_its_field(filled: Site, name: str) -> None:
    text = get(logged_in(filled), f"/calls?{name}=no-such-thing", 422)
    page = Page(text)
    (wrong,) = [attributes for _, attributes in page.elements if "aria-invalid" in attributes]
    assert (wrong["name"], wrong["aria-describedby"]) == (name, f"error-{name}")
    assert f"error-{name}" in page.values("p", "id")
    assert found(text) == []
    french = logged_in(filled).get(f"/calls?{name}=no-such-thing", headers=BROWSER | {"Accept-Language": "fr"}).text
    assert any(said in french for said in ("Donnez un", "Ce n’est pas un des choix.")), "in the reader's language"


@pytest.mark.parametrize("query", ["cursor=made-up", "limit=0", f"{SCRIPT}=1", "sort=price"])
def test_any_other_wrong_argument_is_named(filled: Site, query: str) -> None:
    text = get(logged_in(filled), f"/calls?{query}", 422)
    assert query.partition("=")[0].replace("<", "&lt;").replace(">", "&gt;") in text
    assert SCRIPT not in text


@pytest.mark.parametrize(("sort", "order"), [("", "4321"), ("&sort=oldest", "1234")])
def test_one_goes_through_all_pages_and_back_to_the_first(filled: Site, sort: str, order: str) -> None:
    browser = logged_in(filled)
    seen: list[str] = []
    address: str | None = f"/calls?limit=2&missed={sort}"
    pages = 0
    while address:
        text = get(browser, address)
        seen += found(text)
        links = {attributes.get("rel"): attributes["href"] for name, attributes in Page(text).elements if name == "a"}
        assert ("first" in links) == (pages > 0)
        address = links.get("next")
        pages += 1
        assert not address or "limit=2" in address
    assert seen == [f"leg-{number}" for number in order]
    assert pages == 2


def test_the_page_says_in_which_order_it_is_and_turns_it_round(filled: Site) -> None:
    """What was searched for stays, also where somebody searches again; exports have the same order."""
    browser = logged_in(filled)
    text = get(browser, "/calls?missed=true")
    assert "Newest first, by the first webhook of each call." in text
    (turned,) = [link for link in Page(text).values("a", "href") if "sort=" in link]
    assert parse_qs(urlsplit(turned).query) == {"missed": ["true"], "sort": ["oldest"]}
    text = get(browser, turned)
    assert "Oldest first, by the first webhook of each call." in text
    assert found(text) == ["leg-2", "leg-4"]
    values = {attributes.get("name"): attributes.get("value") for _, attributes in Page(text).elements}
    assert values["sort"] == "oldest"
    links = Page(text).values("a", "href")
    assert "/calls?missed=true" in links, "back again"
    for link in (link for link in links if link.startswith("/api/v1/calls.")):
        exported = browser.get(link).text
        assert 0 < exported.index("leg-2") < exported.index("leg-4")


def test_exports_have_the_same_filters(filled: Site) -> None:
    browser = logged_in(filled)
    links = Page(get(browser, "/calls?missed=true&number=0002")).values("a", "href")
    exports = [link for link in links if link.startswith("/api/v1/calls.")]
    assert [urlsplit(link).path for link in exports] == ["/api/v1/calls.csv", "/api/v1/calls.ndjson"]
    for link in exports:
        assert parse_qs(urlsplit(link).query) == {"missed": ["true"], "number": ["0002"]}
        response = browser.get(link)
        assert "leg-2" in response.text
        assert "leg-4" not in response.text


def test_an_empty_store_says_what_to_do(site: Site) -> None:
    assert "flask replay" in get(logged_in(site), "/calls")


def test_names_of_strangers_are_text(site: Site) -> None:
    place(site, 1, "ringing", **{"from": SCRIPT, "to": f'"{SCRIPT}'}, uuid=f"leg-{SCRIPT}")
    text = get(logged_in(site), "/calls")
    assert SCRIPT not in text
    assert "&lt;script&gt;alert(1)" in text


def test_viewers_see_masked_numbers_and_operators_are_noted(filled: Site) -> None:
    assert "447700900002" not in get(logged_in(filled, VIEWER), "/calls?number=0002")
    assert "447700900002" in get(logged_in(filled, OPERATOR), "/calls?number=0002")
    (entry,) = filled.read("/api/v1/audit", token=OPERATOR)["items"]
    assert (entry["route"], entry["calls"]) == ("GET /calls", ["leg-2"])


@pytest.mark.parametrize("path", ["/calls", "/unfiled"])
def test_it_needs_a_login(filled: Site, path: str) -> None:
    get(filled.browser(), path, 401)


# -- unfiled ----------------------------------------------------------------------------------------------------------


def test_unfiled_webhooks_are_for_operators(site: Site) -> None:
    get(logged_in(site, VIEWER), "/unfiled", 403)
    assert "Nothing is unfiled" in get(logged_in(site, OPERATOR), "/unfiled")
    assert "/unfiled" not in Page(get(logged_in(site, VIEWER), "/calls")).values("a", "href")


def test_unfiled_webhooks_are_shown_as_text_page_by_page(site: Site) -> None:
    browser = logged_in(site, OPERATOR)
    for number in range(60):
        site.post({"n": number, "note": SCRIPT})
    text = get(browser, "/unfiled")
    assert SCRIPT not in text
    assert text.count("&lt;script&gt;") == text.count("<details><summary>") == 50
    (older,) = [attributes["href"] for _, attributes in Page(text).elements if attributes.get("rel") == "next"]
    assert older is not None
    assert get(browser, older).count("<details><summary>") == 10
    get(browser, "/unfiled?cursor=made-up", 422)
