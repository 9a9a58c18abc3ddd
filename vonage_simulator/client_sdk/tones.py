"""What can be heard where there is no voice: sound for texts and people, ringing, and audio files.

All sound is 16-bit linear PCM of one channel at 8 kHz, in frames of 20 ms: as in a telephone network, and as Vonage has
it for websockets (https://developer.vonage.com/en/voice/voice-api/concepts/websockets).
"""

from __future__ import annotations

import io
import math
import sys
import wave
from array import array
from collections.abc import Iterable

RATE = 8000  # samples a second
SAMPLES = RATE // 50  # of a frame
LOUD = 6000.0  # amplitude of what is made here, of 32,767

SYLLABLES = 4.5  # a second, as people speak
PHRASE = 7  # syllables, the last of which is a pause
MELODY = (1.0, 1.12, 0.94, 1.06, 0.9, 1.0)
MOST_AUDIO = 120 * RATE  # samples of a file: two minutes


def speech(at: float, pitch: float) -> array[int]:
    """The frame *at* so many seconds of somebody who speaks: beeps like syllables, at *pitch* Hz."""
    frame = array("h", bytes(2 * SAMPLES))
    for index in range(SAMPLES):
        beat = (at + index / RATE) * SYLLABLES
        syllable, phase = int(beat), beat % 1.0
        if syllable % PHRASE == PHRASE - 1 or phase > 0.75:
            continue
        turn = 2 * math.pi * pitch * MELODY[syllable % len(MELODY)] * (at + index / RATE)
        frame[index] = int(LOUD * math.sin(math.pi * phase / 0.75) * (math.sin(turn) + 0.4 * math.sin(2 * turn)) / 1.4)
    return frame


def ringing(at: float) -> array[int]:
    """The frame *at* so many seconds of the British ringing tone: ITU-T E.180, supplement 2."""
    frame = array("h", bytes(2 * SAMPLES))
    in_cadence = at % 3.0
    if in_cadence < 0.4 or 0.6 <= in_cadence < 1.0:
        for index in range(SAMPLES):
            turn = 2 * math.pi * (at + index / RATE)
            frame[index] = int(LOUD / 3 * (math.sin(400 * turn) + math.sin(450 * turn)))
    return frame


def key_tone(keys: str, at: float) -> array[int] | None:
    """The frame *at* so many seconds of keys: two tones each (ITU-T Q.23), for 0.1 s; None once they are over."""
    index, phase = divmod(at, 0.2)
    if index >= len(keys):
        return None
    frame = array("h", bytes(2 * SAMPLES))
    row, column = divmod("123A456B789C*0#D".find(keys[int(index)]), 4)
    if row >= 0 and phase < 0.1:
        low, high = (697, 770, 852, 941)[row], (1209, 1336, 1477, 1633)[column]
        for sample in range(SAMPLES):
            turn = 2 * math.pi * (phase + sample / RATE)
            frame[sample] = int(LOUD / 2 * (math.sin(low * turn) + math.sin(high * turn)))
    return frame


def decode(file: bytes) -> array[int]:
    """The sound of a WAV file with linear PCM, of two minutes at most. Raises ValueError for another file."""
    try:
        with wave.open(io.BytesIO(file)) as audio:
            width, channels, rate = audio.getsampwidth(), audio.getnchannels(), audio.getframerate()
            if width not in (1, 2):
                raise ValueError("neither 8 nor 16 bit")
            data = audio.readframes(min(audio.getnframes(), 120 * rate))
    except (wave.Error, EOFError) as error:
        raise ValueError(f"no WAV file: {error}") from error
    if width == 1:
        samples = array("h", ((byte - 128) * 256 for byte in data))
    else:
        samples = array("h", data[: len(data) // 2 * 2])
        if sys.byteorder == "big":
            samples.byteswap()
    samples = samples[::channels]
    length = len(samples) * RATE // rate
    return samples if rate == RATE else array("h", (samples[index * rate // RATE] for index in range(length)))


def part(sound: array[int], at: float) -> array[int]:
    """The frame *at* so many seconds of *sound*, which begins anew at its end."""
    begin = int(at * RATE) % max(1, len(sound))
    frame = sound[begin : begin + SAMPLES]
    return frame if len(frame) == SAMPLES else (frame + sound * (SAMPLES // max(1, len(sound)) + 1))[:SAMPLES]


def mix(frames: Iterable[array[int]]) -> array[int] | None:
    """All *frames* in one; None if there are none."""
    mixed: array[int] | None = None
    for frame in frames:
        if mixed is None:
            mixed = frame
        else:
            pairs = zip(mixed, frame, strict=True)
            mixed = array("h", (max(-32768, min(32767, first + second)) for first, second in pairs))
    return mixed
