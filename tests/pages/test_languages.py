"""The languages of the pages: how one is chosen, and that every text has a translation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from app.pages.languages import COOKIE, FOLDER, LOCALES
from tests.api.site import BROWSER, VIEWER, Site
from tests.pages.browsing import logged_in

ROOT = Path(__file__).parents[2]
OTHERS = sorted(set(LOCALES) - {"en"})
Text = str | tuple[str, ...]  # its forms, where it has a singular and a plural
MARKS: dict[str, Any] = {"gettext": None, "ngettext": (1, 2), "marked": None, "Note": None}
IN_TEMPLATES: dict[str, Any] = {"_": None, "gettext": None, "ngettext": (1, 2)}
OPTIONS = {"extensions": "jinja2.ext.i18n", "newstyle_gettext": "true", "silent": "false"}


def texts() -> dict[Text, str]:
    """Every text of the pages, and a place of each."""
    found: dict[Text, str] = {}
    for path in sorted((ROOT / "app" / "pages").rglob("*.html")):
        for line, text, _, _ in extract_from_file("jinja2.ext:babel_extract", path, IN_TEMPLATES, options=OPTIONS):
            found[tuple(text) if isinstance(text, tuple | list) else text] = f"{path.name}:{line}"
    for path in [*sorted((ROOT / "app" / "pages").rglob("*.py")), ROOT / "config" / "settings.py"]:
        for line, text, _, _ in extract_from_file("python", path, MARKS):
            found[tuple(text) if isinstance(text, tuple | list) else text] = f"{path.name}:{line}"
    return found


def catalogs(language: str) -> list[Catalog]:
    """The files of *language*."""
    found = []
    for path in sorted((FOLDER / language).glob("*.po")):
        with path.open("rb") as file:
            found.append(read_po(file, locale=language, abort_invalid=True))
    assert found
    return found


def messages(language: str) -> list[Message]:
    """All translations of *language*."""
    return [message for catalog in catalogs(language) for message in catalog if message.id]


def forms(text: Any) -> tuple[str, ...]:
    """Of a text or a translation: one, or one for each number."""
    return tuple(text) if isinstance(text, list | tuple) else (text or "",)


def placeholders(text: str) -> set[str]:
    """`%(name)s` in *text*; `%%` is none."""
    return set(re.findall(r"%\(\w+\)[a-z]|%(?![(%])", text.replace("%%", "")))


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str) -> None:
    known = {message.id: forms(message.string) for message in messages(language)}
    missing = {text: place for text, place in texts().items() if not all(known.get(text, ("",)))}
    stubs = "\n".join(f'# {place}\nmsgid "{text}"\nmsgstr ""' for text, place in missing.items())
    assert not missing, f"translations/{language}/ lacks:\n{stubs}"


@pytest.mark.parametrize("language", OTHERS)
def test_no_translation_is_left_over(language: str) -> None:
    ids = [message.id for message in messages(language)]
    assert len(set(ids)) == len(ids), "each once"
    assert set(ids) <= set(texts())


@pytest.mark.parametrize("language", OTHERS)
def test_the_placeholders_are_those_of_the_text(language: str) -> None:
    for message in messages(language):
        wanted = placeholders(forms(message.id)[-1])
        for form in forms(message.string):
            assert placeholders(form) == wanted, message.id


def test_the_plural_rule_is_that_of_the_language() -> None:
    """French has one form for 0 and 1: https://www.unicode.org/cldr/charts/latest/supplemental/language_plural_rules.html"""
    for french in catalogs("fr"):
        assert french.num_plurals == 2
        assert "n > 1" in french.plural_expr


@pytest.mark.parametrize(
    ("accepted", "chosen", "shown"),
    [
        ("", None, "en-GB"),
        ("fr", None, "fr-FR"),
        ("fr-CA,fr;q=0.9,en;q=0.8", None, "fr-FR"),
        ("de,fr;q=0.5,en;q=0.4", None, "fr-FR"),
        ("de", None, "en-GB"),
        ("en-US,fr;q=0.5", None, "en-GB"),
        ("fr", "en", "en-GB"),
        ("en", "fr", "fr-FR"),
        ("fr", "../../etc/passwd", "fr-FR"),
    ],
)
def test_the_language_is_the_one_chosen_or_the_browsers(
    site: Site, accepted: str, chosen: str | None, shown: str
) -> None:
    browser = site.browser()
    if chosen:
        browser.set_cookie(COOKIE, chosen)
    response = browser.get("/login", headers={"Accept-Language": accepted})
    assert f'<html lang="{shown}">' in response.text
    assert ("Jeton d’accès" in response.text) is (shown == "fr-FR")
    assert "Accept-Language" in response.headers["Vary"]


def test_the_switch_keeps_the_language_and_goes_back(site: Site) -> None:
    browser = site.browser()
    response = browser.post("/language", data={"language": "fr", "back": "/docs?x=1"})
    assert (response.status_code, response.headers["Location"]) == (303, "/docs?x=1")
    (cookie,) = response.headers.getlist("Set-Cookie")
    assert "language=fr;" in cookie
    assert "SameSite=Lax" in cookie
    browser.post("/login", data={"token": VIEWER})
    assert "Appels en cours" in browser.get("/").text
    browser.post("/language", data={"language": "en", "back": "/"})
    assert "Live calls" in browser.get("/").text


@pytest.mark.parametrize(
    "back",
    [
        *("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "evil", "\\\\evil"),
        *("https://evil.example", "///evil.example", "/\t/evil.example", "\x00//evil.example", "http://[evil"),
    ],
)
def test_the_switch_leads_nowhere_else(site: Site, back: str) -> None:
    """A form of another site would send people on under our name."""
    response = site.browser().post("/language", data={"language": "xx", "back": back})
    assert response.status_code == 303
    assert re.fullmatch(r"/(?![/\\])[\w%.]*", response.headers["Location"]), response.headers["Location"]
    assert not response.headers.getlist("Set-Cookie")


def test_errors_are_worded_in_the_language_too(site: Site) -> None:
    headers = BROWSER | {"Accept-Language": "fr"}
    assert "n’existe pas" in site.browser().get("/nowhere", headers=headers).text
    assert "Vous n’êtes pas connecté" in site.browser().get("/docs", headers=headers).text
    refused = logged_in(site).get("/unfiled", headers=headers)
    assert refused.status_code == 403
    assert "Il faut le jeton d’un opérateur" in refused.text
    assert "This needs" not in refused.text
