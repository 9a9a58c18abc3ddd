"""Sound: what a page hears, and what others hear of its microphone."""

from __future__ import annotations

from typing import Any

from tests.vonage_simulator.api_server import Server
from tests.vonage_simulator.client_sdk.sdk_pages import Open, SdkPage
from tests.vonage_simulator.client_sdk.test_browser_calls import call_from_a_phone, connect_to

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


def answered_call(server: Server, page: SdkPage, ncco: list[dict[str, Any]] | None = None) -> str:
    """A call from a telephone that *page* has answered."""
    call_from_a_phone(server, ncco or connect_to(page.user))
    call: str = page.wait_for("callInvite")[0]
    page.ok("answer", call)
    page.wait_for("legStatusUpdate", call, call, "ANSWERED")
    return call


def test_a_page_hears_who_calls_and_nobody_once_it_is_alone(server: Server, open_page: Open) -> None:
    alice = open_page("Alice")
    alice.log_in()
    call = answered_call(server, alice)
    hears(alice)
    alice.ok("enableEarmuff", call)
    alice.wait_for("earmuff", call, call, True)
    alice.until(lambda: loudest(alice) < 0.001)
    assert not alice.errors
