"""An export that cannot be finished ends visibly: over a real server, with a Redis that is killed in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path

import pytest

from app.store.link import Address
from app.store.store import Store
from tests.domain.builders import status
from tests.engines import Node
from tests.generated import BASE, read_record, webhooks_of
from tests.serving import OPERATOR, Server

CALLS = 6000  # more than the sockets on the way hold


@pytest.fixture
def node() -> Iterator[Node]:
    """An engine of our own, for it will be killed."""
    node = Node()
    try:
        node.start()
        node.ready()
        yield node
    finally:
        node.remove()


def test_an_export_whose_redis_goes_away_does_not_look_complete(tmp_path: Path, node: Node) -> None:
    store = Store(Address(node.url), read=read_record, retention=timedelta(days=7))
    for number in range(CALLS):
        body = status("ringing", number, uuid=f"leg-{number}", where=f"CON-{number}", to="Alice")
        for webhook in webhooks_of(body, BASE + timedelta(seconds=number)):
            store.record_later(webhook.event, webhook.text, webhook.received)
    store.stop()
    server = Server(tmp_path, REDIS_URL=node.url, WEB_CONCURRENCY="1")
    try:
        server.ready()
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/api/v1/calls.ndjson", headers={"Authorization": f"Bearer {OPERATOR}"})
        response = connection.getresponse()
        assert response.status == 200
        begun = response.read(10_000)
        assert begun.startswith(b'{"id":"leg-')
        node.kill()
        with pytest.raises(IncompleteRead):
            response.read()
        response.close()
        connection.close()
        assert server.post("/voice/answer", {"from": "447700900123", "to": "442079460000"}).status == 200
        assert "an export broke off" in server.said
        assert "Traceback" not in server.said
    finally:
        server.kill()
