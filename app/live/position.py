"""The id of an event in the stream: how far each partition of the feed was read when it was sent.

It names the latest entry of each partition, so it means the same in every worker, on every server and after a restart.
As text it is a version, the earliest time of all entries, and for each entry its distance from that and its number;
each number takes as few bytes as it needs, 7 bits in each. All of that in base64 for URLs, about 100 characters.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from app.store import keys
from app.store.feed import NOTHING_YET, FeedPosition

VERSION: Final = 1
LONGEST: Final = 500  # characters
LARGEST: Final = 2**64 - 1  # of a stream's ids: https://redis.io/docs/latest/commands/xadd/


class BadPosition(ValueError):
    """The text is no position."""


@lru_cache(maxsize=64)  # hundreds of listeners are at the same one
def write(position: FeedPosition) -> str:
    """*position* as text."""
    earliest = min((milliseconds for milliseconds, _ in position if milliseconds), default=0)
    raw = bytearray((VERSION,))
    _add(raw, earliest)
    for entry in position:
        milliseconds, number = entry
        _add(raw, 0 if entry == NOTHING_YET else milliseconds - earliest + 1)
        _add(raw, number)
    return urlsafe_b64encode(raw).decode().rstrip("=")


def read(text: str) -> FeedPosition:
    """The position that `write` made *text* of. Raises BadPosition."""
    if len(text) > LONGEST:
        raise BadPosition
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        if raw[:1] != bytes((VERSION,)):
            raise BadPosition
        earliest, *numbers = _numbers(raw[1:])
    except ValueError as error:  # binascii.Error is one, too, and a text that is not ASCII, and nothing to unpack
        raise BadPosition from error
    if len(numbers) != 2 * keys.PARTITIONS:
        raise BadPosition
    position = tuple(
        (earliest + distance - 1, number) if distance else NOTHING_YET
        for distance, number in zip(numbers[::2], numbers[1::2], strict=True)
    )
    if max(max(entry) for entry in position) > LARGEST or write(position) != text:
        raise BadPosition
    return position


def is_before(one: FeedPosition, other: FeedPosition) -> bool:
    """Whether *one* is in no partition beyond *other*."""
    return all(mine <= others for mine, others in zip(one, other, strict=True))


def _add(raw: bytearray, number: int) -> None:
    while number > 127:
        raw.append(number & 127 | 128)
        number >>= 7
    raw.append(number)


def _numbers(raw: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in raw:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield number
            number = shift = 0
    if shift:
        raise BadPosition
