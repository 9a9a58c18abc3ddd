"""Sound: what a page hears, and what others hear of its microphone."""

from __future__ import annotations

import io
import math
import re
import struct
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vonage_simulator.api_server import ALICE as PHONE
from tests.vonage_simulator.api_server import Server
from tests.vonage_simulator.client_sdk.sdk_pages import Open, SdkPage
from tests.vonage_simulator.client_sdk.test_browser_calls import (
    answered,
    call_from_a_phone,
    connect_to,
    connect_to_phone,
    logged_in,
)
from vonage_simulator.harness import served
from vonage_simulator.scenario import FarEnd

# The strongest frequency that the page's loudspeaker plays, in Hz.
PITCH = """
async () => {
  const context = new AudioContext();
  const source = context.createMediaStreamSource(client.getAudioOutputElement().srcObject);
  const analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  source.connect(analyser);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  const strongest = levels.indexOf(Math.max(...levels));
  const pitch = (strongest * context.sampleRate) / analyser.fftSize;
  await context.close();
  return pitch;
}
"""
# Exchange the microphone of a call for a tone of 1,000 Hz.
EXCHANGE = """
async (call) => {
  const context = new AudioContext();
  const tone = context.createOscillator();
  tone.frequency.value = 1000;
  const end = context.createMediaStreamDestination();
  tone.connect(end);
  tone.start();
  await client.getPeerConnection(call).getSenders()[0].replaceTrack(end.stream.getAudioTracks()[0]);
}
"""
# The loudest sample that the page's loudspeaker plays within some seconds, of 1.
LISTEN = """
async (seconds) => {
  const context = new AudioContext();
  const source = context.createMediaStreamSource(client.getAudioOutputElement().srcObject);
  const analyser = context.createAnalyser();
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let loudest = 0;
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    analyser.getFloatTimeDomainData(samples);
    for (const sample of samples) loudest = Math.max(loudest, Math.abs(sample));
  }
  await context.close();
  return loudest;
}
"""


def loudest(page: SdkPage, seconds: float = 1.0) -> float:
    return float(page.page.evaluate(LISTEN, seconds))


def hears(page: SdkPage) -> None:
    """Wait until the page hears something."""
    page.until(lambda: loudest(page, 0.5) > 0.02)


def conversation_of(server: Server, alice: SdkPage, bob: SdkPage) -> tuple[str, str]:
    """Bob has called Alice, who has answered: his call, and hers."""
    server.ncco = [{"action": "connect", "endpoint": [{"type": "app", "user": alice.user}]}]
    ours: str = bob.ok("serverCall", {"to": alice.user})
    theirs: str = alice.wait_for("callInvite")[0]
    alice.ok("answer", theirs)
    bob.wait_for("legStatusUpdate", ours, theirs, "ANSWERED")
    return ours, theirs


def is_silent(page: SdkPage) -> None:
    """Wait until the page has heard nothing for a second."""
    page.until(lambda: loudest(page) < 0.001)


