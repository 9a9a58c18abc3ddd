"""The figures of calls: what is counted of each call, and reading it.

The home of a call, the conversation in which its first leg began, has a *summary* of it in its meta, field `s`: "start
length outcome talk wait price to". That is: the minute in which it began (since 1970), after how many minutes its last
one came, its outcome (a digit), milliseconds of talk and to the answer, the price in hundred-millionths of a EUR ("-"
where one of them is not known, as length and outcome of a live call), and the digits of the number called (empty where
it is none, or is counted together with others). All of it is counted in the hashes of the hour in which the call began,
its end in that of its last minute. `lua/figures.lua` stores another summary and moves the figures by the difference: it
does not matter how often, and from which of its events, a call was counted before.

Fields of `calls:<hour>`: "<minute>+" calls that began, "<minute>-" calls of which it was the last minute; by quarter of
the hour "<quarter>o<outcome>" calls, and "<quarter>t", "w", "p" sums of talk, wait and price, with "T", "W", "P" of how
many calls. Fields of `numbers:<hour>`: "<quarter>t<number>" calls to it, "a" those answered, "p" what they cost.

A change of a conversation adds it to `touched`, in the same script; it stays there until the call that has its
home in it is counted. So nothing is missed, whoever is killed in between.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from app.domain.call_summary import CallSummary, price_units
from app.domain.leg_state import OUTCOMES
from app.domain.numbers import number_of
from app.store import keys, scripts
from app.store.apart import apart
from app.store.codec import milliseconds
from app.store.connected import Connected
from app.store.legs import touch_command
from app.store.link import Command

BY_EVENT: Final = b"e"  # in `touched`: an event, or news of a leg, changed the conversation
MOST_MS: Final = 10**12  # of talk or wait that are counted, for one call
MOST_SILENT: Final = 200  # conversations that are presumed ended, looked for at a time


class Touched(NamedTuple):
    """A conversation to count again. `entries` are entry and count, as `lua/figures.lua` takes them."""

    conversation: str
    entries: tuple[bytes | int, ...]
    by_event: bool


class Figures(Connected):
    """Counting calls. All of it raises StoreUnavailable."""

    def touched(self, partitions: Sequence[int], limit: int) -> list[Touched]:
        """Conversations whose calls have still to be counted: of each of *partitions* about *limit* at most."""
        parts = [keys.ALL[number] for number in partitions]
        ranges = [Command(part.touched, ("ZRANGE", part.touched, 0, limit - 1, "WITHSCORES")) for part in parts]
        found: dict[bytes, list[bytes | int]] = {}
        for flat in self._reader.fetch(ranges):
            for entry, count in zip(flat[::2], flat[1::2], strict=True):
                found.setdefault(entry[1:], []).extend((entry, int(count)))
        return [
            Touched(keys.decode(name), tuple(entries), BY_EVENT + name in entries) for name, entries in found.items()
        ]

    def touch(self, conversations: Iterable[str]) -> None:
        """Have the calls that may have their homes in *conversations* counted again."""
        commands = [touch_command(name) for name in conversations]
        if commands:
            self._writer.send(commands)

    def touch_silent(self, partition: int, after: int, until: datetime) -> int:
        """Have those counted again that are live and had their last event after *after* (ms) and until *until*.

        Returns up to where that is done: more of them than one command takes are left for the next time.
        """
        part, highest = keys.ALL[partition], milliseconds(until)
        silent = ("ZRANGEBYSCORE", part.last_received, f"({after}", highest, "WITHSCORES", "LIMIT", 0, MOST_SILENT)
        (flat,) = self._reader.fetch([Command(part.last_received, silent)])
        names = flat[::2]
        if names:
            self._writer.send([Command(part.touched, ("ZINCRBY", part.touched, 1, BY_EVENT + name)) for name in names])
        return int(flat[-1]) - 1 if len(names) == MOST_SILENT else highest

    def count_calls(self, counted: Iterable[tuple[Touched, CallSummary | None]]) -> int:
        """Count the calls whose homes are touched conversations. Returns how many of these changed."""
        return sum(self._writer.send([_count_command(self._ttl, touched, summary) for touched, summary in counted]))

    def not_counted(self, partitions: Sequence[int]) -> list[int]:
        """Those of *partitions* whose calls nobody counts."""
        leases = [keys.ALL[number].counting for number in partitions]
        held = self._reader.fetch([Command(key, ("EXISTS", key)) for key in leases])
        return [number for number, is_held in zip(partitions, held, strict=True) if not is_held]

    def lease_counting(self, partition: int, holder: str, ms: int) -> bool:
        """Whether *holder* alone may count the calls of *partition* for the next *ms*."""
        key = keys.ALL[partition].counting
        return self._writer.send([Command(key, ("SET", key, holder, "NX", "PX", ms))])[0] is not None

    def keep_counting(self, partitions: Sequence[int], ms: int) -> list[int]:
        """Renew the leases of *partitions*, whose holder the caller is; returns those that Redis still has."""
        leases = [keys.ALL[number].counting for number in partitions]
        kept = self._writer.send([Command(key, ("PEXPIRE", key, ms)) for key in leases])
        return [number for number, is_kept in zip(partitions, kept, strict=True) if is_kept]

    def end_counting(self, partitions: Iterable[int]) -> None:
        """Leave *partitions* to others; the caller is their holder."""
        leases = [keys.ALL[number].counting for number in partitions]
        self._writer.send([Command(key, ("DEL", key)) for key in leases])

    def call_figures(self, first: int, last: int) -> tuple[dict[int, Counter[str]], dict[int, Counter[str]]]:
        """The fields of `calls:` and `numbers:` by hour since 1970, *last* included, summed over all partitions."""
        hours = [(hour, part) for hour in range(first, last + 1) for part in keys.ALL]
        replies = self._reader.hashes([name for hour, part in hours for name in part.figures_of(hour)])

        def add_up(replies: Sequence[Sequence[bytes]]) -> dict[int, Counter[str]]:
            found: defaultdict[int, Counter[str]] = defaultdict(Counter)
            for (hour, _), flat in zip(hours, replies, strict=True):
                counter = found[hour]
                for field, value in zip(flat[::2], flat[1::2], strict=True):
                    counter[field.decode()] += int(value)
            return found

        return apart(lambda: (add_up(replies[::2]), add_up(replies[1::2])))


def pack_summary(summary: CallSummary) -> str:
    """*summary* as it is stored."""
    outcome = str(OUTCOMES.index(summary.outcome)) if summary.outcome else "-"
    units = price_units(summary.price)
    length = _last_minute(summary) - _minute(summary.started) if summary.ended else "-"
    facts = (_minute(summary.started), length, outcome)
    times = (_ms(summary.talk_seconds), _ms(summary.wait_seconds), "-" if units is None else units)
    return " ".join(map(str, (*facts, *times, number_of(summary.to) or "")))


def _minute(moment: datetime) -> int:
    return max(milliseconds(moment) // 60_000, 1)


def _last_minute(summary: CallSummary) -> int:
    return max(_minute(summary.ended or summary.started), _minute(summary.started))


def _ms(seconds: float | None) -> int | str:
    return "-" if seconds is None else min(round(seconds * 1000), MOST_MS)


def _count_command(ttl: int, touched: Touched, summary: CallSummary | None) -> Command:
    part, name = keys.of(touched.conversation), keys.encode(touched.conversation)
    named: list[bytes] = [part.events(name), part.meta(name), part.touched, part.counts]
    if summary is not None:
        named += part.figures_of(_minute(summary.started) // 60)
        if summary.ended:
            named.append(part.calls_of(_last_minute(summary) // 60))
    args = (part.tag, ttl, name, pack_summary(summary) if summary else "", *touched.entries)
    return Command(named[0], args, scripts.FIGURES, tuple(named))
