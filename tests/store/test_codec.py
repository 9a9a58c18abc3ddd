"""What is kept of a webhook: all of it, small."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store import keys
from app.store.codec import ANSWER, EVENT, HEAD, MAGIC, NOTES, Record, milliseconds, moment, pack, unpack
from app.store.link import Command
from app.store.store import Store
from app.webhooks.body import read_object, write_json
from app.webhooks.schemas import read_event
from tests.generated import BASE, Call, compact
from tests.store.test_keys import HOSTILE

SAMPLE = Path(__file__).parents[1] / "samples" / "phone-to-app.events.jsonl"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(), JSON),
    st.text(st.characters(exclude_categories=())),
    st.sampled_from([EVENT, ANSWER]),
    st.sets(st.sampled_from(NOTES)),
)
def test_any_json_text_is_read_back_unchanged(body: Any, home: str, sort: bytes, notes: set[str]) -> None:
    name = keys.encode(home)
    for text in (
        compact(body),
        json.dumps(body | {"home": name.decode(errors="replace")}, ensure_ascii=False).encode(errors="replace"),
    ):
        record = Record(sort, BASE, text, tuple(note for note in NOTES if note in notes))
        assert unpack(pack(record, name), name) == record


@given(st.randoms(use_true_random=False))
def test_the_webhooks_of_calls_are_read_back_unchanged(chance: Random) -> None:
    for webhook in Call(chance).webhooks():
        record = Record(webhook.sort, webhook.received, webhook.text)
        for home in webhook.event.conversations:
            assert unpack(pack(record, keys.encode(home)), keys.encode(home)) == record


@pytest.mark.parametrize("home", HOSTILE, ids=lambda name: ascii(name)[:30])
def test_names_that_are_found_in_every_body_do_no_harm(home: str) -> None:
    body = {"conversation_uuid": home, "status": "live", "from": "x" * 9, home: [home, {"e:": home * 2}]}
    record = Record(EVENT, BASE, compact(body))
    assert unpack(pack(record, keys.encode(home)), keys.encode(home)) == record


@given(st.binary())
def test_text_that_is_not_json_is_read_back_if_it_has_no_conversation(body: Any) -> None:
    record = Record(EVENT, BASE, body)
    assert unpack(pack(record)) == record


@given(st.datetimes(min_value=moment(0).replace(tzinfo=None), timezones=st.just(UTC)))
def test_received_times_are_kept_to_the_millisecond(received: datetime) -> None:
    back = unpack(pack(Record(EVENT, received, b"{}"))).received
    assert back <= received < back + timedelta(milliseconds=1)
    assert milliseconds(back) == milliseconds(received)


def test_records_of_earlier_versions_which_kept_whole_frames_are_read() -> None:
    record = Record(EVENT, BASE, b'{"status": "ringing"}', ("unsigned",))
    packed = pack(record)
    assert not packed[HEAD:].startswith(MAGIC)
    assert unpack(packed[:HEAD] + MAGIC + packed[HEAD:]) == record


def test_the_published_call_is_packed_into_a_third() -> None:
    name = b"CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
    raw = SAMPLE.read_bytes().splitlines()
    packed = [pack(Record(EVENT, BASE, line), name) for line in raw]
    assert sum(map(len, raw)) == 2055
    assert sum(map(len, packed)) < 2055 / 3


@pytest.mark.parametrize("strange", [b"z" + bytes(7) + b"of a later version", b"e" + bytes(7) + b"not packed at all"])
def test_a_record_of_a_later_version_does_not_hide_the_others(store: Store, strange: bytes) -> None:
    """Two versions may run side by side while one is being rolled out."""
    body = write_json({"conversation_uuid": "CON-1", "uuid": "leg", "status": "ringing"})
    store.record(read_event(read_object(body)), body, BASE)
    key = keys.of("CON-1").events(b"CON-1")
    store._writer.send([Command(key, ("RPUSH", key, strange))])
    assert [record.body for record in store.records("CON-1")] == [body]
    assert len(store.histories(["CON-1"]).conversations["CON-1"]) == 1
