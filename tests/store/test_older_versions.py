"""What an older version kept is read, and goes on: files of `python -m tests.stored`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.store.codec import ACTION, ANSWER, EVENT, VOICEMAIL
from tests.api.site import Site, status
from tests.engines import Engine
from tests.filled import shown
from tests.stored import FOLDER, as_json, load

FILES = sorted(FOLDER.glob("*.json"))


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def sample(request: pytest.FixtureRequest) -> Any:
    path: Path = request.param
    return json.loads(path.read_text())


@pytest.fixture
def site(valkey: Engine, sample: Any) -> Iterator[Site]:
    """The app of this version over what the older one kept."""
    valkey.flush()
    load(valkey.nodes[0].client, sample["keys"])
    site = Site(valkey.address.url)
    yield site
    site.close()


def test_there_are_samples() -> None:
    assert FILES


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


def _known(found: Any, wanted: Any) -> Any:
    """*found* without the fields that came to be later."""
    if isinstance(wanted, dict):
        return {name: _known(found[name], value) for name, value in wanted.items() if name in found}
    if isinstance(wanted, list) and len(found) == len(wanted):
        return [_known(one, other) for one, other in zip(found, wanted, strict=True)]
    return found
