"""What Vonage's API says of a leg fills in what webhooks never brought; webhooks count in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.actions import Action
from app.domain.call_object import OVER, UNKNOWN, news_in, not_found
from app.domain.conversations import Kept, history, moments
from app.domain.events import LOOKED_UP
from app.domain.leg_control import LegControl
from app.domain.legs import Leg, project_leg
from tests.domain.builders import HERE, THERE, YONDER, at, kept, status, transfer
from tests.generated import Body, read_event

RINGING = [status("started", 0), status("ringing", 1)]
ANSWERED = [*RINGING, status("answered", 3)]
BILL = {"rate": "0.01", "price": "0.02", "duration": "57", "network": "GB-FIXED"}
BILL |= {"start_time": "2024-02-01 12:00:03", "end_time": "2024-02-01 12:01:00"}


def looked_up(*bodies: Body, received: float = 300.0) -> list[Kept]:
    """*bodies* as they are kept when Vonage's API has said so."""
    events = map(read_event, bodies)
    return [Kept(replace(event, flags=(*event.flags, LOOKED_UP)), at(received)) for event in events]


def leg_of(events: Sequence[Kept]) -> Leg:
    return project_leg("leg", moments(history(events)))


def asked(*bodies: Body, confirm: bool = False, **call: Any) -> list[Body]:
    """What is new in the call object *call*, after the webhooks *bodies*."""
    return news_in({"uuid": "leg", "conversation_uuid": HERE} | call, leg_of(kept(*bodies)), at(300), confirm=confirm)


def after(*bodies: Body, **call: Any) -> Leg:
    """The leg after the webhooks *bodies*, and after Vonage was asked."""
    return leg_of([*kept(*bodies), *looked_up(*asked(*bodies, **call))])


def test_an_end_that_no_webhook_brought_is_filled_in_with_its_bill() -> None:
    found = after(*ANSWERED, status="completed", **BILL)
    assert (found.state, found.outcome, found.duration_seconds, found.price) == ("completed", "answered", 57, "0.02")
    assert found.completed is not None
    assert found.completed.isoformat() == "2024-02-01T12:01:00+00:00"
    assert (found.answered, found.ring_seconds) == (at(3), 2.0)


def test_an_answer_that_no_webhook_brought_has_a_time_once_there_is_a_bill() -> None:
    found = after(*RINGING, status="answered")
    assert (found.state, found.answered, found.ring_seconds, found.talk_seconds) == ("answered", at(300), None, None)
    over = after(*RINGING, status="completed", **BILL)
    assert over.answered is not None
    assert over.answered.isoformat() == "2024-02-01T12:00:03+00:00"


def test_what_webhooks_have_said_is_no_news() -> None:
    assert asked(*ANSWERED, status="answered") == []
    assert asked(*ANSWERED, status="ringing") == []
    assert asked(*ANSWERED, status="something new") == []
    assert asked(*ANSWERED) == []
    assert asked(*ANSWERED, status("completed", 9), status="answered", conversation_uuid=THERE) == []


def test_that_a_long_call_goes_on_is_kept_if_it_is_asked_for() -> None:
    (body,) = asked(*ANSWERED, status="answered", confirm=True)
    assert (body["status"], body["conversation_uuid"]) == ("answered", HERE)
    assert after(*ANSWERED, status="answered", confirm=True) == leg_of(kept(*ANSWERED))


def test_a_move_that_no_webhook_brought_is_filled_in() -> None:
    (body,) = asked(*ANSWERED, status="answered", conversation_uuid=THERE)
    assert (body["conversation_uuid_from"], body["conversation_uuid_to"]) == (HERE, THERE)
    assert after(*ANSWERED, status="answered", conversation_uuid=THERE).place.conversation == THERE


def test_a_later_move_wins_over_one_that_was_looked_up_though_clocks_differ() -> None:
    late = [*ANSWERED, transfer(HERE, THERE, 1000)]  # by Vonage's clock, which is ahead of what is thought of it
    found = [*kept(*late), *looked_up(*asked(*late, status="answered", conversation_uuid=YONDER))]
    assert leg_of(found).place.conversation == YONDER
    later = kept(transfer(YONDER, HERE, 1000.5))
    assert leg_of([*found, *later]).place.conversation == HERE


def test_a_conversation_that_the_leg_left_is_no_news_unless_a_move_of_ours_is_not_confirmed() -> None:
    moved = [*ANSWERED, transfer(HERE, THERE, 5)]
    call: dict[str, Any] = {"status": "answered", "conversation_uuid": HERE}
    assert asked(*moved, **call) == []
    back = Action(canonical=b"", leg="leg", action="a", verb="resume", by="operator")
    leg = replace(leg_of(kept(*moved)), control=LegControl(pending=back))
    (body,) = news_in(call, leg, at(300), confirm=False)
    assert (body["conversation_uuid_from"], body["conversation_uuid_to"]) == (THERE, HERE)


def test_a_move_counts_once_though_its_webhook_comes_later() -> None:
    found = [*kept(*ANSWERED), *looked_up(*asked(*ANSWERED, status="answered", conversation_uuid=THERE))]
    (move,) = leg_of(found).moves
    assert move.at == at(300)
    (move,) = leg_of([*found, *kept(transfer(HERE, THERE, 7))]).moves
    assert move.at == at(7)


def test_a_leg_that_vonage_does_not_know_is_over_only_if_it_was_to_be_hung_up() -> None:
    leg = leg_of(kept(*ANSWERED))
    (unknown,) = looked_up(not_found(leg))
    assert leg_of([*kept(*ANSWERED), unknown]).state == "answered"
    assert not_found(leg)["reason"] == UNKNOWN
    hung_up = not_found(replace(leg, control=LegControl(hangup_requested=True)))
    over = leg_of([*kept(*ANSWERED), *looked_up(hung_up)])
    assert (over.state, over.detail) == ("completed", OVER)


LIFE = [*ANSWERED, transfer(HERE, THERE, 7), status("completed", 60, where=THERE, **BILL)]


@given(st.integers(0, len(LIFE)), st.permutations(range(len(LIFE))), st.booleans())
def test_once_all_webhooks_have_come_nothing_is_left_of_what_was_looked_up(
    lost_from: int, order: list[int], over: bool
) -> None:
    """With any webhooks lost until Vonage was asked, and with these coming later in any order."""
    call: dict[str, Any] = {"status": "completed", **BILL} if over else {"status": "answered"}
    known = LIFE[:lost_from] or [status("started", 0)]
    found = looked_up(*asked(*known, **{**call, "conversation_uuid": THERE}))
    late = [*found, *(kept(LIFE[index])[0] for index in order)]
    whole = leg_of(kept(*LIFE))
    assert leg_of(late) == whole
    assert leg_of(list(reversed(late))) == whole
