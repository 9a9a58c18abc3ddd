"""Names for telephone numbers: who gives them, and where they are shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.api import names as api
from tests.api.site import BROWSER, LIST, OPERATOR, VIEWER, Site, is_problem, status

NUMBER = "447700900123"
ADDRESS = f"/api/v1/names/{NUMBER}"


def put(site: Site, name: Any, address: str = ADDRESS, **more: Any) -> Any:
    return site.send("PUT", address, token=OPERATOR, json={"name": name}, **more)


def test_an_operator_gives_changes_and_removes_a_name(site: Site) -> None:
    is_problem(site.get(ADDRESS, token=OPERATOR), 404)
    for name in ("Ada", "Ada <b>Lovelace</b>"):
        response = put(site, f" {name} ")
        assert response.json == {"number": NUMBER, "name": name, "source": "api"}
        assert site.read(ADDRESS, token=OPERATOR) == response.json
        assert site.read("/api/v1/names/+44%207700-900123", token=OPERATOR) == response.json
    assert site.send("DELETE", ADDRESS, token=OPERATOR).status_code == 204
    is_problem(site.get(ADDRESS, token=OPERATOR), 404)
    is_problem(site.send("DELETE", ADDRESS, token=OPERATOR), 404)


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\nb", "a\x00b", "a\u202eb", None, 7, ["a"]])
def test_a_name_that_is_none_is_refused(site: Site, name: Any) -> None:
    assert "name" in is_problem(put(site, name), 422)["errors"]


@pytest.mark.parametrize("number", ["Alice", "1" * 16, "12ab", "-"])
def test_only_numbers_have_names(site: Site, number: str) -> None:
    is_problem(put(site, "Ada", f"/api/v1/names/{number}"), 422)


def test_a_viewer_gives_and_lists_none(site: Site) -> None:
    for method in ("GET", "PUT", "DELETE"):
        is_problem(site.send(method, ADDRESS, token=VIEWER, json={"name": "Ada"}), 403)


def test_their_number_is_limited(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST_NAMES", 1)
    put(site, "Ada")
    is_problem(put(site, "Bob", "/api/v1/names/447700900124"), 409)
    assert put(site, "Ada Lovelace").status_code == 200


def test_a_call_has_the_name_and_a_viewer_sees_it_with_the_masked_number(site: Site) -> None:
    site.record(status("ringing", "CON-1", "leg", from_=NUMBER, to="sip:442079460000@example.com"))
    put(site, "Ada")
    put(site, "Main number", "/api/v1/names/442079460000")
    site_names(site)
    for token, shown in ((VIEWER, "********0123"), (OPERATOR, NUMBER)):
        for leg in (site.conversation("CON-1", token=token)["legs"][0], site.read("/api/v1/legs/leg", token=token)):
            assert (leg["from"], leg["from_name"], leg["to_name"]) == (shown, "Ada", "Main number")
        (listed,) = site.read(LIST, token=token)["items"]
        assert listed["legs"][0]["from_name"] == "Ada"
        browser = site.browser()
        browser.post("/login", data={"token": token})
        page = browser.get("/", headers=BROWSER).text
        assert f'<bdi class="name">Ada</bdi> <bdi class="number">{shown}</bdi>' in page


def test_a_name_that_holds_a_number_is_masked_for_viewers(site: Site) -> None:
    site.record(status("ringing", "CON-1", "leg", from_=NUMBER))
    put(site, f"Ada {NUMBER}")
    site_names(site)
    assert site.read("/api/v1/legs/leg")["from_name"] == "Ada ********0123"


def test_a_faulty_file_is_an_alarm_and_callers_are_answered(open_site: Callable[..., Site], tmp_path: Path) -> None:
    file = tmp_path / "names.yaml"
    file.write_text(f'numbers:\n  "{NUMBER}": Ada\n  Secret-4711: x\n')
    site = open_site(names_file=file)
    for token, words in ((VIEWER, False), (OPERATOR, True)):
        browser = site.browser()
        browser.post("/login", data={"token": token})
        page = browser.get("/", headers=BROWSER).text
        assert "The names file has faults" in page
        assert "names.yaml:3:3" in page
        assert ("Secret-4711" in page) is words
        assert str(tmp_path) not in page
    assert site.post({"conversation_uuid": "CON-1", "uuid": "leg", "to": "2"}, "/voice/answer").json


def site_names(site: Site) -> None:
    """Names are used for two seconds before they are read again; those that were changed by this worker, at once."""
    assert site.read(ADDRESS, token=OPERATOR)["name"]
