"""The record of a webhook: its body, and the outcome of each try to deliver it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from vonage_simulator.delivery.fault_plan import How
from vonage_simulator.ledger import Target

Kind = Literal["answer", "event"]


@dataclass(frozen=True, slots=True)
class Try:
    """One request with a webhook, over."""

    order: int  # how many requests began before it
    how: How | None  # which fault it had
    intact: bool  # False: its body was altered on the way
    reached: bool  # whether the server may have received it
    status: int | None  # None: no reply was read
    words: str  # the outcome, for people
    seconds: float  # by the real clock

    @property
    def acknowledged(self) -> bool:
        """Whether a 2xx was received for the right body."""
        return self.intact and self.status is not None and self.status // 100 == 2


@dataclass(slots=True, kw_only=True, eq=False)
class Sent:
    """A webhook, and each try to deliver it.

    Once it is over: if `acknowledged`, the application must have it; if not, it may have it from a try that reached it
    and whose reply was not read, or was 5xx. A try that is not `intact` but got 2xx left wrong data there.
    """

    at: datetime
    kind: Kind
    target: Target
    conversation: str
    leg: str
    body: dict[str, Any]  # not to be changed after
    tries: list[Try] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)  # delivered or given up; a copy may still follow

    @property
    def acknowledged(self) -> bool:
        return any(attempt.acknowledged for attempt in self.tries)

    @property
    def refused(self) -> list[int]:
        """The statuses of 400 and above that it was answered with."""
        return [attempt.status for attempt in self.tries if attempt.status is not None and attempt.status >= 400]
