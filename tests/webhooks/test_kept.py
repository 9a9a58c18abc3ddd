"""Reading a stored record: the same event as the webhook's, and parsed once while it is read again and again."""

from __future__ import annotations

import pytest

from app.domain.events import Answer, Unknown
from app.store.codec import ANSWER, EVENT, Record
from app.webhooks.kept import CACHED_BYTES, read_record
from app.webhooks.schemas import kept_answer, read_event
from tests.domain.builders import at, status
from tests.generated import compact


@pytest.mark.parametrize("length", [1, CACHED_BYTES])
def test_a_record_is_the_event_that_came(length: int) -> None:
    body = status("ringing", 1, detail="x" * length)
    for received in (at(1), at(2)):
        assert read_record(Record(EVENT, received, compact(body))) == read_event(body)


def test_of_the_latest_records_those_of_a_usual_length_are_parsed_once() -> None:
    usual, long = compact(status("ringing", 1)), compact(status("ringing", 1, detail="x" * CACHED_BYTES))
    assert read_record(Record(EVENT, at(1), usual)) is read_record(Record(EVENT, at(2), bytes(bytearray(usual))))
    assert read_record(Record(EVENT, at(1), long)) is not read_record(Record(EVENT, at(1), long))


def test_an_answer_and_an_event_with_the_same_text_are_two() -> None:
    text = compact(kept_answer({"conversation_uuid": "CON-1"}, {"id": "1", "ncco": []}))
    assert isinstance(read_record(Record(ANSWER, at(1), text)), Answer)
    assert isinstance(read_record(Record(EVENT, at(1), text)), Unknown)
