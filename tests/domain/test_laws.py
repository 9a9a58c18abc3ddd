"""State is a fold: in whatever order, however often and wherever the webhooks came, the same is told of every call."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app.domain.conversations import Kept, history, join, moments
from app.domain.events import Transfer
from app.domain.legs import project_leg
from tests.domain.builders import BASE, LATER, answer, at, tell_all, tell_one
from tests.generated import Call, Webhook, read_event

SAMPLE = Path(__file__).parents[1] / "samples" / "phone-to-app.events.jsonl"


def calls(*, orderly):
    return st.randoms(use_true_random=False).map(lambda chance: Call(chance, orderly=orderly).webhooks())


def any_calls():
    return st.booleans().flatmap(lambda orderly: calls(orderly=orderly))


def of(webhooks: list[Webhook]) -> list[Kept]:
    return [webhook.kept for webhook in webhooks]


# -- the published call -----------------------------------------------------------------------------------------------


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"2021-03-29T21:20:{text}+00:00")


def test_all_5040_orders_of_the_published_call_tell_the_one_story_of_the_design():
    """https://developer.vonage.com/en/tutorials/phone-to-app"""
    name = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
    events = [read_event(json.loads(line)) for line in SAMPLE.read_text().splitlines()]
    first = None
    for order in permutations(events):
        told = history(Kept(event, at(place)) for place, event in enumerate(order))
        found = tell_one(name, told, LATER)
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
def test_neither_order_nor_repeats_matter(webhooks, chance):
    told = tell_all(of(webhooks))
    again = webhooks + chance.choices(webhooks, k=len(webhooks)) if webhooks else []
    chance.shuffle(again)
    assert tell_all(of(again)) == told


@given(any_calls(), st.randoms(use_true_random=False))
def test_copies_that_come_later_change_nothing(webhooks, chance):
    copies = [webhook.kept._replace(received=at(chance.randrange(1000, 9999))) for webhook in webhooks]
    assert tell_all([*copies, *of(webhooks)]) == tell_all(of(webhooks))


@given(any_calls(), st.data())
def test_parts_that_were_kept_apart_can_be_joined_in_any_order(webhooks, data):
    parts = [history([]) for _ in range(3)]
    for webhook in webhooks:
        for place in data.draw(st.sets(st.integers(0, 2), min_size=1)):
            parts[place] = join(parts[place], history([webhook.kept]))
    whole = history(of(webhooks))
    for a, b, c in permutations(parts):
        assert join(a, b, c) == whole
        assert join(join(a, b), c) == join(a, join(b, c)) == whole
        assert join(a, b) == join(b, a)
        assert join(a, a) == a
        assert join(a, join(a, b)) == join(a, b)
    assert join(whole, history([])) == whole
    assert join() == {}
    assert tell_all(join(*parts).values()) == tell_all(of(webhooks))


@given(any_calls(), st.data())
def test_facts_added_after_the_end_tell_what_they_would_have_told_before(webhooks, data):
    late = data.draw(st.integers(0, len(webhooks)))
    before = history(of(webhooks[late:]))
    assert tell_all([*before.values(), *of(webhooks[:late])]) == tell_all(of(webhooks))


@given(any_calls())
def test_no_leg_goes_back_and_no_call_loses_what_was_known(webhooks):
    """State and seconds only ever grow with what is heard: nothing is discarded for being late."""
    states = ("started", "ringing", "answered", "completed")
    told: dict[str, int] = {}
    for count in range(1, len(webhooks) + 1):
        heard = moments(history(of(webhooks[:count])))
        for uuid in {found.event.leg for found in heard if found.event.leg}:
            state = states.index(project_leg(uuid, heard).state)
            assert state >= told.get(uuid, 0)
            told[uuid] = state


@given(calls(orderly=True))
def test_a_leg_is_present_in_exactly_one_of_the_conversations_of_its_moves(webhooks):
    told = tell_all(of(webhooks))
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
            for name, one in told.items()
            for member in one.legs
            if member.leg.uuid == uuid and member.presence.here
        ]
        assert len(present) == 1
        assert not moved or present[0] in moved


@given(calls(orderly=True))
def test_every_conversation_tells_the_same_of_a_leg(webhooks):
    told = tell_all(of(webhooks))
    legs: dict[str, object] = {}
    for one in told.values():
        for member in one.legs:
            assert legs.setdefault(member.leg.uuid, member.leg) == member.leg


@given(any_calls())
def test_whatever_came_can_be_told_and_what_is_told_makes_sense(webhooks):
    for told in tell_all(of(webhooks)).values():
        assert told.first_received <= told.last_received
        assert (told.state == "ended") or told.ended is None
        assert told.duration_seconds is None or told.duration_seconds >= 0
        assert told.price is None or "e" not in told.price.lower()
        for member in told.legs:
            leg = member.leg
            assert (leg.state == "completed") == (leg.outcome is not None)
            assert (leg.ring_seconds or 0) >= 0
            assert (leg.talk_seconds or 0) >= 0
            assert leg.started is None or leg.status is not None
        for times in (told.answers, told.inputs, told.recordings, told.errors):
            assert [one[0] for one in times] == sorted(one[0] for one in times)
        for wrong in told.errors:
            served = [(one.received, one.answer) for one in [wrong.cause] if one]
            assert all(answer in [one for _, one in told.answers] for _, answer in served)
            assert all(told.first_received <= received <= told.last_received for received, _ in served)


@given(any_calls(), st.randoms(use_true_random=False))
def test_what_is_served_after_an_error_never_is_its_cause(webhooks, chance):
    """Whatever is heard later, an error stays beside the NCCO it is shown with."""
    for name, before in tell_all(of(webhooks)).items():
        last = max((webhook.received for webhook in webhooks), default=BASE)
        served = [
            Kept(replace(answer(0).event, canonical=str(n).encode(), conversation=name), last + timedelta(seconds=n))
            for n in range(1, chance.randrange(2, 5))
        ]
        after = tell_one(name, history([*served, *of(webhooks)]), LATER)
        assert after.errors == before.errors


@given(calls(orderly=False))
def test_a_time_once_known_only_gets_earlier(webhooks):
    known: dict[tuple[str, str], datetime] = {}
    for count in range(len(webhooks) + 1):
        heard = moments(history(of(webhooks[:count])))
        for uuid in {found.event.leg for found in heard if found.event.leg}:
            leg = project_leg(uuid, heard)
            times = {"started": leg.started, "ringing": leg.ringing, "answered": leg.answered, "ended": leg.completed}
            for name, time in times.items():
                before = known.get((uuid, name))
                assert before is None or time is not None
                if before and time and name != "ended":  # which may take the place of the failure's
                    assert time <= before
                if time:
                    known[uuid, name] = time
