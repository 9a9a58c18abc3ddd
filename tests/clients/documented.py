"""The blocks of docs/clients.md."""

from __future__ import annotations

import re

from tests.serving import ROOT

PAGE = (ROOT / "docs" / "clients.md").read_text()


def example(language: str, words: str) -> str:
    """The block of the page in *language* that has *words*."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    (found,) = (block for block in blocks if words in block)
    return str(found)
