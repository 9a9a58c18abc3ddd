"""Faults of the Voice API, for tests of a client: each hits the requests that its rule names."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from vonage_simulator.voice_api.verbs import VERBS

Fault = Literal["slow", "late", "400", "429", "500", "503", "cut", "lost"]
FAULTS: Final[dict[Fault, str]] = {
    "slow": "carried out some seconds later",
    "late": "carried out at once, and answered some seconds later",
    "400": "refused, as at a moment when it cannot be done",
    "429": "refused, as one too many in a second",
    "500": "refused with an error",
    "503": "refused with an error",
    "cut": "not carried out: the connection is cut",
    "lost": "carried out, and the connection is cut before the response",
}
USUAL_SHARE = 0.1
USUAL_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One fault, and the requests that have it.

    Attributes:
        verbs: What they want: `create`, `transfer`, `hangup`, `record`, … (`verbs.VERBS`). Empty: every request.
        first, count: From which of them on, from 1, and how many of them; `count` None: all that follow.
        share: The chance of each of these; 1.0 is every one.
        seconds: Of `slow` and `late`, by the real clock, as are the time limits of clients.
    """

    fault: Fault
    verbs: tuple[str, ...] = ()
    first: int = 1
    count: int | None = None
    share: float = 1.0
    seconds: float = USUAL_SECONDS

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"no fault is called {self.fault!r}: there are {', '.join(FAULTS)}")
        if unknown := set(self.verbs) - set(VERBS):
            raise ValueError(f"no request is called {unknown.pop()!r}: there are {', '.join(dict.fromkeys(VERBS))}")
        if not 0 <= self.share <= 1 or self.seconds < 0 or self.first < 1:
            raise ValueError("a share is from 0 to 1, seconds from 0, the first request is 1")


@dataclass(slots=True)
class ApiFaults:
    """The rules of one Voice API. The first one that hits a request counts. The same seed gives the same draws."""

    rules: Sequence[FaultRule] = ()
    seed: int = 0
    _seen: dict[int, int] = field(default_factory=dict, init=False)  # by the rule's place: requests that it names

    @classmethod
    def read(cls, text: str, seed: int = 0) -> ApiFaults:
        """As in "429,lost=0.3,transfer:slow=0.5": a share of all requests, or of those that want one thing.

        Raises ValueError for an unknown name, or a share that is not from 0 to 1.
        """
        rules: list[FaultRule] = []
        for word in filter(None, map(str.strip, text.split(","))):
            name, given, share = word.partition("=")
            verb, _, fault = name.rpartition(":")
            found = next((known for known in get_args(Fault) if known == fault.strip()), None)
            if found is None:
                raise ValueError(f"no fault is called {fault.strip()!r}: there are {', '.join(FAULTS)}")
            try:
                value = float(share) if given else USUAL_SHARE
            except ValueError as error:
                raise ValueError(f"{word}: a share is a number from 0 to 1") from error
            rules.append(FaultRule(fault=found, verbs=(verb.strip(),) if verb else (), share=value))
        return cls(tuple(rules), seed)

    def draw(self, verb: str) -> FaultRule | None:
        """The rule that hits the next request that wants *verb*, if one does."""
        hit = None
        for place, rule in enumerate(self.rules):
            if rule.verbs and verb not in rule.verbs:
                continue
            seen = self._seen[place] = self._seen.get(place, 0) + 1
            if hit is None and self._hits(place, rule, seen):
                hit = rule
        return hit

    def _hits(self, place: int, rule: FaultRule, seen: int) -> bool:
        if seen < rule.first or (rule.count is not None and seen >= rule.first + rule.count):
            return False
        chance = random.Random(f"{self.seed} {place} {seen}").random()  # noqa: S311 - guards nothing
        return chance < rule.share
