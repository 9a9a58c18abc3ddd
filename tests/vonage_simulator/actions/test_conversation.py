"""The `conversation` action: members, who hears whom, start and end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.vonage_simulator.stage import During, Json, Played, inbound, play, playing, room, scenario, talk
from vonage_simulator.carrier import FORGOTTEN_AFTER, Carrier
from vonage_simulator.ledger import Conversation, Leg
from vonage_simulator.scenario import Call, FarEnd

MUSIC = ["https://example.com/hold.mp3"]


def member(at: float = 0.0, *, after: float | None = 30.0, alone: float = 2.0, **options: Any) -> Call:
    """Somebody who enters the room 0.6 seconds after they called, and hangs up *after* so long."""
    return inbound(FarEnd(hangs_up_after=after, stays_alone=alone), at=at, ncco=(room(**options),))


def meet(*calls: Call, during: During | None = None) -> Played:
    return play(scenario(*calls), during=during)


def rooms(played: Played) -> list[Conversation]:
    return [conversation for conversation in played.carrier.ledger.conversations.values() if conversation.name]


def lasted(leg: Leg) -> float:
    """Seconds from the beginning of the leg to its end."""
    return (leg.times["completed"] - leg.times["started"]).total_seconds()


# ---- coming and going


def test_a_member_changes_conversation_and_its_events_name_the_new_one() -> None:
    played = meet(member())
    (moved,) = played.having("conversation_uuid_to")
    (found,) = rooms(played)
    assert (moved["conversation_uuid_to"], moved["uuid"]) == (found.uuid, played.leg.uuid)
    by_status = {event["status"]: event["conversation_uuid"] for event in played.events if "status" in event}
    assert by_status["answered"] == moved["conversation_uuid_from"]
    assert by_status["completed"] == found.uuid
    assert [(move.left, move.joined) for move in played.leg.moves] == [(moved["conversation_uuid_from"], found.uuid)]


def test_callers_of_the_same_conversation_meet_in_it() -> None:
    played = meet(member(), member(at=3), member(at=3, name="another"))
    first, second, third = played.called
    assert first.conversation is second.conversation is not third.conversation
    assert played.result.joined == ["room", "room", "another"]


def test_no_action_after_it_is_run() -> None:
    played = play(scenario(inbound(FarEnd(hangs_up_after=9.0), ncco=(room(), talk(7.0)))))
    assert (played.result.said, played.leg.disconnected_by) == ([], "user")


def test_a_conversation_has_fifty_members_at_most() -> None:
    """The next caller does not get in; their script goes on, here to its end."""
    played = meet(*[member(at=0.01 * number) for number in range(52)])
    (found,) = rooms(played)
    assert len(found.legs) == 50
    assert [lasted(leg) for leg in played.called[50:]] == [0.6, 0.6]
    later = meet(*[member(at=0.01 * number) for number in range(50)], member(at=40.0))
    assert len(rooms(later)[0].legs) == 51, "there is room again after a member has left"


def test_a_member_may_wait_for_others() -> None:
    assert lasted(meet(member(after=600.0)).leg) == 600.6


def test_a_lone_member_does_not_wait_for_ever() -> None:
    alone = meet(member(after=None)).leg
    assert (lasted(alone), alone.disconnected_by) == (120.6, "user")
    assert lasted(meet(member(after=None, alone=300.0)).leg) == 300.6


def test_the_last_member_stays_a_while_and_hangs_up() -> None:
    """Unless somebody comes meanwhile."""
    last = meet(member(), member(at=5.0, after=None, alone=4.0)).called[1]
    assert lasted(last) == 30.6 - 5.0 + 4.0
    assert last.disconnected_by == "user"
    kept = meet(member(), member(at=5.0, after=None, alone=4.0), member(at=33.0, after=60.0)).called[1]
    assert lasted(kept) == 33.0 + 0.6 + 60.0 - 5.0 + 4.0


def test_the_last_member_stays_as_long_as_it_hears_music() -> None:
    """Which plays until the conversation starts."""
    waits: Json = {"startOnEnter": False, "musicOnHoldUrl": MUSIC}
    assert lasted(meet(member(**waits), member(at=5.0, after=50.0, **waits)).called[1]) == 50.6
    assert lasted(meet(member(), member(at=5.0, after=50.0, **waits)).called[1]) == 30.6 - 5.0 + 2.0


def test_a_conversation_ends_for_all_when_a_moderator_leaves() -> None:
    played = meet(member(at=0.0, endOnExit=True), member(at=1.0), member(at=2.0))
    assert [leg.disconnected_by for leg in played.called] == ["user", "platform", "platform"]
    assert {leg.times["completed"] for leg in played.called} == {played.leg.times["completed"]}


def test_other_members_may_leave_without_ending_it() -> None:
    played = meet(member(after=60.0, endOnExit=True), member(at=1.0), member(at=2.0))
    assert [leg.disconnected_by for leg in played.called] == ["user"] * 3


def test_one_of_two_moderators_is_enough_to_end_it() -> None:
    played = meet(member(endOnExit=True), member(at=1.0, after=90.0, endOnExit=True), member(at=2.0, after=90.0))
    assert {leg.times["completed"] for leg in played.called} == {played.leg.times["completed"]}


def test_a_moderator_who_left_before_it_emptied_does_not_end_it_later() -> None:
    played = meet(member(after=5.0, endOnExit=True), member(at=10.0), member(at=11.0))
    assert [leg.disconnected_by for leg in played.called] == ["user"] * 3


def test_a_moderator_who_is_transferred_ends_it_too() -> None:
    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(10.0)
        carrier.transfer(legs[0].uuid, ncco=[talk(1.4)])

    played = meet(member(endOnExit=True), member(), during=during)
    assert lasted(played.called[1]) == 10.0


# ---- who hears whom


def hearing(*calls: Call, at: float = 10.0, first: Callable[[Carrier, list[Leg]], None] | None = None) -> set[str]:
    """Who hears whom after *at* seconds, as "01" for "the first hears the second"."""
    found: set[str] = set()

    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(at - carrier.clock.seconds)
        if first:
            first(carrier, legs)
        for index, listener in enumerate(legs):
            found.update(f"{index}{other}" for other, speaker in enumerate(legs) if listener.hears(speaker))

    meet(*calls, during=during)
    return found


EVERYBODY = {"01", "02", "10", "12", "20", "21"}


def test_all_members_hear_all_others() -> None:
    assert hearing(member(), member(), member()) == EVERYBODY


def test_members_elsewhere_or_gone_hear_nobody() -> None:
    assert hearing(member(), member(name="another"), member(after=5.0)) == set()


def test_who_hears_whom_is_in_the_transcript_and_in_the_ledger() -> None:
    played = meet(member(), member(mute=True), member(canHear=[], canSpeak=["x"]))
    lines = [text for text in str(played.result).splitlines() if "muted" in text or "heard" in text]
    assert [text.split(maxsplit=2)[2] for text in lines] == ["is muted", "is heard by x only, hears nobody"]
    assert [(leg.muted, leg.voice.speaks_to, leg.voice.hears) for leg in played.called] == [
        (False, None, None),
        (True, None, None),
        (False, frozenset("x"), frozenset()),
    ]


def test_a_muted_member_is_not_heard() -> None:
    assert hearing(member(), member(mute=True), member()) == EVERYBODY - {"01", "21"}


def test_a_member_who_may_hear_and_speak_to_nobody_is_alone() -> None:
    assert hearing(member(), member(canHear=[], canSpeak=[]), member()) == {"02", "20"}
    assert hearing(member(), member(canHear=[]), member()) == EVERYBODY - {"10", "12"}
    assert hearing(member(), member(canSpeak=[]), member()) == EVERYBODY - {"01", "21"}


@pytest.mark.parametrize(("option", "known"), [("canHear", EVERYBODY - {"20"}), ("canSpeak", EVERYBODY - {"02"})])
def test_a_member_who_may_hear_or_speak_to_some_is_apart_from_the_others(option: str, known: set[str]) -> None:
    """Here the third, who names the second."""

    def calls(uuid: str) -> list[Call]:
        named: Json = {option: [uuid]}
        return [member(), member(), member(**named)]

    ids: list[str] = []

    async def during(_: Carrier, legs: list[Leg]) -> None:
        ids.extend(leg.uuid for leg in legs)

    meet(*calls("nobody"), during=during)
    assert hearing(*calls(ids[1])) == known


@pytest.mark.parametrize(
    ("act", "known"),
    [
        (lambda carrier, uuid: carrier.mute(uuid, True), EVERYBODY - {"01", "21"}),
        (lambda carrier, uuid: carrier.earmuff(uuid, True), EVERYBODY - {"10", "12"}),
    ],
)
def test_the_voice_api_mutes_and_earmuffs(act: Callable[[Carrier, str], None], known: set[str]) -> None:
    assert hearing(member(), member(), member(), first=lambda carrier, legs: act(carrier, legs[1].uuid)) == known

    def back(carrier: Carrier, legs: list[Leg]) -> None:
        act(carrier, legs[1].uuid)
        carrier.mute(legs[1].uuid, False)
        carrier.earmuff(legs[1].uuid, False)

    assert hearing(member(), member(), member(), first=back) == EVERYBODY


def test_nobody_hears_anybody_until_it_starts() -> None:
    """A member who does not start it waits; one who does starts it for all."""
    assert hearing(member(startOnEnter=False), member(startOnEnter=False)) == set()
    assert hearing(member(startOnEnter=False), member(at=5.0)) == {"01", "10"}


def test_it_has_to_be_started_again_once_everybody_has_left() -> None:
    waits = [member(at=10.0, startOnEnter=False), member(at=10.0, startOnEnter=False)]
    assert hearing(member(after=5.0), *waits, at=20.0) == set()


def test_a_leg_that_joined_by_id_hears_and_is_heard_as_its_options_say() -> None:
    def joins(**options: Any) -> Call:
        action = {"action": "transfer", "conversationId": "conversation_of: 0", **options}
        return inbound(FarEnd(hangs_up_after=30.0), at=5.0, ncco=(action,))

    waits = inbound(FarEnd(hangs_up_after=30.0), ncco=(talk(70.0),))
    assert hearing(waits, joins()) == {"01", "10"}
    assert hearing(waits, joins(mute=True)) == {"10"}
    assert hearing(waits, joins(canHear=[])) == {"01"}
    assert hearing(waits, joins(canSpeak=[])) == {"10"}


# ---- recorded


def test_a_conversation_may_be_recorded_until_all_are_gone() -> None:
    played = meet(member(record=True), member(at=5.0, after=60.0, alone=90.0))
    (recording,) = rooms(played)[0].recordings
    assert (recording.ended - recording.started).total_seconds() == 65.0


def test_the_recording_begins_when_the_conversation_does() -> None:
    played = meet(member(after=60.0, startOnEnter=False, record=True), member(at=7.0, endOnExit=True))
    (recording,) = rooms(played)[0].recordings
    assert played.when("record") == [7.6]
    assert (recording.ended - recording.started).total_seconds() == 30.0


def test_one_recording_is_made_for_all_who_request_it() -> None:
    played = meet(*[member(at=number, record=True) for number in range(3)])
    assert len(rooms(played)[0].recordings) == 1


def test_later_members_are_recorded_only_on_request() -> None:
    """The wish of a member who has left no longer counts."""
    played = meet(member(after=5.0, record=True), member(at=20.0))
    assert len(rooms(played)[0].recordings) == 1


def test_the_recording_event_goes_to_the_url_of_the_action() -> None:
    played = meet(member(record=True, eventUrl=["stage:/own"]))
    assert played.to("/own") == [], "only an application knows its own URL"
    story = scenario(inbound(FarEnd(hangs_up_after=5.0)))
    played = play(story, [room(record=True, eventUrl=["stage:/own"])])
    assert [event["conversation_uuid"] for event in played.to("/own")] == [rooms(played)[0].uuid]


def test_a_room_that_was_forgotten_is_a_new_one_when_somebody_enters_it_again() -> None:
    async def run() -> None:
        async with playing({"/answer": [room()]}) as (carrier, _):
            (first,) = await carrier.play(scenario(inbound(FarEnd(hangs_up_after=5.0))))
            await carrier.over()
            old = first.conversation.uuid
            carrier.forget()
            assert old in carrier.ledger.conversations, "it is empty for a moment only"
            await carrier.clock.sleep(FORGOTTEN_AFTER.total_seconds() + 60)
            carrier.forget()
            assert old not in carrier.ledger.conversations
            assert first.uuid not in carrier.ledger.legs
            (second,) = await carrier.play(scenario(inbound(FarEnd(hangs_up_after=5.0))))
            await carrier.over()
            assert second.conversation.uuid != old
            assert second.conversation.uuid in carrier.ledger.conversations

    asyncio.run(run())
