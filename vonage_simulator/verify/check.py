"""The truth check: whether a server knows of every call what truly happened, and nothing else.

What happened is in the carrier's ledger, what was sent in the records of its webhooks; what the server knows it tells.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from vonage_simulator.verify.differences import Difference, differences, same
from vonage_simulator.verify.expected_events import LOSSY, Keep, homes_of, keeping, key_of
from vonage_simulator.verify.expected_view import answer, expected

if TYPE_CHECKING:
    from collections.abc import Set

    from vonage_simulator.delivery.sent import Sent
    from vonage_simulator.ledger import Asked, Conversation

__all__ = ["Difference", "Fetch", "Told", "Verdict", "check", "differences", "expected"]

Told = dict[str, Any]
Fetch = Callable[[str], Awaitable[tuple[Told | None, list[Told]]]]

PATIENCE: Final = (0.2, 1.0)  # seconds after which to look again: the record of an answer is written after it is given
AT_ONCE: Final = 16


@dataclass(slots=True)
class Verdict:
    """What came of a check.

    Attributes:
        conversations: How many were looked at.
        compared: Of how many what the server tells was compared with the truth: it was told all about them.
        sent: Webhooks, each counted once, however often it was sent.
        copies: Requests that reached the server with a webhook after the first that did.
        refused: Requests that the server did not take.
        lost: Webhooks that the server never said it has, and does not have.
        missing: Records of webhooks that it should have and does not.
        unwanted: Records that it has and should not: never sent, only refused, or there twice. Requests that it took
            though nothing showed that they are Vonage's.
        wrong: Conversations that it tells other than they truly were.
        found: Each difference with the conversation it is of.
    """

    lossless: bool
    conversations: int = 0
    compared: int = 0
    sent: int = 0
    copies: int = 0
    refused: int = 0
    lost: int = 0
    missing: int = 0
    unwanted: int = 0
    wrong: int = 0
    found: list[tuple[str, Difference]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there was something to look at, and all of it is as it should be."""
        return self.conversations > 0 and not self.found and not (self.lossless and self.lost)

    def lines(self, most: int = 20) -> list[str]:
        """For people: a summary, then the first *most* differences."""
        sent = (
            f"Conversations: {self.conversations}, webhooks: {self.sent} ({self.copies} copies, {self.refused} refused"
        )
        lines = [f"{sent}, {self.lost} lost): {self._words()}"]
        lines += [f"{conversation} {difference}" for conversation, difference in self.found[:most]]
        if len(self.found) > most:
            lines.append(f"… and {len(self.found) - most} more")
        return lines

    def _words(self) -> str:
        if self.ok:
            if self.lossless:
                return "all is told as it truly was"
            compared = f"{self.compared} of {self.conversations} could be compared, and are told as they truly were"
            return f"all that was acknowledged is there, and no more; {compared}"
        if not self.conversations:
            return "there was nothing to look at"
        counts = {"missing": self.missing, "unwanted": self.unwanted, "told wrong": self.wrong}
        if self.lossless:
            counts["were never acknowledged"] = self.lost
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


