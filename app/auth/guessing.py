"""Slows down guessing at the login: a few wrong tokens a minute from one address, and not many from all together.

Each attempt is counted before its token is looked at, so that many at once are no way round it; a right one is taken
off again. While Redis is away each worker counts for itself: nobody is locked out, and guessing is still slow.
"""

from __future__ import annotations

import time
from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import Final

from app.auth.tokens import fingerprint
from app.errors import Problem
from app.services import services
from app.store.errors import StoreUnavailable

FROM_ONE: Final = 10  # wrong tokens a minute
# A token of 16 hex digits would take longer than the universe lasts. Others cannot log in while somebody sends so many
# from many addresses; bearer tokens, and those who have logged in, are not affected.
FROM_ALL: Final = 300
EVERYBODY: Final = "all"

_here: Counter[tuple[str, int]] = Counter()  # while Redis is away


def begin_attempt(address: str | None) -> list[tuple[str, int]]:
    """Count an attempt from *address*; pass what this returns on to `was_right`. Raises Problem (429)."""
    minute = int(time.time() // 60)
    counted = [(source(address), minute), (EVERYBODY, minute)]
    if any(_count(*one, 1) > most for one, most in zip(counted, (FROM_ONE, FROM_ALL), strict=True)):
        seconds = 60 - int(time.time() % 60)
        raise Problem(
            429,
            "Too many attempts",
            f"Too many wrong tokens came in this minute. Try again in {seconds} s.",
            {"Retry-After": str(seconds)},
        )
    return counted


def was_right(counted: list[tuple[str, int]]) -> None:
    """Take an attempt off again."""
    for who, minute in counted:
        _count(who, minute, -1)


def source(address: str | None) -> str:
    """A keyed hash of *address*: it is personal data. A household has 2^64 addresses of IPv6."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return fingerprint("unknown address")
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return fingerprint(found.packed[:8].hex())
    return fingerprint(str(found))


def _count(who: str, minute: int, add: int) -> int:
    try:
        return services().store.count_guess(who, minute, add)
    except StoreUnavailable:
        for old in [key for key in _here if key[1] < minute]:
            del _here[old]
        _here[who, minute] += add
        return _here[who, minute]
