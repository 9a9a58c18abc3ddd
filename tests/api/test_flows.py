"""What the API returns of the call flows in use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from app.services import Services
from tests.api.site import OPERATOR, VIEWER, Site, is_problem
from tests.api.test_description import faults

PATH = "/api/v1/flows"
TEXT = """\
# Zoë's
hours: { office: { zone: Europe/London, open: { mon-fri: "09:00-17:00" } } }
routes:
  - { to: "4420*", from: number, when: not office, flow: closed }
  - { from_user: Alice, when: office, flow: own }
  - { flow: menu }
flows:
  closed: [{ action: talk, text: We are closed. }]
  own: { python: flows_of_ours:flow, about: Ours }
  menu:
    steps:
      choice: [{ action: input, type: [dtmf], next: wrong }]
      wrong: [{ action: talk, text: "The PIN is 4711." }]
"""

Open = Callable[..., Site]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A flows file without fault, and the module it names."""
    (tmp_path / "flows_of_ours.py").write_text("def flow(request):\n    return []\n")
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "flows.yaml"
    file.write_text(TEXT, encoding="utf-8")
    return file


def look(site: Site) -> None:
    """Have *site* read its flows file, if it has changed, as a worker does every second."""
    cast("Services", site.app.extensions["switchhook"]).flows.reloader.refresh()


def test_routes_flows_and_text_are_returned(open_site: Open, file: Path) -> None:
    site = open_site(flows_file=file)
    shown = site.read(PATH, token=OPERATOR)
    assert list(shown) == [
        *("file", "version", "loaded_at", "looked_at", "text", "routes", "flows", "faults"),
        *("advice", "python_threads_left_behind"),
    ]
    assert (shown["file"], shown["text"]) == (str(file), TEXT)
    nothing = {"to": None, "from": None, "from_user": None, "when": None}
    assert shown["routes"] == [
        nothing | {"line": 4, "flow": "closed", "to": "4420*", "from": "number", "when": "not office"},
        nothing | {"line": 5, "flow": "own", "from_user": "Alice", "when": "office"},
        nothing | {"line": 6, "flow": "menu"},
    ]
    versions = [flow.pop("version") for flow in shown["flows"]]
    assert len({*versions, shown["version"]}) == 4
    assert shown["flows"] == [
        {"name": "closed", "about": "", "steps": ["start"], "python": False},
        {"name": "own", "about": "Ours", "steps": [], "python": True},
        {"name": "menu", "about": "", "steps": ["choice", "wrong"], "python": False},
    ]
    assert shown["faults"] == shown["advice"] == []
    assert shown["python_threads_left_behind"] == 0
    assert shown["loaded_at"].endswith("Z")
    assert shown["looked_at"] >= shown["loaded_at"]


def test_with_faults_the_last_good_version_is_returned_and_what_is_wrong(open_site: Open, file: Path) -> None:
    site = open_site(flows_file=file)
    before = site.read(PATH, token=OPERATOR)
    file.write_text(TEXT.replace("flow: menu", "flow: menue"), encoding="utf-8")
    look(site)
    shown = site.read(PATH, token=OPERATOR)
    (fault, *_) = shown.pop("faults")
    assert (fault["line"], fault["field"]) == (6, "routes[2].flow")
    assert "menu" in fault["words"]
    assert shown.pop("looked_at") > before["looked_at"]
    assert shown.items() <= before.items()
    file.unlink()
    look(site)
    (fault,) = site.read(PATH, token=OPERATOR)["faults"]
    assert fault == {"line": None, "column": None, "field": "", "words": "there is no such file"}


def test_without_a_good_file_there_are_nulls(open_site: Open, tmp_path: Path) -> None:
    shown = open_site(flows_file=tmp_path / "none.yaml").read(PATH, token=OPERATOR)
    assert shown["version"] is shown["loaded_at"] is shown["text"] is None
    assert shown["looked_at"] is not None
    assert shown["routes"] == shown["flows"] == []
    assert len(shown["faults"]) == 1


def test_reading_flows_needs_an_operator_for_they_may_hold_pins(open_site: Open, file: Path) -> None:
    site = open_site(flows_file=file, mask_numbers=False)
    problem = is_problem(site.get(PATH, token=VIEWER), 403)
    assert "operator" in problem["detail"]
    is_problem(site.get(PATH, token=None), 401)
    browser = site.browser()
    browser.post("/login", data={"token": VIEWER})
    is_problem(browser.get(PATH), 403)
    browser.post("/login", data={"token": OPERATOR})
    assert "4711" in browser.get(PATH).text


def test_the_response_is_as_described(open_site: Open, file: Path, tmp_path: Path) -> None:
    for site in (open_site(flows_file=file), open_site(flows_file=tmp_path / "none.yaml")):
        spec: Any = site.read("/openapi.json")
        response = spec["paths"][PATH]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert faults(spec, response, site.read(PATH, token=OPERATOR)) == []


def test_redis_need_not_be_there(file: Path) -> None:
    site = Site("redis://127.0.0.1:1", flows_file=file)
    assert site.read(PATH, token=OPERATOR)["faults"] == []
    site.close()
