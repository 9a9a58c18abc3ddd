"""The truth check: whether a server knows of every call what truly happened, and nothing else.

What happened is in the carrier's ledger, what was sent in the records of its webhooks; what the server knows it tells.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from app.simulator.ledger import Conversation
from app.simulator.truth.differences import Difference, differences, same
from app.simulator.truth.expectation import expected
from app.simulator.truth.keeping import Keep, keeping, key_of

if TYPE_CHECKING:
    from app.simulator.delivery.sent import Sent

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
        return self.conversations > 0 and not self.found

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
            return "all is told as it truly was" if self.lossless else "all that was acknowledged is there, and no more"
        if not self.conversations:
            return "there was nothing to look at"
        counts = {"missing": self.missing, "unwanted": self.unwanted, "told wrong": self.wrong}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


async def check(
    conversations: Iterable[Conversation],
    sent: Iterable[Sent],
    fetch: Fetch,
    *,
    lossless: bool,
    at_once: int = AT_ONCE,
    patience: Sequence[float] = PATIENCE,
) -> Verdict:
    """Look whether the server knows what truly happened.

    Lossless, every webhook was delivered in the end: each conversation has to be told as it was, and what is kept of it
    is every webhook once and nothing else. Else what a server cannot know it cannot tell, and only what is kept is
    looked at: all that it acknowledged, once, and nothing that it refused or that was never sent. A record of an answer
    may be lost; it is the one thing that is not kept before the reply.

    Args:
        conversations: All that the calls were in.
        sent: Their webhooks, of which every try is over. All went to the one server.
        fetch: Gives for a conversation what the server tells of it (None: it knows none) and all its events.
        lossless: Whether every webhook was delivered.
        at_once: How many conversations are fetched at a time.
        patience: Seconds to wait before those that look wrong are looked at again.
    """
    webhooks = [one for one in sent if one.target is not None]
    verdict = Verdict(
        lossless,
        sent=len(webhooks),
        copies=sum(max(0, sum(one.reached and one.as_told for one in each.tries) - 1) for each in webhooks),
        refused=sum(len(each.refused) for each in webhooks),
    )
    kept = keeping(webhooks, lossless=lossless)
    truly = {one.uuid: one for one in conversations}
    names = [*truly, *(name for name in kept if name not in truly)]
    turns = asyncio.Semaphore(at_once)
    looks: dict[str, _Look] = {}

    async def look_at(name: str) -> None:
        async with turns:
            told, events = await fetch(name)
        looks[name] = _look(kept.get(name) or Keep(), truly.get(name), told, events, lossless=lossless)

    for seconds in (0.0, *patience):
        await asyncio.sleep(seconds)
        await asyncio.gather(*(look_at(name) for name in names if name not in looks or looks[name].differences))
        if not any(look.differences for look in looks.values()):
            break
    for name in names:
        look = looks[name]
        verdict.conversations += 1
        verdict.lost += look.lost
        verdict.missing += look.missing
        verdict.unwanted += look.unwanted
        verdict.wrong += look.wrong
        verdict.found += [(name, difference) for difference in look.differences]
    return verdict


# ---- What is there


@dataclass(slots=True)
class _Look:
    """What one look at a conversation found."""

    differences: list[Difference] = field(default_factory=list)
    lost: int = 0
    missing: int = 0
    unwanted: int = 0
    wrong: int = 0


def _look(
    kept: Keep, truly: Conversation | None, told: Told | None, events: Sequence[Told], *, lossless: bool
) -> _Look:
    look = _Look()
    there = Counter(map(key_of, events))
    for key, wanted in kept.wanted.items():
        count = there.pop(key, 0)
        if count < wanted.least:
            look.missing += wanted.least - count
            look.differences.append(Difference(wanted.words, "sent", "not there"))
        if count > wanted.most:
            look.unwanted += count - wanted.most
            how = "sent once" if wanted.most else "not taken"
            look.differences.append(Difference(wanted.words, how, f"there {count} times"))
        if wanted.forged:
            look.unwanted += wanted.forged
            look.differences.append(Difference(f"{wanted.words}, not signed by Vonage", "refused", "acknowledged"))
        look.lost += 0 if count else wanted.unheard
    for key, count in there.items():
        look.unwanted += count
        look.differences.append(Difference(f"{key[0]} {key[1]}", "never sent", "there"))
    if lossless and truly is not None:
        wrong = list(_told_wrong(kept, truly, told))
        look.wrong = int(bool(wrong))
        look.differences += wrong
    return look


def _told_wrong(kept: Keep, truly: Conversation, told: Told | None) -> Iterator[Difference]:
    should = expected(truly)
    should["errors"] = [*should["errors"], *kept.notices]
    if told is None:
        if kept.wanted or any(value for value in should.values() if isinstance(value, list)):
            yield Difference("conversation", "there was one", None)
        return
    yield from differences(should, told | {"answers": _without_spare(should["answers"], told.get("answers"))})


def _without_spare(truly: Sequence[Told], told: Any) -> Any:
    """*told* without answers that the carrier could not use, or asked for twice.

    The server tells of them, too, and how many there may be is looked at with the events.
    """
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        return told
    left = list(truly)
    spare = Counter(str(one.get("leg")) for one in told) - Counter(str(one["leg"]) for one in truly)
    used = []
    for one in told:
        match = next(
            (other for other in left if other["leg"] == one.get("leg") and same(other["ncco"], one.get("ncco"))), None
        )
        if match:
            left.remove(match)
        elif spare[str(one.get("leg"))] > 0:
            spare[str(one.get("leg"))] -= 1
            continue
        used.append(one)
    return used
