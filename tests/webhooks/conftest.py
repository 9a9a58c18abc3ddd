"""The whole app over a real store, with requests as Vonage sends them."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, cast
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from app import create_app
from app.services import services
from config.settings import Settings
from tests.engines import Engine, wait_until
from tests.folders import own_folder
from vonage_simulator.delivery.signing import sign
from vonage_simulator.ledger import Application

KEY, SECRET = "a1b2c3d4", "k7Qm2vX9sT4bL8wR1nZ6cY3pH5dJ0fGa"
APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
VIEWER, OPERATOR = "viewers-token-of-32-characters-xx", "operators-token-of-32-characters-x"
AS_OPERATOR = {"Authorization": f"Bearer {OPERATOR}"}

Body = dict[str, Any]


def compact(body: Any) -> bytes:
    """JSON as it comes over the wire."""
    return json.dumps(body, separators=(",", ":")).encode()


def bearer(
    signed: bytes, *, api_key: str = KEY, secret: str = SECRET, application_id: str = APPLICATION, age: float = 0.0
) -> dict[str, str]:
    """The header that vouches for *signed*; *age* is how many seconds ago it was made."""
    application = Application(id=application_id, api_key=api_key, signature_secret=secret)
    return {"Authorization": f"Bearer {sign(application, signed, now=time.time() - age, jti=str(uuid4()))}"}


class Site:
    """An app of its own with its store and its log."""

    def __init__(self, url: str, **settings: Any) -> None:
        known: dict[str, Any] = {
            "data_dir": own_folder(),
            "redis_url": url,
            "secret_key": "secret-key-of-the-cookies-32-long",
            "access_tokens": (("viewer", VIEWER), ("operator", OPERATOR)),
            "signature_secrets": ((KEY, SECRET),),
            "application_id": APPLICATION,
            "public_url": "https://calls.example.com",
        }
        self.app = create_app(Settings(**known | settings))
        self._log = io.StringIO()
        cast("logging.StreamHandler[Any]", logging.getLogger("switchhook").handlers[0]).setStream(self._log)
        self.store, self.flows = services(self.app).store, services(self.app).flows
        self.client = self.app.test_client()

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> TestResponse:
        """Post *body*, an object or bytes; signed unless *headers* says how not."""
        text = body if isinstance(body, bytes) else compact(body)
        return self.client.post(path, data=text, headers=bearer(text) if headers is None else headers)

    def get(self, path: str, query: Body, headers: dict[str, str] | None = None) -> TestResponse:
        """Send a GET; signed unless *headers* says how not."""
        query = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in query.items()}
        return self.client.get(path, query_string=query, headers=bearer(compact(query)) if headers is None else headers)

    def api(self, path: str) -> Any:
        """The JSON of a GET that has to succeed."""
        response = self.client.get(path, headers=AS_OPERATOR)
        assert response.status_code == 200, response.text
        return response.json

    def conversation(self, conversation: str) -> Any:
        """The conversation, once it is kept, without the times at which webhooks of it were received."""
        path = f"/api/v1/conversations/{conversation}"
        wait_until(lambda: self.client.get(path, headers=AS_OPERATOR).status_code == 200, "it is kept")
        found = self.api(path)
        return {name: value for name, value in found.items() if name not in ("first_heard_at", "last_heard_at")}

    def events(self, conversation: str) -> Any:
        """The events of the conversation."""
        return self.api(f"/api/v1/conversations/{conversation}/events")["items"]

    def answers(self, conversation: str, count: int = 1) -> Any:
        """The recorded answers of the conversation, once there are *count*: they are written later."""
        path = f"/api/v1/conversations/{conversation}"

        found: list[Any] = []

        def written() -> bool:
            response = self.client.get(path, headers=AS_OPERATOR)
            found[:] = json.loads(response.data)["answers"] if response.status_code == 200 else []
            return len(found) >= count

        wait_until(written, f"{count} answers are recorded")
        return found

    def counters(self) -> Any:
        """The counters of webhooks."""
        return self.api("/status")["webhooks"]

    def unfiled(self) -> list[tuple[str, bytes]]:
        """Reason and body of every unfiled webhook."""
        return [(why, record.body) for _, why, record in self.store.unfiled()]

    @property
    def log_text(self) -> str:
        """The whole log."""
        return self._log.getvalue()

    def lines(self) -> list[Any]:
        """The lines of requests, where the log is JSON."""
        return [line for line in map(json.loads, self.log_text.splitlines()) if "path" in line]


Start = Callable[..., Site]


@pytest.fixture
def start(valkey: Engine) -> Iterator[Start]:
    """Starts apps on an empty store."""
    valkey.flush()
    sites: list[Site] = []

    def start(url: str = valkey.address.url, **settings: Any) -> Site:
        sites.append(Site(url, **settings))
        return sites[-1]

    yield start
    for site in sites:
        site.store.stop()
        services(site.app).spool.stop()


@pytest.fixture
def site(start: Start) -> Site:
    """An app as in production, with one secret."""
    return start(app_env="production")
