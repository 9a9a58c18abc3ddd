"""docs/licences.md is as the installed packages say, and none of them forbids what MIT allows."""

from __future__ import annotations

import re

from tests.licences import ROOT, licence, packages

ROWS = dict(re.findall(r"^\| ([\w.-]+) \| (.+) \|$", (ROOT / "docs" / "licences.md").read_text(), re.MULTILINE))
del ROWS["package"]


def test_each_package_is_listed_with_its_licence() -> None:
    assert list(ROWS) == packages(), "make it again: python -m tests.licences > docs/licences.md"
    installed = {package: found for package in packages() if (found := licence(package))}
    assert len(installed) > len(ROWS) * 0.9
    assert {package: ROWS[package] for package in installed} == installed


def test_none_asks_for_more_than_naming_it() -> None:
    assert not [row for row in ROWS.values() if re.search(r"\b(A|L)?GPL|not said", row)]
