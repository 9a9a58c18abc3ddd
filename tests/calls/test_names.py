"""Names for telephone numbers and flows: from the file, from the store, and what a faulty file changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.calls import names as names_module
from app.calls.names import Names
from app.store.errors import StoreUnavailable

GOOD = """
numbers:
  "442079460000": Main number
  "+44 7700 900123": Ada Lovelace
  447700900124: " Bob "
flows:
  app-to-phone: Calls from the app
"""


class Kept:
    """A store of names."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.away = False

    def names(self) -> dict[str, str]:
        if self.away:
            raise StoreUnavailable("refused")
        return dict(self.kept)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setattr(names_module, "FRESH_SECONDS", 0.0)
    return Kept()


def write(folder: Path, text: str) -> Path:
    file = folder / "names.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("party", "name"),
    [
        ("442079460000", "Main number"),
        ("+442079460000", "Main number"),
        ("447700900123", "Ada Lovelace"),
        ("447700900124", "Bob"),
        ("sip:447700900123@example.com", "Ada Lovelace"),
        ("tel:+447700900123", "Ada Lovelace"),
        *(("Alice", None), ("", None), (None, None), ("0123", None), ("4420794600001", None), ("sip:bob@x", None)),
    ],
)
def test_a_whole_number_has_its_name_however_it_is_written(
    tmp_path: Path, store: Kept, party: str | None, name: str | None
) -> None:
    assert Names(write(tmp_path, GOOD), store).current().of(party) == name


def test_a_flow_without_a_name_has_its_own(tmp_path: Path, store: Kept) -> None:
    known = Names(write(tmp_path, GOOD), store).current()
    assert (known.flow("app-to-phone"), known.flow("menu")) == ("Calls from the app", "menu")


def test_the_store_has_priority_and_the_file_is_read_again(tmp_path: Path, store: Kept) -> None:
    file = write(tmp_path, GOOD)
    names = Names(file, store)
    store.kept["442079460000"] = "Reception"
    assert names.current().of("442079460000") == "Reception"
    del store.kept["442079460000"]
    assert names.current().of("442079460000") == "Main number"
    file.write_text('numbers: { "442079460000": Another }')
    assert names.current().of("442079460000") == "Another"
    assert names.current().of("447700900123") is None
    file.unlink()
    assert names.current().of("442079460000") is None
    assert names.faults == ()


def test_while_redis_is_away_names_stay(tmp_path: Path, store: Kept) -> None:
    names = Names(tmp_path / "none.yaml", store)
    store.kept["442079460000"] = "Reception"
    assert names.current().of("442079460000") == "Reception"
    store.away = True
    assert names.current().of("442079460000") == "Reception"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("numbers: [", "names.yaml:1:"),
        ("- a", "names.yaml:1:1: must be fields with values"),
        ("numbers: x", "names.yaml:1:10: numbers: must be names"),
        ("people: {}", "names.yaml:1:1: people: is an unknown field; there are numbers, flows"),
        ('numbers:\n  Alice: "x"', "names.yaml:2:3: numbers.Alice: is no telephone number"),
        ('numbers:\n  "1234567": 12', "names.yaml:2:14: numbers.1234567: must be a name: put it in quotes"),
        ('numbers:\n  "1234567":', "has no value"),
        ('numbers:\n  "1234567": ""', "must have 1 to 60 printable characters"),
        (f'flows:\n  a: "{"x" * 61}"', "must have 1 to 60 printable characters"),
        ('flows:\n  a: "a\\nb"', "must have 1 to 60 printable characters"),
    ],
)
def test_a_faulty_file_is_said_with_its_line_and_changes_nothing(
    tmp_path: Path, store: Kept, text: str, words: str
) -> None:
    file = write(tmp_path, GOOD)
    names = Names(file, store)
    names.current()
    file.write_text(text)
    assert names.current().of("442079460000") == "Main number"
    assert words in str(names.faults[0])
    file.write_text(GOOD + "# mended")
    names.current()
    assert names.faults == ()


def test_the_file_that_is_delivered_has_no_fault(store: Kept) -> None:
    names = Names(Path(__file__).parents[2] / "config" / "names.yaml", store)
    assert not names.current().numbers
    assert names.faults == ()


def test_names_are_read_once_in_a_while(tmp_path: Path) -> None:
    """A page with a hundred calls reads them once."""
    store = Kept()
    names = Names(tmp_path / "none.yaml", store)
    assert names.current().of("442079460000") is None
    store.kept["442079460000"] = "Reception"
    assert names.current().of("442079460000") is None
    names.expire()
    assert names.current().of("442079460000") == "Reception"
