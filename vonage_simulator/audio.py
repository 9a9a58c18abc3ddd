"""Silence as audio files: the recordings of calls that have no sound.

The formats are those of Vonage's recordings: mp3 at 32 kbit/s, wav at 16 kHz and 16 bit, and ogg.
Source: https://developer.vonage.com/en/voice/voice-api/concepts/recording
They are written here because each has the length and channels of its recording: a ready-made clip has not.
"""

from __future__ import annotations

import io
import math
import struct
import wave
import zlib
from typing import Literal

LONGEST = 10.0  # seconds, so that a recording of two hours is a small file
RATE = 16_000  # samples a second, of mp3 and wav


def silence(format: Literal["mp3", "wav", "ogg"], seconds: float, channels: int = 1) -> bytes:  # noqa: A002
    """Return an audio file, the same bytes for the same arguments.

    It lasts *seconds*, at most `LONGEST` (a wav with more than eight channels less, in proportion), an mp3 or ogg at
    least a frame or two. Only a wav has more than two channels.

    Raises ValueError for less than one channel, or another format.
    """
    if channels < 1:
        raise ValueError("a recording has at least one channel")
    seconds = min(max(seconds, 0.0), LONGEST)
    match format:
        case "wav":
            return _wav(min(seconds, LONGEST * 8 / max(channels, 8)), channels)
        case "mp3":
            return _mp3(seconds, min(channels, 2))
        case "ogg":
            return _ogg(seconds, min(channels, 2))
    raise ValueError(f"not a format of recordings: {format}")


def _wav(seconds: float, channels: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(bytes(2 * channels * round(seconds * RATE)))
    return file.getvalue()


def _mp3(seconds: float, channels: int) -> bytes:
    """Frames of 576 samples and 144 bytes: MPEG-2 Layer III, 32 kbit/s, 16 kHz (ISO/IEC 13818-3, 2.4.1.3).

    All zeros after the header: no sound, and nothing borrowed from the frame before. A decoder recognises an MP3 by its
    second frame.
    """
    frame = (b"\xff\xf3\x48" + (b"\xc0" if channels == 1 else b"\x00")).ljust(144, b"\0")
    return frame * max(2, math.ceil(seconds * RATE / 576))


# Ogg (RFC 3533) with Opus (RFC 7845), whose positions count samples at 48 kHz.
_PACKET = 960  # samples in one packet of 20 ms
_PRE_SKIP = 312  # samples that a decoder drops at the start: 6.5 ms, as libopus has it
_SILENT = {1: b"\xf8\xff\xfe", 2: b"\xfc\xff\xfe"}  # CELT, full band, 20 ms, one frame: RFC 6716, 3.1
_PACKETS_A_PAGE = 50  # a second
_FIRST, _LAST = 2, 4  # flags of a page


def _ogg(seconds: float, channels: int) -> bytes:
    end = _PRE_SKIP + round(seconds * 48_000)  # may be within the last packet
    packets = max(1, math.ceil(end / _PACKET))
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, channels, _PRE_SKIP, RATE, 0, 0)
    tags = b"OpusTags" + struct.pack("<I7sI", 7, b"silence", 0)  # the vendor, and no comments
    pages = [_page(0, 0, [head], _FIRST), _page(1, 0, [tags], 0)]
    for sequence, begin in enumerate(range(0, packets, _PACKETS_A_PAGE), start=2):
        sent = min(begin + _PACKETS_A_PAGE, packets)
        flags = _LAST if sent == packets else 0
        pages.append(_page(sequence, min(end, sent * _PACKET), [_SILENT[channels]] * (sent - begin), flags))
    return b"".join(pages)


def _page(sequence: int, position: int, packets: list[bytes], flags: int) -> bytes:
    """Every packet is shorter than 255 bytes, so one byte of the segment table is its length."""
    head = struct.pack("<4sBBqII", b"OggS", 0, flags, position, 1, sequence)  # 1: any serial number
    tail = bytes([len(packets), *map(len, packets)]) + b"".join(packets)
    return head + struct.pack("<I", _crc(head + bytes(4) + tail)) + tail


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _crc(page: bytes) -> int:
    """Ogg's CRC-32: zlib's with the bits of input and output reversed, and neither start value nor inversion."""
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)
