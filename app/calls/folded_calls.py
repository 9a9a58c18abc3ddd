"""Calls folded and dumped. Those of one conversation are kept, and computed again only when an event is added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from app.calls import call_schemas
from app.calls.names import Known
from app.calls.recent import Dumps, Recent, is_long, is_silent
from app.domain.calls import Call, Calls, read_calls
from app.store.contract import Tied

FOLDED = Recent[Calls]()  # by history
ROWS = Dumps()  # by call


def fold_calls(tied: Tied, now: datetime, presume_ended_after: timedelta) -> Calls:
    """The calls that the conversations *tied* are of, at the time *now*.

    A conversation that shares nothing with another one is folded by itself; the others together.
    """
    times: Any = {"now": now, "presume_ended_after": presume_ended_after}
    parts, others = list[Calls](), tied.conversations.copy()
    for name in _alone(tied):
        events, first = others.pop(name), tied.first_received[name]
        silent = is_silent(events, now, presume_ended_after)
        fold = partial(read_calls, {name: events}, first_received={name: first}, **times)
        parts.append(fold() if is_long(events) else FOLDED.computed(fold, events, name, silent))
    if others:
        parts.append(read_calls(others, known=tied.legs, first_received=tied.first_received, **times))
    return Calls(
        {id_: call for part in parts for id_, call in part.calls.items()},
        {name: id_ for part in parts for name, id_ in part.of_conversation.items()},
        {leg: id_ for part in parts for leg, id_ in part.of_leg.items()},
        frozenset(name for part in parts for name in part.live),
    )


def _alone(tied: Tied) -> Iterator[str]:
    """The conversations whose events name no other one, and whose legs are in no other one."""
    legs = {name: {kept.event.leg for kept in events.values()} - {None} for name, events in tied.conversations.items()}
    conversations_of = Counter(leg for its in legs.values() for leg in its)
    named = Counter(
        name
        for events in tied.conversations.values()
        for name in {name for kept in events.values() for name in kept.event.conversations}
    )
    for name, events in tied.conversations.items():
        if (
            named[name] == 1
            and all(kept.event.conversations == (name,) for kept in events.values())
            and all(conversations_of[leg] == 1 and leg not in tied.legs for leg in legs[name])
        ):
            yield name


def dump_call(call: Call, *, mask_numbers: bool, row: bool, names: Known) -> dict[str, Any]:
    """*call* as `call_schemas.dump` dumps it. Do not change what is in it: it may be kept."""

    def dump() -> dict[str, Any]:
        return call_schemas.dump(call, mask_numbers=mask_numbers, row=row, names=names)

    if not row or len(call.everywhere) != 1 or is_long(call.events):
        return dump()
    return ROWS.dumped(dump, names, call, mask_numbers)
