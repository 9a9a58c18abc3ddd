"""The silent files are valid: they are read here frame by frame and page by page, after the standards."""

from __future__ import annotations

import io
import struct
import wave
from dataclasses import dataclass
from typing import Any

import pytest

from vonage_simulator.audio import LONGEST, silence

LENGTHS = [0.0, 0.02, 0.5, 1.0, 3.21, 9.99, 10.0]


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("seconds", LENGTHS)
def test_wav_has_the_requested_length_at_16_khz_and_16_bit(seconds: float, channels: int) -> None:
    with wave.open(io.BytesIO(silence("wav", seconds, channels))) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16_000, 2, channels)
        assert file.getnframes() == round(seconds * 16_000)
        assert not any(file.readframes(file.getnframes()))


@pytest.mark.parametrize(("channels", "mode"), [(1, 0b11), (2, 0b00), (5, 0b00)])
@pytest.mark.parametrize("seconds", LENGTHS)
def test_mp3_is_frames_of_mpeg_2_layer_iii(seconds: float, channels: int, mode: int) -> None:
    """ISO/IEC 13818-3: each header gives the start of the next frame, where the file goes on or ends."""
    file = silence("mp3", seconds, channels)
    frames = at = 0
    while at < len(file):
        header = int.from_bytes(file[at : at + 4], "big")
        assert header >> 21 == 0x7FF, "the frame begins where the one before ends"
        version, layer, unprotected = header >> 19 & 3, header >> 17 & 3, header >> 16 & 1
        assert (version, layer, unprotected) == (0b10, 0b01, 1)  # MPEG-2, Layer III
        bitrate = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)[header >> 12 & 15]
        rate = (22_050, 24_000, 16_000)[header >> 10 & 3]
        assert (bitrate, rate) == (32, 16_000)
        assert header >> 6 & 3 == mode
        length = 72 * bitrate * 1000 // rate + (header >> 9 & 1)
        assert len(file[at : at + length]) == length, "the last frame is whole"
        assert not any(file[at + 4 : at + length]), "nothing is coded in it"
        frames, at = frames + 1, at + length
    assert frames >= 2
    assert max(seconds, 2 * 0.036) <= frames * 0.036 + 1e-9 < max(seconds, 2 * 0.036) + 0.036


@dataclass
class Page:
    """A page of Ogg: RFC 3533, section 6."""

    flags: int
    position: int
    serial: int
    sequence: int
    packets: list[bytes]


def crc(data: bytes) -> int:
    """The checksum, bit by bit."""
    found = 0
    for byte in data:
        found ^= byte << 24
        for _ in range(8):
            found = (found << 1 ^ (0x04C11DB7 if found & 0x80000000 else 0)) & 0xFFFFFFFF
    return found


def read_pages(file: bytes) -> list[Page]:
    pages, at = [], 0
    while at < len(file):
        magic, version, flags, position, serial, sequence, checksum, segments = struct.unpack_from(
            "<4sBBqIIIB", file, at
        )
        assert (magic, version) == (b"OggS", 0)
        lacing = file[at + 27 : at + 27 + segments]
        end = at + 27 + segments + sum(lacing)
        page = file[at:end]
        assert len(page) == end - at, "the last page is whole"
        assert checksum == crc(page[:22] + bytes(4) + page[26:])
        packets, begin = [], 27 + segments
        for length in lacing:
            assert length < 255, "no packet goes on in the next segment"
            packets.append(page[begin : begin + length])
            begin += length
        pages.append(Page(flags, position, serial, sequence, packets))
        at = end
    return pages


@pytest.mark.parametrize(("channels", "encoded"), [(1, 1), (2, 2), (5, 2)])
@pytest.mark.parametrize("seconds", LENGTHS)
def test_ogg_is_opus_in_pages_with_right_checksums(seconds: float, channels: int, encoded: int) -> None:
    """RFC 7845: a page for the header, one for the comments, then packets of 20 ms, and positions at 48 kHz."""
    head, tags, *sound = read_pages(silence("ogg", seconds, channels))
    assert [page.sequence for page in (head, tags, *sound)] == list(range(len(sound) + 2))
    assert {page.serial for page in (head, tags, *sound)} == {head.serial}
    assert [page.flags for page in (head, tags, *sound)] == [2, 0, *[0] * (len(sound) - 1), 4]
    assert (head.position, tags.position) == (0, 0)

    magic, version, count, skipped, _rate, gain, mapping = struct.unpack("<8sBBHIhB", *head.packets)
    assert (magic, version, count, gain, mapping) == (b"OpusHead", 1, encoded, 0, 0)
    vendor = struct.unpack_from("<I", tags.packets[0], 8)[0]
    assert tags.packets[0][:8] == b"OpusTags"
    assert tags.packets[0][12 + vendor :] == bytes(4), "no comments"

    sent = 0
    for page in sound:
        for packet in page.packets:
            configuration, stereo, frames = packet[0] >> 3, packet[0] >> 2 & 1, packet[0] & 3
            assert (configuration, stereo, frames) == (31, encoded - 1, 0)  # RFC 6716, 3.1: CELT, full band, 20 ms, one
        sent += 960 * len(page.packets)
        assert page.position == sent or page is sound[-1]
    assert sound[-1].position - skipped == round(seconds * 48_000)
    assert sent - 960 < sound[-1].position <= sent


@pytest.mark.parametrize("format", ["mp3", "wav", "ogg"])
def test_a_long_recording_is_cut_and_a_negative_one_is_empty(format: Any) -> None:  # noqa: A002
    assert silence(format, 7200.0) == silence(format, LONGEST)
    assert silence(format, -1.0) == silence(format, 0.0)
    assert len(silence(format, 7200.0)) <= 320_044


def test_unknown_formats_and_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="channel"):
        silence("wav", 1.0, 0)
    with pytest.raises(ValueError, match="flac"):
        silence("flac", 1.0)  # type: ignore[arg-type]
