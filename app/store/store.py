"""The store: the events of every call, kept once and found again. docs/store.md explains how.

Workers hold no state. An event costs one round trip to one slot, however much the store holds. The first one of a leg
costs another, to the leg's entry; so does a transfer, or an event of a leg that is known in several conversations, and
one more for those that it concerns.
"""

from __future__ import annotations

from app.store import keys, scripts
from app.store.audit import Audit
from app.store.errors import StoreUnavailable, WrongLayout
from app.store.feed import Feed
from app.store.figures import Figures
from app.store.link import Command
from app.store.logins import Logins
from app.store.look_ups import LookUps
from app.store.maintenance import Maintenance
from app.store.moving import Moving
from app.store.signals import Signals
from app.store.user_events import UserEvents


class Store(Moving, Maintenance, Feed, Figures, Logins, UserEvents, Signals, Audit, LookUps):
    """All that Switchhook keeps, in Redis: single node, replicated or cluster."""

    name = "redis"

    def start(self) -> None:
        """Claim the store. Raises StoreUnavailable, or WrongLayout if it has another number of partitions."""
        self._writer.send([Command(keys.LAYOUT, ("SET", keys.LAYOUT, keys.PARTITIONS, "NX"))])
        (found,) = self._reader.fetch([Command(keys.LAYOUT, ("GET", keys.LAYOUT))])
        if int(found) != keys.PARTITIONS:
            raise WrongLayout(
                f"the calls in this Redis are spread over {int(found)} partitions, this version spreads them over "
                f"{keys.PARTITIONS}: use the version that wrote them, or an empty Redis (REDIS_URL)"
            )

    def stop(self) -> None:
        """Write what is still to be written, and close all connections."""
        self._writer.close()
        self.close()

    def feed(self) -> Feed:
        """A reader of the same store over one connection of its own, for whoever follows the feed."""
        return Feed(self._address, read=self._read, retention=self.retention, connections=1)

    def ping(self) -> str | None:
        """Let a script write to every partition. None if each can keep an event now; else why not, in one word."""
        try:
            self._writer.send(
                [Command(part.probe, (part.tag, self._ttl), scripts.PROBE, (part.probe,)) for part in keys.ALL]
            )
        except StoreUnavailable as away:
            return away.reason
        return None
