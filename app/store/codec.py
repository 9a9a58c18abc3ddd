"""Records as bytes: a webhook's body, when it was received, and what the signature check noted.

Layout: a letter (`e` an event's body, `v` that of a voicemail's recording with what its address said, `a` our record of
an answer, `c` of an action or its result, `l` of what Vonage's API said of a leg), the received time
(ms since 1970, 6 bytes, big endian), notes (1 byte, a bit for each of NOTES), the JSON text packed by zstandard. That
has the dictionary in `codec.dict`, and lacks the four bytes with which every frame of zstandard begins.
The conversation's id, which every body repeats and which is in the key, is replaced by one byte. A new dictionary needs
new letters: records outlive the code that wrote them. `benchmarks/train_dictionary.py` makes it, and prints what it
saves.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import zstandard

from app.store.errors import UnreadableRecord

EVENT: Final = b"e"
VOICEMAIL: Final = b"v"
ANSWER: Final = b"a"
ACTION: Final = b"c"
LOOKED_UP: Final = b"l"
SORTS: Final = {"event": EVENT, "voicemail": VOICEMAIL, "answer": ANSWER, "action": ACTION, "looked_up": LOOKED_UP}
CAPPED: Final = "capped"  # from here on the conversation does not keep all events: `lua/record.lua` notes it
NOTES: Final = ("no_application_id", "no_payload_hash", "get_hash_mismatch", "unsigned", "refused_signature", CAPPED)
PLACEHOLDER: Final = b"\x01"  # replaces the conversation's id: no JSON text has a control character
MIN_REPLACED: Final = 8  # bytes; a shorter id is not worth it, and may be part of another word
HEAD: Final = 8  # bytes before the packed text
# Records of earlier versions begin with it. Others cannot: its first byte, as the descriptor of a frame, has the
# reserved bit set. https://datatracker.ietf.org/doc/html/rfc8878#section-3.1.1.1.1
MAGIC: Final = zstandard.FRAME_HEADER
MAX_UNPACKED: Final = 1 << 20  # bytes; a webhook has 64 KiB at most, an NCCO of ours is smaller than this
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)

# A call's eight records take 640 bytes so, and 680 by level 4 itself, which takes 3 µs less for each: a hundredth of an
# event. Level 9 takes no less room. A body has 64 KiB at most.
PACKING: Final = zstandard.ZstdCompressionParameters.from_level(
    4,
    source_size=64 * 1024,
    strategy=zstandard.STRATEGY_LAZY2,
    min_match=5,
    search_log=4,
    write_checksum=False,
    write_dict_id=False,
)
DICTIONARY: Final = zstandard.ZstdCompressionDict((Path(__file__).parent / "codec.dict").read_bytes())


class Record(NamedTuple):
    """What is kept of a webhook, an answer, an action, or a look-up: `body` is JSON text, `notes` are some of NOTES."""

    sort: bytes
    received: datetime
    body: bytes
    notes: tuple[str, ...] = ()


class _Packer:
    """Compressor and decompressor: slow to make, and not for two threads at once."""

    def __init__(self) -> None:
        self.pack = zstandard.ZstdCompressor(compression_params=PACKING, dict_data=DICTIONARY).compress
        self.unpack = zstandard.ZstdDecompressor(dict_data=DICTIONARY).decompress


_idle: list[_Packer] = []  # append and pop are atomic


def _with_packer(use: Callable[[_Packer], bytes]) -> bytes:
    packer = _idle.pop() if _idle else _Packer()
    try:
        return use(packer)
    finally:
        _idle.append(packer)


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970."""
    return (moment - EPOCH) // MILLISECOND


def moment(ms: int) -> datetime:
    """The moment *ms* milliseconds after 1970."""
    return EPOCH + timedelta(milliseconds=ms)


def pack(record: Record, conversation: bytes = b"") -> bytes:
    """*record* as it is stored with *conversation*."""
    body = record.body.replace(conversation, PLACEHOLDER) if len(conversation) >= MIN_REPLACED else record.body
    packed = _with_packer(lambda packer: packer.pack(body))
    notes = sum(1 << NOTES.index(note) for note in record.notes)
    return record.sort + milliseconds(record.received).to_bytes(6, "big") + bytes((notes,)) + packed.removeprefix(MAGIC)


def unpack(stored: bytes, conversation: bytes = b"") -> Record:
    """The record that `pack` made *stored* of, with the same *conversation*. Raises UnreadableRecord."""
    if stored[:1] not in SORTS.values():
        raise UnreadableRecord(f"it is of a kind {stored[:1]!r}, which this version does not know")
    frame = stored[HEAD:]
    if not frame.startswith(MAGIC):
        frame = MAGIC + frame
    try:
        packed = _with_packer(lambda packer: packer.unpack(frame, max_output_size=MAX_UNPACKED))
    except zstandard.ZstdError as error:
        raise UnreadableRecord(f"it cannot be unpacked ({error})") from error
    body = packed.replace(PLACEHOLDER, conversation) if len(conversation) >= MIN_REPLACED else packed
    notes = tuple(note for bit, note in enumerate(NOTES) if stored[7] >> bit & 1)
    return Record(stored[:1], moment(int.from_bytes(stored[1:7], "big")), body, notes)
