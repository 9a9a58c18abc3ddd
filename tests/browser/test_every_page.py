"""What holds for every page: accessible, in place on a phone, self-contained, in two languages."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.chromium import SIZES, Scheme
from tests.browser.conftest import Visit
from tests.browser.pages import PAGES, PageOf
from tests.serving import Server

SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
EACH = pytest.mark.parametrize("page_of", PAGES, ids=[page.name for page in PAGES])


def violations(page: Page) -> str:
    """What axe finds, in words; empty if nothing."""
    # Without resultTypes it describes each of thousands of elements that it finds right, which takes as long again.
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return "\n".join(f"{of['id']}: {node['html']} {node.get('failureSummary')}" for of in found for node in of["nodes"])


def test_axe_finds_what_is_wrong(visit: Visit) -> None:
    """Without this, the next test would pass with an axe that does not run."""
    page = visit("/")
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=x><input>')")
    assert {line.partition(":")[0] for line in violations(page).splitlines()} >= {"image-alt", "label"}


@EACH
def test_axe_finds_nothing(visit: Visit, page_of: PageOf) -> None:
    """As wide as a desktop and light, as wide as a phone and dark: what depends on one does not depend on the other."""
    page = visit(page_of.path, role=page_of.role, reduced_motion="reduce")  # colours change at once
    for size, scheme in zip(SIZES.values(), SCHEMES, strict=True):
        page.set_viewport_size(size["viewport"])
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == "", (size, scheme)
        if page_of.repeats is not None:  # all of it was looked at once, which takes seconds; its parts are alike
            page.evaluate(
                "parts => [...document.querySelectorAll(parts)].slice(8, -8).forEach(part => part.remove())",
                page_of.repeats,
            )


@EACH
def test_a_page_fits_a_phone_and_keeps_its_policy_and_to_its_origin(
    visit: Visit, server: Server, page_of: PageOf
) -> None:
    """In both languages nothing is wider; no script or style is refused, none fails, and no request goes elsewhere."""
    page = visit("about:blank", role=page_of.role, size="phone")
    base = f"http://127.0.0.1:{server.port}"
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.log('violation ' + e.violatedDirective))"
    )
    for language in ("en", "fr"):
        page.context.add_cookies([{"name": "language", "value": language, "url": base}])
        page.goto(page_of.path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.lang").startswith(language)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, language
    ours = [words for words in said if "responded with a status of 4" not in words and "Password forms" not in words]
    assert ours == []
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(base).netloc}
    assert any("/static/" in url for url in asked)


def test_the_policy_refuses_what_would_be_written_into_a_page(visit: Visit) -> None:
    """Without this, the test above would pass with no policy as well."""
    page = visit("/")
    refused: Any = page.evaluate(
        """() => new Promise(done => {
            addEventListener('securitypolicyviolation', e => done(e.violatedDirective));
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
        })"""
    )
    assert refused.startswith("script-src")
    assert page.evaluate("window.ran") is None
