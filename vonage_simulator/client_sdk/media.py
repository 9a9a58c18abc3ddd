"""Sound between the pages and the carrier, over their WebSockets.

A frame is 4 bytes, the number of the call in its session and the number of the frame (16 bit each, little-endian), and
20 ms of sound (tones.py); without it, silence. Frames come and go all the time, so that each side can count those that
are lost.
"""

from __future__ import annotations

import asyncio
import random
import struct
import sys
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from vonage_simulator.carrier import Carrier
from vonage_simulator.client_sdk import tones
from vonage_simulator.client_sdk.audio_files import AudioFiles
from vonage_simulator.client_sdk.sessions import Session
from vonage_simulator.ledger import Leg, Played
from vonage_simulator.trace import Happening
from vonage_simulator.webhook_bodies import spoken_seconds

FRAME = 0.02  # seconds
HEAD = struct.Struct("<HH")
SIZE = HEAD.size + 2 * tones.SAMPLES
MOST_AHEAD = 15  # frames of a microphone that are kept: 0.3 s
VOICE, PERSON = 150.0, 110.0  # pitch in Hz of what is spoken by the carrier, and of people on a telephone


@dataclass(slots=True)
class Network:
    """How bad the network between a page and the carrier is: the share of frames that are lost, and the delay."""

    lost: float = 0.0
    delay: float = 0.0  # seconds, there and back
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - the same every time

    def loses(self) -> bool:
        return self.lost > 0 and self.chance.random() < self.lost


@dataclass(slots=True)
class _Ear:
    """The sound of one leg: what its page has sent, and what it was sent."""

    session: Session
    number: int
    sent: int = 0
    received: int = 0
    microphone: deque[array[int]] = field(default_factory=lambda: deque(maxlen=MOST_AHEAD))
    spoken: array[int] | None = None  # of this moment
    keys: str = ""
    keys_since: float = 0.0


class Media:
    """The sound of all calls in browsers."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._files = AudioFiles()
        self._ears: dict[str, _Ear] = {}
        self._networks: dict[str, Network] = {}
        self._ticking: asyncio.Task[None] | None = None
        carrier.watchers.add(self._happened)

    def stop(self) -> None:
        self._carrier.watchers.remove(self._happened)
        self._ears.clear()
        self._files.stop()
        if self._ticking:
            self._ticking.cancel()

    def network(self, user: str) -> Network:
        """The network of the pages of *user*."""
        return self._networks.get(user) or Network()

    def set_network(self, user: str, network: Network) -> None:
        self._networks[user] = network

    def join(self, session: Session, uuid: str) -> int:
        """The page of *session* sends and hears the sound of a leg from now on. Returns the number of its frames."""
        taken = {ear.number for ear in self._ears.values() if ear.session is session}
        number = next(number for number in range(len(taken) + 1) if number not in taken)
        self._ears[uuid] = _Ear(session, number)
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick())
        return number

    def take(self, session: Session, frame: bytes) -> None:
        """A frame of a microphone has come. What is no frame of a call is dropped."""
        if len(frame) not in (HEAD.size, SIZE):
            return
        number, _ = HEAD.unpack_from(frame)
        ear = next((ear for ear in self._ears.values() if ear.session is session and ear.number == number), None)
        if ear is None or self.network(session.user).loses():
            return
        ear.received += 1
        if len(frame) == SIZE:
            sound = array("h", frame[HEAD.size :])
            if sys.byteorder == "big":
                sound.byteswap()
            ear.microphone.append(sound)

    def received(self, session: Session) -> dict[int, int]:
        """How many frames of each call have come from a page, by the number of the call."""
        return {ear.number: ear.received for ear in self._ears.values() if ear.session is session}

    def _happened(self, happening: Happening) -> None:
        ear = self._ears.get(happening.leg)
        if ear and happening.what == "dtmf":
            ear.keys, ear.keys_since = happening.data["digits"], self._carrier.clock.seconds

    async def _tick(self) -> None:
        """Send everybody a frame, fifty times a second. A moment that was missed is not made up for."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._ears:
            due = max(due + FRAME, loop.time() - FRAME)
            await asyncio.sleep(max(0.0, due - loop.time()))
            self._ears = {uuid: ear for uuid, ear in self._ears.items() if not self._leg(uuid).over}
            for ear in self._ears.values():
                ear.spoken = ear.microphone.popleft() if ear.microphone else None
            for uuid, ear in self._ears.items():
                self._send(self._leg(uuid), ear)

    def _send(self, leg: Leg, ear: _Ear) -> None:
        connection = ear.session.connection
        if connection is None:
            return
        ear.sent = (ear.sent + 1) % 65536
        network = self.network(ear.session.user)
        if network.loses():
            return
        sound = tones.mix(self._heard(leg, ear)) if leg.answered and not leg.earmuffed else None
        if sound and sys.byteorder == "big":
            sound = sound[:]
            sound.byteswap()
        frame = HEAD.pack(ear.number, ear.sent) + (sound.tobytes() if sound else b"")
        if network.delay:
            asyncio.get_running_loop().call_later(network.delay / 2, connection.send_sound, frame)
        else:
            connection.send_sound(frame)

    def _heard(self, leg: Leg, ear: _Ear) -> Iterator[array[int]]:
        """Everything that *leg* hears now."""
        now = self._carrier.clock.now()
        for other in leg.conversation.present.values():
            if leg.hears(other):
                yield from self._said(other, now)
            elif other is not leg and other.direction == "outbound" and not other.answered:
                yield tones.ringing(self._since(other.stays[0].since, now))
        for span in leg.played:
            if span.since <= now and (span.until is None or now < span.until):
                yield from self._played(span.value, self._since(span.since, now))
        if ear.keys:
            tone = tones.key_tone(ear.keys, (self._carrier.clock.seconds - ear.keys_since) / self._speed)
            if tone is None:
                ear.keys = ""
            else:
                yield tone

    def _said(self, leg: Leg, now: datetime) -> Iterator[array[int]]:
        """What *leg* says. People on a telephone have no words: they speak for a while, and listen for a while."""
        speaker = self._ears.get(leg.uuid)
        if speaker is None and leg.endpoint != "websocket":
            at = self._since(leg.times["answered"], now)
            if at % 6.0 < 3.0:
                yield tones.speech(at, PERSON)
        elif speaker and speaker.spoken:
            yield speaker.spoken

    def _played(self, played: Played, at: float) -> Iterator[array[int]]:
        if played.kind == "talk":
            yield tones.speech(at % (spoken_seconds(played.what) / self._speed), VOICE)
        elif sound := self._files.get(played.what):
            yield tones.part(sound, at)

    def _since(self, moment: datetime, now: datetime) -> float:
        """Real seconds since *moment*: sound is as fast as in life, however fast the carrier's clock goes."""
        return (now - moment).total_seconds() / self._speed

    @property
    def _speed(self) -> float:
        return self._carrier.clock.speed or 1.0

    def _leg(self, uuid: str) -> Leg:
        return self._carrier.ledger.legs[uuid]
