"""What of gunicorn the worker relies on."""

from __future__ import annotations

import pytest
from gunicorn.config import Config

from config.worker import plain_settings


def test_settings_are_read_without_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config()
    config.set("keepalive", 77)
    before = {name: getattr(config, name) for name in config.settings}
    plain_settings(config)
    monkeypatch.setattr(Config, "__getattr__", None)
    assert config.keepalive == 77
    assert {name: getattr(config, name) for name in config.settings} == before
    assert config.address == [("127.0.0.1", 8000)], "what is made of several settings is made as before"
