"""The history and its files, in a browser."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.browser.conftest import Visit


@pytest.mark.parametrize(("role", "number"), [("operator", "447700900125"), ("viewer", "********0125")])
def test_what_was_searched_for_is_saved_as_a_file_with_the_mask_of_the_role(
    visit: Visit, tmp_path: Path, role: str, number: str
) -> None:
    page = visit("/calls?state=ended", role=role)
    page.get_by_label("Number", exact=True).fill("0125")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**number=0125**")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "calls.csv")
    with (tmp_path / "calls.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["from"], row["outcome"]) == (number, "busy")
