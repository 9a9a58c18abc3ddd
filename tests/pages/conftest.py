"""Apps with the settings of tests of pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.site import Site
from tests.engines import Engine


@pytest.fixture
def open_site(valkey: Engine) -> Iterator[Callable[..., Site]]:
    """Opens apps with settings of their own on an empty store."""
    valkey.flush()
    opened: list[Site] = []

    def open_one(**settings: Any) -> Site:
        opened.append(Site(valkey.address.url, **settings))
        return opened[-1]

    yield open_one
    for site in opened:
        site.close()


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """An app as `make run` starts it."""
    return open_site()


@pytest.fixture
def production(open_site: Callable[..., Site]) -> Site:
    """An app as a platform runs it."""
    return open_site(
        app_env="production", public_url="https://calls.example.com", signature_secrets=(("a1b2c3d4", "s" * 32),)
    )