def test_a_page_hears_who_calls_and_nobody_with_earmuffs(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    call, _ = answered(server, alice)
    hears(alice)
    alice.ok("enableEarmuff", call)
    alice.wait_for("earmuff", call, call, True)
    is_silent(alice)
    alice.ok("disableEarmuff", call)
    hears(alice)
    assert not alice.errors


def test_a_text_sounds_as_long_as_it_is(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    server.ncco = [{"action": "talk", "text": "x" * 40}, {"action": "conversation", "name": "silent"}]  # 2.8 s
    alice.ok("serverCall", {})
    hears(alice)
    is_silent(alice)


def test_a_caller_hears_the_other_side_ring_and_its_keys_are_heard(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    server.carrier.callees[PHONE] = FarEnd(does="never_answers")
    server.ncco = connect_to_phone(PHONE)
    call = alice.ok("serverCall", {"to": PHONE})
    hears(alice)
    server.do(lambda: server.carrier.dtmf(call, "1"))
    hears(alice)


@pytest.fixture
def tune() -> Iterator[str]:
    """The URL of an audio file that a server on this machine has: a tone of 440 Hz for a second."""
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setparams((2, 2, 16_000, 0, "NONE", ""))
        samples = (int(8000 * math.sin(2 * math.pi * 440 * index / 16_000)) for index in range(16_000))
        audio.writeframes(b"".join(struct.pack("<hh", sample, sample) for sample in samples))

    def app(environ: Any, respond: Any) -> list[bytes]:
        respond("200 OK", [("Content-Type", "audio/wav")])
        return [file.getvalue()]

    with served(lambda _: app) as base:
        yield f"{base}/tune.wav"


def test_an_audio_file_is_heard(server: Server, open_page: Open, tune: str) -> None:
    alice = logged_in(open_page)
    server.ncco = [{"action": "stream", "streamUrl": [tune], "loop": 0}]
    alice.ok("serverCall", {})
    hears(alice)
    strongest = alice.page.evaluate(PITCH)
    assert abs(strongest - 440) < 30, "in the pitch that it has"


def test_two_pages_hear_each_other(server: Server, open_page: Open) -> None:
    """The microphone of the browser for tests beeps."""
    alice, bob = logged_in(open_page), logged_in(open_page, "Bob")
    ours, theirs = conversation_of(server, alice, bob)
    hears(alice)
    hears(bob)
    bob.ok("mute", ours)
    is_silent(alice)
    hears(bob)
    bob.ok("unmute", ours)
    hears(alice)
    bob.ok("hangup", ours)
    alice.wait_for("callHangup", theirs)
    assert alice.errors == bob.errors == []


def test_the_microphone_can_be_exchanged(server: Server, open_page: Open) -> None:
    alice, bob = logged_in(open_page), logged_in(open_page, "Bob")
    ours, _ = conversation_of(server, alice, bob)
    hears(alice)
    bob.page.evaluate(f"client.getPeerConnection('{ours}').getSenders()[0].replaceTrack(null)")
    is_silent(alice)
    bob.page.evaluate(EXCHANGE, ours)
    alice.until(lambda: abs(alice.page.evaluate(PITCH) - 1000) < 60)


def test_a_microphone_that_is_denied_is_told_and_the_call_rings_on(server: Server, open_page: Open) -> None:
    alice = open_page("Alice")
    alice.page.evaluate("navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('denied')); 0")
    alice.log_in()
    call_from_a_phone(server, connect_to("Alice"))
    call: str = alice.wait_for("callInvite")[0]
    assert alice.error("answer", call) == ("INTERNAL_ERROR", None)
    assert alice.wait_for("callMediaError", call)
    assert alice.error("serverCall", {"to": PHONE}) == ("INTERNAL_ERROR", None)
    assert server.leg(call).status == "started"
    assert [leg.from_user for leg in server.carrier.ledger.legs.values() if not leg.over].count("Alice") == 0


def test_the_microphone_is_off_once_the_call_is_over(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    call, _ = answered(server, alice)
    track = f"(window.track ??= client.getPeerConnection('{call}').getSenders()[0].track).readyState"
    assert alice.page.evaluate(track) == "live"
    alice.ok("hangup", call)
    alice.wait_for("callHangup", call)
    assert alice.page.evaluate("track.readyState") == "ended"
    assert alice.page.evaluate(f"client.getPeerConnection('{call}') === undefined")


def members_of(interface: str) -> list[str]:
    """The names of an interface of members.ts."""
    text = (Path(__file__).parent / "members.ts").read_text().partition(f"export interface {interface} {{")[2]
    return re.findall(r"^  (\w+):", text.partition("\n}")[0], re.MULTILINE)


def test_the_statistics_are_those_of_the_sdk_and_of_this_call(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    call, _ = answered(server, alice)
    first, about = alice.wait_for("rtcStatsUpdate")
    assert about == call
    assert sorted(first) == sorted(members_of("Stats"))
    alice.until(lambda: alice.events("rtcStatsUpdate")[-1][0]["audioRecvPackets"] > first["audioRecvPackets"] + 50)
    last = alice.events("rtcStatsUpdate")[-1][0]
    assert last["audioSentPackets"] > first["audioSentPackets"] + 50
    assert last["audioRecvPacketsLost"] == 0
    assert last["audioSentPacketsLost"] == 0
    assert 0 < last["audioRtt"] < 5, "in seconds"
    alice.ok("hangup", call)
    quality = alice.wait_for("callHangup", call)[1]
    assert sorted(quality) == sorted(members_of("Quality"))
    assert quality["mos_score"] > 4
    assert quality["packet_loss_perc"] == 0


def test_a_bad_network_is_in_the_statistics(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    call, _ = answered(server, alice)
    server.do(lambda: server.sdk.disturb("Alice", lost=0.5, delay=0.6))

    def bad() -> bool:
        stats = alice.events("rtcStatsUpdate")[-1][0] if alice.events("rtcStatsUpdate") else {}
        lost = stats.get("audioRecvPacketsLost", 0), stats.get("audioSentPacketsLost", 0)
        return min(lost) > 30 and stats["audioRtt"] > 0.5

    alice.until(bad)
    alice.ok("hangup", call)
    quality = alice.wait_for("callHangup", call)[1]
    assert quality["mos_score"] < 3
    assert quality["packet_loss_perc"] > 10


def test_sound_that_stalls_is_told_and_so_is_its_return(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    call, _ = answered(server, alice)
    server.do(lambda: server.sdk.disturb("Alice", lost=1.0))
    assert alice.wait_for("callMediaReconnecting") == [call]
    server.do(lambda: server.sdk.disturb("Alice"))
    assert alice.wait_for("callMediaReconnection") == [call]
    assert alice.events("callMediaDisconnect") == []
    server.do(lambda: server.sdk.disturb("Alice", lost=1.0))
    assert alice.wait_for("callMediaDisconnect") == [call, "networkChange"], "after fifteen seconds"
    assert not server.leg(call).over


def test_sound_waits_for_no_page_that_is_away(server: Server, open_page: Open) -> None:
    alice, bob = logged_in(open_page), logged_in(open_page, "Bob")
    ours, _ = conversation_of(server, alice, bob)
    bob.loses_network()
    bob.wait_for("reconnecting")
    server.until(lambda: server.sdk.online() == {"Alice"})
    is_silent(alice)
    bob.context.set_offline(False)
    bob.wait_for("reconnection")
    hears(alice)
    hears(bob)
    assert not server.leg(ours).over
