"""Places one call to an application and returns what happened. Its time jumps: a minute takes milliseconds."""

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
NAME = "simulated_call"  # in messages about wrong arguments
MOST_SHOWN = 200  # lines of a call that does not end
PATIENCE = 60.0  # real seconds that the server may take for a call


class CallTrouble(AssertionError):
    """Something went wrong between carrier and application: it did not answer, or with an NCCO that cannot be run."""


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
    """Place a call and return what happened.

    Args:
        app: Your WSGI app, served during the call; or None, with `answer_url` and `event_url` of your server.
        answer, event: The paths of the two webhooks in *app*.
        from_, to: The caller, and your number.
        endpoint: The caller's; "app" is an app user whose name is `from_`. None: "sip" if there are `headers` or
            `from_` is a SIP address, else "phone".
        headers: SIP headers of the caller. Vonage forwards those that begin with X-, and User-to-User:
            https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook
        custom_data: From the page of an app user.
        digits: Keys that the caller presses, one text for each input that takes keys; none left is silence.
        says: Words that the caller says, one text for each input that takes speech.
        hangs_up_after: Seconds after which the caller hangs up; None: never.
        callees: The far end of each number or user that is rung: `{"447700900301": FarEnd(does="busy")}`. All others
            ("*") answer after two seconds and hang up ten seconds later.
        scenario: A built-in scenario, or the path of one, instead of the caller and callees above.
        secret: API key and signature secret, if the server verifies signatures.
        trouble: True: do not raise CallTrouble.

    Raises CallTrouble, Faults for wrong arguments, and TypeError if *app* is no WSGI app.
    """
    if app is not None and not callable(app):
        raise TypeError(f"app is {app!r}, no WSGI app: a server is named by answer_url and event_url")
    if scenario is None:
        endpoint = endpoint or ("sip" if headers or str(from_).lower().startswith(("sip:", "sips:")) else "phone")
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
        made = Scenario(name="call", about="a simulated call", calls=(call,), callees=known)
        story = read(dump(made), NAME)  # checked like a file
    else:
        story = find(scenario)
    if app is None:
        result = asyncio.run(_play(story, answer_url, event_url, secret))
    else:
        with served(lambda _: app) as base:
            result = asyncio.run(_play(story, base + answer, base + event, secret))
    if result.troubles and not trouble:
        raise CallTrouble("\n".join([*result.troubles, "", str(result)]))
    return result


def _wrong(
    endpoint: Endpoint,
    headers: Mapping[str, str] | None,
    custom_data: Mapping[str, Any] | None,
    **texts: Sequence[str],
) -> Iterator[Fault]:
    """Faults that checking the scenario does not find."""
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
        write(custom_data)  # YAML takes less depth than JSON
    except (TypeError, ValueError, RecursionError) as error:
        yield Fault(NAME, None, None, "custom_data", f"is no JSON: {error}")
    for name, given in texts.items():
        if isinstance(given, str):
            yield Fault(NAME, None, None, name, "must be a list: one text for each input")


@contextmanager
def served(make: Callable[[str], WSGIApplication]) -> Iterator[str]:
    """Serve the app that *make* returns for a base URL on this machine; yields that URL."""
    from werkzeug.serving import WSGIRequestHandler, make_server
    from werkzeug.wsgi import get_input_stream  # ends with the body: an app that reads to the end would wait for ever

    class Quiet(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Log nothing: the transcript has the requests."""

    server = make_server("127.0.0.1", 0, _not_yet, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(STOPS_WITHIN,), daemon=True)
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        app = make(base)
        server.app = lambda environ, respond: app(environ | {"wsgi.input": get_input_stream(environ)}, respond)
        thread.start()
        yield base
    finally:
        if thread.is_alive():
            server.shutdown()
            thread.join()
        server.server_close()


def _not_yet(*_: object) -> list[bytes]:
    raise AssertionError("there is no app yet")


async def _play(
    story: Scenario, answer_url: str | None, event_url: str | None, secret: tuple[str, str] | None
) -> CallResult:
    own = application(answer_url=answer_url, event_url=event_url, secret=secret)
    happenings: list[Happening] = []
    try:
        async with asyncio.timeout(PATIENCE), simulation(own, speed=None, watch=happenings.append) as carrier:
            placed = await carrier.play(story)
            await carrier.over()
            legs = placed + [leg for leg in carrier.ledger.legs.values() if leg not in placed]
            return CallResult(legs, happenings, [sent.body for sent in carrier.sender.sent if sent.kind == "event"])
    except TimeoutError:
        so_far = transcript(happenings[:MOST_SHOWN], [])
        raise CallTrouble("\n".join([f"not over within {PATIENCE:g} s", "", *so_far])) from None
