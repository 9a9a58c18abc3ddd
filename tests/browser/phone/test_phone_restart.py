"""The server is restarted while a user is in a call, which Vonage carries: the call goes on, and so does the page."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.phone.phones import CUSTOMER, USERS, Open, PhonePage, phones
from tests.browser.phone.test_phone_several import leg_to
from tests.control.world import APPLICATION_ID, NUMBER, STAYS, World, carried
from tests.engines import Engine, free_ports
from tests.serving import OPERATOR, ROOT, Server
from vonage_simulator.certificate import application_keys, make
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import Call

NOT_READY = re.compile("Connecting")
# The page says so in the console of what it reads again later, as the list of voicemails.
OF_A_READ = "PhoneError: Failed to fetch"


class Restarted:
    """A server of its own process, at one port, and its carrier."""

    def __init__(self, world: World, folder: Path, redis_url: str) -> None:
        self.world = world
        tokens = {f"user/{user}": token for user, token in USERS.items()} | {"operator": OPERATOR}
        self._environ: dict[str, Any] = {
            "PORT": world.base.rpartition(":")[2],
            "PUBLIC_URL": world.base,
            "REDIS_URL": redis_url,
            "SECRET_KEY": "k" * 32,
            "ACCESS_TOKENS": ",".join(f"{role}:{token}" for role, token in tokens.items()),
            "VONAGE_APPLICATION_ID": APPLICATION_ID,
            "VONAGE_PRIVATE_KEY": str(application_keys(folder)[0]),
            "VONAGE_API_HOSTS": ",".join(world.hosts),
            "RECORDING_HOSTS": ",".join(world.hosts),
            "REQUESTS_CA_BUNDLE": str(make(folder).ca),
            "CLIENT_SDK_URL": world.sdk_url,
            "FLOWS_FILE": str(ROOT / "config" / "ready" / "phone.yaml"),
            "CALLER_NUMBER": NUMBER,
            "WEBHOOK_VERIFY": "off",
        }
        self._folder = folder
        self.start()

    def start(self) -> None:
        """Start it, and wait until it serves requests."""
        self.server = Server(self._folder, **self._environ).ready()

    def stop(self) -> None:
        """Stop it as a platform does that has another version."""
        self.server.process.terminate()
        assert self.server.ended() == 0
        assert "Traceback" not in self.server.said

    def reload(self) -> None:
        """Replace its workers."""
        before = set(self.server.workers)
        self.server.process.send_signal(signal.SIGHUP)
        self.world.until(lambda: self.server.workers and not before & set(self.server.workers))

    def calls(self, from_: str = CUSTOMER) -> Leg:
        """A telephone that calls Alice, once it is answered and hears that it is to hold the line."""
        world = self.world
        leg = world.do(partial(world.carrier.place, Call(from_=from_, to=NUMBER, far_end=STAYS)))
        world.until(lambda: leg.answered)
        return leg


@pytest.fixture(autouse=True)
def nobody_talks(valkey: Engine) -> None:
    """Nothing is stored, and no other app takes part: it would do what is due here, at a carrier of its own."""
    valkey.flush()


@pytest.fixture
def restarted(valkey: Engine, tmp_path: Path) -> Iterator[Restarted]:
    world = World(f"http://127.0.0.1:{free_ports(1)[0]}", None, None)  # type: ignore[arg-type]
    with carried(world, tmp_path, application={"calls_per_second": None}, speed=1.0):
        found = Restarted(world, tmp_path, valkey.address.url)
        yield found
        found.server.kill()


@pytest.fixture
def alice(browser: Browser, restarted: Restarted) -> Iterator[PhonePage]:
    with phones(browser, restarted.world) as open_phone:
        opened: Open = open_phone
        phone = opened("Alice", network_fails=True)
        yield phone
        phone.faults = [fault for fault in phone.faults if OF_A_READ not in fault]


def talks(restarted: Restarted, alice: PhonePage) -> Leg:
    caller = restarted.calls()
    alice.sees(CUSTOMER, "incoming")
    alice.press(CUSTOMER, "Answer")
    alice.sees(CUSTOMER, "talking")
    return caller


def hear_each_other(world: World, caller: Leg) -> bool:
    own = leg_to(world, "Alice")
    return own.hears(caller) and caller.hears(own)


def seconds(alice: PhonePage) -> int:
    """What the timer of the call says."""
    minutes, rest = alice.call(CUSTOMER).get_by_role("timer").inner_text().split(":")
    return int(minutes) * 60 + int(rest)


def test_a_call_goes_on_while_the_server_is_stopped_and_started(restarted: Restarted, alice: PhonePage) -> None:
    world = restarted.world
    caller = talks(restarted, alice)
    own = leg_to(world, "Alice")
    alice.until(lambda: seconds(alice) >= 2)
    restarted.stop()
    expect(alice.page.locator("#line")).to_have_text(NOT_READY)
    expect(alice.page.locator("[data-trouble=server]")).to_be_visible()
    alice.sees(CUSTOMER, "talking")
    before = seconds(alice)
    assert hear_each_other(world, caller)
    restarted.start()
    alice.ready()
    expect(alice.page.locator("[data-trouble]")).to_have_count(0)
    call = alice.sees(CUSTOMER, "talking")
    expect(call).not_to_contain_text("another window")
    assert seconds(alice) >= before, "it counts on"
    assert leg_to(world, "Alice") is own
    assert hear_each_other(world, caller)
    alice.press(CUSTOMER, "Hold")
    alice.sees(CUSTOMER, "held")
    alice.press(CUSTOMER, "Resume")
    alice.sees(CUSTOMER, "talking")
    alice.press(CUSTOMER, "Hang up")
    alice.sees_none()
    world.until(lambda: caller.over)


def test_hanging_up_while_the_server_is_stopped(restarted: Restarted, alice: PhonePage) -> None:
    """The line to Vonage is there: the user's leg is over at once, and the caller is not left alone afterwards."""
    world = restarted.world
    caller = talks(restarted, alice)
    own = leg_to(world, "Alice")
    restarted.stop()
    expect(alice.page.locator("#line")).to_have_text(NOT_READY)
    alice.press(CUSTOMER, "Hang up")
    world.until(lambda: own.over)
    restarted.start()
    alice.ready()
    alice.sees_none()
    world.until(lambda: caller.over)


