"""The Lua scripts, each a file of its own under `lua/`, preceded by constants and `common.lua`."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path
from typing import NamedTuple

from app.domain.leg_state import OUTCOMES, STATES, TABLE
from app.domain.moves import MOVED
from app.store.codec import ACTION, CAPPED, HEAD, NOTES
from app.store.codes import NAMES
from app.store.keys import (
    CONVERSATIONS_OF_A_LEG,
    COUNTED_LENGTH,
    EVENTS_OF_A_CONVERSATION,
    FEED_LENGTH,
    HOURS_KEPT,
    LARGE_RECORD,
    LARGE_RECORDS,
    MINUTES_A_BUCKET,
    MINUTES_KEPT,
    NUMBERS_AN_HOUR,
)

HERE = Path(__file__).parent / "lua"


class Script(NamedTuple):
    """A script, and the digest by which Redis knows it."""

    body: bytes
    sha: bytes


def _load(name: str) -> Script:
    counted = (f"['{digit}'] = '{state}'" for digit, state in enumerate(STATES) if state != "completed")
    codes = (f"{name} = '{code}'" for name, code in NAMES.items())
    constants = (
        f"local LEG_STATES = '{TABLE}'\n"
        f"local COUNTERS = {{{', '.join(counted)}}}\n"
        f"local OUTCOMES = {{{', '.join(map(repr, OUTCOMES))}}}\n"
        f"local MINUTES_A_BUCKET, FEED_LENGTH = {MINUTES_A_BUCKET}, {FEED_LENGTH}\n"
        f"local MINUTES_KEPT, HOURS_KEPT, NUMBERS_AN_HOUR = {MINUTES_KEPT}, {HOURS_KEPT}, {NUMBERS_AN_HOUR}\n"
        f"local CODES, ANSWERED = {{{', '.join(codes)}}}, '{OUTCOMES.index('answered')}'\n"
        f"local CONVERSATIONS_OF_A_LEG, MOVED = {CONVERSATIONS_OF_A_LEG}, {MOVED}\n"
        f"local LARGE_RECORD, LARGE_RECORDS = {LARGE_RECORD}, {LARGE_RECORDS}\n"
        f"local COUNTED_LENGTH, EVENTS_OF_A_CONVERSATION = {COUNTED_LENGTH}, {EVENTS_OF_A_CONVERSATION}\n"
        f"local ACTION, NOTES_AT, CAPPED_BIT = {ACTION[0]}, {HEAD}, {1 << NOTES.index(CAPPED)}\n"
    )
    body = (constants + (HERE / "common.lua").read_text() + (HERE / f"{name}.lua").read_text()).encode()
    return Script(body, sha1(body, usedforsecurity=False).hexdigest().encode())


RECORD = _load("record")
LEG = _load("leg")
UNFILE = _load("unfile")
REVEAL = _load("reveal")
PAGE = _load("page")
REMOVE = _load("remove")
TIDY = _load("tidy")
TALLY = _load("tally")
FIGURES = _load("figures")
PROBE = _load("probe")
DUE = _load("due")
OCCUPY = _load("occupy")
ENGAGE = _load("engage")
HEAR = _load("hear")
PUBLISH = _load("publish")
SIGNAL = _load("signal")
WATCH = _load("watch")
OPERATE = _load("operate")
ONCE = _load("once")
ANNOUNCE = _load("announce")
CLAIM = _load("claim")
RENEW = _load("renew")
RELEASE = _load("release")
NUMBER = _load("number")
GIVE_BACK = _load("give_back")
RATE = _load("rate")
