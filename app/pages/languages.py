"""The language of a page: chosen by a switch or by the browser. Texts are in translations/<language>/*.po.

Templates call `_`, `ngettext` and `{% trans %}`; modules call `gettext` or `marked`. tests/pages/test_languages.py
finds all of them and checks that each is translated.
"""

from __future__ import annotations

from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final

from flask import Flask, g, request

FOLDER: Final = Path(__file__).parent / "translations"
COOKIE: Final = "language"
COOKIE_SECONDS: Final = 365 * 24 * 3600
LOCALES: Final = {"en": "en-GB", "fr": "fr-FR"}  # language -> what formats dates and numbers, and the page's `lang`
NAMES: Final = {"en": "English", "fr": "Français"}


def language() -> str:
    """The language of this request: as chosen by the switch, else the best that the browser names, else English."""
    if "language" not in g:  # a page needs it a hundred times
        chosen = request.cookies.get(COOKIE, "")
        g.language = chosen if chosen in LOCALES else _of_browser()
    found: str = g.language
    return found


def _of_browser() -> str:
    """By languages, not by regions: who reads en-US before fr gets English."""
    wanted = (tag.partition("-")[0].lower() for tag in request.accept_languages.values())
    return next((code for code in wanted if code in LOCALES), "en")


def locale() -> str:
    """`en-GB`, for attributes and scripts."""
    return LOCALES[language()]


def gettext(text: str) -> str:
    """*text* in the language of this request."""
    return translations(language()).gettext(text)


def marked(text: str) -> str:
    """*text* as it is: it will be translated where it is shown."""
    return text


def ngettext(one: str, many: str, number: int) -> str:
    """*one* or *many*, as *number* needs it, in the language of this request."""
    return translations(language()).ngettext(one, many, number)


@cache
def translations(code: str) -> NullTranslations:
    """The texts of a language; English ones are those in the source. Read once, when first used."""
    files = sorted((FOLDER / code).glob("*.po"))
    if not files:
        return NullTranslations()
    from babel.messages.mofile import write_mo  # needed by pages alone: a start-up is somebody's first call
    from babel.messages.pofile import read_po

    known = NullTranslations()
    for path in files:
        compiled = BytesIO()
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, locale=code))
        compiled.seek(0)
        catalog = GNUTranslations(compiled)
        catalog.add_fallback(known)
        known = catalog
    return known


def install(app: Flask) -> None:
    """Let the templates of *app* use the texts."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
