"""The app with its usual settings over an empty store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.site import Site
from tests.engines import Engine


@pytest.fixture(scope="session")
def lasting_site(valkey: Engine) -> Iterator[Site]:
    """One app for all tests, for it holds no state."""
    site = Site(valkey.address.url)
    yield site
    site.close()


@pytest.fixture
def site(lasting_site: Site, valkey: Engine) -> Site:
    """The app over an empty store."""
    valkey.flush()
    return lasting_site


@pytest.fixture
def open_site(valkey: Engine) -> Iterator[Callable[..., Site]]:
    """Opens apps with other settings, on an empty store that they share."""
    valkey.flush()
    opened: list[Site] = []

    def open_one(url: str = valkey.address.url, **settings: Any) -> Site:
        opened.append(Site(url, **settings))
        return opened[-1]

    yield open_one
    for site in opened:
        site.close()
