"""A browser without scripts, and a page as it reads it."""

from __future__ import annotations

from html.parser import HTMLParser

from flask.testing import FlaskClient

from tests.api.site import VIEWER, Site


def logged_in(site: Site, token: str = VIEWER) -> FlaskClient:
    """A browser that has logged in."""
    browser = site.browser()
    assert browser.post("/login", data={"token": token}).status_code == 302
    return browser


class Page(HTMLParser):
    """A page as a browser reads it: its elements, their attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def values(self, tag: str, attribute: str) -> list[str]:
        """The values of *attribute* in all elements *tag*."""
        return [
            attributes[attribute] or "" for name, attributes in self.elements if name == tag and attribute in attributes
        ]
