"""Faults in the delivery of webhooks, the same ones for the same seed.

The lossless ones are what Vonage may do (late, twice, in another order, lost connections, now and then unsigned): every
webhook is delivered in the end. The lossy ones are what it never says it does, or what an attacker would do.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

LOSSLESS = {
    "reorder": "held back until a later one of its conversation has overtaken it",
    "duplicate": "sent once more after it was delivered, with the same token or a new one",
    "delay": "up to 8 s late, and those behind it as well",
    "parallel": "the next one does not wait for its reply",
    "drop": "the first try never arrives: its connection is reset",
    "close": "the first try is sent, its reply not read",
    "unsigned": "the first try has no token",
}
LOSSY = {
    "lose": "both tries never arrive",
    "tamper": "altered after it was signed",
    "forget": "both tries have no token",
    "secret": "both tries are signed with a wrong secret",
    "clock": "both tries are signed more than 300 s ago, or in the future",
    "replay": "an earlier one of its conversation comes again, signed 600 s ago",
}
FAULTS = LOSSLESS | LOSSY
GROUPS = {"lossless": tuple(LOSSLESS), "all": tuple(FAULTS)}

How = Literal[
    "drop", "close", "unsigned", "lose", "tamper", "forget", "secret", "clock", "replay", "duplicate"
]  # the fault of a single request

USUAL_SHARE = 0.2
USUAL_LOSS = 0.05  # of each lossy fault: with all of them at 0.2 hardly a call would stay whole

_FIRST_TRY: tuple[How, ...] = ("drop", "close", "unsigned")
_BOTH_TRIES: tuple[How, ...] = ("lose", "tamper", "forget", "secret", "clock")
_OF_SIGNATURES = {"unsigned", "tamper", "forget", "secret", "clock", "replay"}
_REPLY_POSSIBLE = {"duplicate", *_FIRST_TRY}


@dataclass(frozen=True, slots=True)
class Plan:
    """The faults of one webhook. Seconds are the carrier's."""

    tries: tuple[How | None, How | None] = (None, None)
    delay: float = 0.0
    held_back: bool = False
    parallel: bool = False
    duplicate_after: float | None = None
    same_token: bool = False
    replay: bool = False
    skew: float = 0.0  # added to the time of signing, in seconds
    pick: float = 0.0  # chooses, if there is a choice: from 0 to below 1


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """The share of all webhooks that each fault hits. `FaultPlan()`: no faults."""

    shares: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Self:
        """The faults named in *text*, as in "reorder,duplicate=0.3" or "lossless=0.5,lose"; later words win.

        `lossless` and `all` are groups. Raises ValueError for an unknown name, or a share that is not from 0 to 1.
        """
        shares: dict[str, float] = {}
        for word in filter(None, map(str.strip, text.split(","))):
            name, given, share = (part.strip() for part in word.partition("="))
            members = GROUPS.get(name, (name,))
            if not FAULTS.keys() >= set(members):
                raise ValueError(f"no fault is called {name!r}: there are {', '.join([*FAULTS, *GROUPS])}")
            for member in members:
                usual = USUAL_SHARE if member in LOSSLESS else USUAL_LOSS
                shares[member] = _share(word, share) if given else usual
        return cls(shares)

    @property
    def lossless(self) -> bool:
        """Whether every webhook is delivered in the end to a server that runs."""
        return not any(share for name, share in self.shares.items() if name not in LOSSLESS)

    def plan(self, seed: int, conversation: int, number: int, *, reply_read: bool, signed: bool) -> Plan:
        """The faults of one webhook: the same for the same arguments.

        Args:
            seed: Of the whole run.
            conversation: Its number in the order in which they began: ids differ between runs.
            number: Which webhook of its conversation, of those whose reply is read, or of the others.
            reply_read: Only faults that leave a reply possible.
            signed: The application has its webhooks signed; else there are no faults of signatures.
        """
        if not self.shares:
            return Plan()
        kind = "asked" if reply_read else "told"  # another word would be another draw for every seed that is in use
        chance = random.Random(f"{seed} {conversation} {kind} {number}")  # noqa: S311  guards nothing
        # All are drawn, always in one order: a fault more does not change the draws of the others.
        drawn = {name: chance.random() for name in FAULTS}
        late, again, same, skew, past, pick = (chance.random() for _ in range(6))
        hit = {name for name, share in self.shares.items() if drawn[name] < share}
        if not signed:
            hit -= _OF_SIGNATURES
        if reply_read:
            hit &= _REPLY_POSSIBLE
        both = next((how for how in _BOTH_TRIES if how in hit), None)
        first = both or next((how for how in _FIRST_TRY if how in hit), None)
        return Plan(
            tries=(first, both),
            delay=8 * late if "delay" in hit else 0.0,
            held_back="reorder" in hit,
            parallel="parallel" in hit,
            duplicate_after=3 * again if "duplicate" in hit else None,
            same_token=same < 0.5,
            replay="replay" in hit,
            # beyond 300 s, also if the server's clock is a bit off
            skew=(330 + 3000 * skew) * (-1 if past < 0.5 else 1),
            pick=pick,
        )


def tampered(body: Mapping[str, Any], pick: float) -> dict[str, Any]:
    """*body* with the text of one value changed; if none is a text, with another value."""
    names = [name for name, value in body.items() if isinstance(value, str)]
    if not names:
        return {**body, "status": "completed"}
    name = names[int(pick * len(names))]
    text: str = body[name]
    return {**body, name: text[:-1] + ("1" if text.endswith("0") else "0")}


def _share(word: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{word}: a share is a number from 0 to 1")
    return share
