"""What an entry of the feed changed: each seen right after its own event, whatever came later."""

from __future__ import annotations

import time
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from app.domain.conversations import Conversation
from app.live.changes import LONG, Change, changes_of
from app.live.follower import _in_order
from app.live.schemas import dump
from app.store.feed import NOTHING_YET, FeedPosition
from app.store.keys import PARTITIONS
from app.store.store import Store
from tests.domain.builders import HERE, THERE, YONDER, about, answer, status, transfer
from tests.generated import BASE, Body, several, webhooks_of
from tests.store.expected import read
from tests.store.posting import post, send, settle

BEGINNING: FeedPosition = (NOTHING_YET,) * PARTITIONS


def look(store: Store, after: FeedPosition = BEGINNING) -> list[Change]:
    """All changes after a position, found in one look."""
    found = store.entries(after, 10_000)
    assert found is not None
    entries = _in_order(found)
    known = store.ordered(entry for _, entry in entries)
    return changes_of(entries, known, now=BASE, presume_ended_after=timedelta(hours=2))


def of(changes: list[Change], conversation: str) -> list[Change]:
    """The changes of one conversation that have an entry of their own."""
    return [change for change in changes if change.conversation_uuid == conversation and not change.extra]


def shown(change: Change) -> tuple[Any, ...]:
    """Type, state of the conversation, and of the leg: in the feed, and as projected."""
    conversation, member = change.conversation, change.member
    return (
        change.type,
        conversation and conversation.state,
        change.after,
        member and member.presence.here and member.leg.state,
    )


def test_each_event_is_seen_with_those_before_it_alone(store: Store) -> None:
    send(
        store,
        status("started", 1),
        status("ringing", 2),
        about(3, uuid="leg", dtmf={"digits": "1"}),
        status("answered", 4),
        status("completed", 9, duration="5", price="0.5"),
    )
    changes = look(store)
    assert [change.index for change in changes] == [0, 1, 2, 3, 4]
    assert [shown(change) for change in changes] == [
        ("leg", "live", "started", "started"),
        ("leg", "live", "ringing", "ringing"),
        ("input", "live", "ringing", "ringing"),
        ("leg", "live", "answered", "answered"),
        ("leg", "ended", "completed", "completed"),
    ]
    prices = [change.conversation and change.conversation.price for change in changes]
    assert prices == [None, None, None, None, "0.5"]


def test_a_move_does_not_show_before_it_happens(store: Store) -> None:
    """All of it within one look: the leg's later moves and its end are known when the first event is seen."""
    for body in (
        *(status("ringing", 1), status("answered", 2)),
        *(transfer(HERE, THERE, 3), transfer(THERE, HERE, 4)),
        status("completed", 9),
    ):
        send(store, body)
        time.sleep(0.003)  # of two conversations' entries in one millisecond nobody knows which was first
    changes = look(store)
    assert [shown(change) for change in of(changes, HERE)] == [
        ("leg", "live", "ringing", "ringing"),
        ("leg", "live", "answered", "answered"),
        ("transfer", "ended", None, False),
        ("transfer", "live", "answered", "answered"),
        ("leg", "ended", "completed", "completed"),
    ]
    assert [shown(change)[:3] for change in of(changes, THERE)][:2] == [
        ("transfer", "live", "answered"),
        ("transfer", "ended", None),
    ]
    assert dump(of(changes, HERE)[2])["transfer"] == {
        "leg": "leg",
        "conversation_uuid_from": HERE,
        "conversation_uuid_to": THERE,
    }


def test_news_of_a_leg_that_came_elsewhere_are_a_change_where_it_is(store: Store) -> None:
    send(store, status("answered", 1), transfer(HERE, THERE, 2))
    before = store.latest()
    send(store, status("completed", 9, where=HERE))
    changes = look(store, before)
    assert [shown(change) for change in of(changes, THERE)] == [("leg", "ended", "completed", "completed")]
    (change,) = of(changes, THERE)
    assert (change.index, change.kind, change.before) == (None, "carry", "answered")


def test_a_conversation_that_a_leg_left_is_shown_again_when_more_is_known_of_the_leg(store: Store) -> None:
    """Its answered time follows from an event that is kept elsewhere."""
    send(store, status("ringing", 1), transfer(HERE, THERE, 5), transfer(THERE, YONDER, 7))
    before = store.latest()
    send(store, status("answered", 2, where=YONDER))
    shown_last = {change.conversation_uuid: change.conversation for change in look(store, before)}
    assert shown_last.keys() == {HERE, THERE, YONDER}
    there = shown_last[THERE]
    assert there is not None
    assert there.answered == BASE + timedelta(seconds=5)


