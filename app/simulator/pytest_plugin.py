"""A fixture for tests of call flows: it calls your server as Vonage would, and tells what was heard.

In your conftest.py: `from app.simulator.pytest_plugin import simulated_call`. docs/simulator.md has an example.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from app.simulator.happenings import Happening
from app.simulator.heard import Heard, transcript
from app.simulator.scenario import Call, FarEnd, Scenario
from app.simulator.scenarios import dump, find, read
from app.simulator.simulation import application, simulation

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CALLER, CALLED = "447700900123", "442079460000"  # numbers that Ofcom keeps free for drama
STOPS_WITHIN = 0.01  # seconds that the served app takes to notice that its call is over
MOST_SHOWN = 200  # lines of a call that does not end
PATIENCE = 60.0  # real seconds a simulated call may take: its own time jumps, so only the server's counts

Simulate = Callable[..., Heard]


class CallTrouble(AssertionError):
    """Something went wrong between the carrier and the application: it was not there, or said what cannot be run."""


@pytest.fixture
def simulated_call() -> Simulate:
    """A function that places a call and returns what was heard: `simulated_call(app, digits=["1"])`.

    Args:
        app: Your WSGI app, served for as long as the call takes; or None, with `answer_url` and `event_url`.
        answer, event: The paths of the two webhooks in it; "/voice/answer" and "/voice/event".
        answer_url, event_url: Where a server of yours has them.
        from_, to: Who calls which number of yours.
        digits: What the caller presses, one text for each input that asks for keys; none left is silence.
        says: What the caller says, one text for each input that listens.
        hangs_up_after: Seconds after which the caller hangs up; None: stays as long as the script lasts.
        callees: What happens when a number or user is rung, by name: `{"447700900301": FarEnd(does="busy")}`. Anybody
            else ("*") answers after two seconds and hangs up ten seconds later.
        scenario: A built-in scenario, or a path to one, in place of the caller and callees above.
        secret: API key and signature secret, where the server checks signatures.
        trouble: True: return also where something went wrong, for a test of just that.

    The call's time jumps: a minute takes milliseconds. Raises CallTrouble, and located.Faults where what is given
    cannot be.
    """
    return place


def place(
    app: WSGIApplication | None = None,
    *,
    answer: str = "/voice/answer",
    event: str = "/voice/event",
    answer_url: str | None = None,
    event_url: str | None = None,
    from_: str = CALLER,
    to: str = CALLED,
    digits: tuple[str, ...] | list[str] = (),
    says: tuple[str, ...] | list[str] = (),
    hangs_up_after: float | None = None,
    callees: Mapping[str, FarEnd] | None = None,
    scenario: str | None = None,
    secret: tuple[str, str] | None = None,
    trouble: bool = False,
) -> Heard:
    """The fixture's function; see there."""
    if scenario is None:
        caller = FarEnd(keys=tuple(digits), says=tuple(says), hangs_up_after=hangs_up_after)
        known = {"*": FarEnd(hangs_up_after=10.0), **(callees or {})}  # else two people would talk for two hours
        made = Scenario(name="call", about="a test", calls=(Call(from_=from_, to=to, far_end=caller),), callees=known)
        story = read(dump(made), "simulated_call")  # checked as a file is
    else:
        story = find(scenario)
    happenings: list[Happening] = []
    with _served(app) as base:
        urls = (base + answer, base + event) if base else (answer_url, event_url)
        try:
            heard = asyncio.run(asyncio.wait_for(_heard(story, *urls, secret, happenings), PATIENCE))
        except TimeoutError:
            so_far = transcript(happenings[:MOST_SHOWN], [])
            raise CallTrouble("\n".join([f"not over within {PATIENCE:g} s", "", *so_far])) from None
    if heard.troubles and not trouble:
        raise CallTrouble("\n".join([*heard.troubles, "", str(heard)]))
    return heard


async def _heard(
    story: Scenario,
    answer_url: str | None,
    event_url: str | None,
    secret: tuple[str, str] | None,
    happenings: list[Happening],
) -> Heard:
    own = application(answer_url=answer_url, event_url=event_url, secret=secret)
    async with simulation(own, speed=None, watch=happenings.append) as carrier:
        placed = await carrier.play(story)
        await carrier.over()
        legs = placed + [leg for leg in carrier.ledger.legs.values() if leg not in placed]
        return Heard(legs, happenings, [sent.body for sent in carrier.post.sent if sent.kind == "event"])


@contextmanager
def _served(app: Any) -> Iterator[str]:
    """The address at which *app* is, as long as it lasts; "" without one."""
    if app is None:
        yield ""
        return
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(STOPS_WITHIN,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
