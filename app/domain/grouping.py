"""Which conversations and legs are one call.

A leg's *origin* is the conversation in which it began (of a user whom this server calls into a room, that of the
caller), and a leg belongs to the call of its origin. A conversation that
legs moved into from elsewhere joins their call if all of them are of one and the same call. If they are of several, it
is a *conference*: it links these calls and merges none, and legs that began in it are a call of their own.

That is the smallest relation for which this holds. Conversations are only ever joined, and one that may join may still
do so after others have: so the order in which they are looked at does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from app.domain.timeline import Life


class Group(NamedTuple):
    """The conversations and legs of one call, in the order in which they began.

    `conversations` are its own, `conferences` those of several calls that its legs have been in, `linked` the ids of
    these other calls.
    """

    conversations: tuple[str, ...]
    conferences: tuple[str, ...]
    legs: tuple[str, ...]
    linked: tuple[str, ...]

    @property
    def everywhere(self) -> tuple[str, ...]:
        """All conversations that its legs have been in."""
        return self.conversations + self.conferences


class Grouped(NamedTuple):
    """Groups by the id of their call, and that id for each conversation and leg."""

    groups: Mapping[str, Group]
    of_conversation: Mapping[str, str]
    of_leg: Mapping[str, str]


def join_conversations(guests: Mapping[str, Set[str]]) -> dict[str, str]:
    """Which conversations are joined: for each one a representative, the same for all that are.

    *guests*: for each conversation the origins of the legs that came into it from elsewhere.
    """
    leaders = {name: name for name in {*guests, *(origin for origins in guests.values() for origin in origins)}}

    def find(name: str) -> str:
        while leaders[name] != name:
            leaders[name] = name = leaders[leaders[name]]
        return name

    waiting = [name for name, origins in guests.items() if origins]
    changed = True
    while changed:
        changed, undecided = False, []
        for name in waiting:
            calls = {find(origin) for origin in guests[name]}
            if len(calls) > 1:
                undecided.append(name)
            elif (leader := calls.pop()) != (own := find(name)):
                leaders[max(own, leader)] = min(own, leader)
                changed = True
        waiting = undecided
    return {name: find(name) for name in leaders}


def group(names: Iterable[str], lives: Iterable[Life]) -> Grouped:
    """The calls that the conversations *names* and the legs *lives* form."""
    grouping = _Grouping(names, sorted(lives, key=lambda life: life.order))
    return Grouped(grouping.groups, grouping.of_conversation, grouping.of_leg)


class _Grouping:
    """The steps of it. A call in the making is known by the representative of its conversations, its *leader*."""

    def __init__(self, names: Iterable[str], lives: list[Life]) -> None:
        self.lives = lives  # in the order in which they began
        self.born: dict[str, list[Life]] = {}  # by origin
        self.began: dict[str, datetime] = {}  # when the first leg came into each conversation
        self.guests: dict[str, set[str]] = {name: set() for name in names}
        for life in lives:
            self.born.setdefault(life.origin, []).append(life)
            self.guests.setdefault(life.origin, set())
            arrivals = dict.fromkeys(life.named, life.began) | {
                stay.conversation: stay.arrived for stay in life.stays[::-1]
            }
            for name, arrived in arrivals.items():
                self.began[name] = min(arrived, self.began.get(name, arrived))
                self.guests.setdefault(name, set()).update({life.origin} - {name})
        self.leader = join_conversations(self.guests)
        self.members: dict[str, list[str]] = {}
        for name in sorted(self.guests, key=self._when):
            self.members.setdefault(self.leader[name], []).append(name)

    def _when(self, name: str) -> tuple[bool, datetime | None, str]:
        """Sorts conversations by when they began; those of which no leg is known come last."""
        return name not in self.began, self.began.get(name), name

    @cached_property
    def met(self) -> dict[str, set[str]]:
        """For each conference, the leaders of the calls whose legs came into it."""
        found = {name: {self.leader[origin] for origin in origins} for name, origins in self.guests.items()}
        return {name: leaders for name, leaders in found.items() if len(leaders) > 1}

    @cached_property
    def first(self) -> dict[str, Life]:
        """For each leader of conversations in which a leg began, the first leg of the call."""
        return {leader: found for leader, members in self.members.items() if (found := self._first(members))}

    def _first(self, members: list[str]) -> Life | None:
        """The first leg of the root: of the one conversation that joined no other.

        Where legs went in a circle each of them has joined another, and the first leg of all is taken.
        """
        root = [name for name in members if not self.guests[name] or name in self.met] or members
        return min(
            (self.born[name][0] for name in root if name in self.born), key=lambda life: life.order, default=None
        )

    @cached_property
    def ids(self) -> dict[str, str]:
        """The id of each call by its leader; none of a conference in which no leg began."""
        alone = {name: name for name in self.members if not self.guests[name]}  # if no leg of it is known
        return alone | {leader: life.leg.uuid for leader, life in self.first.items()}

    @cached_property
    def hosts(self) -> dict[str, str]:
        """For each conference in which no leg began, the leader of the earliest call that it links."""
        return {
            name: min(leaders, key=lambda leader: self.first[leader].order)
            for name, leaders in self.met.items()
            if self.leader[name] not in self.ids
        }

    @property
    def of_conversation(self) -> dict[str, str]:
        """The id of the call that each conversation resolves to."""
        return {name: self.ids[self.hosts.get(name, self.leader[name])] for name in self.guests}

    @property
    def of_leg(self) -> dict[str, str]:
        """The id of the call of each leg."""
        return {life.leg.uuid: self.ids[self.leader[life.origin]] for life in self.lives}

    @property
    def groups(self) -> dict[str, Group]:
        """The calls by id."""
        linked: dict[str, set[str]] = {leader: set() for leader in self.ids}
        conferences: dict[str, list[str]] = {leader: [] for leader in self.ids}
        conversations = {leader: self.members[leader] for leader in self.ids}
        for name, came in self.met.items():
            own = self.hosts.get(name, self.leader[name])
            there = came | ({own} if name in self.born else set())
            for leader in there:
                linked[leader] |= there - {leader}
                if leader != own:
                    conferences[leader].append(name)
            if name in self.hosts:
                conversations[own] = [*conversations[own], name]
        legs: dict[str, list[str]] = {leader: [] for leader in self.ids}
        for life in self.lives:
            legs[self.leader[life.origin]].append(life.leg.uuid)
        return {
            id_: Group(
                tuple(sorted(conversations[leader], key=self._when)),
                tuple(sorted(conferences[leader], key=self._when)),
                tuple(legs[leader]),
                tuple(sorted(self.ids[other] for other in linked[leader])),
            )
            for leader, id_ in self.ids.items()
        }
