"""The licences of what the server needs, as its packages say: `python -m tests.licences > docs/licences.md`."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 60  # characters; some have the whole text in that field
HEAD = """# Licences

What `requirements.txt` installs with the server, and under which licence, as each package says itself. Made by
`python -m tests.licences`; Switchhook's own licence is [MIT](../LICENSE).

| package | licence |
|---|---|
"""


def packages() -> list[str]:
    """The names in requirements.txt."""
    return re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)


def licence(package: str) -> str | None:
    """In the words of its metadata; None if it is not installed, as what other systems need.

    https://packaging.python.org/en/latest/specifications/core-metadata/#license-expression
    """
    try:
        found = cast("Message", metadata(package))
    except PackageNotFoundError:
        return None
    by_classifier = [
        line.rpartition(" :: ")[2] for line in found.get_all("Classifier") or () if line.startswith("License :: ")
    ]
    plain = (found.get("License") or "").strip()
    named = found.get("License-Expression") or (plain if 0 < len(plain) <= LONGEST else "")
    return named or ", ".join(by_classifier) or "not said"


def page() -> str:
    """The whole page."""
    rows = [f"| {package} | {licence(package) or 'not installed on this system'} |\n" for package in packages()]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(page())
