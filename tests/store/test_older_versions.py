"""What an older version kept is read, and goes on: files of `python -m tests.stored`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from itsdangerous.timed import TimestampSigner

from app.flows.call_state import StateCodec
from app.services import services
from app.spool.coding import from_row
from app.spool.file import NAME, SpoolFile
from app.store.codec import ACTION, ANSWER, EVENT, VOICEMAIL
from tests.api.site import Site, status
from tests.cli.shell import Inside
from tests.engines import Engine, wait_until
from tests.filled import shown
from tests.generated import BASE
from tests.stored import FOLDER, as_json, load, shown_besides
from tests.stored_elsewhere import COOKIE, FIRST_PAGE, SECRET, SPOOL_MB, STATE, as_known, readable, unpacked

FILES = sorted(FOLDER.glob("*.json"))
WORDS = 6  # in `readable`, of a webhook; a batch of counts has fewer
WHOLE = [path for path in FILES if "T" in path.stem]  # the others have Redis alone, and less of it


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def sample(request: pytest.FixtureRequest) -> Any:
    path: Path = request.param
    return json.loads(path.read_text())


whole = pytest.mark.parametrize("sample", WHOLE, indirect=True, ids=lambda path: path.stem)


@pytest.fixture
def empty(valkey: Engine, tmp_path: Path) -> Iterator[Inside]:
    """Commands of this version on an empty store."""
    valkey.flush()
    inside = Inside(valkey.address.url, data_dir=tmp_path)
    yield inside
    inside.site.close()


@pytest.fixture
def site(valkey: Engine, sample: Any) -> Iterator[Site]:
    """The app of this version over what the older one kept."""
    valkey.flush()
    load(valkey.nodes[0].client, sample["keys"])
    site = Site(valkey.address.url)
    yield site
    site.close()


def test_there_are_samples() -> None:
    assert len(FILES) > len(WHOLE) > 0


def test_everything_is_read_as_it_was(site: Site, sample: Any) -> None:
    found = as_json(shown(site))
    for name, value in sample["shown"].items():
        assert _known(found[name], value) == value, name


def test_there_is_a_record_of_each_kind(site: Site) -> None:
    records = [record for name in site.store.all_conversations() for record in site.store.records(name)]
    assert {record.sort for record in records} == {EVENT, VOICEMAIL, ANSWER, ACTION}


def test_a_webhook_finds_the_call_that_was_kept(site: Site) -> None:
    body = status("completed", "CON-1", uuid="leg of CON-1")
    before = len(site.store.records("CON-1"))
    site.record(body)
    site.record(body)
    assert len(site.store.records("CON-1")) == before + 1


@whole
def test_operations_and_what_users_say_and_were_sent_are_read(site: Site, sample: Any) -> None:
    found = as_json(shown_besides(site))
    for name, value in sample["besides"].items():
        assert _known(found[name], value) == value, name
    assert found["open"] == ["transfer-rings"], "and goes on"


@whole
def test_what_waits_in_the_spool_is_read(sample: Any, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(unpacked(sample["spool"]))
    file = SpoolFile(tmp_path, SPOOL_MB)
    rows = file.after(0, 100)
    file.close()
    assert as_json(readable([from_row(row) for row in rows])) == sample["waiting"]


@whole
def test_what_waits_reaches_the_store_from_the_spool_and_from_the_log(sample: Any, empty: Inside) -> None:
    parts, log = services(empty.site.app), empty.site.app.extensions["switchhook"].settings.data_dir / "log"
    (log.parent / NAME).write_bytes(unpacked(sample["spool"]))
    parts.spool.start()
    parts.drain.start()
    wait_until(lambda: not parts.spool.first(1), "the spool is empty")
    parts.drain.stop()
    webhooks = [row for row in sample["waiting"] if len(row) == WORDS]
    counted = sum(number for row in sample["waiting"] if len(row) != WORDS for *_, number in row[-1])
    listed = empty.site.read("/api/v1/conversations/CON-w/events")["items"]
    assert len(listed) == len([row for row in webhooks if row[-1] is None]) > 3
    assert len(empty.site.store.unfiled()) == 1
    log.write_text(f"2026-11-28 app[web.1]: {sample['log']}")
    assert empty.output("replay", str(log)).startswith(f"{len(webhooks)} events of the log are in the store")
    assert empty.site.read("/api/v1/conversations/CON-w/events")["items"] == listed, "each once"
    assert empty.site.store.counts(BASE).counters.get("refused:missing", 0) == counted


@whole
def test_an_export_is_imported(sample: Any, empty: Inside, tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_bytes(unpacked(sample["export"]))
    empty.output("import", str(file))
    found = as_json(shown(empty.site))
    for name, value in sample["shown"].items():
        assert _known(found[name], value) == value, name


@whole
def test_who_logged_in_stays_logged_in(site: Site, sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the day of the sample: a cookie gets too old."""
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: int(sample["at"]))
    browser = site.browser()
    assert browser.get(FIRST_PAGE).status_code == 401
    browser.set_cookie(COOKIE, sample["cookie"])
    assert browser.get(FIRST_PAGE).status_code == 200


@whole
def test_tokens_states_and_cursors_that_were_handed_out_are_taken(site: Site, sample: Any) -> None:
    assert site.get("/api/v1/users/Alice/sessions", token=sample["token"]).status_code == 200
    assert as_json(as_known(StateCodec(SECRET).unseal(sample["state"]))) == as_json(as_known(STATE))
    first = site.read(FIRST_PAGE)
    second = site.read(f"{FIRST_PAGE}&cursor={sample['cursor']}")
    assert first["next"] == sample["cursor"]
    assert second["items"] != first["items"]


def _known(found: Any, wanted: Any) -> Any:
    """*found* without the fields that came to be later."""
    if isinstance(wanted, dict):
        return {name: _known(found[name], value) for name, value in wanted.items() if name in found}
    if isinstance(wanted, list) and len(found) == len(wanted):
        return [_known(one, other) for one, other in zip(found, wanted, strict=True)]
    return found
