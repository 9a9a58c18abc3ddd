"""One playing of a scenario among others: what belongs to it, and when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.vonage_simulator.stage import CALLER, OTHER, OURS, STAYS, Stage
from vonage_simulator.carrier import Carrier
from vonage_simulator.one_call import OneCall
from vonage_simulator.scenario import Call, FarEnd, Scenario
from vonage_simulator.simulation import application, simulation
from vonage_simulator.trace import Happening

CONNECT = [{"action": "connect", "from": OURS, "endpoint": [{"type": "phone", "number": OTHER}]}]
ROOM = [{"action": "conversation", "name": "room"}]


def story(from_: str, *, seconds: float = 20.0, ncco: object = CONNECT) -> Scenario:
    call = Call(from_=from_, to=OURS, far_end=FarEnd(hangs_up_after=seconds), ncco=tuple(ncco))  # type: ignore[arg-type]
    return Scenario(name="one", about="one", calls=(call,), callees={OTHER: STAYS})


def at_a_carrier(work: Callable[[Carrier], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Stage({"/event": ""}) as stage:
            own = application(answer_url=None, event_url=f"{stage.url}/event")
            async with simulation(own, speed=None) as carrier:
                await work(carrier)

    asyncio.run(run())


def test_each_has_its_own_legs_webhooks_and_happenings() -> None:
    async def work(carrier: Carrier) -> None:
        seen: dict[str, list[Happening]] = {"1": [], "2": []}
        with OneCall(carrier, seen["1"].append) as first, OneCall(carrier, seen["2"].append) as second:
            await asyncio.gather(first.play(story("447700900001")), second.play(story("447700900002", seconds=9.0)))
            for call, own in ((first, "447700900001"), (second, "447700900002")):
                legs = call.ledger.legs.values()
                assert [leg.from_ for leg in legs if leg.direction == "inbound"] == [own]
                assert [leg.to for leg in legs if leg.direction == "outbound"] == [OTHER]
                assert len(call.ledger.conversations) == 1
                assert {sent.leg for sent in call.sent} == {leg.uuid for leg in legs}
                assert all(sent.over.is_set() for sent in call.sent)
        assert {each.leg for each in seen["1"]} == set(first.ledger.legs)
        assert not {each.leg for each in seen["1"]} & {each.leg for each in seen["2"]}
        assert len(carrier.ledger.legs) == 4

    at_a_carrier(work)


def test_a_leg_that_the_server_calls_belongs_to_it_once_they_meet() -> None:
    """As a user whose call is a room: the server rings them by the Voice API, and moves them there."""

    async def work(carrier: Carrier) -> None:
        with OneCall(carrier, lambda _: None) as call:
            playing = asyncio.create_task(call.play(story(CALLER, ncco=ROOM)))
            await carrier.clock.sleep(5.0)
            joins = Call(from_=OURS, to=OTHER, direction="outbound", ncco=tuple(ROOM), far_end=STAYS)
            apart = Call(from_=OURS, to="447700900009", direction="outbound", far_end=FarEnd(does="busy"))
            other, unknown = (carrier.create(made, answer=None, event=None) for made in (joins, apart))
            await playing
            assert other.uuid in call.ledger.legs
            assert other.stays[0].value in call.ledger.conversations, "where it was before, too"
            assert unknown.uuid not in call.ledger.legs

    at_a_carrier(work)


def test_it_is_over_once_its_recording_and_transcript_are_there() -> None:
    async def work(carrier: Carrier) -> None:
        record = {"action": "record", "transcription": {}, "endOnSilence": 3}
        with OneCall(carrier, lambda _: None) as call:
            await call.play(story(CALLER, ncco=[record, {"action": "talk", "text": "Thank you."}]))
            kinds = ["recording_url" in sent.body or "transcription_url" in sent.body for sent in call.sent]
            assert kinds.count(True) == 2

    at_a_carrier(work)


def test_the_callers_hang_up() -> None:
    async def work(carrier: Carrier) -> None:
        with OneCall(carrier, lambda _: None) as call:
            playing = asyncio.create_task(call.play(story(CALLER, seconds=1000.0)))
            await carrier.clock.sleep(5.0)
            call.hang_up()
            await playing
            (own,) = (leg for leg in call.ledger.legs.values() if leg.direction == "inbound")
            assert (own.status, own.ending and own.ending.by) == ("completed", "user")

    at_a_carrier(work)
