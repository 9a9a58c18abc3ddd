"""What is played to a leg: by its script, one after the other, and over it by the Voice API."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from vonage_simulator.call_context import Action
from vonage_simulator.clock import Clock
from vonage_simulator.ledger import Leg, Played, PlayedKind
from vonage_simulator.spans import Span

FOREVER = float("inf")
NO_LEG_LASTS = 1e6  # so many seconds: no use to reckon with such an end
MOST_LOOPS = 1_000_000  # from here on it is for ever: whatever is played is longer than a hundredth of a second


class Playback:
    def __init__(self, clock: Clock, leg: Leg, over: asyncio.Event) -> None:
        self._clock, self._leg, self._over = clock, leg, over
        self.barge_in = False  # what is played now may be interrupted: the script goes on meanwhile
        self.prompt_until = 0.0  # when that ends, by the clock's seconds
        self._by_api: dict[PlayedKind, Span[Played]] = {}

    async def by_script(self, kind: PlayedKind, what: str, seconds: float, action: Action) -> None:
        """Play what takes *seconds*, as often as `loop` says; with `bargeIn` the script goes on meanwhile."""
        begins, loop = max(self.prompt_until, self._clock.seconds), action.get("loop", 1)
        ends = begins + _length(seconds, loop)
        if begins < FOREVER:  # else it never begins
            self._begin(Played(kind, what, _endless(loop), "script"), begins, ends)
        self.barge_in |= action.get("bargeIn", False)
        if self.barge_in:  # the next `input` may begin while it plays; what is played until then is queued behind it
            self.prompt_until = ends
            return
        if ends == FOREVER:
            await self._over.wait()
        else:
            await self._clock.sleep(ends - self._clock.seconds)

    def by_api(self, kind: PlayedKind, what: str, seconds: float, loop: int) -> Span[Played]:
        """Play over the script; another of its *kind* ends. Whether Vonage plays that to its end first is not known."""
        self.stop(kind)
        begins = self._clock.seconds
        played = Played(kind, what, _endless(loop), "api")
        self._by_api[kind] = self._begin(played, begins, begins + _length(seconds, loop))
        return self._by_api[kind]

    def stop(self, kind: PlayedKind) -> bool:
        """End what the Voice API plays of this *kind*; whether it played anything."""
        span = self._by_api.get(kind)
        return span is not None and self.finish(span)

    def finish(self, span: Span[Played]) -> bool:
        """What the Voice API plays has ended; False if it had before."""
        if self._by_api.get(span.value.kind) is not span:
            return False
        del self._by_api[span.value.kind]
        span.ends(self._clock.now())
        return True

    def interrupt(self) -> None:
        """The prompt ends: a key is pressed, or somebody begins to speak."""
        now, self.prompt_until = self._clock.now(), self._clock.seconds
        self._leg.played[:] = [span for span in self._leg.played if span.since <= now]  # the others were queued
        for span in self._leg.played:
            if span.value.by == "script":
                span.ends(now)

    def cut(self) -> None:
        """All that is played ends: the leg is over, somewhere else, or has another script."""
        self.barge_in = False
        self.interrupt()
        for kind in list(self._by_api):
            self.stop(kind)

    @property
    def over_script(self) -> bool:
        """Whether the Voice API plays something now."""
        return bool(self._by_api)

    def _begin(self, played: Played, begins: float, ends: float) -> Span[Played]:
        """Its end is known from the beginning, unless it is ended before."""
        now, seconds = self._clock.now(), self._clock.seconds
        since = now + timedelta(seconds=begins - seconds)
        until = now + timedelta(seconds=ends - seconds) if ends - seconds < NO_LEG_LASTS else None
        return self._leg.played.begin(played, since, until)


def _endless(loop: int) -> bool:
    return not 0 < loop < MOST_LOOPS


def _length(seconds: float, loop: int) -> float:
    return FOREVER if _endless(loop) else seconds * loop
