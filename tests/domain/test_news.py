"""What a user is sent is the same, in the same order, whoever looks and whenever."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain import session_events
from app.domain.news import OVER, Followed, UserState, find_news
from app.domain.session_events import NOTHING_SENT
from app.domain.session_log import SessionLog
from app.domain.sessions import Remarks
from app.domain.users import DEFAULTS, NOT_REGISTERED, Chosen
from tests.domain.builders import HERE, PRESUME_ENDED_AFTER, THERE, YONDER, at, transfer
from tests.domain.news_model import DO, LATE, Reader, Story, just_before
from tests.domain.test_sessions import callee, caller

ANSWERED = ["call_created", "call_incoming", "session_started", "call_answered"]


def story_of(*deeds: str) -> Story:
    """A call that Alice answered, and what was done in it."""
    story = Story()
    story.rings()
    story.passes(2)
    story.answers()
    for deed in deeds:
        story.passes(1)
        DO[deed](story)
    return story


def looks_at_each(story: Story) -> Reader:
    """Who looks after each entry, and once more just before the next one, and in the end."""
    reader = Reader()
    received = [each.received for _, each in story.entries]
    for count in range(1, len(received) + 1):
        reader.look(story, max(received[:count]), count)
        following = received[count] if count < len(received) else at(story.seconds)
        reader.look(story, max(just_before(following), *received[:count]), count)
    return reader


def looks_once(story: Story) -> Reader:
    """Who looks in the end."""
    reader = Reader()
    reader.look(story, at(story.seconds))
    return reader


DEEDS = st.lists(st.sampled_from(sorted(DO.keys() - {LATE})), max_size=8)
# After which entry somebody looks, modulo their number; whether just before the next one; whether with little at once.
LOOKS = st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), max_size=4)


@settings(max_examples=100)
@given(DEEDS, st.booleans(), LOOKS, st.booleans())
@example(["holds", "silence", "resumes"], False, [], False)  # the first webhook after it is in two conversations
@example(
    ["rings_again", "answers_again", "gives_up", "holds", "silence"], True, [], True
)  # it ended by time between two slices
def test_any_looks_find_the_same_as_one_after_each_event(
    deeds: list[str], over: bool, looks: list[tuple[int, bool, bool]], little: bool
) -> None:
    """Also if there is so much that one look does not find all of it.

    But what could not be kept as soon as it was received: that is sent once, where it is in time among conversations.
    """
    story = story_of(*deeds)
    if over:
        story.ends()
    expected = looks_at_each(story).sent()
    reader, received = Reader(), [each.received for _, each in story.entries]
    for index, waits, few in sorted((index % len(received), *more) for index, *more in looks):
        count, latest = index + 1, max(received[: index + 1])
        following = received[count] if count < len(received) else at(story.seconds)
        now = max(latest, just_before(following)) if waits else latest
        reader.look(story, now, count, most=50 if few else 10_000)
    reader.look(story, at(story.seconds), most=50 if little else 10_000)
    assert reader.sent() == expected


def test_what_was_done_and_undone_before_anybody_looked_is_found() -> None:
    """Each event has the session as it was then."""
    story = story_of("mute", "unmute", "holds", "resumes", "record", "pause", "record", "stop", "presses")
    reader = looks_once(story)
    assert reader.names() == [
        *ANSWERED,
        *("call_muted", "call_unmuted", "call_held", "call_resumed"),
        *("recording_started", "recording_paused", "recording_resumed", "recording_stopped", "call_dtmf_created"),
    ]
    by_name = {news.happened.name: news for news in reader.news}
    held, resumed = by_name["call_held"].session, by_name["call_resumed"].session
    assert held
    assert resumed
    assert (held.controls.paused, resumed.controls.paused) == (True, False)
    assert by_name["call_held"].at < by_name["call_resumed"].at < at(story.seconds)


def test_digits_are_sent_as_they_come_also_late() -> None:
    story = story_of("presses", "presses_late", "presses")
    digits = [news.happened.data["digits"] for news in looks_at_each(story).news if "digits" in news.happened.data]
    assert digits == ["1", "2", "3"]


def test_of_a_very_long_call_the_difference_between_two_looks_is_sent_and_all_digits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_events, "LONG", 10)
    story, reader = story_of("presses"), Reader()
    reader.look(story, at(story.seconds))
    for deed in ("holds", "resumes", "presses", "mute", "presses"):
        DO[deed](story)
    reader.look(story, at(story.seconds))
    story.ends()
    reader.look(story, at(story.seconds))
    dtmf = "call_dtmf_created"
    assert reader.names() == [*ANSWERED, dtmf, "call_muted", dtmf, dtmf, "call_ended"]


def test_ringing_that_ended_by_time_and_an_answer_that_came_late_are_both_found() -> None:
    story = Story()
    story.rings()
    story.passes(60)
    story.answers()
    names = ["call_created", "call_incoming", "call_ended", "user_missed_call", "session_started", "call_answered"]
    assert looks_once(story).names() == looks_at_each(story).names() == names


def test_a_leg_that_is_called_into_a_room_is_no_call_of_its_own_before_vonage_names_it() -> None:
    """It would be one whose end is never sent: once it is named, it is of the call of who waits in the room."""
    story = Story()
    story.is_called_into_a_room()
    story.keep(callee("answered", story.seconds, where=YONDER))
    story.is_named("done", "callee")
    story.keep(
        transfer(HERE, THERE, story.seconds, uuid="caller"), transfer(YONDER, THERE, story.seconds, uuid="callee")
    )
    story.keep(callee("completed", story.seconds, where=THERE), caller("completed", story.seconds, where=THERE))
    reader = looks_at_each(story)
    assert {news.session.id for news in reader.news if news.session} == {"caller"}
    assert reader.names() == looks_once(story).names() == [*ANSWERED, "call_ended"]


def test_a_leg_that_vonage_does_not_name_is_a_call_of_its_own_in_the_end() -> None:
    story, reader = Story(), Reader()
    story.is_called_into_a_room()
    reader.look(story, at(story.seconds))
    assert {news.session.id for news in reader.news if news.session} == {"caller"}
    story.is_named("unknown", None)
    story.keep(callee("completed", story.seconds, where=YONDER), caller("completed", story.seconds))
    reader.look(story, at(story.seconds))
    of_leg = [news.happened.name for news in reader.news if news.session and news.session.id == "callee"]
    assert (of_leg[0], of_leg[-2:]) == ("call_created", ["call_ended", "user_missed_call"])


def test_another_call_that_began_before_somebody_is_called_into_a_room_stays() -> None:
    story, reader = Story(), Reader()
    story.keep(callee("ringing", story.seconds, uuid="earlier", where="CON-earlier"))
    story.is_called_into_a_room()
    reader.look(story, at(story.seconds))
    assert {news.session.id for news in reader.news if news.session} == {"caller", "earlier"}


def test_which_session_was_the_current_one_is_found_afterwards() -> None:
    story = story_of("wait", "rings_again", "answers_again", "wait", "leaves")
    current = [
        (news.session.id if news.session else None)
        for news in looks_once(story).news
        if news.happened.name == "current_session_changed"
    ]
    assert current == ["caller", "other", "caller"]


def test_a_screen_is_shared_until_that_is_ended_or_the_session_is_and_hold_changes_nothing() -> None:
    story, reader = story_of(), Reader()
    reader.look(story, at(story.seconds))
    reader.remarks = Remarks(screensharing=True)
    reader.look(story, at(story.seconds))
    story.holds()
    reader.look(story, at(story.seconds))
    story.resumes()
    reader.look(story, at(story.seconds))
    assert reader.names()[4:] == ["screen_share_started", "call_held", "call_resumed"]
    assert all(news.session and news.session.screensharing for news in reader.news[-2:])
    story.ends()
    reader.look(story, at(story.seconds))
    assert reader.names()[7:] == ["screen_share_ended", "call_ended"]
    reader.look(story, at(story.seconds))
    assert reader.names()[9:] == []


def test_an_operation_of_which_users_get_no_events_is_read_once() -> None:
    """Its mark says so, and the one of the user as such is made with it."""
    user = UserState(NOTHING_SENT, DEFAULTS, NOT_REGISTERED, None)
    log = SessionLog({}, {}, (), PRESUME_ENDED_AFTER)
    found = find_news(user, [], [Followed("room-call", NOTHING_SENT, (), over=True, session="")], log, at(0), 1)
    assert found.news == []
    assert OVER in found.marks["room-call"].sent


def test_a_choice_that_was_sent_counts_also_for_what_was_received_a_moment_before_it() -> None:
    """By another worker, whose clock is behind, or later than it was received."""
    story, reader = story_of("rings_again", "answers_again"), Reader()
    reader.look(story, at(story.seconds))
    reader.chosen = Chosen("caller", at(story.seconds + 1))
    reader.look(story, at(story.seconds + 1))
    story.presses()
    reader.look(story, at(story.seconds + 2))
    changed = [news.session and news.session.id for news in reader.news if news.of_user]
    assert changed == ["caller", "other", "caller"]
