"""However calls are acted on: what the ledger says of them fits together."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from tests.vonage_simulator.stage import Json, Ncco, Played, connect, inbound, outbound, play, room, scenario, talk
from vonage_simulator.behaviour import Behaviour
from vonage_simulator.carrier import Carrier
from vonage_simulator.holds import holds
from vonage_simulator.ledger import Conversation, Leg
from vonage_simulator.refusals import NoSuchConversation, NoSuchLeg, NotActive, NotRinging, TooEarly
from vonage_simulator.scenario import FarEnd
from vonage_simulator.spans import Span

MUSIC = "https://example.com/music.mp3"
HOLD: Ncco = [{"action": "stream", "streamUrl": [MUSIC], "loop": 0}, room()]
ASK: Json = {"action": "input", "type": ["dtmf"]}
REFUSALS = (NoSuchLeg, NotActive, NotRinging, TooEarly, NoSuchConversation)
ACTS: list[Callable[[Carrier, Leg], Any]] = [
    lambda carrier, leg: carrier.mute(leg.uuid, True),
    lambda carrier, leg: carrier.mute(leg.uuid, False),
    lambda carrier, leg: carrier.earmuff(leg.uuid, True),
    lambda carrier, leg: carrier.earmuff(leg.uuid, False),
    lambda carrier, leg: carrier.transfer(leg.uuid, ncco=HOLD),
    lambda carrier, leg: carrier.transfer(leg.uuid, ncco=[room(mute=True)]),
    lambda carrier, leg: carrier.transfer(leg.uuid, ncco=[room("other")]),
    lambda carrier, leg: carrier.transfer(leg.uuid, ncco=[talk(3.0, bargeIn=True), ASK, connect()]),
    lambda carrier, leg: carrier.talk(leg.uuid, "Hello", loop=2),
    lambda carrier, leg: carrier.stream(leg.uuid, MUSIC, loop=0),
    lambda carrier, leg: carrier.stop_talk(leg.uuid),
    lambda carrier, leg: carrier.stop_stream(leg.uuid),
    lambda carrier, leg: carrier.record(leg.conversation.uuid, {}),
    lambda carrier, leg: carrier.stop_record(leg.conversation.uuid),
    lambda carrier, leg: carrier.people.answer(leg.uuid),
    lambda carrier, leg: carrier.people.reject(leg.uuid),
    lambda carrier, leg: carrier.people.press(leg.uuid, "1"),
    lambda carrier, leg: carrier.people.hang_up(leg.uuid),
    lambda carrier, leg: carrier.hang_up(leg.uuid),
]


def played_at_random(seed: int) -> Played:
    """Six calls, and a hundred acts; then everybody who is left is hung up."""
    chance = random.Random(seed)

    async def during(carrier: Carrier, _: list[Leg]) -> None:
        for _number in range(100):
            await carrier.clock.sleep(chance.choice((0.0, 0.05, 0.7, 2.0)))
            leg = chance.choice(list(carrier.ledger.legs.values()))
            with contextlib.suppress(*REFUSALS):
                chance.choice(ACTS)(carrier, leg)
        while carrier._legs:
            await carrier.clock.sleep(2.0)
            for uuid in list(carrier._legs):
                with contextlib.suppress(NoSuchLeg, TooEarly):  # its end may be that of another
                    carrier.hang_up(uuid)

    waits = FarEnd(does="waits")
    calls = [inbound(waits), inbound(waits), outbound(waits), inbound(FarEnd(hangs_up_after=60.0), ncco=(room(),))]
    story = scenario(*calls, *calls[:2], callees={"*": chance.choice((waits, FarEnd(after=1.0, hangs_up_after=20.0)))})
    behaviour = Behaviour(left_behind=chance.choice(("ends", "stays")), left_behind_seconds=chance.choice((0.0, 1.0)))
    return play(story, [talk(3.0), connect()], during=during, behaviour=behaviour)


def length(span: Span[Any]) -> float:
    assert span.until, "it has no end"
    return (span.until - span.since).total_seconds()


def end_of(leg: Leg) -> datetime:
    assert leg.ending
    return leg.times.get("completed") or leg.ending.at


@pytest.mark.parametrize("seed", range(12))
def test_it_fits_together(seed: int) -> None:
    played = played_at_random(seed)
    ledger = played.carrier.ledger
    for leg in ledger.legs.values():
        check_leg(leg)
        for hold in holds(ledger, leg):
            assert length(hold) > 0
            stays = [stay for stay in leg.stays if stay.until and hold.until]
            assert any(stay.since <= hold.since and hold.until <= stay.until for stay in stays)  # type: ignore[operator]
    for conversation in ledger.conversations.values():
        check_conversation(conversation)
    check_events(played)


def test_there_is_something_to_check() -> None:
    ledgers = [played_at_random(seed).carrier.ledger for seed in range(6)]
    legs = [(ledger, leg) for ledger in ledgers for leg in ledger.legs.values()]
    assert sum(len(holds(ledger, leg)) for ledger, leg in legs) > 3
    assert sum(len(leg.mutes) for _, leg in legs) > 9
    assert sum(len(leg.played) for _, leg in legs) > 30
    assert sum(len(found.recorded) for ledger in ledgers for found in ledger.conversations.values()) > 9


def check_leg(leg: Leg) -> None:
    stays = leg.stays
    assert [(before.until, before.value, after.value) for before, after in pairwise(stays)] == [
        (move.at, move.left, move.joined) for move in leg.moves
    ]
    assert all(before.until == after.since for before, after in pairwise(stays)), "it is always somewhere"
    assert stays[-1].until == end_of(leg)
    for spans in (leg.mutes, leg.earmuffs):
        assert all(length(span) >= 0 for span in spans)
        assert all(before.until <= after.since for before, after in pairwise(spans) if before.until)
    for kind in ("talk", "stream"):
        for by in ("script", "api"):
            same = [span for span in leg.played if (span.value.kind, span.value.by) == (kind, by)]
            assert all(before.until <= after.since for before, after in pairwise(same) if before.until)
    assert all(length(span) >= 0 and span.until <= end_of(leg) for span in leg.played if span.until)
    assert all(span.until for span in leg.played)


def check_conversation(conversation: Conversation) -> None:
    recorded = conversation.recorded
    assert all(before.until <= after.since for before, after in pairwise(recorded) if before.until)
    assert [span.value for span in recorded] == [made.url for made in conversation.recordings]
    for span in recorded:
        assert length(span) >= 0
        there = [stay for leg in conversation.legs.values() for stay in leg.stays if stay.value == conversation.uuid]
        assert any(stay.since <= span.since and span.since <= stay.until for stay in there if stay.until)
        assert span.until <= max(stay.until for stay in there if stay.until)  # type: ignore[operator]


def check_events(played: Played) -> None:
    """What the webhooks say is the same."""
    ledger = played.carrier.ledger
    moves = [(leg.uuid, move.left, move.joined) for leg in ledger.legs.values() for move in leg.moves]
    sent = [
        (body["uuid"], body["conversation_uuid_from"], body["conversation_uuid_to"])
        for body in played.having("conversation_uuid_to")
    ]
    assert sorted(sent) == sorted(moves)
    files = [made.url for conversation in ledger.conversations.values() for made in conversation.recordings]
    assert sorted(body["recording_url"] for body in played.having("recording_url")) == sorted(files)
