"""Half an hour of a user's calls in a real browser, and whether the page has forgotten anything of them, or all of it.

    python -m benchmarks.phone [--minutes 30] [--speed 3] [--seed 1]

A Chromium has the phone of Alice open, at an app and a simulated carrier whose clock goes three times as fast. Calls
come in and go out, one after the other and two at once: they are answered, rejected, ignored, missed, held, muted and
hung up, by her or by the others, in an order that is the same for the same seed. After each no call may be left in the
page. Measured after a third, two thirds and all of them, after a collection of garbage: the page's nodes, listeners,
heap and connections. From the first look on they may grow a little, for every call is in a list that has an end.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import CDPSession, expect, sync_playwright

from tests import engines
from tests.api.site import TOKENS
from tests.browser import chromium
from tests.browser.phone.phones import READY, USERS, PhonePage, phones
from tests.control.world import World, world_of
from tests.serving import ROOT
from vonage_simulator.ledger import Leg

USER: Final = "Alice"
CARDS: Final = "[...document.querySelectorAll('.call')].map((call) => `${call.dataset.state}: ${call.innerText}`)"
PATIENCE: Final = 30_000.0  # ms until the page shows what happened: a busy machine
# How much more than at the first look there may be of each of Chromium's metrics at the last one. Not of AudioHandlers:
# Chromium keeps every microphone that was a source of an AudioContext as long as that, as the stand-in's for all calls.
# https://chromedevtools.github.io/devtools-protocol/tot/Performance/#method-getMetrics
MOST_GROWTH: Final = {
    "Nodes": 2_500,  # the list of calls that are over has an end, of some 100 rows
    "JSEventListeners": 50,
    "JSHeapUsedSize": 2_000_000,  # bytes
    "Documents": 1,
    "RTCPeerConnections": 0,
}


class Calls:
    """The stories of calls. Each ends with the page as it was before."""

    def __init__(self, world: World, alice: PhonePage, chance: random.Random) -> None:
        self._world, self._alice, self._chance = world, alice, chance
        self._numbers = iter(range(447700900200, 447700999999))

    def stories(self) -> list[Callable[[], None]]:
        """All of them."""
        return [
            *(self.answered, self.out, self.rejected, self.missed, self.ignored),
            *(self.held, self.muted, self.two_at_once),
        ]

    def answered(self) -> None:
        """A call is answered, and ended by one of the two."""
        caller, number = self._rings()
        self._talks(number)
        self._either_hangs_up(caller, number)

    def out(self) -> None:
        """Alice calls, and one of the two ends it."""
        number = str(next(self._numbers))
        self._alice.dial(number)
        callee = self._alice.until(lambda: next((leg for leg in self._world.legs() if self._is_out(leg, number)), None))
        self._alice.sees(number, "talking")
        self._either_hangs_up(callee, number)

    def _is_out(self, leg: Leg, number: str) -> bool:
        return leg.to == number and leg.direction == "outbound" and bool(leg.answered) and not leg.over

    def rejected(self) -> None:
        """The caller gets the voicemail, and leaves a message or none."""
        caller, number = self._rings()
        self._alice.press(number, "Reject")
        self._alice.sees_none(number)
        self._others_hang_up(caller)

    def missed(self) -> None:
        """The caller gives up."""
        caller, number = self._rings()
        self._others_hang_up(caller)
        self._alice.sees_none(number)

    def ignored(self) -> None:
        """It rings on in silence until the caller gives up."""
        caller, number = self._rings()
        self._alice.press(number, "Ignore")
        self._alice.sees(number, "ignored")
        self._others_hang_up(caller)
        self._alice.sees_none(number)

    def held(self) -> None:
        """A call is put on hold and resumed."""
        caller, number = self._rings()
        self._talks(number)
        self._alice.press(number, "Hold")
        self._alice.sees(number, "held")
        if self._chance.random() < 0.7:  # else it ends on hold
            self._alice.press(number, "Resume")
            self._alice.sees(number, "talking")
        self._either_hangs_up(caller, number)

    def muted(self) -> None:
        """Alice turns her microphone off, and on again or not."""
        caller, number = self._rings()
        self._talks(number)
        self._alice.press(number, "Mute")
        if self._chance.random() < 0.7:
            self._alice.press(number, "Unmute")
        self._either_hangs_up(caller, number)

    def two_at_once(self) -> None:
        """A second call comes in, is answered, and both end."""
        first, one = self._rings()
        self._talks(one)
        second, other = self._rings()
        self._talks(other)
        self._alice.sees(one, "held")
        self._either_hangs_up(second, other)
        self._either_hangs_up(first, one)

    def _rings(self) -> tuple[Leg, str]:
        """A telephone that calls Alice, and its number."""
        number = str(next(self._numbers))
        caller = self._world.caller(number, room=None)
        self._alice.sees(number, "incoming")
        return caller, number

    def _talks(self, number: str) -> None:
        self._alice.press(number, "Answer")
        self._alice.sees(number, "talking")
        self._alice.page.wait_for_timeout(self._chance.uniform(200, 1500))

    def _either_hangs_up(self, leg: Leg, number: str) -> None:
        if self._chance.random() < 0.5:
            self._alice.press(number, "Hang up")
        else:
            self._others_hang_up(leg)
        self._alice.sees_none(number)

    def _others_hang_up(self, leg: Leg) -> None:
        self._world.do(partial(self._world.carrier.people.hang_up, leg.uuid))


def looked_at(devtools: CDPSession) -> dict[str, float]:
    """The metrics of the page, without what is garbage."""
    for _ in range(3):  # what was reachable from garbage alone is found by the next one
        devtools.send("HeapProfiler.collectGarbage")
    found = devtools.send("Performance.getMetrics")["metrics"]
    return {each["name"]: each["value"] for each in found if each["name"] in MOST_GROWTH}


def stale(world: World, alice: PhonePage) -> list[str]:
    """What is left of calls that are over."""
    found = [f"{alice.call().count()} calls in the page"] if alice.call().count() else []
    if not READY.search(alice.page.locator("#line").inner_text()):
        found.append("the line is not ready")
    phone = world.ask("GET", f"/users/{USER}/phone").json
    found += [f"the server has the session {session['id']}" for session in phone["sessions"]]
    found += [f"the operation {name} goes on" for name in world.open_operations()]
    found += [f"the page says: {fault}" for fault in alice.faults]
    alice.faults.clear()  # they are told
    return found


def soaked(world: World, alice: PhonePage, seconds: float, chance: random.Random) -> tuple[list[dict[str, float]], int]:
    """What there was at each look, and the number of calls' stories."""
    devtools = alice.page.context.new_cdp_session(alice.page)
    for domain in ("Performance", "HeapProfiler"):
        devtools.send(f"{domain}.enable")
    calls, told, looks = Calls(world, alice, chance), Counter[str](), list[dict[str, float]]()
    began = time.monotonic()
    while len(looks) < 3:
        story = chance.choice(calls.stories())
        try:
            story()
            alice.sees_none()
        except AssertionError:
            print(f"  in the story {story.__name__} the page shows {alice.page.evaluate(CARDS)}")
            print(f"  WRONG: {'; '.join(stale(world, alice))}")
            raise
        told[story.__name__] += 1
        if time.monotonic() - began >= seconds * (len(looks) + 1) / 3:
            looks.append(looked_at(devtools))
            print(f"  after {told.total():4} stories: {_in_words(looks[-1])}", flush=True)
    print(f"  {', '.join(f'{name} {count}' for name, count in sorted(told.items()))}")
    return looks, told.total()


