"""The projection of a conversation: what its fields mean."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from app.domain.conversations import Kept, by_leg, history, join, project
from app.domain.events import NO_TIMESTAMP
from app.domain.numbers import numbers_in
from tests.domain.builders import (
    BASE,
    HERE,
    PRESUME_ENDED_AFTER,
    THERE,
    YONDER,
    about,
    answer,
    at,
    conversation,
    history_of,
    kept,
    project_one,
    status,
    transfer,
)
from tests.generated import Body, iso, read_event

ONE, TWO = "leg-one", "leg-two"


def life(uuid: str = ONE, begin: float = 0.0, end: float = 10.0, **more: Any) -> list[Body]:
    """A leg that came, talked and went."""
    return [
        status("started", begin, uuid=uuid),
        status("answered", begin + 2, uuid=uuid),
        status("completed", end, uuid=uuid, **more),
    ]


def test_a_conversation_without_events_is_none() -> None:
    assert project(THERE, history_of(*life()), now=BASE, presume_ended_after=PRESUME_ENDED_AFTER) is None
    assert project(HERE, {}, now=BASE, presume_ended_after=PRESUME_ENDED_AFTER) is None


@pytest.mark.parametrize(
    ("bodies", "state"),
    [
        ([about(1, payload={})], "live"),  # no leg is known yet
        ([status("started", 1, uuid=ONE)], "live"),
        (life(ONE), "ended"),
        ([*life(ONE), status("ringing", 1, uuid=TWO)], "live"),
        ([*life(ONE), *life(TWO)], "ended"),
        ([status("busy", 1, uuid=ONE)], "ended"),
        ([answer(1)], "live"),
        ([status("started", 1), transfer(HERE, THERE, 2)], "ended"),  # its only leg went away
        ([status("started", 1), transfer(HERE, THERE, 2), transfer(THERE, HERE, 3)], "live"),
        ([status("started", 1), transfer(HERE, THERE, 2), status("ringing", 1, uuid=TWO)], "live"),
    ],
)
def test_it_is_live_while_a_present_leg_has_not_ended_or_no_leg_is_known(bodies: Any, state: str) -> None:
    for order in (bodies, bodies[::-1]):
        assert conversation(*order).state == state


def test_a_leg_that_ended_elsewhere_has_ended() -> None:
    bodies = [status("answered", 1), transfer(HERE, THERE, 2), status("completed", 9, where=HERE)]
    assert conversation(*bodies, where=THERE).state == "ended"
    assert conversation(*bodies, where=HERE).state == "ended"


def test_a_live_one_without_an_event_for_long_is_presumed_ended_and_a_late_event_undoes_it() -> None:
    result = kept(status("started", 1), received=0)
    silent = BASE + PRESUME_ENDED_AFTER

    def state(events: list[Kept], now: datetime) -> tuple[str, datetime | None, float | None]:
        found = project_one(HERE, history(events), now)
        return found.state, found.ended, found.duration_seconds

    assert state(result, silent) == ("live", None, None)
    assert state(result, silent + timedelta(milliseconds=1)) == ("presumed_ended", None, None)
    result += kept(about(2, payload={}), received=60)
    assert state(result, silent + timedelta(seconds=30)) == ("live", None, None)
    assert state(result, silent + timedelta(seconds=61)) == ("presumed_ended", None, None)
    result += kept(status("completed", 20), received=9000)
    assert state(result, silent + timedelta(days=9)) == ("ended", at(20), 19.0)


def test_first_and_last_received_are_those_of_its_webhooks() -> None:
    result = history([*kept(status("answered", 1), received=5), *kept(status("started", 0), received=9)])
    found = project_one(HERE, result, at(9))
    assert (found.first_received, found.last_received, found.started) == (at(5), at(9), at(0))


def test_it_started_at_the_earliest_time_and_was_answered_with_its_first_answered_leg() -> None:
    result = conversation(*life(ONE, 3), *life(TWO, 1), about(0, payload={}))
    assert (result.started, result.answered) == (at(1), at(3))


BILL = {"start_time": iso(at(1)), "end_time": iso(at(126)), "duration": "125"}


@pytest.mark.parametrize(
    ("bodies", "started", "seconds"),
    [
        ([status("completed", 126.5, **BILL)], at(1), 125.5),
        ([status("completed", 126.5)], None, None),
        ([status("busy", 3)], None, None),
        ([status("busy", 3), status("completed", 9, start_time=None)], None, None),
        ([status("ringing", 2), status("completed", 126.5, **BILL)], at(2), 124.5),
        ([status("answered", 130), status("completed", 126.5, **BILL)], at(1), 125.5),
        ([status("started", 3), status("failed", 3)], at(3), 0.0),
        ([about(5, status="completed")], None, None),
        ([about(5, status="ringing")], None, None),
        ([about(5, status="never seen before")], None, None),
    ],
)
def test_what_ends_a_leg_does_not_say_when_it_began_but_its_bill_does(
    bodies: list[Body], started: datetime | None, seconds: float | None
) -> None:
    result = conversation(*bodies)
    assert (result.started, result.duration_seconds) == (started, seconds)


FAILED_TEXT = about(None, recording_uuid="r", status="transcription_failed", error="Provider timeout")
TEXT = about(None, recording_uuid="r", status="transcribed", transcription_url="https://t.example/1")


@pytest.mark.parametrize(
    ("bodies", "url", "error"),
    [
        ([FAILED_TEXT], None, "Provider timeout"),
        ([FAILED_TEXT | {"error": None}], None, "no reason given"),
        ([FAILED_TEXT, TEXT], "https://t.example/1", None),
        ([TEXT], "https://t.example/1", None),
    ],
)
@pytest.mark.parametrize("recording", [[], [about(3, recording_url="https://r.example/1", recording_uuid="r")]])
def test_a_recording_has_its_text_or_why_there_is_none(
    bodies: list[Body], url: str | None, error: str | None, recording: list[Body]
) -> None:
    for order in permutations(bodies + recording):
        (recorded,) = conversation(*order).recordings
        assert (recorded.recording_uuid, recorded.transcription_url, recorded.transcription_error) == ("r", url, error)
        assert (recorded.recording_url is None) == (not recording)


def test_it_ended_at_the_latest_end_and_not_while_it_lives() -> None:
    result = conversation(*life(ONE, 0, 17.574), *life(TWO, 0, 17.514))
    assert (result.ended, result.duration_seconds) == (at(17.574), 17.574)
    result = conversation(*life(ONE, 0, 17.574), status("ringing", 3, uuid=TWO))
    assert (result.state, result.ended, result.duration_seconds) == ("live", None, None)


def test_a_leg_that_went_on_ended_here_when_it_left() -> None:
    result = conversation(
        *life(ONE, 0, 10), status("answered", 1), transfer(HERE, THERE, 12), status("completed", 99, where=THERE)
    )
    assert (result.state, result.ended) == ("ended", at(12))
    result = conversation(
        status("answered", 1), transfer(HERE, THERE, 12), status("completed", 99, where=THERE), where=THERE
    )
    assert (result.started, result.answered, result.ended, result.duration_seconds) == (at(12), at(12), at(99), 87.0)


def test_a_leg_that_was_answered_after_it_came_was_answered_then() -> None:
    bodies = [status("ringing", 1), transfer(HERE, THERE, 12), status("answered", 15, where=THERE)]
    assert conversation(*bodies, where=THERE).answered == at(15)
    assert conversation(*bodies, where=HERE).answered is None, "it was not answered before it left"


@pytest.mark.parametrize(
    ("prices", "total"),
    [
        (["0.00144000", "0"], "0.00144000"),
        (["0.1", "0.2"], "0.3"),
        (["0.00000001", "12345678901234567890.5"], "12345678901234567890.50000001"),
        ([1.5e-4, None], "0.00015"),
        (["0.00"], "0.00"),
        ([None, None], None),
    ],
)
def test_its_price_is_the_exact_sum_of_its_legs_never_with_an_exponent(prices: Any, total: str | None) -> None:
    bodies = [body for index, price in enumerate(prices) for body in life(f"leg-{index}", price=price)]
    assert conversation(*bodies).price == total


def test_a_leg_that_moved_on_is_paid_for_where_it_ended() -> None:
    bodies = [*life(TWO, price="0.2"), status("answered", 1), transfer(HERE, THERE, 2)]
    for completed_in in (HERE, THERE):
        bodies_there = [*bodies, status("completed", 9, where=completed_in, price="0.5")]
        assert conversation(*bodies_there, where=HERE).price == "0.2"
        assert conversation(*bodies_there, where=THERE).price == "0.5"


def test_its_legs_are_in_the_order_in_which_they_came_also_those_that_left() -> None:
    result = conversation(*life(TWO, 5), *life(ONE, 7), status("ringing", 1), transfer(HERE, THERE, 9))
    assert [member.leg.uuid for member in result.legs] == ["leg", TWO, ONE]
    assert [member.presence.here for member in result.legs] == [False, True, True]


def test_moved_from_and_moved_to_are_the_latest_arrival_and_departure() -> None:
    away, back, on = transfer(HERE, THERE, 1), transfer(THERE, HERE, 2), transfer(HERE, YONDER, 3)

    def moved(*bodies: Body, where: str = HERE) -> tuple[Any, Any]:
        (member,) = conversation(*bodies, where=where).legs
        arrival, departure = member.presence
        return arrival and (arrival.at, arrival.left), departure and (departure.at, departure.joined)

    for order in permutations([away, back, on]):
        assert moved(*order) == ((at(2), THERE), (at(3), YONDER))
        assert moved(*order, where=THERE) == ((at(1), HERE), (at(2), HERE))
        assert moved(*order, where=YONDER) == ((at(3), HERE), None)
    assert moved(away, back) == ((at(2), THERE), None), "moved_to is null while the leg is present"


def test_two_bodies_that_differ_and_report_the_same_count_once() -> None:
    one = about(1, uuid="leg", dtmf={"digits": "1"})
    result = conversation(
        one, one | {"speech": {"error": "Speech was not enabled"}}, status("ringing", 1), status("ringing", 1, x=1)
    )
    (entered,) = result.inputs
    assert (entered[1].digits, entered[1].speech_error) == ("1", "Speech was not enabled")


def test_inputs_are_oldest_first_by_their_own_time() -> None:
    result = conversation(*(about(s, uuid="leg", dtmf={"digits": str(s), "timed_out": True}) for s in (3, 1, 2)))
    assert [(moment, entry.digits, entry.timed_out) for moment, entry in result.inputs] == [
        (at(s), str(s), True) for s in (1, 2, 3)
    ]


def test_answers_have_the_time_of_the_request_and_two_requests_are_two() -> None:
    result = conversation(answer(2, name="b"), answer(1, name="a"), answer(1.5, name="c", from_="447700900123"))
    assert [moment for moment, _ in result.answers] == [at(1), at(1.5), at(2)]
    _, given = result.answers[1]
    assert (given.flow, given.took_ms, given.ncco, given.from_) == (
        "tutorial",
        1.25,
        '[{"action":"talk","text":"Hello"}]',
        "447700900123",
    )


def test_an_answer_has_the_flow_step_and_version_it_comes_from_and_why_it_is_the_last_resort() -> None:
    more = {"flow": "menu", "step": "choice", "version": "3f2a91c0", "fault": "menu/choice: no such step"}
    result = conversation(answer(1, name="old"), answer(2, name="new", served=more))
    (_, old), (_, new) = result.answers
    assert (old.flow, old.step, old.version, old.fault) == ("tutorial", None, None, None)
    assert (new.flow, new.step, new.version, new.fault) == tuple(more.values())


@pytest.mark.parametrize("reply_first", [True, False])
def test_the_record_of_a_reply_to_an_event_changes_nothing_else(reply_first: bool) -> None:
    """It names conversation and leg alone: who calls whom, and the states, are in the webhooks."""
    parties = {"from_": "447700900123", "to": "Alice", "direction": "inbound"}
    bodies: list[Body | Kept] = [status("started", 1, **parties), status("answered", 2, **parties)]
    bodies += [status("completed", 9, price="0.1"), about(5, uuid="leg", dtmf={"digits": "1"})]
    bodies.append(answer(0.5, from_="447700900123", to="442079460000"))
    reply = answer(5, name="2", served={"flow": "menu", "step": "choice"})
    to_nobody = answer(6, name="3", uuid=None, served={"flow": "menu", "step": "noted"})
    without = conversation(*bodies)
    replies = [reply, to_nobody]
    result = conversation(*(replies if reply_first else []), *bodies, *(replies[::-1] if not reply_first else []))
    assert [event.step for _, event in result.answers] == [None, "choice", "noted"]
    assert replace(result, answers=without.answers, last_received=without.last_received) == without
    alone = conversation(reply)
    (member,) = alone.legs
    assert (member.leg.state, member.leg.from_, member.leg.to, alone.started) == ("started", None, None, None)
    assert conversation(to_nobody).legs == ()
    assert numbers_in(reply.event) == []


def test_errors_are_those_of_vonage_and_the_times_it_turned_to_the_fallback() -> None:
    original = status("answered", 2)
    copy = original | {
        "reason": "Socket timeout.",
        "original_request": {"url": "https://a.example/event", "type": "event"},
    }
    result = conversation(copy, original, about(1, reason="Syntax error in NCCO."))
    assert [(wrong.at, wrong.event.kind, wrong.event.reason) for wrong in result.errors] == [
        (at(1), "error", "Syntax error in NCCO."),
        (at(2), "fallback", "Socket timeout."),
    ]
    assert result.errors[1].event == read_event(copy)
    assert getattr(result.errors[1].event, "url", None) == "https://a.example/event"
    assert result.legs[0].leg.state == "answered", "the event itself counts as well"


RECORDED = about(5, recording_uuid="r1", recording_url="https://r.example/1", size=12, start_time=at(1).isoformat())
WRITTEN = about(9, status="transcribed", type="record", recording_uuid="r1", transcription_url="https://t.example/1")


def test_a_recording_is_joined_by_its_transcription_whichever_comes_first() -> None:
    for order in permutations([RECORDED, WRITTEN]):
        (entry,) = conversation(*order).recordings
        assert (entry.at, entry.recording_url, entry.size, entry.start_time) == (
            at(5),
            "https://r.example/1",
            12,
            at(1),
        )
        assert entry.transcription_url == "https://t.example/1"


def test_recordings_and_transcriptions_without_each_other_are_listed_too() -> None:
    other = about(2, recording_uuid="r2", recording_url="https://r.example/2")
    (first, second) = conversation(WRITTEN, other).recordings
    assert (first.recording_uuid, first.transcription_url) == ("r2", None)
    assert (second.recording_uuid, second.recording_url, second.transcription_url) == (
        "r1",
        None,
        "https://t.example/1",
    )


def test_recordings_without_an_id_are_all_listed_and_take_no_transcription() -> None:
    nameless = [about(s, recording_uuid=None, recording_url=f"https://r.example/{s}") for s in (1, 2)]
    texts = [
        about(s, status="transcribed", recording_uuid=None, transcription_url=f"https://t.example/{s}") for s in (3, 4)
    ]
    result = conversation(*nameless, *texts).recordings
    assert [(recording.recording_url, recording.transcription_url) for recording in result] == [
        ("https://r.example/1", None),
        ("https://r.example/2", None),
        (None, "https://t.example/3"),
        (None, "https://t.example/4"),
    ]


def test_what_has_no_timestamp_counts_from_when_its_first_kept_copy_was_received_and_is_marked() -> None:
    body = status("completed", None)
    assert read_event(body).flags == (NO_TIMESTAMP,)
    result = history([Kept(read_event(body), at(7)), Kept(read_event(body), at(5)), Kept(read_event(body), at(6))])
    found = project_one(HERE, result, at(7))
    assert (found.ended, found.last_received) == (at(5), at(5))
    later = join(result, history([Kept(read_event(body | {"x": 1}), at(4))]))
    assert project_one(HERE, later, at(7)).ended == at(4), "so for a variant"


def test_a_leg_that_a_variant_names_in_another_conversation_is_in_both() -> None:
    result = [status("ringing", 1), status("ringing", 1, where=THERE)]
    for order in permutations(result):
        assert [member.leg.uuid for member in conversation(*order, where=HERE).legs] == ["leg"]
        assert [member.leg.uuid for member in conversation(*order, where=THERE).legs] == ["leg"]


def test_which_legs_a_history_names() -> None:
    result = history_of(
        status("ringing", 1), transfer(HERE, THERE, 2), transfer(THERE, YONDER, 3, uuid=TWO), about(1, payload={})
    )
    legs = by_leg(result)
    assert set(legs) == {"leg", TWO}
