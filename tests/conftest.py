"""What all tests share: engines that run once for all of them, and how hard Hypothesis tries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests import engines
from tests.engines import Engine

# The same examples every time: a failure is of the change that is being tested. No limit on the time of one of them:
# the machine is shared.
settings.register_profile(
    "switchhook", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("switchhook")


@pytest.fixture(scope="session")
def valkey() -> Iterator[Engine]:
    """One node: the Valkey that comes with the app."""
    with engines.single() as engine:
        yield engine


@pytest.fixture(scope="session")
def redis() -> Iterator[Engine]:
    """One node: Debian's Redis, where it is installed."""
    if engines.REDIS is None:
        pytest.skip("no redis-server on the path")
    with engines.single(engines.REDIS, name="redis") as engine:
        yield engine


@pytest.fixture(scope="session")
def cluster() -> Iterator[Engine]:
    """Three primaries."""
    with engines.start_cluster() as engine:
        yield engine


@pytest.fixture(params=engines.EVERY)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each kind of engine in turn, empty."""
    engine: Engine = request.getfixturevalue(request.param)
    engine.flush()
    return engine
