"""What the figures need to know of a call."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from app.domain.calls import Call, outcome_of


class CallSummary(NamedTuple):
    """One call. Seconds are numbers, `price` is a plain decimal string in EUR, None is "not known".

    `ended` and `outcome` are None while it is live; `wait_seconds` is from its start to its answer, None if there was
    none; `to` is as Vonage names it.
    """

    started: datetime
    ended: datetime | None
    outcome: str | None
    talk_seconds: float | None
    wait_seconds: float | None
    price: str | None
    to: str | None


def summaries_of(calls: Iterable[Call], stored: Container[str] | None) -> dict[str, CallSummary]:
    """Each of *calls* by its home: of the *stored* conversations the one in which its first leg was first.

    However its legs move, that stays the same, until it is deleted. Without a leg, there is no call.
    *stored* None: not all of them are known, so none is taken for deleted.
    """
    found = {}
    for call in calls:
        first = next((leg for leg in call.legs if leg.leg.uuid == call.id), None)
        if first:
            been = chain((stay.conversation for stay in first.stays), sorted(call.everywhere))
            home = next((name for name in been if stored is None or name in stored), None)
            if home is not None:
                found[home] = _summary(call)
    return found


def _summary(call: Call) -> CallSummary:
    """What /api/v1/calls says of the call. One whose end must have been lost ended with its latest webhook."""
    lost = call.state == "presumed_ended"
    return CallSummary(
        started=call.began,
        ended=call.last_received if lost else call.ended,
        outcome=outcome_of([leg.leg for leg in call.legs]) if lost else call.outcome,
        talk_seconds=call.talk_seconds,
        wait_seconds=call.wait_seconds,
        price=call.price,
        to=call.to,
    )


def price_units(price: str | None) -> int | None:
    """*price* in hundred-millionths of a EUR, the smallest unit that Vonage names; within what can be added up."""
    if price is None:
        return None
    most = 10**15
    return int(max(min(Decimal(price).scaleb(8), Decimal(most)), Decimal(-most)))


def price_of(units: int) -> str:
    """The plain decimal string of *units*."""
    return format(Decimal(units).scaleb(-8), "f")
