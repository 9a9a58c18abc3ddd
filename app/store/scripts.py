"""The Lua scripts, each a file of its own under `lua/`, with what the domain has to tell them put in front."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path
from typing import NamedTuple

from app.domain.leg_state import OUTCOMES, STATES, TABLE

HERE = Path(__file__).parent / "lua"


class Script(NamedTuple):
    """A script and the digest Redis knows it by."""

    name: str
    body: bytes
    sha: bytes


def _load(name: str) -> Script:
    rules = (
        f"local STANDINGS = '{TABLE}'\n"
        f"local STATES = {{{', '.join(map(repr, STATES))}}}\n"
        f"local OUTCOMES = {{{', '.join(map(repr, OUTCOMES))}}}\n"
    )
    body = (rules + (HERE / "common.lua").read_text() + (HERE / f"{name}.lua").read_text()).encode()
    return Script(name, body, sha1(body, usedforsecurity=False).hexdigest().encode())


RECORD = _load("record")
UNFILE = _load("unfile")
PAGE = _load("page")
REMOVE = _load("remove")
TIDY = _load("tidy")