async def check(
    conversations: Iterable[Conversation],
    sent: Iterable[Sent],
    fetch: Fetch,
    *,
    lossless: bool,
    elsewhere: Iterable[Sent] = (),
    at_once: int = AT_ONCE,
    patience: Sequence[float] = PATIENCE,
) -> Verdict:
    """Look whether the server knows what truly happened.

    What is kept has to be all that it acknowledged, once, and nothing that it refused or that was never sent. Each
    conversation has to be told as it was, unless webhooks of it, or of one that its legs moved from or to, were lost:
    what a server cannot know it cannot tell. Lossless none may be lost. Else only what nothing was done to is compared,
    and a record of an answer may be lost; it is the one thing that is not kept before the reply.

    For those records alone it looks again; any other difference counts, also if it is gone a moment later.

    Args:
        conversations: All that the calls were in.
        sent: Their webhooks, of which every try is over. All went to the one server.
        elsewhere: Those that went to others: where these are events, the server was not told all.
        fetch: Gives for a conversation what the server tells of it (None: it knows none) and all its events.
        lossless: Whether every webhook was delivered.
        at_once: How many conversations are fetched at a time.
        patience: Seconds to wait before those of which a record of an answer is missing are looked at again.
    """
    everything = list(sent)
    webhooks = [one for one in everything if one.target is not None]
    verdict = Verdict(
        lossless,
        sent=len(webhooks),
        copies=sum(max(0, sum(one.reached and one.as_told for one in each.tries) - 1) for each in webhooks),
        refused=sum(len(each.refused) for each in webhooks),
    )
    untold = {home for one in webhooks if not one.acknowledged for home in homes_of(one)}
    if not lossless:
        touched = (one for one in webhooks if any(attempt.how in LOSSY for attempt in one.tries))
        nowhere = (one for one in everything if one.target is None and one.kind == "event")
        others = (one for one in elsewhere if one.kind == "event")
        untold.update(home for some in (touched, nowhere, others) for one in some for home in homes_of(one))
    truly = {one.uuid: one for one in conversations}
    kept = keeping(webhooks, truly.values(), lossless=lossless)
    names = [*truly, *(name for name in kept if name not in truly)]
    turns = asyncio.Semaphore(at_once)
    looks: dict[str, _Look] = {}

    async def look_at(name: str) -> None:
        async with turns:
            told, events = await fetch(name)
        looks[name] = _look(kept.get(name) or Keep(), truly.get(name), told, events, untold, lossless=lossless)

    for seconds in (0.0, *patience):
        await asyncio.sleep(seconds)
        await asyncio.gather(*(look_at(name) for name in names if name not in looks or looks[name].again))
        if not any(look.again for look in looks.values()):
            break
    for name in names:
        look = looks[name]
        verdict.conversations += 1
        verdict.compared += look.compared
        verdict.lost += look.lost
        verdict.missing += look.missing
        verdict.unwanted += look.unwanted
        verdict.wrong += look.wrong
        verdict.found += [(name, difference) for difference in look.differences]
    return verdict


# ---- What is there


@dataclass(slots=True)
class _Look:
    """What one look at a conversation found. `again`: nothing but records of answers is missing."""

    differences: list[Difference] = field(default_factory=list)
    compared: bool = False
    lost: int = 0
    missing: int = 0
    unwanted: int = 0
    wrong: int = 0
    again: bool = False


def _look(
    kept: Keep,
    truly: Conversation | None,
    told: Told | None,
    events: Sequence[Told],
    untold: Set[str],
    *,
    lossless: bool,
) -> _Look:
    look = _Look()
    there = Counter(map(key_of, events))
    all_there, firm = True, False
    for key, wanted in kept.wanted.items():
        count = there.pop(key, 0)
        is_answer = key[0] == "answer"
        all_there = all_there and (count > 0 or not (wanted.least or wanted.unheard))
        if count < wanted.least:
            look.missing += wanted.least - count
            look.differences.append(Difference(wanted.words, "sent", "not there"))
            firm = firm or not is_answer
        if count > wanted.most:
            look.unwanted += count - wanted.most
            look.differences.append(Difference(wanted.words, wanted.times, f"there {count} times"))
            firm = True
        if wanted.forged:
            look.unwanted += wanted.forged
            look.differences.append(Difference(f"{wanted.words}, not signed by Vonage", "refused", "acknowledged"))
            firm = True
        if not count:
            look.lost += wanted.unheard
            look.again |= lossless and is_answer and wanted.unheard > 0
    for key, count in there.items():
        look.unwanted += count
        look.differences.append(Difference(f"{key[0]} {key[1]}", "never sent", "there"))
        firm = True
    if truly is not None and _is_told_of(truly, untold, lossless=lossless and all_there):
        look.compared = True
        wrong = list(_told_wrong(kept, truly, told, events))
        late = bool(wrong) and _only_answers_missing(kept, truly, told, events)
        if late and not lossless:
            wrong = []
        look.wrong = int(bool(wrong))
        look.differences += wrong
        firm = firm or (bool(wrong) and not late)
    look.again = (look.again or bool(look.differences)) and not firm
    return look