def test_a_deleted_conversation_says_so_and_nothing_of_before_is_made_up(store: Store) -> None:
    send(store, status("ringing", 1), status("answered", 2))
    store.delete(HERE)
    send(store, status("completed", 9), status("ringing", 1))
    changes = look(store)
    assert [(change.kind, change.index, change.deleted) for change in changes] == [
        ("delete", None, True),
        ("status", 0, False),
        ("status", 1, False),
    ]
    assert dump(changes[0])["conversation"] == {"conversation_uuid": HERE, "deleted": True}
    assert dump(changes[1])["conversation"]["deleted"] is False
    store.delete(HERE)
    assert [change.kind for change in look(store)] == ["delete", "delete"]


TYPES: list[tuple[Body, str, str | None]] = [
    (about(1, uuid="leg", dtmf={"digits": "1"}), "input", "input"),
    (
        about(1, recording_uuid="r", recording_url="https://r.example/1", start_time="", end_time=""),
        "recording",
        "recording",
    ),
    (about(1, reason="Syntax error in NCCO."), "error", "error"),
    (about(1, payload={"step": 1}), "conversation", None),
    (about(1, something="else"), "conversation", None),
    (status("human", 1), "leg", None),
    (transfer(HERE, YONDER, 1), "transfer", "transfer"),
]


@pytest.mark.parametrize(("body", "name", "detail"), TYPES)
def test_the_type_says_what_came_and_its_details_are_there(
    store: Store, body: Body, name: str, detail: str | None
) -> None:
    send(store, status("answered", 0), body)
    change = of(look(store), HERE)[-1]
    json = dump(change)
    assert change.type == name
    assert {"input", "recording", "transfer", "error"} & json.keys() == ({detail} if detail else set())
    assert json["conversation"]["conversation_uuid"] == HERE
    if detail:
        assert json[detail], "and they are known"


def test_a_text_of_a_recording_comes_with_the_recording(store: Store) -> None:
    send(
        store,
        about(1, recording_uuid="r", recording_url="https://r.example/1", size=12),
        about(2, recording_uuid="r", transcription_url="https://t.example/1", type="record", status="transcribed"),
    )
    first, second = (dump(change)["recording"] for change in look(store))
    assert (first["recording_url"], first["transcription_url"]) == ("https://r.example/1", None)
    assert (second["recording_url"], second["transcription_url"]) == ("https://r.example/1", "https://t.example/1")


def test_an_answer_is_a_change_of_the_conversation(store: Store) -> None:
    given = answer(10)
    store.record_later(given.event, given.event.canonical, given.received)
    settle(store)
    (change,) = look(store)
    assert (change.type, change.kind) == ("leg", "answer"), "the first that is known of the leg"


def test_a_long_conversation_is_projected_once_for_all_that_came(store: Store) -> None:
    for number in range(LONG + 1):
        store.record_later(*_parts(about(number, uuid="leg", dtmf={"digits": str(number)})))
    settle(store)
    before = store.latest()
    send(store, status("answered", 0), status("completed", LONG))
    first, second = look(store, before)
    assert first.conversation is second.conversation
    assert [first.after, second.after] == ["answered", "completed"]


def _parts(body: Body) -> Any:
    (webhook,) = webhooks_of(body, BASE)
    return webhook.event, webhook.text, webhook.received


@pytest.mark.parametrize("seed", range(2))
def test_what_is_shown_last_is_what_is_read(store: Store, seed: int) -> None:
    """Random calls, in any order and with repeats, seen in looks of any length."""
    chance = Random(seed)
    calls = several(chance, 40)
    webhooks = [webhook for call in calls for webhook in call if webhook.event.conversations]
    shown_last: dict[str, Conversation | None] = {}
    at = store.latest()
    legs: dict[tuple[str, str | None], Any] = {}

    def look_on() -> None:
        nonlocal at
        for change in look(store, at):
            shown_last[change.conversation_uuid] = change.conversation
            if change.extra:
                continue
            leg = change.conversation_uuid, change.leg
            assert change.before == legs.get(leg)
            legs[leg] = change.after
        at = store.latest()

    for webhook in chance.sample(webhooks * 2, 2 * len(webhooks)):
        post(store, webhook)
        if chance.random() < 0.05:
            settle(store)
            look_on()
    settle(store)
    look_on()
    names = sorted(shown_last)
    now_read = read(store, names)
    for name in names:
        last, whole = shown_last[name], now_read[name]
        assert last is not None
        assert _summary(last) == _summary(whole), name


def _summary(conversation: Conversation) -> tuple[Any, ...]:
    """What the stream shows of a conversation, but for what depends on the time of reading."""
    return (
        conversation.state == "ended",
        conversation.first_received,
        conversation.last_received,
        conversation.started,
        conversation.answered,
        conversation.ended,
        conversation.price,
        [(member.leg.uuid, member.leg.state, member.presence.here) for member in conversation.legs],
    )
