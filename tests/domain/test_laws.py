"""State is a fold: any order and any number of copies of the webhooks give the same calls."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from app.domain.conversations import Kept, history, join, moments
from app.domain.events import Transfer
from app.domain.legs import project_leg
from tests.domain.builders import BASE, LATER, answer, at, project_all, project_one
from tests.generated import Call, Webhook, read_event

SAMPLE = Path(__file__).parents[1] / "samples" / "phone-to-app.events.jsonl"


def calls(*, orderly: bool) -> st.SearchStrategy[list[Webhook]]:
    return st.randoms(use_true_random=False).map(lambda chance: Call(chance, orderly=orderly).webhooks())


def any_calls() -> st.SearchStrategy[list[Webhook]]:
    return st.booleans().flatmap(lambda orderly: calls(orderly=orderly))


def of(webhooks: list[Webhook]) -> list[Kept]:
    return [webhook.kept for webhook in webhooks]


# -- the published call -----------------------------------------------------------------------------------------------


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"2021-03-29T21:20:{text}+00:00")


def test_all_5040_orders_of_the_published_call_give_the_call_in_the_design() -> None:
    """https://developer.vonage.com/en/tutorials/phone-to-app"""
    name = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
    events = [read_event(json.loads(line)) for line in SAMPLE.read_text().splitlines()]
    first = None
    for order in permutations(events):
        result = history(Kept(event, at(index)) for index, event in enumerate(order))
        found = project_one(name, result, LATER)
        first = first or found
        assert found == first
    assert first is not None
    assert first.state == "ended"
    assert (first.first_received, first.last_received) == (at(0), at(6))
    assert (first.started, first.answered, first.ended) == (moment("05.582"), moment("06.182"), moment("17.574"))
    assert (first.duration_seconds, first.price) == (11.992, "0.00144000")
    assert (first.answers, first.inputs, first.recordings, first.errors) == ((), (), (), ())
    caller, app = (member.leg for member in first.legs)
    assert (caller.uuid, caller.direction) == ("0779a56d002f1c7f47f82ef5fe84ab79", "inbound")
    assert (caller.from_, caller.to) == ("441234567890", "442038297050")
    assert (caller.state, caller.status, caller.outcome) == ("completed", "completed", "answered")
    assert (caller.started, caller.ringing) == (moment("05.582"), moment("05.582"))
    assert (caller.answered, caller.completed) == (moment("06.182"), moment("17.514"))
    assert (caller.ring_seconds, caller.talk_seconds, caller.duration_seconds) == (0.6, 11.332, 12)
    assert (caller.rate, caller.price, caller.network) == ("0.00720000", "0.00144000", "GB-FIXED")
    assert (caller.detail, caller.sip_code, caller.disconnected_by, caller.machine) == (None, None, None, None)
    assert all(member.presence == (None, None) for member in first.legs)
    assert (app.uuid, app.direction) == ("944bf4bf-8dc7-4e23-86b2-2f4234777416", "outbound")
    assert (app.from_, app.to) == ("441234567890", "Alice")
    assert (app.outcome, app.ringing, app.ring_seconds, app.talk_seconds) == ("answered", None, None, 4.549)
    assert (app.duration_seconds, app.rate, app.price, app.network) == (5, "0.00", "0", None)


# -- laws -------------------------------------------------------------------------------------------------------------


@given(any_calls(), st.randoms(use_true_random=False))
def test_neither_order_nor_repeats_matter(webhooks: list[Webhook], chance: Random) -> None:
    result = project_all(of(webhooks))
    again = webhooks + chance.choices(webhooks, k=len(webhooks)) if webhooks else []
    chance.shuffle(again)
    assert project_all(of(again)) == result


@given(any_calls(), st.randoms(use_true_random=False))
def test_copies_that_come_later_change_nothing(webhooks: list[Webhook], chance: Random) -> None:
    copies = [webhook.kept._replace(received=at(chance.randrange(1000, 9999))) for webhook in webhooks]
    assert project_all([*copies, *of(webhooks)]) == project_all(of(webhooks))


@given(any_calls(), st.data())
def test_parts_that_were_kept_apart_can_be_joined_in_any_order(webhooks: list[Webhook], data: st.DataObject) -> None:
    parts = [history([]) for _ in range(3)]
    for webhook in webhooks:
        for index in data.draw(st.sets(st.integers(0, 2), min_size=1)):
            parts[index] = join(parts[index], history([webhook.kept]))
    whole = history(of(webhooks))
    for a, b, c in permutations(parts):
        assert join(a, b, c) == whole
        assert join(join(a, b), c) == join(a, join(b, c)) == whole
        assert join(a, b) == join(b, a)
        assert join(a, a) == a
        assert join(a, join(a, b)) == join(a, b)
    assert join(whole, history([])) == whole
    assert join() == {}
    assert project_all(join(*parts).values()) == project_all(of(webhooks))


