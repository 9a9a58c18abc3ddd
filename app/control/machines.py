"""The kinds of operations: what the log of one amounts to, what is due, and which legs it depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from app.control.kept_events import ACTION, kind_of
from app.domain import conferences, leg_actions, pair_rooms, room_calls, transfers
from app.domain.conferences import Conference
from app.domain.conversations import moments
from app.domain.legs import Leg, project_leg
from app.domain.operations import Entry, Plan
from app.store.store import Store


class Machine(NamedTuple):
    """A kind of operation: what its log amounts to, and what is due. `legs` names those that it depends on.

    `decides`: whether it still moves a leg; one that does not only sees that nobody is left alone. `neighbours`: it
    depends also on the legs that are where these are, or in one of the conversations `places`.
    """

    project: Callable[[Sequence[Entry], Mapping[str, Leg]], Any]
    plan: Callable[[Any, datetime], Plan]
    legs: Callable[[Sequence[Entry]], Iterable[str]]
    decides: Callable[[Any, str], bool] = lambda _state, _leg: False
    neighbours: bool = False
    places: Callable[[Sequence[Entry]], Iterable[str]] = lambda _: ()


def _of_action(entries: Sequence[Entry]) -> Iterator[str]:
    created = entries[0].data
    yield from (uuid for uuid in (created.get("leg"), *created.get("others", ())) if uuid)


def _called(entries: Sequence[Entry]) -> Iterator[str]:
    """The legs that the operation called."""
    yield from (entry.data["uuid"] for entry in entries if entry.kind == "result" and entry.data.get("uuid"))


def _of_transfer(entries: Sequence[Entry]) -> Iterator[str]:
    yield from (entries[0].data["initiator"], entries[0].data["transferred"])
    yield from _called(entries)


def _of_conference(entries: Sequence[Entry]) -> Iterator[str]:
    created = entries[0].data
    yield from (created["host"], *created["participants"], *created.get("discard", ()))
    for entry in entries:
        if entry.kind == "request":
            yield from (uuid for uuid in (entry.data.get("leg"), entry.data.get("discard")) if uuid)


def _of_room_call(entries: Sequence[Entry]) -> Iterator[str]:
    yield entries[0].data["caller"]
    yield from _called(entries)


def _room(entries: Sequence[Entry]) -> Iterator[str]:
    """Where the caller waited while a user was called of whom nobody can say whether it was done."""
    rings = {entry.name: entry.data["noted"].get("left") for entry in entries if entry.kind == "step"}
    unknown = (entry.name for entry in entries if entry.kind == "result" and entry.data.get("result") == "unknown")
    yield from filter(None, (rings.get(name) for name in unknown))


def _of_pair(entries: Sequence[Entry]) -> Iterator[str]:
    yield from (entries[0].data["caller"], entries[0].data["callee"])


def _is_in_conference(conference: Conference, leg: str) -> bool:
    """Whether it has, or hangs up, the leg; not one that is on hold elsewhere."""
    discarded = () if conference.finished else conference.discard
    return leg in discarded or any(member.leg == leg for member in conference.present)


MACHINES: Final[dict[str, Machine]] = {
    ACTION: Machine(leg_actions.project, leg_actions.plan, _of_action),
    "transfer": Machine(
        transfers.project, transfers.plan, _of_transfer, lambda transfer, _: transfer.status != "ended", neighbours=True
    ),
    "conference": Machine(conferences.project, conferences.plan, _of_conference, _is_in_conference),
    pair_rooms.KIND: Machine(
        pair_rooms.project, pair_rooms.plan, _of_pair, lambda pair, _: pair.status == "moving", neighbours=True
    ),
    room_calls.KIND: Machine(room_calls.project, room_calls.plan, _of_room_call, neighbours=True, places=_room),
}


def decides(store: Store, entries: Sequence[Entry], leg: str) -> bool:
    """Whether the operation of this log still moves *leg*. Raises StoreUnavailable."""
    machine = MACHINES[kind_of(entries)]
    return machine.decides(machine.project(entries, legs_of(store, entries)), leg)


def legs_of(store: Store, entries: Sequence[Entry]) -> dict[str, Leg]:
    """The legs that the operation of this log depends on. Raises StoreUnavailable."""
    machine, found = MACHINES[kind_of(entries)], {}
    for uuid in machine.legs(entries):
        if uuid not in found and (leg := _leg(store, uuid)):
            found[uuid] = leg
    if machine.neighbours:
        here = {*machine.places(entries)}
        here |= {place for leg in found.values() if leg.state != "completed" and (place := leg.place.conversation)}
        for history in store.histories(here).conversations.values():
            for uuid in {kept.event.leg for kept in history.values() if kept.event.leg} - found.keys():
                if leg := _leg(store, uuid):
                    found[uuid] = leg
    return found


def _leg(store: Store, uuid: str) -> Leg | None:
    events, known = store.leg_history(uuid)
    return project_leg(uuid, moments(events), known) if events else None
