"""The record of a webhook: what was to be said, and what came of each try to say it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from vonage_simulator.delivery.exchange import Reason
from vonage_simulator.delivery.fault_plan import How
from vonage_simulator.ledger import Target

Kind = Literal["answer", "event"]


class Unheard(Exception):
    """The application was asked, as often as it is, and there is no reply that counts.

    `reason` is what a fallback request says; `words` tell people.
    """

    def __init__(self, reason: Reason, words: str) -> None:
        super().__init__(words)
        self.reason, self.words = reason, words


@dataclass(frozen=True, slots=True)
class Try:
    """One request with a webhook, over."""

    order: int  # how many requests had begun before it
    how: How | None  # which fault it had
    as_told: bool  # False: with a body altered on the way
    reached: bool  # whether the server may have got it
    status: int | None  # None: no reply was read
    words: str  # what came of it, for people
    seconds: float  # real ones


@dataclass(slots=True, kw_only=True, eq=False)
class Sent:
    """A webhook, and each try to get it to the application. Without a target there is none.

    Once it is over: if `acknowledged`, the application must have it; if not, but `maybe_kept`, it may; else it must
    not, unless it answered 5xx to what it had kept. A try not `as_told` that yet got 2xx left an untruth there.
    """

    at: datetime
    kind: Kind
    target: Target | None
    conversation: str
    leg: str
    body: dict[str, Any]  # the truth, and not to be changed after
    tries: list[Try] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)  # delivered or given up; a copy may still follow

    @property
    def acknowledged(self) -> bool:
        """Whether the application said, and we heard, that it has it."""
        return any(one.as_told and one.status is not None and one.status // 100 == 2 for one in self.tries)

    @property
    def maybe_kept(self) -> bool:
        """Whether the application may have it from a try whose reply was not read."""
        return any(one.as_told and one.reached and one.status is None for one in self.tries)

    @property
    def refused(self) -> list[int]:
        """What the application said to tries it did not take: statuses of 400 and above."""
        return [one.status for one in self.tries if one.status is not None and one.status >= 400]
