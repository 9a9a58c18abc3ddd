"""A simulated call to a flows file, in this process: no server has to run, and nothing is kept.

The server is the real one, on loopback, but for its store.
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, cast

from app.domain.events import Voicemail
from app.domain.users import Availability
from app.flows.python_flows import PythonFlows
from app.flows.reply import Reply
from app.flows.request import Request, Result
from app.services import build
from app.store.contract import EventWriter
from config.settings import Settings
from vonage_simulator.call_result import CallResult
from vonage_simulator.harness import place, served
from vonage_simulator.yaml_source import Faults

if TYPE_CHECKING:
    from flask import Flask

    from app.flows.flows import Flows
    from app.store.store import Store


@dataclass(frozen=True, repr=False)
class FlowCallResult(CallResult):
    """What happened in the call, and what the server served in it.

    Attributes:
        served: Each answer, in order: its flow, step and version, the NCCO, and why it is the last resort, if it is.
    """

    served: list[Reply] = field(default_factory=list)

    @property
    def steps(self) -> list[str]:
        """Which step of which flow was served each time, as in `menu/ask`; else `last-resort`."""
        return [f"{reply.flow}/{reply.step}" if reply.fault is None else reply.flow for reply in self.served]

    @property
    def troubles(self) -> list[str]:
        """All that went wrong, each once."""
        resorts = [f"the last resort was served: {reply.fault}" for reply in self.served if reply.fault is not None]
        return [*dict.fromkeys([*super().troubles, *resorts])]

    def __repr__(self) -> str:
        return f"FlowCallResult({' → '.join(self.steps)})"  # pytest shows it beside a failed assertion


def place_flow_call(settings: Settings, file: Path, *, at: datetime | None, **call: Any) -> FlowCallResult:
    """Place a call to the flows in *file*; *call* goes to `vonage_simulator.harness.place`.

    *at* is the time by which the server chooses a route; None: now. The log is left to the caller: see `unlogged`.
    Raises CallTrouble if the call does not end, and Faults if the file has any, or the call cannot be as described.
    """
    recorders: list[_Recorder] = []

    def make(base: str) -> Any:
        app, here = _server(), replace(settings, webhook_verify="off", public_url=base, flows_file=file)
        store = cast("Store", NO_STORE)
        flows = build(here, store=store).flows
        flows.reloader.refresh()
        if flows.faults:
            raise Faults(flows.faults)
        flows.python = _python()
        recorders.append(_Recorder(flows, at))
        app.extensions["switchhook"] = build(here, store=store, flows=cast("Flows", recorders[0]))
        return app

    with served(make) as base:
        result = place(answer_url=f"{base}/voice/answer", event_url=f"{base}/voice/event", trouble=True, **call)
    return FlowCallResult(result.legs, result.happenings, result.events, recorders[0].served)


@cache
def _server() -> Flask:
    """The server, without its parts. All calls of this process share one: each app has a thread that stays."""
    from app import create_app

    with redirect_stdout(_Discard()):  # the app logs to the standard output it finds when it is created
        settings = Settings(secret_key=token_urlsafe(), webhook_verify="off")
        return create_app(settings, store=cast("Store", NO_STORE))


class _Discard(io.TextIOBase):
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)


def _python() -> PythonFlows:
    """What runs flows in Python. Its threads stay, so all calls share one, until a flow has not returned in time."""
    global _runner  # noqa: PLW0603
    if _runner.left_behind:
        _runner = PythonFlows()
    return _runner


_runner = PythonFlows()


class _NoStore:
    """A store that keeps nothing; it has the methods that webhooks need."""

    def record(self, *_: Any, **__: Any) -> Any:
        return True

    record_later = unfile = unfile_later = count = waited = spill_to = record

    def engage(self, *_: Any, **__: Any) -> Availability:
        """Everybody takes every call."""
        return "free"

    def feed(self) -> Any:
        """Nobody follows it."""


NO_STORE: EventWriter = _NoStore()


class _Recorder:
    """The call flows at the time *at*, with each reply kept in `served`. It has the methods that webhooks need."""

    def __init__(self, flows: Flows, at: datetime | None) -> None:
        self.served: list[Reply] = []
        self._flows = flows
        self._at = at

    def answer(self, request: Request, at: datetime) -> Reply:
        reply = self._flows.answer(request, self._at or at)
        self.served.append(reply)
        return reply

    def enter(self, flow: str, step: str, state: str | None, request: Request, at: datetime) -> Reply | None:
        return self._kept(self._flows.enter(flow, step, state, request, self._at or at))

    def follow(
        self, flow: str, step: str, state: str | None, request: Request, result: Result, at: datetime
    ) -> Reply | None:
        return self._kept(self._flows.follow(flow, step, state, request, result, self._at or at))

    def detected(self, request: Request, result: Result, at: datetime) -> Reply | None:
        return self._kept(self._flows.detected(request, result, self._at or at))

    def caller_of(self, state: str) -> str | None:
        return self._flows.caller_of(state)

    def parties_of(self, state: str) -> tuple[str | None, str | None]:
        return self._flows.parties_of(state)

    def voicemail_of(self, state: str) -> Voicemail:
        return self._flows.voicemail_of(state)

    def _kept(self, reply: Reply | None) -> Reply | None:
        if reply is not None:
            self.served.append(reply)
        return reply