def _in_words(look: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:,.0f}" for name, value in look.items())


def main() -> int:
    """Measure and print. 1 if something has grown, or is stale."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="by the carrier's clock")
    parser.add_argument("--speed", type=float, default=3.0, help="of that clock")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    expect.set_options(timeout=PATIENCE)
    settings: dict[str, Any] = {
        "access_tokens": (*TOKENS, (f"user/{USER}", USERS[USER])),
        "flows_file": ROOT / "config" / "ready" / "phone.yaml",
        "caller_number": "442079460000",
    }
    carrier = {"application": {"calls_per_second": None}, "speed": options.speed}
    with (
        tempfile.TemporaryDirectory() as folder,
        engines.single() as engine,
        world_of(Path(folder), engine.address.url, carrier=carrier, **settings) as world,
        sync_playwright() as playwright,
    ):
        browser = chromium.launched(playwright, *chromium.FAKE_DEVICES)
        with phones(browser, world) as open_phone:
            # A place of a call that has just ended is given back within seconds: here the next one comes sooner.
            world.ask("PUT", f"/users/{USER}", {"max_calls": 50})
            alice = open_phone(USER, network_fails=True)  # what comes too late for its call gets 404
            print(f"{options.minutes:g} minutes of calls at {options.speed:g} times the speed:", flush=True)
            looks, _ = soaked(world, alice, options.minutes * 60 / options.speed, random.Random(options.seed))
            world.until(lambda: all(leg.over for leg in world.legs()), 120)
            left = stale(world, alice)
        browser.close()
    first, last = looks[0], looks[-1]
    grown = [
        f"{name} grew by {last[name] - first[name]:,.0f}"
        for name, most in MOST_GROWTH.items()
        if last[name] - first[name] > most
    ]
    for fault in (*grown, *left):
        print(f"  WRONG: {fault}")
    return 1 if grown or left else 0


if __name__ == "__main__":
    sys.exit(main())
