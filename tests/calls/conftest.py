"""A store on every kind of engine."""

from tests.store.conftest import open_store, store

__all__ = ["open_store", "store"]
