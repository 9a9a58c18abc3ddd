"""A store on one node and on a cluster."""

from tests.node_and_cluster import engine
from tests.store.conftest import open_store, store

__all__ = ["engine", "open_store", "store"]
