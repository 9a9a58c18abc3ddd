"""The places of users: how many calls each may have at once, and which calls have them."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic, time
from typing import Final

from app.domain.users import DEFAULTS, Availability
from app.store import keys, scripts
from app.store.connected import Connected
from app.store.errors import StoreUnavailable
from app.store.link import Command

PLACE_MS: Final = 7_200_000
ENGAGE_SECONDS: Final = 0.05  # a caller waits no longer to learn whether a user is free
ANSWERS: Final[tuple[Availability, ...]] = ("free", "busy", "do_not_disturb")  # by what `lua/engage.lua` returns


class Places(Connected):
    """A call is named by the uuid of its first leg."""

    def engage(self, name: str, call: str, ended: Iterable[str] = (), *, own: bool = False) -> Availability:
        """Let *call* have one of the places of the user *name*: repeated, it has one.

        *own*: the user makes it, and may do so also while not to be disturbed. *ended*: calls whose places are free
        again. A place that nobody gives back is free after two hours, the longest that Vonage lets a call last. Never
        raises, and waits 50 ms at most, not at all while Redis is known not to reply: then it is "unknown", and the
        call goes on.
        https://developer.vonage.com/en/voice/voice-api/ncco-reference#connect (`limit`)
        """
        part = keys.of(name)
        of_call = (keys.encode(call), DEFAULTS.max_calls, PLACE_MS, int(own))
        args = (part.tag, self._ttl, *of_call, *map(keys.encode, ended))
        named = (part.places(name), part.user(name))
        try:
            command, until = Command(named[0], args, scripts.ENGAGE, named), monotonic() + ENGAGE_SECONDS
            (found,) = self._writer.send([command], until, brief=True)
        except StoreUnavailable:
            return "unknown"
        return ANSWERS[int(found)]

    def engaged(self, name: str) -> dict[str, float]:
        """The calls that have a place of the user *name*, and for how many seconds, about. Raises StoreUnavailable."""
        key = keys.of(name).places(name)
        (found,) = self._reader.fetch([Command(key, ("ZRANGE", key, 0, -1, "WITHSCORES"))])
        now = time() * 1000
        pairs = zip(found[::2], found[1::2], strict=True)
        return {keys.decode(call): (now + PLACE_MS - float(until)) / 1000 for call, until in pairs}

    def disengage(self, name: str, calls: Iterable[str]) -> None:
        """Give back the places that *calls*, one or more, have of the user *name*.

        Nobody waits for it, but a request for a place that this process makes later is sent after it. If it fails, the
        places are found to be free when somebody wants one.
        """
        key = keys.of(name).places(name)
        self._writer.send_unwatched(Command(key, ("ZREM", key, *map(keys.encode, calls))))
