"""Callers are answered while long calls are read."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.store.apart import MOST_WAITING
from app.store.store import Store
from tests.engines import Engine
from tests.generated import BASE, iso, read_record, webhooks_of
from tests.serving import Reply, Server

LONG = "/api/v1/conversations/CON-long"
EVENTS = 2000
CALL = {"from": "447700900123", "to": "442079460000", "uuid": "leg", "conversation_uuid": "CON-new"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, valkey: Engine) -> Iterator[Server]:
    """A server with one worker, and a long call."""
    valkey.flush()
    store = Store(valkey.address, read=read_record, retention=timedelta(days=7))
    for number in range(EVENTS):
        body = {"conversation_uuid": "CON-long", "uuid": "leg", "dtmf": {"digits": str(number)}}
        for webhook in webhooks_of(body | {"timestamp": iso(BASE + timedelta(seconds=number))}, BASE):
            store.record_later(webhook.event, webhook.text, webhook.received)
    store.stop()
    server = Server(tmp_path_factory.mktemp("server"), REDIS_URL=valkey.address.url, WEB_CONCURRENCY="1")
    yield server.ready()
    server.kill()


def test_answers_do_not_wait_for_readers(server: Server) -> None:
    with ThreadPoolExecutor(6) as readers:
        reading = [readers.submit(server.api, LONG) for _ in range(6)]
        answered = 0
        while not any(reader.done() for reader in reading):
            assert server.post("/voice/answer", CALL).status == 200
            answered += 1
        assert answered >= 5, "callers were answered before anybody had read the call"
        for reader in reading:
            assert reader.result().status == 200
            assert len(reader.result().json["inputs"]) == EVENTS


def test_who_reads_too_much_is_refused_and_why(server: Server) -> None:
    with ThreadPoolExecutor(3 * MOST_WAITING) as readers:
        replies: list[Reply] = list(readers.map(server.api, [LONG] * 3 * MOST_WAITING))
    refused = [reply for reply in replies if reply.status != 200]
    assert len(refused) < len(replies), "some were served"
    for reply in refused:
        assert (reply.status, reply.json["title"]) == (503, "Too much at once")
        assert int(reply.headers["Retry-After"]) >= 1
    assert refused
    assert server.api(LONG).status == 200
