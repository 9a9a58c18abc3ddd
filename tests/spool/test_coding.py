"""A write on disk, or sealed in a log, is the write that was put there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from app.spool.coding import SEALED, NotSealed, Seal, as_row, from_row
from app.spool.errors import SpoolUnavailable
from app.spool.file import NAME, SpoolFile, unreadable
from app.store.codec import ANSWER, EVENT, NOTES, VOICEMAIL, Record
from app.store.spooled import Counted, Spooled, Write
from app.store.tallies import Tallied, Tally
from tests.generated import BASE

AT = BASE + timedelta(milliseconds=7, microseconds=891)
COUNTS = Tallied(b"\x00\xff", 7, {Tally(29_000_000, "refused:missing", "Rmissing"): 3, Tally(29_000_001, "", "Sa"): 1})
WRITES: list[Write] = [
    *(Spooled(Record(EVENT, AT, b'{"status":"ringing"}', NOTES[:2]), counted) for counted in Counted),
    *(Spooled(Record(sort, AT, '{"text":"é\u2028"}'.encode()), Counted.LATER) for sort in (ANSWER, VOICEMAIL)),
    Spooled(Record(EVENT, AT, b"\xff no JSON", ()), Counted.AGAIN, "bad body: it is not UTF-8"),
    COUNTS,
]


@pytest.mark.parametrize("write", WRITES)
def test_a_row_is_read_back_as_it_was(write: Write) -> None:
    assert from_row(as_row(write)) == write


@pytest.mark.parametrize("write", WRITES)
def test_a_line_of_the_log_is_read_back_and_may_have_reached_redis_meanwhile(write: Write) -> None:
    line = Seal("a secret").line(as_row(write))
    assert list(json.loads(line)) == ["spooled"], "it is JSON, as other lines are"
    found = SEALED.search(f"2026-11-28 app[web.1]: {line} (more)")
    assert found is not None
    if isinstance(write, Spooled) and write.counted == Counted.LATER:
        write = write._replace(counted=Counted.AGAIN)
    assert Seal("a secret").read(found[1]) == write


@pytest.mark.parametrize("damage", [lambda text: text[:-9], lambda text: "x" + text[1:], lambda _: "nothing"])
def test_a_line_that_is_cut_off_or_of_another_server_is_named(damage: Callable[[str], str]) -> None:
    found = SEALED.search(Seal("a secret").line(as_row(WRITES[0])))
    assert found is not None
    with pytest.raises(NotSealed):
        Seal("a secret").read(damage(found[1]))
    with pytest.raises(NotSealed):
        Seal("another secret").read(found[1])


def test_a_file_of_another_version_is_left_as_it_is(tmp_path: Path) -> None:
    file = SpoolFile(tmp_path, 64)
    file.add([as_row(WRITES[0])], 0.0)
    file.close()
    with sqlite3.connect(tmp_path / NAME) as later:
        later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(SpoolUnavailable, match="of another version"):
        file.add([as_row(WRITES[1])], 0.0)
    assert unreadable(tmp_path) == []
