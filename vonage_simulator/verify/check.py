"""Compares what a server's API says with the carrier's ledger and the records of its webhooks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from vonage_simulator.delivery.fault_plan import LOSSY
from vonage_simulator.delivery.sent import Sent
from vonage_simulator.ledger import Conversation
from vonage_simulator.printable import count
from vonage_simulator.verify.differences import Difference, differences, same
from vonage_simulator.verify.expected_events import Expected, conversations_of, expected_events, key_of
from vonage_simulator.verify.expected_view import expected, expected_answer

Json = dict[str, Any]
Fetch = Callable[[str], Awaitable[tuple[Json | None, list[Json]]]]
Expect = Callable[[Conversation], Json]  # `expected`

PATIENCE: Final = (0.2, 1.0)  # seconds before each new look: the record of an answer is written after the reply
AT_ONCE: Final = 16
OWN: Final = ("action", "action_result")  # events that the server keeps of what it did itself
LOOKED_UP: Final = "looked_up"  # flag of one that it has of Vonage's API, as no webhook came in time
COUNTS: Final = ("conversations", "compared", "lost", "missing", "unwanted", "wrong")  # of each conversation


@dataclass(slots=True)
class Verdict:
    """The result of a check."""

    lossless: bool
    conversations: int = 0  # that were checked
    compared: int = 0  # of these, with the ledger: the server had received everything about them
    sent: int = 0  # webhooks, each counted once, however often it was sent
    copies: int = 0  # requests that reached the server with a webhook after the first that did
    refused: int = 0  # requests that the server refused
    lost: int = 0  # webhooks that the server never acknowledged, and does not have
    missing: int = 0  # records of webhooks that it should have and does not
    # Records that it has and should not: never sent, only refused, or there twice. Requests that it acknowledged
    # although they were not signed by Vonage.
    unwanted: int = 0
    wrong: int = 0  # conversations whose view differs from the ledger
    found: list[tuple[str, Difference]] = field(default_factory=list)  # each difference, with its conversation

    @property
    def ok(self) -> bool:
        """Whether there was something to check, and no difference."""
        return self.conversations > 0 and not self.found and not (self.lossless and self.lost)

    def lines(self, most: int = 20) -> list[str]:
        """For people: a summary, then the first *most* differences."""
        requests = f"{count(self.copies, 'copy', 'copies')}, {self.refused} refused, {self.lost} lost"
        lines = [f"Conversations: {self.conversations}, webhooks: {self.sent} ({requests}): {self._summary()}"]
        lines += [f"{conversation} {difference}" for conversation, difference in self.found[:most]]
        if len(self.found) > most:
            lines.append(f"… and {len(self.found) - most} more")
        return lines

    def _summary(self) -> str:
        if self.ok:
            if self.lossless:
                return "the server's state matches what happened"
            compared = f"the state of {self.compared} of {self.conversations} could be compared, and matches"
            return f"everything acknowledged is there, and no more; {compared}"
        if not self.conversations:
            return "there was nothing to check"
        counts = {"missing": self.missing, "unwanted": self.unwanted, "with a wrong state": self.wrong}
        counts |= {"never acknowledged": self.lost} if self.lossless else {}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


async def check(
    conversations: Iterable[Conversation],
    sent: Iterable[Sent],
    fetch: Fetch,
    *,
    lossless: bool,
    elsewhere: Iterable[Sent] = (),
    controls: Mapping[str, Json] | None = None,
    at_once: int = AT_ONCE,
    patience: Sequence[float] = PATIENCE,
) -> Verdict:
    """Check whether the server has everything it acknowledged, once, nothing it refused, and the right state.

    The state of a conversation is compared unless webhooks of it, or of one that its legs moved from or to, were lost:
    the server cannot know what is in them. Lossless, none may be lost. Else only conversations without faults are
    compared, and the record of an answer may be missing: nothing else is kept after the reply. Only for those records
    the check looks again; any other difference counts, also if it is gone a moment later.

    Args:
        conversations: All that the calls were in.
        sent: Their webhooks to this server, every try of which is over.
        elsewhere: Their webhooks to other servers: this one does not know the events among them.
        fetch: Returns what the server says about a conversation (None: unknown to it), and all its events.
        lossless: Whether every webhook was delivered.
        controls: How each leg is controlled, by its uuid (expected_control.py), which is compared if `lossless`.
        at_once: How many conversations are fetched at a time.
        patience: Seconds to wait before conversations that lack the record of an answer are checked again.
    """
    webhooks = list(sent)
    incomplete = {home for webhook in webhooks if not webhook.acknowledged for home in conversations_of(webhook.body)}
    if not lossless:
        faulty = [webhook for webhook in webhooks if any(attempt.how in LOSSY for attempt in webhook.tries)]
        unknown = [webhook for webhook in elsewhere if webhook.kind == "event"]
        incomplete.update(home for webhook in faulty + unknown for home in conversations_of(webhook.body))
    truth = {conversation.uuid: conversation for conversation in conversations}
    kept = expected_events(webhooks, truth.values(), lossless=lossless)
    names = [*truth, *(name for name in kept if name not in truth)]
    turns = asyncio.Semaphore(at_once)
    looks: dict[str, tuple[Verdict, bool]] = {}
    expect: Expect = partial(expected, controls=controls if lossless else None)

    async def look_at(name: str) -> None:
        async with turns:
            view, events = await fetch(name)
        here = kept.get(name) or Expected()
        looks[name] = _look(name, here, truth.get(name), expect, view, events, incomplete, lossless=lossless)

    for seconds in (0.0, *patience):
        await asyncio.sleep(seconds)
        await asyncio.gather(*(look_at(name) for name in names if name not in looks or looks[name][1]))
        if not any(again for _, again in looks.values()):
            break
    verdicts = [looks[name][0] for name in names]
    arrived = [sum(attempt.reached and attempt.intact for attempt in webhook.tries) for webhook in webhooks]
    return Verdict(
        lossless,
        sent=len(webhooks),
        copies=sum(max(0, requests - 1) for requests in arrived),
        refused=sum(len(webhook.refused) for webhook in webhooks),
        found=[difference for verdict in verdicts for difference in verdict.found],
        **{count: sum(getattr(verdict, count) for verdict in verdicts) for count in COUNTS},
    )


def _look(
    name: str,
    kept: Expected,
    truth: Conversation | None,
    expect: Expect,
    view: Json | None,
    events: Sequence[Json],
    incomplete: Set[str],
    *,
    lossless: bool,
) -> tuple[Verdict, bool]:
    """The verdict on one conversation, and whether to look again: only records of answers are missing."""
    look, found = Verdict(lossless, conversations=1), list[Difference]()
    events = [event for event in events if event["kind"] not in OWN and LOOKED_UP not in event.get("flags", ())]
    there = Counter(map(key_of, events))
    all_there, again, final = True, False, False  # final: a difference that another look cannot excuse
    for key, record in kept.records.items():
        count = there.pop(key, 0)
        is_answer = key[0] == "answer"
        all_there = all_there and (count > 0 or not (record.least or record.unacknowledged))
        if count < record.least:
            look.missing += record.least - count
            found.append(Difference(record.words, "sent", "not there"))
            final = final or not is_answer
        if count > record.most:
            look.unwanted += count - record.most
            found.append(Difference(record.words, record.times, f"there {count} times"))
        if record.forged:
            look.unwanted += record.forged
            found.append(Difference(f"{record.words}, not signed by Vonage", "refused", "acknowledged"))
        if not count:
            look.lost += record.unacknowledged
            again |= lossless and is_answer and record.unacknowledged > 0
    for key, count in there.items():
        look.unwanted += count
        found.append(Difference(f"{key[0]} {key[1]}", "never sent", "there"))
    final = final or look.unwanted > 0
    if truth is not None and _is_comparable(truth, incomplete, lossless=lossless and all_there):
        look.compared = 1
        wrong = _wrong(kept, expect(truth), view, events)
        late = bool(wrong) and _only_answers_missing(kept, truth, expect, view, events)
        if late and not lossless:
            wrong = []
        look.wrong = int(bool(wrong))
        found += wrong
        final = final or (bool(wrong) and not late)
    look.found = [(name, difference) for difference in found]
    return look, (again or bool(found)) and not final


def _is_comparable(truth: Conversation, incomplete: Set[str], *, lossless: bool) -> bool:
    """Whether the server got everything about *truth*; *lossless*: its own records are there, acknowledged or not."""
    moves = [move for leg in truth.legs.values() for move in leg.moves]
    between = {end for move in moves for end in (move.left, move.joined)} - {truth.uuid}
    return between.isdisjoint(incomplete) and (lossless or truth.uuid not in incomplete)


def _wrong(kept: Expected, should: Json, view: Json | None, events: Sequence[Json]) -> list[Difference]:
    """Where *view* is not as it should be by the ledger."""
    should = should | {"errors": should["errors"] + kept.notices}
    if view is None:
        exists = kept.records or any(value for value in should.values() if isinstance(value, list))
        return [Difference("conversation", "there was one", None)] if exists else []
    known = _answers_kept(kept, events)
    return differences(should, view | {"answers": _without_spare(should["answers"], view.get("answers"), known)})


def _only_answers_missing(
    kept: Expected, truth: Conversation, expect: Expect, view: Json | None, events: Sequence[Json]
) -> bool:
    """Whether *view* lacks nothing but records of answers that are not there yet, and what follows from them."""
    if view is None:
        acknowledged = any(record.least for key, record in kept.records.items() if key[0] == "event")
        return bool(kept.records) and not acknowledged
    answers = view.get("answers")
    if not isinstance(answers, list) or not all(isinstance(entry, dict) for entry in answers):
        return False
    left, useless = list(answers), [answer for answer in truth.answers if answer.ncco is None]
    found = [answer for answer in truth.answers if answer.ncco is not None and _take(left, expected_answer(answer))]
    return any(
        not _wrong(kept, expect(replace(truth, answers=some)), view, events) for some in (found, found + useless)
    )


def _answers_kept(kept: Expected, events: Sequence[Json]) -> list[Json]:
    """Leg and NCCO of each record of an answer that is expected."""
    found, seen = [], Counter[Any]()
    for event in events:
        key = key_of(event)
        record = kept.records.get(key)
        seen[key] += 1
        if key[0] == "answer" and record is not None and seen[key] <= record.most:
            found.append({"leg": event.get("leg"), "ncco": event["raw"].get("ncco")})
    return found


def _without_spare(truth: Sequence[Json], answers: Any, known: Sequence[Json]) -> Any:
    """*answers* without those that the carrier could not use, or requested twice, if their records are *known*."""
    if not isinstance(answers, list) or not all(isinstance(entry, dict) for entry in answers):
        return answers
    left, records, surplus = list(truth), list(known), []
    for index, entry in enumerate(answers):
        if _take(left, entry):
            _take(records, entry)
        else:
            surplus.append(index)
    return [entry for index, entry in enumerate(answers) if index not in surplus or not _take(records, entry)]


def _take(answers: list[Json], answer: Json) -> bool:
    """Remove the first of *answers* with the leg and the NCCO of *answer*; False if there is none."""
    for index, other in enumerate(answers):
        if all(same(other.get(name), answer.get(name)) for name in ("leg", "ncco")):
            del answers[index]
            return True
    return False
