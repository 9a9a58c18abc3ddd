"""Silence as real audio files: what somebody finds who downloads a recording of a call that had no sound.

The formats are those of Vonage's recordings: mp3 at 32 kbit/s, wav at 16 kHz and 16 bit, and ogg.
Source: https://developer.vonage.com/en/voice/voice-api/concepts/recording
"""

from __future__ import annotations

import io
import math
import struct
import wave
from collections.abc import Iterator
from typing import Literal

LONGEST = 10.0  # seconds: enough to see that it plays, and a recording of two hours stays a small file
RATE = 16_000  # samples a second, of mp3 and wav


def silence(format: Literal["mp3", "wav", "ogg"], seconds: float, channels: int = 1) -> bytes:  # noqa: A002
    """Return an audio file of nothing, the same bytes for the same arguments.

    It lasts *seconds*, but never longer than `LONGEST` (a wav of more than eight channels so much less); an mp3 or ogg,
    which cannot be empty, at least a frame or two. A wav has as many *channels* as are asked for, the others two at
    most, for that is all that MP3 knows.

    Raises ValueError for less than one channel, or a format that is none of the three.
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


# MPEG-2 Layer III (ISO/IEC 13818-3, 2.4.1.3): a frame is a header of four bytes, the side information, and the
# Huffman-coded sound. All zeros after the header say: no sound coded, nothing borrowed from the frame before.
_MP3_SAMPLES = 576  # in one frame
_MP3_FRAME = 72 * 32_000 // RATE  # bytes of one frame at 32 kbit/s: 144
_MP3_HEAD = b"\xff\xf3\x48"  # sync, MPEG-2, Layer III, no checksum; 32 kbit/s, 16 kHz, no padding
_MP3_MODE = {1: b"\xc0", 2: b"\x00"}  # one channel; stereo


def _mp3(seconds: float, channels: int) -> bytes:
    frame = (_MP3_HEAD + _MP3_MODE[channels]).ljust(_MP3_FRAME, b"\0")
    # Not fewer than two frames: a decoder knows an MP3 by the second, where the first one's length says it begins.
    return frame * max(2, math.ceil(seconds * RATE / _MP3_SAMPLES))


# Ogg (RFC 3533) with Opus (RFC 7845). Positions are counted at 48 kHz whatever was recorded.
_OPUS_RATE = 48_000
_OPUS_SAMPLES = 960  # in one packet of 20 ms
_PRE_SKIP = 312  # samples a decoder throws away, for it has to get going: 6.5 ms, as libopus has it
_SILENT = {1: b"\xf8\xff\xfe", 2: b"\xfc\xff\xfe"}  # CELT, full band, 20 ms, one frame: RFC 6716, 3.1
_SERIAL = 0x51_1E_4C_E0  # of the stream: any number
_PACKETS_A_PAGE = 50  # a second
_FIRST, _LAST = 2, 4  # flags of a page


def _ogg(seconds: float, channels: int) -> bytes:
    end = _PRE_SKIP + round(seconds * _OPUS_RATE)
    packets = max(1, math.ceil(end / _OPUS_SAMPLES))
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, channels, _PRE_SKIP, RATE, 0, 0)
    vendor = b"silence"
    tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
    pages = [_page(0, 0, [head], _FIRST), _page(1, 0, [tags])]
    for sequence, (sent, count) in enumerate(_pages(packets), start=2):
        last = sent == packets
        # The last page may end before its packets do: that is how a length between two packets is told.
        position = min(end, sent * _OPUS_SAMPLES) if last else sent * _OPUS_SAMPLES
        pages.append(_page(sequence, position, [_SILENT[channels]] * count, _LAST if last else 0))
    return b"".join(pages)


def _pages(packets: int) -> Iterator[tuple[int, int]]:
    """How many packets are sent once a page is, and how many of them are in it."""
    for begin in range(0, packets, _PACKETS_A_PAGE):
        sent = min(begin + _PACKETS_A_PAGE, packets)
        yield sent, sent - begin


def _page(sequence: int, position: int, packets: list[bytes], flags: int = 0) -> bytes:
    lacing = bytes(len(packet) for packet in packets)  # each is shorter than 255 bytes, so one number tells it
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, position, _SERIAL, sequence, 0, len(lacing))
    page = bytearray(head + lacing + b"".join(packets))
    page[22:26] = struct.pack("<I", _checksum(page))
    return bytes(page)


def _checksum(page: bytes | bytearray) -> int:
    """The CRC-32 of Ogg: neither turned round nor inverted, unlike `zlib.crc32`."""
    crc = 0
    for byte in page:
        crc = (crc << 8) & 0xFFFFFFFF ^ _CRC[crc >> 24 ^ byte]
    return crc


def _crc_of(byte: int) -> int:
    crc = byte << 24
    for _ in range(8):
        crc = (crc << 1) & 0xFFFFFFFF ^ (0x04C11DB7 if crc >> 31 else 0)
    return crc


_CRC = [_crc_of(byte) for byte in range(256)]