def test_a_call_goes_on_while_the_workers_are_replaced(restarted: Restarted, alice: PhonePage) -> None:
    world = restarted.world
    caller = talks(restarted, alice)
    restarted.reload()
    alice.ready()
    alice.sees(CUSTOMER, "talking")
    assert hear_each_other(world, caller)
    alice.press(CUSTOMER, "Mute")
    alice.until(lambda: leg_to(world, "Alice").muted)
    alice.press(CUSTOMER, "Hang up")
    alice.sees_none()
    world.until(lambda: caller.over)


def test_a_call_that_comes_while_the_workers_are_replaced(restarted: Restarted, alice: PhonePage) -> None:
    """Its request waits until one of the new ones takes it."""
    restarted.server.process.send_signal(signal.SIGHUP)
    restarted.calls()
    alice.sees(CUSTOMER, "incoming")
    alice.press(CUSTOMER, "Answer")
    alice.sees(CUSTOMER, "talking")


def stopped_while_it_rings(restarted: Restarted, alice: PhonePage) -> tuple[Leg, Leg]:
    """The legs of a caller and of Alice, whose page rings and knows that the server is stopped."""
    caller = restarted.calls()
    alice.sees(CUSTOMER, "incoming")
    own = leg_to(restarted.world, "Alice")
    restarted.stop()
    expect(alice.page.locator("#line")).to_have_text(NOT_READY)
    return caller, own


def test_a_call_that_rings_when_the_server_is_stopped_rings_on(restarted: Restarted, alice: PhonePage) -> None:
    world = restarted.world
    caller, own = stopped_while_it_rings(restarted, alice)
    alice.sees(CUSTOMER, "incoming")
    restarted.start()
    alice.ready()
    alice.sees(CUSTOMER, "incoming")
    alice.press(CUSTOMER, "Answer")
    alice.sees(CUSTOMER, "talking")
    assert leg_to(world, "Alice") is own
    assert hear_each_other(world, caller)


def test_answering_while_the_server_is_stopped(restarted: Restarted, alice: PhonePage) -> None:
    world = restarted.world
    caller, own = stopped_while_it_rings(restarted, alice)
    alice.press(CUSTOMER, "Answer")
    alice.until(lambda: own.answered)
    alice.until(lambda: hear_each_other(world, caller))
    restarted.start()
    alice.ready()
    alice.sees(CUSTOMER, "talking")
    alice.press(CUSTOMER, "Hang up")
    alice.sees_none()
    world.until(lambda: own.over and caller.over)
