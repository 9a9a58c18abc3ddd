"""`flask export` and `flask import`: another store says the same."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.store import keys
from tests.api.site import status
from tests.cli.shell import Inside
from tests.engines import Engine
from tests.filled import fill, shown
from tests.generated import BASE

CALLS = 12


@pytest.fixture
def here(valkey: Engine) -> Iterator[Inside]:
    """Commands on a store with calls of every kind."""
    valkey.flush()
    inside = Inside(valkey.address.url)
    fill(inside.site, CALLS)
    yield inside
    inside.site.close()


@pytest.fixture
def there(cluster: Engine) -> Iterator[Inside]:
    """Commands on an empty store of another kind."""
    cluster.flush()
    inside = Inside(cluster.address.url, redis_cluster=True)
    yield inside
    inside.site.close()


@pytest.mark.parametrize("name", ["calls.jsonl", "calls.jsonl.gz"])
def test_another_store_says_the_same(here: Inside, there: Inside, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    code, out, err = here.run("export", str(file))
    assert (code, out) == (0, "")
    text = gzip.decompress(file.read_bytes()) if name.endswith(".gz") else file.read_bytes()
    lines = [json.loads(line) for line in text.splitlines()]
    conversations = [line for line in lines if "conversation" in line]
    assert lines[0]["switchhook"] == "export"
    assert lines[-1]["end"]["conversations"] == len(conversations) > CALLS
    assert err.startswith(f"Exported {len(conversations)} conversations, ")
    output = there.output("import", str(file))
    assert f"{len(conversations)} conversations, " in output
    assert shown(there.site) == shown(here.site)

    again = there.output("import", str(file))
    assert again.startswith("Imported 0 conversations, 0 records in them, 0 users, 0 names, 0 unfiled webhooks; ")
    counters = there.site.store.counts(BASE).counters
    assert (counters.get("received", 0), counters.get("repeats", 0)) == (0, 0), "none of it was received there"
    assert shown(there.site) == shown(here.site)


def test_what_goes_on_there_goes_on_here(here: Inside, there: Inside, tmp_path: Path) -> None:
    """A late webhook finds its call, a repeat of one that was moved changes nothing."""
    file = str(tmp_path / "calls.gz")
    answered = status("answered", "CON-live", uuid="leg-1")
    here.site.record(answered)
    here.run("export", file)
    there.output("import", file)
    there.site.record(answered)
    there.site.record(status("completed", "CON-live", uuid="leg-1"))
    found = there.site.read("/api/v1/conversations/CON-live")
    assert (found["state"], len(there.site.read("/api/v1/conversations/CON-live/events")["items"])) == ("ended", 2)


def test_what_people_have_set_here_stays(inside: Inside, there: Inside, tmp_path: Path) -> None:
    file = str(tmp_path / "calls")
    for store, limit, name in ((inside.site.store, 1, "Earlier"), (there.site.store, 3, "Later")):
        store.set_user("Alice", {"max_calls": limit})
        store.set_name("442079460000", name)
    inside.site.store.set_user("Bob", {"max_calls": 2})
    inside.site.store.set_name("442079460001", "Bob's")
    inside.run("export", file)
    assert "0 records in them, 1 user, 1 name, " in there.output("import", file)
    profiles = there.site.store.profiles(["Alice", "Bob"])
    assert [each.settings and each.settings.max_calls for each in profiles] == [3, 2]
    assert there.site.store.names() == {"442079460000": "Later", "442079460001": "Bob's"}


def test_a_call_expires_when_it_would_have(inside: Inside, there: Inside, cluster: Engine, tmp_path: Path) -> None:
    days = {"CON-new": 0, "CON-old": 6, "CON-older": 30}
    now = datetime.now(UTC)
    for name, age in days.items():
        inside.site.record(status("completed", name), received=now - timedelta(days=age))
    file = str(tmp_path / "calls")
    inside.run("export", file)
    there.output("import", file)
    left = {}
    for name in days:
        part = keys.of(name)
        left[name] = cluster.ask(part, "PTTL", part.events(name.encode()))
    day = 24 * 3600 * 1000
    assert 6.9 * day < left["CON-new"] <= 7 * day
    assert 0.9 * day < left["CON-old"] <= day
    assert 0 < left["CON-older"] <= 60_000


HEAD = '{"switchhook": "export", "format": 1, "at": "2126-11-20T12:00:00+00:00"}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "This is no file of `flask export`"),
        ("{}", "This is no file of `flask export`"),
        ('{"switchhook": "export", "format": 2}', "of format 2, and this version reads 1"),
        (HEAD, "The file was cut: its end is missing."),
        (f"{HEAD}\nx", "Line 2 cannot be read"),
        (f"{HEAD}\n[]", "Line 2 is no JSON object"),
        (f'{HEAD}\n{{"conversation": 1}}', "Line 2 is not as `flask export` writes it."),
        (f'{HEAD}\n{{"conversation": "CON-1", "records": [["odd", 1, "{{}}"]]}}', "Line 2 is not as"),
        (f'{HEAD}\n{{"conversation": "CON-1", "records": [["event", 1, "{{}}", "odd"]]}}', "no such note: odd"),
        (f'{HEAD}\n{{"conversation": "CON-1", "records": [["event", 1, "not JSON"]]}}', "Line 2 is not as"),
        (f'{HEAD}\n{{"end": {{}}}}\n{{"end": {{}}}}\n{{"number": "1", "name": "x"}}', "comes after the end"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(inside: Inside, tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "odd"
    file.write_text(text)
    code, out, err = inside.run("import", str(file))
    assert (code, out) == (1, "")
    assert words in err


def test_a_compressed_file_that_was_cut_is_no_whole_one(here: Inside, there: Inside, tmp_path: Path) -> None:
    file = tmp_path / "calls.gz"
    here.run("export", str(file))
    file.write_bytes(file.read_bytes()[:-20])
    code, _, err = there.run("import", str(file))
    assert code == 1
    assert "cannot be read" in err


@pytest.mark.parametrize("name", ["calls.jsonl", "calls.gz"])
def test_an_export_that_fails_leaves_the_earlier_one(tmp_path: Path, name: str) -> None:
    """Nor does it leave a piece of itself, or print one."""
    file = tmp_path / name
    file.write_bytes(b"of yesterday")
    inside = Inside(f"unix://{tmp_path}/nothing")
    for target in str(file), str(tmp_path / f"new-{name}"), "-":
        code, out, _ = inside.run("export", target)
        assert (code, out) == (1, ""), target
    inside.site.close()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [(name, b"of yesterday")]


def test_an_export_replaces_what_a_link_leads_to_and_nothing_that_is_no_file(inside: Inside, tmp_path: Path) -> None:
    (file := tmp_path / "kept").write_text("of yesterday")
    file.chmod(0o640)
    (link := tmp_path / "latest").symlink_to(file)
    assert inside.run("export", str(link))[0] == 0
    assert (link.is_symlink(), oct(file.stat().st_mode & 0o777)) == (True, "0o640")
    assert json.loads(file.read_text().splitlines()[-1])["end"]["conversations"] == 0
    assert inside.run("export", str(tmp_path / "new"))[0] == 0
    assert oct((tmp_path / "new").stat().st_mode & 0o777) == "0o600", "it has whole telephone numbers"
    assert (inside.run("export", "/dev/null")[0], Path("/dev/null").is_char_device()) == (0, True)
    code, _, err = inside.run("export", str(tmp_path / "no folder" / "calls"))
    assert (code, "was not written: No such file or directory" in err) == (1, True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kept", "latest", "new"]
