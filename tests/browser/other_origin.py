"""Pages of another origin than the server's, and the backend that gives them tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import BrowserContext, Page, WebError

from tests.control.world import World

EVENTS = (
    *("connected", "disconnected", "sessions", "stopped", "call_incoming", "call_answered", "call_held", "call_muted"),
    *("call_resumed", "call_unmuted", "call_ended", "screen_share_started", "screen_share_ended"),
)
# The address of the page names the user.
PAGE = """<!doctype html>
<title>A page of another origin</title>
<script type="module">
  import { Phone } from "%(server)s/static/switchhook.js";
  const user = new URLSearchParams(location.search).get("user");
  const token = async () => (await fetch(`/phone-token?user=${user}`)).json();
  const phone = new Phone({ url: "%(server)s", user, token });
  window.seen = [];
  for (const name of %(events)s) phone.on(name, (data) => seen.push(`${name} ${data?.session?.id ?? ""}`.trim()));
  window.phone = phone;
  %(more)s
</script>
"""


class OtherOrigin:
    """Its `url`, and what it serves by path: a text, or what returns one for the query; under a `policy`, if any."""

    def __init__(self) -> None:
        self.url = ""
        self.policy = ""  # Content-Security-Policy
        self.served: dict[str, str | Callable[[dict[str, str]], str]] = {}

    def page(self, path: str, server: str, more: str = "await phone.connect({ audio: true });") -> None:
        """Serve a page with a phone, that does *more*."""
        self.served[path] = PAGE % {"server": server, "events": list(EVENTS), "more": more}


@contextmanager
def other_origin() -> Iterator[OtherOrigin]:
    """A server of pages."""
    origin = OtherOrigin()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            found = origin.served.get(path)
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", f"text/{'javascript' if path.endswith('.js') else 'html'}; charset=utf-8")
            if origin.policy:
                self.send_header("Content-Security-Policy", origin.policy)
            self.end_headers()
            text = found({name: values[0] for name, values in query.items()}) if callable(found) else found
            self.wfile.write((text or "").encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    origin.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield origin
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def tokens_of(world: World, **wanted: Any) -> Callable[[dict[str, str]], str]:
    """What the backend of the pages gives them: it has the operator's token."""

    def made(query: dict[str, str]) -> str:
        response = world.ask("POST", f"/users/{query['user']}/token", wanted)
        assert response.status_code == 201, response.text
        return str(response.text)

    return made


def opened_page(context: BrowserContext, path: str, faults: list[WebError | str]) -> Page:
    """A page whose errors go to *faults*."""
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(path)
    return page


def sees(page: Page, event: str, count: int = 1) -> None:
    """Wait until the page has seen *event* so many times."""
    seen = "window.seen?.filter((each) => `${each} `.startsWith(`${event} `)).length"
    page.wait_for_function(f"([event, count]) => {seen} >= count", arg=[event, count])
