"""All who listen in this process, grouped by what they want, so that a change costs nothing for those who do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

from app.live.listener import Listener, Wanted
from app.live.rendering import IDS, Form


class Group(NamedTuple):
    """Listeners that are sent the same."""

    wanted: Wanted
    form: Form


class Listeners:
    """All listeners. Not for two threads at once."""

    def __init__(self) -> None:
        self._groups: dict[Group, set[Listener]] = {}
        self._of_conversation: dict[str, set[Group]] = {}
        self._of_any: set[Group] = set()
        self._of_ids: set[Group] = set()
        self._forms: Counter[Form] = Counter()  # of groups; nothing here is counted anew at each look

    def __iter__(self) -> Iterator[Listener]:
        return (listener for group in list(self._groups.values()) for listener in list(group))

    def __contains__(self, listener: Listener) -> bool:
        return listener in self._groups.get(_group_of(listener), ())

    def add(self, listener: Listener) -> None:
        """From now on it is one of them."""
        group = _group_of(listener)
        if group not in self._groups:
            self._groups[group] = set()
            self._forms[group.form] += 1
            for groups in self._sets_with(group):
                groups.add(group)
        self._groups[group].add(listener)

    def discard(self, listener: Listener) -> None:
        """It is none of them any more."""
        group = _group_of(listener)
        in_group = self._groups.get(group, set())
        in_group.discard(listener)
        if group in self._groups and not in_group:
            del self._groups[group]
            self._forms -= Counter((group.form,))
            for groups in self._sets_with(group):
                groups.discard(group)
            for name in group.wanted.conversations or ():
                if not self._of_conversation.get(name):
                    self._of_conversation.pop(name, None)

    @property
    def forms(self) -> set[Form]:
        """The forms in which changes are wanted."""
        return {form for form in self._forms if form.format != IDS}

    @property
    def conversations(self) -> frozenset[str] | None:
        """The conversations whose state somebody wants; None: that of all."""
        return None if self._of_any else frozenset(self._of_conversation)

    @property
    def of_ids(self) -> Collection[Group]:
        """Those that want nothing but ids."""
        return self._of_ids

    def groups_of(self, conversation: str) -> Iterator[Group]:
        """Those that may want a change of *conversation*."""
        yield from self._of_any
        yield from self._of_conversation.get(conversation, ())

    def of(self, group: Group) -> Collection[Listener]:
        """The listeners of *group*."""
        return list(self._groups.get(group, ()))

    def _sets_with(self, group: Group) -> Iterator[set[Group]]:
        if group.form.format == IDS:
            yield self._of_ids
        elif group.wanted.conversations is None:
            yield self._of_any
        else:
            for name in group.wanted.conversations:
                yield self._of_conversation.setdefault(name, set())


def _group_of(listener: Listener) -> Group:
    return Group(listener.wanted, listener.form)
