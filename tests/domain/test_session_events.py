"""What a user is sent of a session: every fact once, in any order of webhooks, and wherever somebody else goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.domain.conversations import Kept
from app.domain.operations import Happened
from app.domain.session_events import AT_THE_END, NOTHING_SENT, Mark, cause_of, steps_of
from app.domain.session_log import SessionLog
from app.domain.sessions import Controls, Remarks, Session, read_session
from tests.domain.builders import LATER, PRESUME_ENDED_AFTER, at
from tests.domain.test_sessions import RINGING, app, callee, caller, calls_of, served, session_of
from tests.generated import Body

ANSWERED: list[Body | Kept] = [*RINGING, callee("started", 8), callee("answered", 8)]
OVER: list[Body | Kept] = [*ANSWERED, callee("completed", 20, duration="12"), caller("completed", 20, duration="20")]
NO_LOG = SessionLog({}, {}, (), PRESUME_ENDED_AFTER)  # then there is only the difference between two looks
LIFE = ["call_created", "call_incoming", "session_started", "call_answered", "call_ended"]


def names_of(events: Iterable[Happened]) -> list[str]:
    return [event.name for event in events]


def sent(sessions: Iterable[Session], mark: Mark = NOTHING_SENT) -> list[Happened]:
    """All that is sent while a session is looked at again and again, each time by somebody else."""
    found: list[Happened] = []
    for session in sessions:
        for step in steps_of(session, mark, NO_LOG, LATER):
            found += step.events
            fields = json.loads(json.dumps(step.mark))
            mark = Mark._make(tuple(each) if isinstance(each, list) else each for each in fields)
    return found


def looked_at(bodies: Sequence[Body | Kept], now: float = 60) -> list[Session]:
    """Alice's session after each of *bodies*, as soon as there is one."""
    found = []
    for count in range(1, len(bodies) + 1):
        calls = calls_of(*bodies[:count], now=at(now)).values()
        found += [session for call in calls if (session := read_session(call, "Alice", now=at(now)))]
    return found


def test_an_incoming_call_from_ringing_to_its_end() -> None:
    looks = [session_of(*RINGING), session_of(*ANSWERED, now=10), session_of(*OVER, now=25)]
    found = sent(looks)
    assert names_of(found) == LIFE
    assert found[-1].data == {"cause": "completed", "detail": None, "answered": True, "duration": 12}


def test_who_looks_once_sends_the_same_as_who_looks_often() -> None:
    assert names_of(sent([session_of(*OVER, now=25)])) == LIFE


def test_an_outgoing_call_begins_the_session_and_is_no_incoming_one() -> None:
    calls = session_of(served(uuid="caller", from_user="Alice"), caller("ringing", 0, from_="Alice"), now=1)
    assert names_of(sent([calls])) == ["call_created", "session_started"]


def test_a_call_that_was_given_up_was_missed() -> None:
    found = sent([session_of(*RINGING), session_of(*RINGING, caller("completed", 9), now=12)])
    assert names_of(found) == ["call_created", "call_incoming", "call_ended", "user_missed_call"]
    assert found[-1].data == {"cause": "cancelled"}
    assert found[-2].data == {"cause": "cancelled", "detail": None, "answered": False, "duration": 0}


def test_a_call_that_rings_too_long_ends_by_time_and_once() -> None:
    late = session_of(*RINGING, now=500)
    found = sent([session_of(*RINGING), late, session_of(*RINGING, now=900)])
    assert names_of(found) == ["call_created", "call_incoming", "call_ended", "user_missed_call"]


def test_a_call_that_the_user_rejected_was_not_missed() -> None:
    rejected = session_of(*RINGING, callee("started", 4), callee("rejected", 4), now=12)
    assert names_of(sent([rejected])) == ["call_created", "call_incoming", "call_ended"]


def test_a_call_that_somebody_else_took_was_not_missed() -> None:
    """Two users are called at once; the one who is slower is hung up."""
    bodies: list[Body | Kept] = [caller("ringing", 0), caller("answered", 0.5), callee("ringing", 1, uuid="to-alice")]
    bodies += [callee("answered", 5, uuid="to-bob", to="Bob"), callee("unanswered", 6, uuid="to-alice")]
    session = session_of(*bodies, now=10)
    assert cause_of(session) == "answered_elsewhere"
    assert names_of(sent([session])) == ["call_created", "call_incoming", "call_ended"]
    assert "call_answered" in names_of(sent([session_of(*bodies, user="Bob", now=10)]))


def test_what_is_done_to_a_call_is_sent_each_time() -> None:
    def doing(**controls: object) -> Session:
        return session_of(*ANSWERED, now=10, controls=Controls(**controls))  # type: ignore[arg-type]

    looks = [doing(), doing(paused=True), doing(paused=True), doing(), doing(paused=True), doing(muted=True)]
    looks += [doing(recording="active"), doing(recording="paused"), doing(recording="active"), doing()]
    assert names_of(sent(looks))[4:] == [
        *("call_held", "call_resumed", "call_held", "call_resumed", "call_muted", "call_unmuted"),
        *("recording_started", "recording_paused", "recording_resumed", "recording_stopped"),
    ]


def test_nothing_is_done_to_a_session_that_has_ended() -> None:
    """The call goes on without the user, and what is done there is of the others."""

    def over(**controls: object) -> Session:
        bodies = [*ANSWERED, callee("completed", 12)]
        return session_of(*bodies, now=20, controls=Controls(**controls))  # type: ignore[arg-type]

    paused = session_of(*ANSWERED, now=10, controls=Controls(paused=True, muted=True, recording="active"))
    looks = [paused, over(recording="active"), over(paused=True), over(muted=True), over(recording="active")]
    assert names_of(sent(looks))[4:] == ["call_held", "call_muted", "recording_started", "call_ended"]


def test_anything_else_that_is_shown_is_an_update_and_time_is_none() -> None:
    looks = [session_of(*ANSWERED, now=10), session_of(*ANSWERED, now=30)]
    looks.append(session_of(*ANSWERED, now=30, remarks=Remarks(name="Mrs Lovelace")))
    assert names_of(sent(looks))[4:] == ["call_updated"]


def test_a_session_that_goes_on_after_all_ends_again() -> None:
    """The webhook of its answer came later than the ring timer."""
    ring: list[Body | Kept] = [caller("ringing", 0), caller("answered", 0.5), served(app(timeout=20))]
    looks = [session_of(*ring, now=100), session_of(*ring, callee("answered", 15), now=110)]
    looks.append(session_of(*ring, callee("answered", 15), callee("completed", 120), now=130))
    assert names_of(sent(looks)) == [
        *("call_created", "call_incoming", "call_ended", "user_missed_call"),
        *("session_started", "call_answered", "call_ended"),
    ]


@given(st.permutations(OVER), st.data())
def test_in_any_order_of_webhooks_every_fact_is_sent_once(bodies: list[Body | Kept], data: st.DataObject) -> None:
    """Also if webhooks come more than once, and if the session is not read after each of them."""
    again = [*bodies, *data.draw(st.lists(st.sampled_from(bodies), max_size=3))]
    looks = looked_at(again)
    seen = [session for session in looks[:-1] if data.draw(st.booleans())] + looks[-1:]
    found = names_of(sent(seen))
    once = [name for name in found if name in LIFE and name not in AT_THE_END]
    assert sorted(once) == sorted(LIFE[:-1])
    came_back = sum(not before.live and after.live for before, after in pairwise(seen))
    assert found.count("call_ended") == 1 + came_back
    assert found.index("call_created") == 0
