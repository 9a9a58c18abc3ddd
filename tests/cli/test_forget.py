"""`flask forget`: everything kept of a telephone number is deleted."""

from __future__ import annotations

import pytest

from tests.api.site import status
from tests.cli.shell import Inside, Shell
from tests.generated import BASE


def test_a_number_is_forgotten_after_confirmation(either: Shell) -> None:
    either.record(
        status("completed", "CON-1", from_="447700900123", to="Alice"),
        status("ringing", "CON-2", from_="+44 7700 900123"),
        status("ringing", "CON-3", from_="442079460000", to="447700900123"),
        status("ringing", "CON-4", from_="447700900124"),
        status("ringing", "CON-5", from_="15557700900123"),
    )
    out = either.output("forget", "+44 7700 900-123", typed="y\n")
    assert "Deleted 3 conversations." in out
    listed = either.output("calls")
    assert [f"CON-{number}" in listed for number in range(1, 6)] == [False, False, False, True, True]


def test_nothing_is_forgotten_without_confirmation(inside: Inside) -> None:
    inside.site.record(status("ringing", "CON-4", from_="447700900124"))
    code, out, err = inside.run("forget", "+44 7700 900-124", typed="n\n")
    assert code == 1
    assert "447700900124" in out
    assert "Aborted" in err
    assert "CON-4" in inside.output("calls")


def test_who_is_sure_is_not_asked(inside: Inside) -> None:
    inside.site.record(status("ringing", "CON-4", from_="447700900124"))
    assert inside.output("forget", "447700900124", "--yes") == "Deleted 1 conversation.\n"


def test_unfiled_webhooks_with_the_number_go_as_well(inside: Inside) -> None:
    inside.site.record(status("ringing", "CON-4", from_="447700900124"))
    for text in (b'{"from": "+44 7700 900124"}', b'{"to": "447700900124"}', b'{"to": "447700900125"}'):
        inside.site.store.unfile(text, "no conversation", BASE)
    assert inside.output("forget", "447700900124", "--yes") == "Deleted 1 conversation and 2 unfiled webhooks.\n"
    assert "447700900125" in inside.output("unfiled")


@pytest.mark.parametrize(
    "number", ["", "Alice", "0123", "0900123", "900123", "12345678901234567", "sip:447700900123@a"]
)
def test_part_of_a_number_is_not_forgotten(inside: Inside, number: str) -> None:
    """Its end alone would delete every number with that end."""
    code, out, err = inside.run("forget", "--yes", number)
    assert (code, out) == (2, "")
    assert "whole telephone number" in err
