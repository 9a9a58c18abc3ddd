"""The whole app over a real store, with a client for it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.domain.events import Answer, Event
from app.flows.flows import Flows
from app.services import Services, services
from app.store.codec import ANSWER
from app.store.errors import StoreUnavailable
from app.store.store import Store
from app.webhooks.body import write_json
from config.settings import Settings
from tests.engines import wait_until
from tests.folders import own_folder
from tests.generated import BASE, Body, Webhook, read_event

VIEWER, OPERATOR, ANOTHER = "viewer-of-the-board-1", "operator-of-the-board-1", "viewer-of-the-board-2"
TOKENS = (("viewer", VIEWER), ("operator", OPERATOR), ("viewer", ANOTHER))
SAMPLE = Path(__file__).parents[1] / "samples" / "phone-to-app.events.jsonl"
LIST = "/api/v1/conversations"
# What a browser prefers, so that it gets pages.
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}


class Site:
    """An app over the Redis at *url*. Requests carry *token*, or none (None)."""

    def __init__(self, url: str, **settings: Any) -> None:
        chosen: dict[str, Any] = {"secret_key": "k" * 32, "access_tokens": TOKENS, "redis_url": url}
        chosen |= {"data_dir": own_folder(), **settings}
        self.app = create_app(Settings(**chosen))
        parts = cast("Services", self.app.extensions["switchhook"])
        self.store: Store = parts.store
        self.flows: Flows = parts.flows

    def close(self) -> None:
        """Close its connections."""
        services(self.app).live.stop()
        self.store.stop()
        services(self.app).spool.stop()

    def browser(self) -> FlaskClient:
        """A client with a cookie jar of its own, whose forms are this site's."""
        client = self.app.test_client()
        client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        return client

    def send(self, method: str, path: str, *, token: str | None = VIEWER, **more: Any) -> TestResponse:
        """The response to a request."""
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        headers |= more.pop("headers", {})
        return self.app.test_client().open(path, method=method, headers=headers, **more)

    def get(self, path: str, *, token: str | None = VIEWER, **query: Any) -> TestResponse:
        """The response to a GET with *query* as its parameters."""
        return self.send("GET", path, token=token, query_string=query or None)

    def read(self, path: str, *, token: str | None = VIEWER, **query: Any) -> Any:
        """The JSON of a GET that has to succeed."""
        deadline = time.monotonic() + 30  # a busy machine may leave no time for a read
        while (response := self.get(path, token=token, **query)).status_code == 503 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert response.status_code == 200, response.text
        return response.json

    def conversation(self, name: str, *, token: str | None = VIEWER) -> Any:
        """A conversation as the API returns it."""
        return self.read(f"{LIST}/{quoted(name)}", token=token)

    def listed(self, **query: Any) -> list[str]:
        """The ids of all conversations that match the filters, page by page."""
        found: list[str] = []
        while True:
            page = self.read(LIST, **query)
            found += [item["conversation_uuid"] for item in page["items"]]
            if page["next"] is None:
                return found
            assert page["next"] != query.get("cursor"), "the list goes on"
            query["cursor"] = page["next"]

    def record(self, *bodies: Body, received: datetime = BASE) -> None:
        """Store *bodies* as received at that moment."""
        for body in bodies:
            self._record(read_event(body), write_json(body), received)

    def record_webhooks(self, webhooks: Iterable[Webhook]) -> None:
        """Store *webhooks*, answers too."""
        for event, text, received, sort in webhooks:
            if sort == ANSWER:
                self.store.record_later(cast("Answer", event), text, received)
            elif event.conversations:
                self._record(event, text, received)
        wait_until(lambda: not self.store.answers_waiting, "the responses are written")
        self.store.ping()  # behind them, on the same connection

    def _record(self, event: Event, text: bytes, received: datetime) -> None:
        """Store it, again if a busy machine was too slow for it."""

        def recorded() -> bool:
            try:
                self.store.record(event, text, received)
            except StoreUnavailable:
                return False
            return True

        wait_until(recorded, "the store takes it")

    def post(self, body: Body | bytes, path: str = "/voice/event") -> TestResponse:
        """Send a webhook."""
        sent = {"data": body} if isinstance(body, bytes) else {"json": body}
        response = self.app.test_client().post(path, **cast("Any", sent))
        assert response.status_code == 200, response.text
        return response


def csrf_token(browser: FlaskClient) -> str:
    """The CSRF token that the pages have for the session of *browser*; empty without a session."""
    found = re.search(r'<meta name="csrf-token" content="(\w+)">', browser.get("/login").text)
    return found[1] if found else ""


def log_out(browser: FlaskClient) -> TestResponse:
    """Press the button."""
    return browser.post("/logout", data={"csrf_token": csrf_token(browser)})


def quoted(name: str) -> str:
    """An id as part of an address."""
    return quote(name, safe="", errors="surrogatepass")


_numbers = count(1)


def status(name: str, conversation: str, leg: str | None = None, **more: Any) -> Body:
    """A call status of the only leg of a conversation; no two are alike."""
    body: Body = {"status": name, "conversation_uuid": conversation, "uuid": leg or f"leg-of-{conversation}"}
    return body | {"n": next(_numbers)} | {key.rstrip("_"): value for key, value in more.items()}


def is_problem(response: TestResponse, code: int) -> Any:
    """The problem that *response* is; fails if it is none, or does not say what to do."""
    assert response.status_code == code, response.text
    assert response.content_type == "application/problem+json"
    problem = cast("Any", response).json
    assert problem["status"] == code
    assert problem["title"]
    assert len(problem["detail"]) > 20, "the detail says what to do"
    return problem
