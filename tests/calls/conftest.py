"""A store on one node and on a cluster. What differs between Valkey and Redis, the tests of the store show."""

import pytest

from tests.engines import Engine
from tests.store.conftest import open_store, store

__all__ = ["open_store", "store"]


@pytest.fixture(params=["valkey", "cluster"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """One node and a cluster in turn, without data."""
    engine: Engine = request.getfixturevalue(request.param)
    engine.flush()
    return engine