def _is_told_of(truly: Conversation, untold: Set[str], *, lossless: bool) -> bool:
    """Whether the server was told all of *truly*; *lossless*: all of its own is there, acknowledged or not."""
    moves = [move for leg in truly.legs.values() for move in leg.moves]
    between = {end for move in moves for end in (move.left, move.joined)} - {truly.uuid}
    return between.isdisjoint(untold) and (lossless or truly.uuid not in untold)


def _told_wrong(
    kept: Keep, truly: Conversation, told: Told | None, events: Sequence[Told], asked: Sequence[Asked] | None = None
) -> Iterator[Difference]:
    should = expected(truly if asked is None else replace(truly, asked=list(asked)))
    should["errors"] = [*should["errors"], *kept.notices]
    if told is None:
        if kept.wanted or any(value for value in should.values() if isinstance(value, list)):
            yield Difference("conversation", "there was one", None)
        return
    known = _answers_kept(kept, events)
    yield from differences(should, told | {"answers": _without_spare(should["answers"], told.get("answers"), known)})


def _only_answers_missing(kept: Keep, truly: Conversation, told: Told | None, events: Sequence[Told]) -> bool:
    """Whether what is told is right but for records of answers that are not there yet, and what only they give."""
    if told is None:
        acknowledged = any(wanted.least for key, wanted in kept.wanted.items() if key[0] == "event")
        return bool(kept.wanted) and not acknowledged
    answers = told.get("answers")
    if not isinstance(answers, list) or not all(isinstance(one, dict) for one in answers):
        return False
    left, useless = list(answers), [asked for asked in truly.asked if asked.ncco is None]
    found = []
    for asked in truly.asked:
        match = next((one for one in left if asked.ncco is not None and _is(one, **answer(asked))), None)
        if match is not None:
            left.remove(match)
            found.append(asked)
    return any(not any(_told_wrong(kept, truly, told, events, some)) for some in (found, [*found, *useless]))


def _answers_kept(kept: Keep, events: Sequence[Told]) -> list[tuple[Any, Any]]:
    """Leg and NCCO of each record of an answer to what was truly asked."""
    found, seen = [], Counter[Any]()
    for event in events:
        key = key_of(event)
        wanted = kept.wanted.get(key)
        seen[key] += 1
        if key[0] == "answer" and wanted is not None and seen[key] <= wanted.most:
            found.append((event.get("leg"), event["raw"].get("ncco")))
    return found


def _without_spare(truly: Sequence[Told], told: Any, known: Sequence[tuple[Any, Any]]) -> Any:
    """*told* without answers that the carrier could not use, or asked for twice: the server tells of them, too.

    There are no more of them than records *known*, with their very legs and NCCOs.
    """
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        return told
    left, records, used = list(truly), list(known), []
    surplus = []
    for place, one in enumerate(told):
        match = next((other for other in left if _is(one, other["leg"], other["ncco"])), None)
        if match is None:
            surplus.append(place)
            continue
        left.remove(match)
        record = next((other for other in records if _is(one, *other)), None)
        if record is not None:
            records.remove(record)
    for place, one in enumerate(told):
        record = next((other for other in records if _is(one, *other)), None) if place in surplus else None
        if record is None:
            used.append(one)
        else:
            records.remove(record)
    return used


def _is(answer: Told, leg: Any, ncco: Any) -> bool:
    return same(leg, answer.get("leg")) and same(ncco, answer.get("ncco"))
