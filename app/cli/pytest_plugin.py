"""The pytest fixture `flow_call`, for tests of a flows file: it places a call and returns what happened in it.

In your conftest.py: `from app.cli.pytest_plugin import flow_call`. docs/flows.md has an example.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

import pytest

from app.cli.flows.caller import moment, plain
from app.cli.flows.flow_call import FlowCallResult, place_flow_call
from app.cli.flows.output import unlogged, without_state
from config.settings import load
from vonage_simulator.harness import CALLED, CALLER, CallTrouble
from vonage_simulator.scenario import FarEnd

__all__ = ["CallTrouble", "FarEnd", "FlowCall", "FlowCallResult", "call", "flow_call"]

FlowCall = Callable[..., FlowCallResult]


@pytest.fixture
def flow_call() -> FlowCall:
    """A function that places a call against a flows file: `flow_call("dentist.yaml", digits=["1"])`. It is `call`."""
    return call


def call(
    file: str | PathLike[str],
    *,
    to: str = CALLED,
    from_: str | None = None,
    from_user: str | None = None,
    at: str | datetime | None = None,
    digits: Sequence[str] = (),
    says: Sequence[str] = (),
    hangs_up_after: float | None = None,
    callees: Mapping[str, FarEnd] | None = None,
    headers: Mapping[str, str] | None = None,
    custom_data: Mapping[str, Any] | None = None,
    app_user: str | None = None,
    caller_number: str | None = None,
    trouble: bool = False,
) -> FlowCallResult:
    """Place a call to the flows in *file*, and return what happened, and which steps were served.

    No server has to run, and nothing is kept; the environment's settings are not read. Time jumps.

    Args:
        file: The flows file.
        to: The number dialled, or whom an app user calls.
        from_: Who calls: a number, or a SIP address.
        from_user: Who calls, if it is an app user.
        at: The time by which a route is chosen, as in "2026-12-24T17:45+01:00"; UTC without a zone. None: now.
        digits: What the caller presses, one text for each input that asks for keys; none left is silence.
        says: What the caller says, one text for each input or recording that listens.
        hangs_up_after: Seconds after which the caller hangs up; None: stays as long as the script lasts.
        callees: What happens when somebody is rung, by number or name: `{"447700900301": FarEnd(does="busy")}`.
            Anybody else ("*") answers after two seconds and hangs up ten seconds later.
        headers: SIP headers, as the caller sends them; the call comes by SIP then. Vonage passes on those that begin
            with X-, and User-to-User.
        custom_data: What the app user's page sends along.
        app_user, caller_number: The settings APP_USER and CALLER_NUMBER.
        trouble: True: return the result even if something went wrong, or the last resort was served.

    Raises CallTrouble if something went wrong, yaml_source.Faults if there is a fault in the file or in the arguments,
    SettingsError and ValueError.
    """
    __tracebackhide__ = True  # pytest shows the line of the test, not this one
    if from_ is not None and from_user is not None:
        raise ValueError("from_ is a number, from_user an app user: a call has one of them")
    settings = {"APP_USER": app_user, "CALLER_NUMBER": caller_number, "SECRET_KEY": secrets.token_urlsafe()}
    settings["ACCESS_TOKENS"] = f"operator:{secrets.token_urlsafe()}"  # else one would be made on the disk
    with unlogged():
        result = place_flow_call(
            load({variable: text for variable, text in settings.items() if text is not None}),
            Path(file),
            at=moment(at.isoformat() if isinstance(at, datetime) else at) if at is not None else None,
            from_=plain(from_ or CALLER) if from_user is None else from_user,
            to=plain(to),
            endpoint="app" if from_user is not None else None,
            digits=digits,
            says=says,
            hangs_up_after=hangs_up_after,
            callees={plain(name): far_end for name, far_end in (callees or {}).items()},
            headers=headers,
            custom_data=custom_data,
        )
    if result.troubles and not trouble:
        raise CallTrouble(without_state("\n".join([*result.troubles, "", str(result)])))
    return result
