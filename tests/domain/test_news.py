"""What a user is sent is the same, in the same order, whoever looks and whenever."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.sessions import Remarks
from tests.domain.builders import at
from tests.domain.news_model import DO, LATE, Reader, Story, just_before

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
        reader.look(story.entries[:count], max(received[:count]))
        following = received[count] if count < len(received) else at(story.seconds)
        reader.look(story.entries[:count], max(just_before(following), *received[:count]))
    return reader


def looks_once(story: Story) -> Reader:
    """Who looks in the end."""
    reader = Reader()
    reader.look(story.entries, at(story.seconds))
    return reader


@settings(max_examples=100)
@given(st.lists(st.sampled_from(sorted(DO.keys() - {LATE})), max_size=8), st.booleans(), st.data())
def test_any_looks_find_the_same_as_one_after_each_event(deeds: list[str], over: bool, data: st.DataObject) -> None:
    """Also if there is so much that one look does not find all of it.

    But what could not be kept as soon as it was received: that is sent once, where it is in time among conversations.
    """
    story = story_of(*deeds)
    if over:
        story.ends()
    expected = looks_at_each(story).sent()
    reader, received = Reader(), [each.received for _, each in story.entries]
    for count in sorted(data.draw(st.sets(st.integers(1, len(received)), max_size=4))):
        latest = max(received[:count])
        following = max(latest, received[count] if count < len(received) else at(story.seconds))
        now = data.draw(st.sampled_from((latest, max(latest, just_before(following)))))
        reader.look(story.entries[:count], now, data.draw(st.sampled_from((10_000, 50))))
    reader.look(story.entries, at(story.seconds), data.draw(st.sampled_from((10_000, 50))))
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


def test_ringing_that_ended_by_time_and_an_answer_that_came_late_are_both_found() -> None:
    story = Story()
    story.rings()
    story.passes(60)
    story.answers()
    names = ["call_created", "call_incoming", "call_ended", "user_missed_call", "session_started", "call_answered"]
    assert looks_once(story).names() == looks_at_each(story).names() == names


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
    reader.look(story.entries, at(story.seconds))
    reader.remarks = Remarks(screensharing=True)
    reader.look(story.entries, at(story.seconds))
    story.holds()
    reader.look(story.entries, at(story.seconds))
    story.resumes()
    reader.look(story.entries, at(story.seconds))
    assert reader.names()[4:] == ["screen_share_started", "call_held", "call_resumed"]
    assert all(news.session and news.session.screensharing for news in reader.news[-2:])
    story.ends()
    reader.look(story.entries, at(story.seconds))
    assert reader.names()[7:] == ["screen_share_ended", "call_ended"]
    reader.look(story.entries, at(story.seconds))
    assert reader.names()[9:] == []
