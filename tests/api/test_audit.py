"""The audit log: every time whole telephone numbers are shown to somebody, and nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.store import audit, keys
from tests.api.site import BROWSER, LIST, OPERATOR, VIEWER, Site, is_problem, quoted, status
from tests.engines import Engine, wait_until

NUMBER = "447700900177"


@pytest.fixture
def filled(site: Site) -> Site:
    """A site with two calls, where nothing was shown to anybody yet."""
    for name in ("CON-1", "CON-2"):
        site.record(status("ringing", name, f"leg-of-{name}", from_=NUMBER))
    return site


def log(site: Site, **query: Any) -> list[dict[str, Any]]:
    """The entries, once they are all written."""
    wait_until(lambda: not site.store.answers_waiting, "the log is written")
    site.store.ping()  # behind them, on the same connection
    items: list[dict[str, Any]] = site.read("/api/v1/audit", token=OPERATOR, **query)["items"]
    return items


def test_an_entry_says_who_was_shown_what_when_and_where_to(filled: Site) -> None:
    filled.get(f"{LIST}/CON-1", token=OPERATOR)
    (entry,) = log(filled)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("at"))
    assert re.fullmatch("[0-9a-f]{12}", entry.pop("who"))
    assert re.fullmatch("[0-9a-f]{12}", entry.pop("address"))
    assert entry == {
        "role": "operator",
        "route": f"GET {LIST}/<id:conversation_uuid>",
        "filters": "",
        "calls": ["CON-1"],
        "total": 1,
    }


def test_a_list_is_one_entry_with_its_filters(filled: Site) -> None:
    filled.get(LIST, token=OPERATOR, number=NUMBER, limit=10)
    (entry,) = log(filled)
    assert (sorted(entry["calls"]), entry["total"]) == (["CON-1", "CON-2"], 2)
    assert entry["filters"] == "number=********0177&limit=10", "the log needs no whole number either"


def test_the_same_call_is_noted_once_in_a_while_for_each_person(filled: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        filled.get(f"{LIST}/CON-1", token=OPERATOR)
    filled.get(LIST, token=OPERATOR)
    filled.get(LIST, token=OPERATOR)
    assert [entry["calls"] for entry in log(filled)] == [["CON-2"], ["CON-1"]]
    monkeypatch.setattr(audit, "REPEATED_AFTER", 1)
    time.sleep(0.002)
    filled.get(f"{LIST}/CON-1", token=OPERATOR)
    assert [entry["calls"] for entry in log(filled)] == [["CON-1"], ["CON-2"], ["CON-1"]]


def test_people_are_told_apart_by_token_not_by_way(open_site: Callable[..., Site]) -> None:
    site = open_site(access_tokens=(("operator", OPERATOR), ("operator", "another-operator-1"), ("viewer", VIEWER)))
    site.record(status("ringing", "CON-1", "leg", from_=NUMBER))
    for token in (OPERATOR, "another-operator-1"):
        site.get(f"{LIST}/CON-1", token=token)
    browser = site.browser()
    browser.post("/login", data={"token": OPERATOR})
    browser.get("/", headers=BROWSER)
    assert len({entry["who"] for entry in log(site)}) == len(log(site)) == 2, "a cookie is as its token"


def test_viewers_are_shown_no_number_and_leave_no_entry(filled: Site) -> None:
    for path in (LIST, f"{LIST}/CON-1", f"{LIST}/CON-1/events", "/api/v1/legs/leg-of-CON-1"):
        filled.get(path)
    assert log(filled) == []


def test_where_viewers_see_whole_numbers_they_are_noted_too(open_site: Callable[..., Site]) -> None:
    site = open_site(mask_numbers=False)
    site.record(status("ringing", "CON-1", "leg", from_=NUMBER))
    site.get(f"{LIST}/CON-1")
    assert [entry["role"] for entry in log(site)] == ["viewer"]


# No calls, one name, a response without end, and examples.
ELSEWHERE = ("/voice/", "/static/", "/api/v1/names/", "/api/v1/stream", "/openapi.json", "/docs")


def test_no_route_shows_a_whole_number_without_a_note(filled: Site, valkey: Engine) -> None:
    """Every GET there is, as an operator: whoever adds one is reminded of the log."""
    shown = []
    for rule in filled.app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.rule.startswith(ELSEWHERE):
            continue
        if rule.rule.endswith("/stream"):
            continue  # it does not end; see below, and tests/pages/test_board.py
        leg = "leg" in rule.rule
        path = re.sub("<.*?>", quoted("leg-of-CON-1" if leg else "CON-1"), rule.rule)
        valkey.ask(keys.ALL[0], "DEL", keys.ALL[0].revealed)
        before = len(log(filled))
        browser = filled.browser()
        browser.post("/login", data={"token": OPERATOR})
        response = browser.get(path, headers=BROWSER)
        if NUMBER in response.text:
            shown.append(path)
            assert len(log(filled)) == before + 1, path
    assert {LIST, f"{LIST}/CON-1", f"{LIST}/CON-1/events", "/api/v1/legs/leg-of-CON-1", "/"} <= set(shown)


def test_following_the_stream_is_noted_with_its_filters(filled: Site) -> None:
    filled.get("/api/v1/stream", token=OPERATOR, number=NUMBER).close()
    (entry,) = log(filled)
    assert (entry["route"], entry["filters"]) == ("GET /api/v1/stream", "number=********0177")
    assert entry["calls"] == ["/api/v1/stream?number=********0177"]


@pytest.mark.parametrize("path", ["/api/v1/figures", "/figures", "/api/v1/unfiled", "/unfiled"])
def test_figures_and_unfiled_webhooks_are_noted_by_their_address(filled: Site, path: str) -> None:
    browser = filled.browser()
    browser.post("/login", data={"token": OPERATOR})
    assert browser.get(path).status_code == 200
    assert [entry["calls"] for entry in log(filled)] == [[path]]


def test_who_asks_for_the_headers_of_a_file_is_shown_nothing(filled: Site) -> None:
    assert filled.send("HEAD", "/api/v1/calls.csv", token=OPERATOR).status_code == 200
    assert log(filled) == []


def test_only_operators_read_it_page_by_page(filled: Site) -> None:
    is_problem(filled.get("/api/v1/audit", token=VIEWER), 403)
    for name in ("CON-1", "CON-2"):
        filled.get(f"{LIST}/{name}", token=OPERATOR)
    assert len(log(filled)) == 2
    first = filled.read("/api/v1/audit", token=OPERATOR, limit=1)
    second = filled.read("/api/v1/audit", token=OPERATOR, limit=1, cursor=first["next"])
    assert [page["items"][0]["calls"] for page in (first, second)] == [["CON-2"], ["CON-1"]]
    assert second["next"] is None


def test_it_names_nobody_and_no_number(filled: Site, valkey: Engine) -> None:
    filled.get(LIST, token=OPERATOR, number=NUMBER)
    log(filled)
    kept = b" ".join(value for value in valkey.everything() if b"reveal" in value or b"address" in value)
    for secret in (OPERATOR, "127.0.0.1", NUMBER):
        assert secret.encode() not in kept


def test_workers_agree_on_what_was_noted(filled: Site, valkey: Engine) -> None:
    other = Site(valkey.address.url)
    for site in (filled, other, filled):
        site.get(f"{LIST}/CON-1", token=OPERATOR)
        log(site)
    assert len(log(filled)) == 1
    other.close()


def test_a_long_list_is_an_entry_with_its_first_calls(filled: Site) -> None:
    many = tuple(f"CON-\ud800-{number}" for number in range(audit.MOST_CALLS + 1))
    filled.store.note_reveal(audit.Reveal("who", "operator", "x", "GET /", "", 100_000, many))
    (entry,) = log(filled)
    assert entry["total"] == 100_000
    assert entry["calls"] == list(many[:-1])
