"""`engine`, for tests of what is built on the store: what differs between Valkey and Redis, the tests of that show."""

from __future__ import annotations

import pytest

from tests.engines import Engine


@pytest.fixture(params=["valkey", "cluster"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """One node and a cluster in turn, without data."""
    engine: Engine = request.getfixturevalue(request.param)
    engine.flush()
    return engine