@given(any_calls(), st.data())
def test_late_facts_count_as_they_would_have_before(webhooks: list[Webhook], data: st.DataObject) -> None:
    late = data.draw(st.integers(0, len(webhooks)))
    before = history(of(webhooks[late:]))
    assert project_all([*before.values(), *of(webhooks[:late])]) == project_all(of(webhooks))


@given(any_calls())
def test_no_leg_goes_back_and_no_call_loses_what_was_known(webhooks: list[Webhook]) -> None:
    """State and seconds only ever grow with more events: nothing is discarded for being late."""
    states = ("started", "ringing", "answered", "completed")
    result: dict[str, int] = {}
    for count in range(1, len(webhooks) + 1):
        found_moments = moments(history(of(webhooks[:count])))
        for uuid in {found.event.leg for found in found_moments if found.event.leg}:
            state = states.index(project_leg(uuid, found_moments).state)
            assert state >= result.get(uuid, 0)
            result[uuid] = state


@given(calls(orderly=True))
def test_a_leg_is_present_in_exactly_one_of_the_conversations_of_its_moves(webhooks: list[Webhook]) -> None:
    result = project_all(of(webhooks))
    for uuid in {webhook.event.leg for webhook in webhooks if webhook.event.leg}:
        moved = {
            home
            for webhook in webhooks
            if isinstance(webhook.event, Transfer)
            for home in webhook.event.conversations
            if webhook.event.leg == uuid
        }
        present = [
            name
            for name, projected in result.items()
            for member in projected.legs
            if member.leg.uuid == uuid and member.presence.here
        ]
        assert len(present) == 1
        assert not moved or present[0] in moved


@given(calls(orderly=True))
def test_every_conversation_shows_a_leg_in_the_same_way(webhooks: list[Webhook]) -> None:
    result = project_all(of(webhooks))
    legs: dict[str, object] = {}
    for projected in result.values():
        for member in projected.legs:
            assert legs.setdefault(member.leg.uuid, member.leg) == member.leg


@given(any_calls())
def test_any_events_give_a_projection_and_it_is_consistent(webhooks: list[Webhook]) -> None:
    for result in project_all(of(webhooks)).values():
        assert result.first_received <= result.last_received
        assert (result.state == "ended") or result.ended is None
        assert result.duration_seconds is None or result.duration_seconds >= 0
        assert result.price is None or "e" not in result.price.lower()
        for member in result.legs:
            leg = member.leg
            assert (leg.state == "completed") == (leg.outcome is not None)
            assert (leg.ring_seconds or 0) >= 0
            assert (leg.talk_seconds or 0) >= 0
            assert leg.started is None or leg.status is not None
        for times in (result.answers, result.inputs, result.recordings, result.errors):
            assert [entry[0] for entry in times] == sorted(entry[0] for entry in times)
        for wrong in result.errors:
            served = [(cause.received, cause.answer) for cause in [wrong.cause] if cause]
            assert all(answer in [event for _, event in result.answers] for _, answer in served)
            assert all(result.first_received <= received <= result.last_received for received, _ in served)


@given(any_calls(), st.randoms(use_true_random=False))
def test_what_is_served_after_an_error_never_is_its_cause(webhooks: list[Webhook], chance: Random) -> None:
    """Later events never change the cause of an error."""
    for name, before in project_all(of(webhooks)).items():
        last = max((webhook.received for webhook in webhooks), default=BASE)
        served = [
            Kept(replace(answer(0).event, canonical=str(n).encode(), conversation=name), last + timedelta(seconds=n))
            for n in range(1, chance.randrange(2, 5))
        ]
        after = project_one(name, history([*served, *of(webhooks)]), LATER)
        assert after.errors == before.errors


@given(calls(orderly=False))
def test_a_time_once_known_only_gets_earlier(webhooks: list[Webhook]) -> None:
    known: dict[tuple[str, str], datetime] = {}
    for count in range(len(webhooks) + 1):
        found_moments = moments(history(of(webhooks[:count])))
        for uuid in {found.event.leg for found in found_moments if found.event.leg}:
            leg = project_leg(uuid, found_moments)
            times = {"started": leg.started, "ringing": leg.ringing, "answered": leg.answered, "ended": leg.completed}
            for name, time in times.items():
                before = known.get((uuid, name))
                assert before is None or time is not None
                if before and time and name != "ended":  # which may take the place of the failure's
                    assert time <= before
                if time:
                    known[uuid, name] = time
