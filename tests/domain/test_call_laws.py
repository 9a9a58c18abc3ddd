"""Laws of calls, for made-up ones of every kind."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from app.domain.calls import Calls, read_calls
from app.domain.conversations import history
from app.domain.sessions import read_session
from app.domain.timeline import Segment
from tests.domain.builders import LATER, PRESUME_ENDED_AFTER
from tests.generated import Call, Webhook


def several() -> st.SearchStrategy[list[Webhook]]:
    """The webhooks of one call, or two that share nothing, in the shapes of the webhook reference."""

    def made(chance: Random) -> list[Webhook]:
        orderly = chance.random() < 0.5
        found = [webhook for _ in range(chance.choice((1, 2))) for webhook in Call(chance, orderly=orderly).webhooks()]
        return [webhook for webhook in found if webhook.event.conversations]

    return st.integers(0, 10**9).map(lambda seed: made(Random(seed)))  # a smaller failure would be none of a real call


def read(webhooks: list[Webhook]) -> Calls:
    conversations: dict[str, list[Webhook]] = {}
    for webhook in webhooks:
        for name in webhook.event.conversations:
            conversations.setdefault(name, []).append(webhook)
    kept = {name: history(webhook.kept for webhook in found) for name, found in conversations.items()}
    return read_calls(kept, now=LATER, presume_ended_after=PRESUME_ENDED_AFTER)


@given(several(), st.randoms(use_true_random=False))
def test_neither_order_nor_repeats_matter(webhooks: list[Webhook], chance: Random) -> None:
    result = read(webhooks)
    again = webhooks + chance.choices(webhooks, k=len(webhooks)) if webhooks else []
    chance.shuffle(again)
    assert read(again) == result


@given(several())
def test_each_leg_and_each_event_is_of_exactly_one_call(webhooks: list[Webhook]) -> None:
    result = read(webhooks)
    of_calls = [leg.leg.uuid for call in result.calls.values() for leg in call.legs]
    assert sorted(of_calls) == sorted({webhook.event.leg for webhook in webhooks if webhook.event.leg})
    assert {leg: result.of_leg[leg] for leg in of_calls} == {
        leg.leg.uuid: call.id for call in result.calls.values() for leg in call.legs
    }
    with_leg = [webhook for webhook in webhooks if webhook.event.leg]
    for webhook in webhooks:
        calls = [call.id for call in result.calls.values() if webhook.event.canonical in call.events]
        assert len(calls) == 1 or webhook not in with_leg
        assert calls


@given(several())
def test_the_id_is_that_of_a_leg_of_the_call_and_every_conversation_resolves(webhooks: list[Webhook]) -> None:
    result = read(webhooks)
    names = {name for webhook in webhooks for name in webhook.event.conversations}
    assert names <= set(result.of_conversation)
    assert {result.of_conversation[name] for name in names} <= set(result.calls)
    for call in result.calls.values():
        assert call.id in ([leg.leg.uuid for leg in call.legs] or call.conversations)
        assert all(call.id in result.calls[other].linked for other in call.linked if other in result.calls)
        assert {stay.conversation for leg in call.legs for stay in leg.stays} <= {*call.everywhere}


@given(several())
def test_times_and_money_are_consistent(webhooks: list[Webhook]) -> None:
    for call in read(webhooks).calls.values():
        prices = [Decimal(leg.leg.price) for leg in call.legs if leg.leg.price is not None]
        assert (Decimal(call.price) if call.price is not None else None) == (sum(prices) if prices else None)
        assert (call.outcome is None) == (call.state != "ended")
        assert not call.missed or (call.direction == "inbound" and call.outcome != "answered")
        for seconds in (call.duration_seconds, call.wait_seconds, call.talk_seconds, call.hold_seconds):
            assert seconds is None or seconds >= 0
        for leg in call.legs:
            assert_follow_on_each_other(leg.segments)
            assert [stay.left for stay in leg.stays[:-1]] == [stay.arrived for stay in leg.stays[1:]]


def assert_follow_on_each_other(segments: tuple[Segment, ...]) -> None:
    """Each ends where the next begins, and no two that follow each other are the same."""
    for before, after in pairwise(segments):
        assert before.end == after.start
        assert before.doing != after.doing
    assert all(segment.end is None or segment.end > segment.start for segment in segments)


@given(several(), st.integers(0, 200))
def test_sessions_of_any_call_are_consistent(webhooks: list[Webhook], seconds: int) -> None:
    """One for everybody who called or was called; what is over is not ringing, and nobody is talked to alone."""
    for call in read(webhooks).calls.values():
        now = call.began + timedelta(seconds=seconds)
        for user in {*call.users, *(leg.user for leg in call.legs if leg.user), "nobody"}:
            session = read_session(call, user, now=now)
            assert session is not None or user not in {leg.user for leg in call.legs}
            if session is None:
                continue
            assert session.live or not (session.ringing or session.talking_to or session.phase)
            assert not (session.ringing and session.talking_to)
            assert session.answered or session.answered_at is None
            assert (session.sip_status == "Terminated") == (not session.live)
            assert session.live <= (call.state == "live")
            assert session.live <= (session.ended is None)
