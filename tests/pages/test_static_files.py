"""The files that pages load: kept for ever under an address that changes with them, and independent of Redis."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app.pages import static_files
from app.pages.static_files import FOLDER, FOR_EVER, TYPES, asset
from tests.api.site import Site

FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())


def test_every_file_there_is_is_served() -> None:
    assert {Path(name).suffix for name in FILES} <= set(TYPES), "others would be left out"
    assert {"style.css", "frame.js", "times.js", "icon.svg"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_served_whole_or_packed_and_kept_for_ever(site: Site, name: str) -> None:
    content = (FOLDER / name).read_bytes()
    plain = site.get(asset(name), token=None)
    packed = site.send("GET", asset(name), token=None, headers={"Accept-Encoding": "gzip, br"})
    assert plain.data == content
    assert gzip.decompress(packed.data) == content
    assert packed.headers["Content-Encoding"] == "gzip"
    for response in (plain, packed):
        assert response.headers["Cache-Control"] == FOR_EVER
        assert response.headers["Vary"] == "Accept-Encoding"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Type"] == TYPES[Path(name).suffix]
        assert "Set-Cookie" not in response.headers


def test_the_javascript_client_and_what_it_imports_have_addresses_that_stay_and_any_page_may_import(site: Site) -> None:
    parts = [name for name in FILES if name.startswith("client/")]
    assert "client/line.js" in parts
    for name in ("switchhook.js", *parts):
        response = site.send("GET", f"/static/{name}", token=None, headers={"Origin": "https://elsewhere.example"})
        assert response.data == (FOLDER / name).read_bytes()
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert site.get("/static/client/none.js", token=None).status_code == 404


def test_the_address_changes_with_any_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    monkeypatch.setattr(static_files, "FOLDER", tmp_path)
    seen = []
    try:
        for change in (lambda: None, (tmp_path / "times.js").touch, lambda: (tmp_path / "x.js").write_text("1")):
            change()
            static_files._files.cache_clear()
            static_files.version.cache_clear()
            seen.append(asset("style.css"))
    finally:
        static_files._files.cache_clear()
        static_files.version.cache_clear()
    assert seen[0] == seen[1]
    assert seen[1] != seen[2]


def test_the_address_of_another_version_is_not_kept(site: Site) -> None:
    """A page that was loaded before a deploy asks for it afterwards."""
    response = site.get("/static/0123456789ab/style.css", token=None)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["none.css", "../views.py", "..%2fviews.py", "%2e%2e/%2e%2e/__init__.py", "/etc/passwd", "", "style.css/"]
)
def test_nothing_else_is_served(site: Site, path: str) -> None:
    response = site.get(f"/static/{static_files.version()}/{path}", token=None)
    assert response.status_code in (404, 308)


def test_files_leave_no_line_in_the_log(capsys: pytest.CaptureFixture[str], open_site: Callable[..., Site]) -> None:
    """They would crowd out those of others: strangers get 60 lines a minute."""
    site = open_site()
    site.get(asset("style.css"), token=None)
    assert "/static/" not in capsys.readouterr().out
    site.get("/static/x/none.css", token=None)
    assert "/static/x/none.css" in capsys.readouterr().out


def test_files_need_no_redis_and_look_at_no_cookie(open_site: Callable[..., Site]) -> None:
    away = open_site(redis_url="redis://127.0.0.1:1")
    browser = away.browser()
    browser.set_cookie("switchhook", "eyJpZCI6IngifQ.x.y")
    assert browser.get(asset("style.css")).status_code == 200


def test_scripts_and_styles_load_nothing_from_elsewhere() -> None:
    for name in (name for name in FILES if not name.endswith(".wav")):
        text = re.sub(r"/\*!.*?\*/", "", (FOLDER / name).read_text())  # whose work it is may be said
        text = re.sub(r"(?m)^\s*(//|/?\*).*$", "", text)  # and where a fact is from
        found = re.findall(r"https?://[^\s\"')]+", text)
        assert set(found) <= {"http://www.w3.org/2000/svg"}, name
