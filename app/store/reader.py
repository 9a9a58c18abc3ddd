"""A small pool of links for reading, so that a long read never delays a webhook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from queue import Empty, LifoQueue
from time import monotonic
from typing import Any, Final

from redis.exceptions import RedisError

from app.store import timeouts
from app.store.errors import StoreUnavailable, TooMuchAtOnce
from app.store.link import Address, Command, Link
from app.store.redis_errors import unavailable

HASHES_AT_ONCE: Final = 256
NOTHING: Final = ()  # instead of a reply; replies are lists

# When the request stops waiting (time.monotonic), however many reads it needs; `app/web/limits.py` sets it.
give_up_at: ContextVar[float] = ContextVar("give_up_at", default=inf)


@contextmanager
def not_waiting() -> Iterator[None]:
    """Work that does not count: the limit of a request is for waiting for Redis."""
    began = monotonic()
    try:
        yield
    finally:
        give_up_at.set(give_up_at.get() + monotonic() - began)


@contextmanager
def taking(seconds: float) -> Iterator[None]:
    """Reads that may take up to *seconds*, however little is left to the request; they leave it as much as it had."""
    with not_waiting():
        limit = give_up_at.set(monotonic() + seconds)
        try:
            yield
        finally:
            give_up_at.reset(limit)


class Reader:
    """At most *links* exchanges at a time."""

    def __init__(self, address: Address, links: int) -> None:
        self._free: LifoQueue[Link] = LifoQueue()
        for _ in range(links):
            self._free.put(Link(address))

    def hashes(self, names: Sequence[bytes]) -> list[list[bytes]]:
        """Each of the hashes *names*, of which there may be thousands, as fields and values in turn.

        Between two exchanges callers have their turn. It may take LONG_SECONDS, however little is left to the request.
        """
        replies: list[list[bytes]] = []
        with taking(timeouts.LONG_SECONDS):
            for start in range(0, len(names), HASHES_AT_ONCE):
                replies += self.fetch(
                    [Command(name, ("HGETALL", name)) for name in names[start : start + HASHES_AT_ONCE]]
                )
        return replies

    def fetch(self, commands: Sequence[Command], missing: list[StoreUnavailable] | None = None) -> list[Any]:
        """Send *commands* and return their replies.

        Raises StoreUnavailable if one failed, no link was free, or the request's time is up. With *missing*, that gets
        the errors of those that failed, as while one node of a cluster is away; their replies are NOTHING.
        """
        if not commands:
            return []
        try:
            link = self._free.get(timeout=timeouts.BORROW_SECONDS)
        except Empty:
            raise TooMuchAtOnce from None
        try:
            left = give_up_at.get() - monotonic()
            if left <= 0:
                raise StoreUnavailable("timeout", "no time is left for another read")
            replies = link.exchange(commands, min(left, timeouts.READ_SECONDS))
        except BaseException:
            link.close()  # interrupted: the next request would read our replies
            raise
        finally:
            self._free.put(link)
        for index, reply in enumerate(replies):
            if isinstance(reply, RedisError):
                if missing is None:
                    raise unavailable(reply) from reply
                missing.append(unavailable(reply))
                replies[index] = NOTHING
        return replies

    def close(self) -> None:
        """Close the links that are free."""
        while not self._free.empty():
            self._free.get().close()
