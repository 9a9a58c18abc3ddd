"""How the steps of a flow are linked: where they lead, what never ends, who is hung up on in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from app.flows import sequence
from app.flows.model import FAILED_STATUSES, MOST_ACTIONS, MOST_STEPS_ENTERED, MOST_VISITS, Action, Go
from app.flows.reader import FlowReader
from app.flows.steps import Draft, Link, Way
from vonage_simulator.yaml_source import Steps

INCLUDED: Final = frozenset[Way]({"go"})
BY_ITSELF: Final = frozenset[Way]({"go", "notify"})  # without the caller doing anything
# If the caller does nothing right; where there is `exhausted`, that sets a limit.
UNLIMITED: Final = frozenset[Way]({*BY_ITSELF, "otherwise"})
ROUND: Final = frozenset[Way]({*UNLIMITED, "exhausted"})  # a limit once reached stays reached
SILENT: Final = ("wait", "notify")  # nobody hears them


def check(reader: FlowReader, drafts: Mapping[str, Draft], roots: Iterable[Link]) -> None:
    """Find what is wrong between the steps *drafts* of one flow; *roots* is where a call can begin."""
    _Graph(reader, drafts, list(roots)).check()


class _Graph:
    def __init__(self, reader: FlowReader, drafts: Mapping[str, Draft], roots: list[Link]) -> None:
        self._reader, self._drafts, self._roots = reader, drafts, roots
        self._wrong = reader.wrong
        self._nearest: dict[str, str] = {}
        self._links = [(name, link) for name, draft in drafts.items() for link in draft.links]
        self._all_links = [*roots, *(link for _, link in self._links)]
        self._nexts = {
            (name, action.index): action.next
            for name, draft in drafts.items()
            for action in draft.actions
            if isinstance(action, Action) and action.next
        }
        self._reached = {ways: self._reach(ways) for ways in (INCLUDED, BY_ITSELF, UNLIMITED, ROUND)}
        self._counted: dict[str, Counter[str]] = {}

    def check(self) -> None:
        self._there()
        self._used()
        self._inputs()
        looped = self._included_in_themselves()
        self._never_ending()
        self._asking_for_ever()
        self._as_played([name for name in self._drafts if not {name, *self._reached[INCLUDED][name]} & looped])

    # Links.

    def _there(self) -> None:
        for link in self._all_links:
            if link.target not in self._drafts:
                self._wrong(link.path, f"there is no step {link.target}{self._reader.meant(link.target, self._drafts)}")

    def _used(self) -> None:
        """Each step must be linked to. Not checked if any name is wrong: it may have been meant for any step."""
        targets = {self._meant(link.target) for link in self._all_links}
        if targets - self._drafts.keys() or any(draft.unreadable for draft in self._drafts.values()):
            return
        after: dict[str, set[str]] = {name: set() for name in self._drafts}
        for name, link in self._links:
            after[name].add(self._meant(link.target))
        begun = {self._meant(link.target) for link in self._roots}
        used = begun.union(*(all_after(name, after) for name in begun))
        for name, draft in self._drafts.items():
            if name not in used:
                self._wrong(draft.path, "is never used: nothing leads here from where a call begins", key=True)

    def _inputs(self) -> None:
        for draft in self._drafts.values():
            for name, path in draft.inputs:
                if name not in self._drafts:
                    self._wrong(path, f"inputs.{name}: there is no step {name}{self._reader.meant(name, self._drafts)}")
                elif "input" not in self._drafts[name].step.transitions:
                    words = f"step {name} has no input with `next`, so that it has no result"
                    self._wrong(path, f"inputs.{name}: {words}")

    # Loops.

    def _included_in_themselves(self) -> set[str]:
        """The steps that would have themselves in their actions, by `go`."""
        looped: set[str] = set()
        for name, link in self._links:
            if link.way == "go" and name not in looped and self._leads(link.target, name, INCLUDED):
                looped |= self._circle(name, INCLUDED)
                by = "" if link.target == name else f", for {link.target} goes back to it"
                self._wrong(link.path, f"step {name} would have itself in it without end{by}")
        return looped

    def _never_ending(self) -> None:
        reported: set[str] = set()
        for name, link in self._links:
            if link.way == "notify" and name not in reported and self._leads(link.target, name, BY_ITSELF):
                reported |= self._circle(name, BY_ITSELF)
                self._wrong(link.path, f"never ends: it leads back to {name} by itself")

    def _asking_for_ever(self) -> None:
        """What each action leads to must end, if the caller does nothing."""
        for (name, index), leads in self._nexts.items():
            for link in self._drafts[name].links:
                if link.index != index:
                    continue
                if link.way == "exhausted" and self._leads(link.target, name, ROUND):
                    words = f"leads back to {name} even if the caller does nothing, and so on for ever"
                    self._wrong(link.path, f"{words}: name a step from which nothing leads back by itself")
                elif link.way == "otherwise" and leads.exhausted is None and self._leads(link.target, name, UNLIMITED):
                    advice = f"say with `exhausted` where it goes after {leads.attempts} attempts"
                    self._wrong(link.path, f"asks for ever, for it can lead back to {name}: {advice}")
                    break

    # What is played when a step is entered: its actions, with those of the steps it goes to.

    def _as_played(self, whole: Iterable[str]) -> None:
        found: dict[tuple[Steps, str], None] = {}  # once each, even if many steps have it in them
        for name in self._entered(whole):
            entries = self._entries(name)
            actions = sum(times * len(self._drafts[step].checked) for step, times in entries.items())
            often = next((step for step, times in entries.items() if times > MOST_VISITS), None)
            path, words = self._drafts[name].path, ""
            if actions > MOST_ACTIONS:
                words = f"has {actions} actions, with those of steps it goes to, but must have {MOST_ACTIONS} at most"
            elif sum(entries.values()) > MOST_STEPS_ENTERED:
                words = f"goes to more than {MOST_STEPS_ENTERED} steps at once"
            elif often:
                words = f"has step {often} in it more than {MOST_VISITS} times"
            if words:
                self._wrong(path, words, key=True)
                continue
            found.update(dict.fromkeys(self._in_order(list(self._played(name)))))
        for path, words in found:
            self._wrong(path, words)

    def _in_order(self, played: list[tuple[Draft, Action]]) -> Iterator[tuple[Steps, str]]:
        for path, words in sequence.faults([draft.checked[action.index] for draft, action in played]):
            draft, action = played[int(path[0])]
            yield (*draft.path, action.index, *path[1:]), words
        audible = [(draft, action) for draft, action in played if action.options["action"] not in SILENT or action.next]
        if audible:
            draft, last = audible[-1]
            here = (*draft.path, last.index)
            if (silence := _in_silence(last)) and not any(path[: len(here)] == here for path in draft.unreadable):
                yield (*here, "next"), silence

    def _entered(self, whole: Iterable[str]) -> list[str]:
        """The steps that are entered by a call: all but those that are only parts of others, by `go`."""
        within = {link.target for link in self._all_links if link.way == "go"}
        begun = {link.target for link in self._all_links if link.way != "go"}
        return [name for name in whole if name in begun or name not in within]

    def _entries(self, name: str) -> Counter[str]:
        """How often each step is entered when *name* is. Counted, not listed: a few lines can mean billions."""
        if name not in self._counted:
            count = Counter({name: 1})
            for action in self._drafts[name].actions:
                if isinstance(action, Go) and action.step in self._drafts:
                    count.update(self._entries(action.step))
            self._counted[name] = count
        return self._counted[name]

    def _played(self, name: str) -> Iterator[tuple[Draft, Action]]:
        for action in self._drafts[name].actions:
            if isinstance(action, Action):
                yield self._drafts[name], action
            elif action.flow:  # whose actions nobody knows here
                yield self._drafts[name], Action(action.index, self._drafts[name].checked[action.index])
            elif action.step in self._drafts:
                yield from self._played(action.step)

    # Which steps lead to which.

    def _reach(self, ways: frozenset[Way]) -> dict[str, set[str]]:
        """For each step, all that it leads to by *ways*, itself if it does; not by links with a limit."""
        after: dict[str, set[str]] = {name: set() for name in self._drafts}
        for name, link in self._links:
            leads = self._nexts.get((name, link.index))
            is_limited = link.way == "otherwise" and leads is not None and leads.exhausted is not None
            if link.way in ways and not is_limited:
                after[name].add(link.target)
        return {name: all_after(name, after) for name in after}

    def _leads(self, begin: str, end: str, ways: frozenset[Way]) -> bool:
        return begin == end or end in self._reached[ways].get(begin, ())

    def _circle(self, name: str, ways: frozenset[Way]) -> set[str]:
        reached = self._reached[ways]
        return {other for other in reached[name] if name in reached.get(other, ())}

    def _meant(self, name: str) -> str:
        """*name*, or the step that is spelt most like it: a misspelt name is one fault, not two."""
        if name not in self._nearest:
            self._nearest[name] = name if name in self._drafts else self._reader.nearest(name, self._drafts) or name
        return self._nearest[name]


def included(drafts: Mapping[str, Draft], name: str) -> set[str]:
    """The step *name*, and all whose actions it has in it."""
    after = {step: {link.target for link in draft.links if link.way == "go"} for step, draft in drafts.items()}
    return {name, *all_after(name, after)} & drafts.keys()


def all_after(name: str, after: Mapping[str, set[str]]) -> set[str]:
    """All that *name* leads to, itself if it does, where *after* has what each leads to."""
    found: set[str] = set()
    ahead = [name]
    while ahead:
        new = after.get(ahead.pop(), set()) - found
        found |= new
        ahead += new
    return found


def _in_silence(last: Action) -> str | None:
    """What is wrong if nothing follows *last*: a result of it that leads nowhere."""
    leads, options = last.next, last.options
    if options["action"] == "input" and leads is None and not {"eventUrl", "mode"} & options.keys():
        return "leads nowhere, and the caller is hung up on after any key or word: add `next`"
    if leads is None or leads.always is not None or leads.other is not None:
        return None
    if last.options["action"] == "connect":
        lost = ", ".join(status for status in FAILED_STATUSES if status not in leads.statuses)
        words = f"a caller whose call is not put through ({lost}) is hung up on in silence: add else"
        return f"{words}, or something after it" if lost else None
    if leads.silence is None:
        return "a caller who presses nothing is hung up on in silence: add silence and else, or something after it"
    return "a caller who presses something else is hung up on in silence: add else, or something after it"
