"""Reading: a few links that requests borrow, so that a long read never holds up a webhook."""

from __future__ import annotations

from collections.abc import Sequence
from queue import Empty, LifoQueue
from typing import Any

from redis.exceptions import RedisError

from app.store.errors import StoreUnavailable
from app.store.link import Address, Command, Link, unavailable

BORROW_SECONDS = 0.4


class Reader:
    """At most *links* exchanges at a time."""

    def __init__(self, address: Address, links: int) -> None:
        self._free: LifoQueue[Link] = LifoQueue()
        for _ in range(links):
            self._free.put(Link(address))

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Send *commands* and return their replies. Raises StoreUnavailable if one failed or no link was free."""
        if not commands:
            return []
        try:
            link = self._free.get(timeout=BORROW_SECONDS)
        except Empty:
            raise StoreUnavailable("busy", "every connection for reading is in use") from None
        try:
            replies = link.exchange(commands)
        except BaseException:
            link.close()  # cut off in the middle: its replies would be taken for somebody else's
            raise
        finally:
            self._free.put(link)
        for reply in replies:
            if isinstance(reply, RedisError):
                raise unavailable(reply) from reply
        return replies

    def node_of(self, key: bytes) -> str:
        """The node that holds *key*."""
        with_any = self._free.get(timeout=BORROW_SECONDS)
        try:
            return with_any.node_of(key)
        finally:
            self._free.put(with_any)

    def close(self) -> None:
        """Close the links that are free."""
        while not self._free.empty():
            self._free.get().close()
