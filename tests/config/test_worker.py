"""What of gunicorn the worker relies on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from gevent import GreenletExit
from gunicorn.config import Config

from config.connection import connection
from config.worker import QuietWorker, plain_settings


def test_settings_are_read_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config()
    config.set("keepalive", 77)
    before = {name: getattr(config, name) for name in config.settings}
    plain_settings(config)
    monkeypatch.setattr(Config, "__getattr__", None)
    assert config.keepalive == 77
    assert {name: getattr(config, name) for name in config.settings} == before
    assert config.address == [("127.0.0.1", 8000)], "what is made of several settings is made as before"


@pytest.mark.parametrize("error", [SystemExit, GreenletExit])
def test_a_process_that_ends_in_the_middle_of_a_webhook_sends_no_error(error: type[BaseException]) -> None:
    """gunicorn's time limit ends it so, and a router would take a 500 for the reply."""
    place = SimpleNamespace(wait=lambda: None, has_asked=False, is_known=False)

    def ends(*_: Any) -> bool:
        raise error

    worker: Any = SimpleNamespace(_short_way=SimpleNamespace(handle=ends), _few_places=lambda: False)
    token = connection.set(cast("Any", place))
    try:
        client = SimpleNamespace(settimeout=lambda _: None)
        assert not QuietWorker.handle_request(worker, ("127.0.0.1", 1), None, client, ("127.0.0.1", 2))
    finally:
        connection.reset(token)
    assert not place.in_request
