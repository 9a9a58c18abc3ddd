"""Redis behind Sentinels: the store follows the primary that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from app.store.link import Address
from app.store.sentinel import read_sentinels
from app.store.store import Store
from tests import engines
from tests.engines import Engine, Node, free_ports, wait_until
from tests.store.posting import numbered, post_surely

NAME = "switchhook"


class Sentinel(Node):
    """A Sentinel that watches a primary, of which it and one other must say that it is away."""

    def __init__(self, primary: Node) -> None:
        (port,) = free_ports(1)
        super().__init__(port=port)
        file = self.folder / "sentinel.conf"
        watched = f"sentinel monitor {NAME} 127.0.0.1 {primary.port} 2"
        soon = [f"sentinel down-after-milliseconds {NAME} 500", f"sentinel failover-timeout {NAME} 3000"]
        file.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {self.folder}", watched, *soon, ""]))
        self._command = [self._command[0], str(file), "--sentinel", "--logfile", str(self.folder / "log")]


@contextmanager
def watched(engine: Engine) -> Iterator[Address]:
    """The address of three Sentinels that watch *engine*, once they know each other and the replica."""
    with ExitStack() as stack:
        sentinels = [Sentinel(engine.nodes[0]) for _ in range(3)]
        for sentinel in sentinels:
            stack.callback(sentinel.remove)
            sentinel.start()
            sentinel.ready()

        def knows_all(sentinel: Sentinel) -> bool:
            (state,) = sentinel.client.execute_command("SENTINEL MASTERS").values()
            return (state["num-other-sentinels"], state["num-slaves"]) == (2, 1)

        for sentinel in sentinels:
            wait_until(partial(knows_all, sentinel), "it knows the others")
        yield Address(f"redis+sentinel://{','.join(f'127.0.0.1:{each.port}' for each in sentinels)}/{NAME}")


def test_the_store_goes_on_at_the_new_primary_and_has_what_was_kept(open_store: Callable[..., Store]) -> None:
    with engines.replicated() as engine, watched(engine) as address:
        primary, replica = engine.nodes
        store = open_store(engine.at(address))
        for number in range(20):
            post_surely(store, numbered(number))
        wait_until(lambda: replica.client.dbsize() == primary.client.dbsize(), "the replica has all")
        primary.kill()
        wait_until(lambda: replica.client.info("replication")["role"] == "master", "the replica takes over")
        for number in range(20, 40):
            post_surely(store, numbered(number))
        names = [f"CON-{number}" for number in range(40)]
        assert store.histories(names).conversations.keys() == set(names)


def test_a_primary_that_is_made_a_replica_is_left(open_store: Callable[..., Store]) -> None:
    """A planned fail-over: the former primary goes on, and takes no writes any more."""
    with engines.replicated() as engine, watched(engine) as address:
        store = open_store(engine.at(address))
        post_surely(store, numbered(1))
        sentinel = Node(port=int(address.url.split(",")[0].rpartition(":")[2]))
        sentinel.client.execute_command("SENTINEL FAILOVER", NAME)
        wait_until(lambda: engine.nodes[1].client.info("replication")["role"] == "master", "it has been handed over")
        post_surely(store, numbered(2))
        assert store.histories(["CON-1", "CON-2"]).conversations.keys() == {"CON-1", "CON-2"}
        sentinel.remove()


@pytest.mark.parametrize(
    ("url", "hosts", "redis", "sentinel"),
    [
        ("redis+sentinel://a/n", (("a", 26379),), {"db": 0, "username": None, "password": None}, {}),
        (
            "redis+sentinel://me:p%40ss@a:1,b:2/n/3?sentinel_password=other",
            (("a", 1), ("b", 2)),
            {"db": 3, "username": "me", "password": "p@ss"},
            {"password": "other"},
        ),
        (
            "rediss+sentinel://:secret@a/n",
            (("a", 26379),),
            {"db": 0, "username": None, "password": "secret", "ssl": True},
            {"ssl": True},
        ),
    ],
)
def test_an_address_says_all(url: str, hosts: object, redis: object, sentinel: object) -> None:
    assert read_sentinels(url) == (hosts, "n", redis, sentinel)


def test_its_place_shows_no_password() -> None:
    assert Address("redis+sentinel://me:secret@a:1,b/n").place == "n at a:1,b:26379"


@pytest.mark.parametrize("url", ["redis+sentinel://a:1", "redis+sentinel:///n", "redis+sentinel://a,/n"])
def test_what_is_not_complete_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="needed"):
        read_sentinels(url)
