"""One call to an application of your own, and what was heard of it: for tests, and for whoever writes a call flow.

The call's time jumps from one thing that happens to the next, so a minute takes milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vonage_simulator.call_result import CallResult, transcript
from vonage_simulator.scenario import Call, Endpoint, FarEnd, Scenario
from vonage_simulator.scenarios import dump, find, read
from vonage_simulator.simulation import application, simulation
from vonage_simulator.trace import Happening
from vonage_simulator.yaml_source import Fault, Faults, write

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CALLER, CALLED = "447700900123", "442079460000"  # numbers that Ofcom keeps free for drama
STOPS_WITHIN = 0.01  # seconds that the served app takes to notice that its call is over
NAME = "simulated_call"  # what a fault in what is given calls it
MOST_SHOWN = 200  # lines of a call that does not end
PATIENCE = 60.0  # real seconds a simulated call may take: its own time jumps, so only the server's counts


class CallTrouble(AssertionError):
    """Something went wrong between the carrier and the application: it was not there, or said what cannot be run."""


def place(
    app: WSGIApplication | None = None,
    *,
    answer: str = "/voice/answer",
    event: str = "/voice/event",
    answer_url: str | None = None,
    event_url: str | None = None,
    from_: str = CALLER,
    to: str = CALLED,
    endpoint: Endpoint | None = None,
    headers: Mapping[str, str] | None = None,
    custom_data: Mapping[str, Any] | None = None,
    digits: Sequence[str] = (),
    says: Sequence[str] = (),
    hangs_up_after: float | None = None,
    callees: Mapping[str, FarEnd] | None = None,
    scenario: str | None = None,
    secret: tuple[str, str] | None = None,
    trouble: bool = False,
) -> CallResult:
    """Place a call and return what was heard.

    Args:
        app: Your WSGI app, served for as long as the call takes; or None, with `answer_url` and `event_url`.
        answer, event: The paths of the two webhooks in it.
        answer_url, event_url: Where a server of yours has them.
        from_, to: Who calls which number of yours.
        endpoint: What the caller calls with; "app" is an app user, whose name `from_` is. None: "sip" where there are
            `headers`, or `from_` is a SIP address, else "phone".
        headers: SIP headers, as the caller sends them. Vonage hands on those that begin with X-, and User-to-User:
            https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook
        custom_data: What an app user's page sends along.
        digits: What the caller presses, one text for each input that asks for keys; none left is silence.
        says: What the caller says, one text for each input that listens.
        hangs_up_after: Seconds after which the caller hangs up; None: stays as long as the script lasts.
        callees: What happens when a number or user is rung, by name: `{"447700900301": FarEnd(does="busy")}`. Anybody
            else ("*") answers after two seconds and hangs up ten seconds later.
        scenario: A built-in scenario, or a path to one, in place of the caller and callees above.
        secret: API key and signature secret, where the server checks signatures.
        trouble: True: return also where something went wrong, for whoever wants to know just that.

    Raises CallTrouble, and located.Faults where what is given cannot be.
    """
    if scenario is None:
        endpoint = endpoint or ("sip" if headers or _is_address(from_) else "phone")
        if wrong := list(_wrong(endpoint, headers, custom_data, digits=digits, says=says)):
            raise Faults(wrong)
        call = Call(
            from_=from_,
            to=to,
            endpoint=endpoint,
            far_end=FarEnd(keys=tuple(digits), says=tuple(says), hangs_up_after=hangs_up_after),
            headers=headers or {},
            custom_data=custom_data,
        )
        known = {"*": FarEnd(hangs_up_after=10.0), **(callees or {})}  # else two people would talk for two hours
        made = Scenario(name="call", about="a rehearsal", calls=(call,), callees=known)
        story = read(dump(made), NAME)  # checked as a file is
    else:
        story = find(scenario)
    if app is None:
        heard = _placed(story, answer_url, event_url, secret)
    else:
        with served(lambda _: app) as base:
            heard = _placed(story, base + answer, base + event, secret)
    if heard.troubles and not trouble:
        raise CallTrouble("\n".join([*heard.troubles, "", str(heard)]))
    return heard


def _is_address(caller: str) -> bool:
    return str(caller).lower().startswith(("sip:", "sips:"))


def _wrong(
    endpoint: Endpoint,
    headers: Mapping[str, str] | None,
    custom_data: Mapping[str, Any] | None,
    **texts: Sequence[str],
) -> Iterator[Fault]:
    """What of a call cannot be, and no scenario's file would have told."""
    if headers and endpoint != "sip":
        words = f'come with a call by SIP, and this is one by {endpoint}: leave out endpoint, or make it "sip"'
        yield Fault(NAME, None, None, "headers", words)
    if custom_data is not None and endpoint != "app":
        words = (
            f'is what an app user sends, and this is a call by {endpoint}: endpoint="app", from_ is the user\'s name'
        )
        yield Fault(NAME, None, None, "custom_data", words)
    try:
        json.dumps(custom_data, allow_nan=False)
        write(custom_data)  # as the scenario will be: it bears less depth than JSON
    except (TypeError, ValueError, RecursionError) as error:
        yield Fault(NAME, None, None, "custom_data", f"is no JSON: {error}")
    for name, given in texts.items():
        if isinstance(given, str):
            yield Fault(NAME, None, None, name, "must be a list: one text for each input")


@contextmanager
def served(make: Callable[[str], WSGIApplication]) -> Iterator[str]:
    """An address on this machine, for as long as it lasts, at which the app is that *make* gives for that address."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing: the call's transcript tells what was asked."""

    server = make_server("127.0.0.1", 0, _not_yet, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(STOPS_WITHIN,), daemon=True)
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        server.app = make(base)
        thread.start()
        yield base
    finally:
        if thread.is_alive():
            server.shutdown()
            thread.join()
        server.server_close()


def _not_yet(*_: object) -> list[bytes]:
    raise AssertionError("nobody is served before there is an app")


def _placed(
    story: Scenario, answer_url: str | None, event_url: str | None, secret: tuple[str, str] | None
) -> CallResult:
    happenings: list[Happening] = []
    try:
        return asyncio.run(asyncio.wait_for(_heard(story, answer_url, event_url, secret, happenings), PATIENCE))
    except TimeoutError:
        so_far = transcript(happenings[:MOST_SHOWN], [])
        raise CallTrouble("\n".join([f"not over within {PATIENCE:g} s", "", *so_far])) from None


async def _heard(
    story: Scenario,
    answer_url: str | None,
    event_url: str | None,
    secret: tuple[str, str] | None,
    happenings: list[Happening],
) -> CallResult:
    own = application(answer_url=answer_url, event_url=event_url, secret=secret)
    async with simulation(own, speed=None, watch=happenings.append) as carrier:
        placed = await carrier.play(story)
        await carrier.over()
        legs = placed + [leg for leg in carrier.ledger.legs.values() if leg not in placed]
        return CallResult(legs, happenings, [sent.body for sent in carrier.sender.sent if sent.kind == "event"])
