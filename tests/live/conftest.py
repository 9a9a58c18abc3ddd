"""A store on every kind of engine, as for the tests of the store."""

from tests.store.conftest import open_store, store

__all__ = ["open_store", "store"]
