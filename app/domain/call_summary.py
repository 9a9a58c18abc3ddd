"""What the figures need to know of a call."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from app.domain.conversations import Conversation, total_price
from app.domain.legs import Leg, seconds_between


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


def summaries_of(conversations: Iterable[Conversation]) -> dict[str, CallSummary]:
    """The calls of *conversations*, each by the conversation that it began in.

    *conversations* include those that their legs went on to. One that all its legs came into from elsewhere is no call.
    """
    known = list(conversations)
    silent = {each.conversation_uuid: each for each in known if each.state == "presumed_ended"}
    found: dict[str, CallSummary] = {}
    for conversation in known:
        legs = [member.leg for member in conversation.legs if _home(member.leg) == conversation.conversation_uuid]
        if legs:
            found[conversation.conversation_uuid] = _summary(conversation, legs, silent)
    return found


def _home(leg: Leg) -> str | None:
    """The conversation in which the leg began; None if that is not known."""
    if leg.moves:
        return leg.moves[0].left or leg.moves[0].joined
    return leg.place.name.decode(errors="surrogatepass") or None


def _summary(conversation: Conversation, legs: list[Leg], silent: dict[str, Conversation]) -> CallSummary:
    first = legs[0]
    # The first leg of an inbound call is answered by the flow: whether somebody was reached, those that it called say.
    deciding = [leg for leg in legs[1:] if leg.direction != "inbound"] or [first]
    answered = min((leg.answered for leg in deciding if leg.answered), default=None)
    started = min(
        (at for leg in legs for at in (leg.started, leg.ringing, leg.answered, leg.completed) if at),
        default=conversation.started or conversation.first_received,
    )
    ended, outcome = _end(legs, deciding, silent)
    return CallSummary(
        started=started,
        ended=ended or (conversation.last_received if outcome else None),
        outcome=outcome,
        talk_seconds=seconds_between(answered, ended) if outcome == "answered" else None,
        wait_seconds=seconds_between(started, answered),
        price=total_price(leg.price for leg in legs),
        to=first.to,
    )


def _end(legs: list[Leg], deciding: list[Leg], silent: dict[str, Conversation]) -> tuple[datetime | None, str | None]:
    """When the call ended, and how. Legs whose end must have been lost ended when they were last heard of."""
    ends: list[datetime | None] = []
    for leg in legs:
        if leg.state == "completed":
            ends.append(leg.completed)
        elif quiet := silent.get(leg.place.name.decode(errors="surrogatepass")):
            ends.append(quiet.last_received)
        else:
            return None, None
    outcomes = [leg.outcome or ("answered" if leg.answered else "unanswered") for leg in deciding]
    outcome = "answered" if "answered" in outcomes else outcomes[-1]
    return max(filter(None, ends), default=None), outcome


def price_units(price: str | None) -> int | None:
    """*price* in hundred-millionths of a EUR, the smallest unit that Vonage names; within what can be added up."""
    if price is None:
        return None
    most = 10**15
    return int(max(min(Decimal(price).scaleb(8), Decimal(most)), Decimal(-most)))


def price_of(units: int) -> str:
    """The plain decimal string of *units*."""
    return format(Decimal(units).scaleb(-8), "f")
