"""A call against a flows file, in this very process: no server has to run, and nothing is kept.

The server is the real one, but for its store, and at loopback; who calls it is the simulator.
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
class Tried(CallResult):
    """What was heard in the call, and what the server served in it.

    Attributes:
        served: Each answer, in order: its flow, step and version, the NCCO, and why it is the last resort, if it is.
    """

    served: list[Reply] = field(default_factory=list)

    @property
    def steps(self) -> list[str]:
        """Which step of which flow was served each time, as in `menu/ask`; else `last-resort`."""
        return [f"{one.flow}/{one.step}" if one.fault is None else one.flow for one in self.served]

    @property
    def troubles(self) -> list[str]:
        """All that went wrong, in words, each once."""
        resorts = [f"the last resort was served: {one.fault}" for one in self.served if one.fault is not None]
        return [*dict.fromkeys([*super().troubles, *resorts])]

    def __repr__(self) -> str:
        return f"Tried({' → '.join(self.steps)})"  # pytest shows it with whatever is not as it should be


def tried(settings: Settings, file: Path, *, at: datetime | None, **call: Any) -> Tried:
    """What comes of a call to the flows in *file*; *call* is what `vonage_simulator.harness.place` takes of it.

    *at* is the time by which the server chooses a route; None: now. From here on what is logged is logged nowhere: see
    `app.cli.flows.unlogged`. Raises CallTrouble if the call does not end, and Faults if the file has any, or what is
    given of the call cannot be.
    """
    rehearsed: list[_Rehearsed] = []

    def make(base: str) -> Any:
        app, here = _server(), replace(settings, webhook_verify="off", public_url=base, flows_file=file)
        held = build(here, store=cast("Store", NOWHERE))
        held.flows.reloader.look()
        if held.flows.reloader.faults:
            raise Faults(held.flows.reloader.faults)
        held.flows.python = _python()
        rehearsed.append(_Rehearsed(held.flows, at))
        app.extensions["switchhook"] = replace(held, flows=cast("Flows", rehearsed[0]))
        return app

    with served(make) as base:
        heard = place(answer_url=f"{base}/voice/answer", event_url=f"{base}/voice/event", trouble=True, **call)
    return Tried(heard.legs, heard.happenings, heard.events, rehearsed[0].served)


@cache
def _server() -> Flask:
    """The server, but for what it holds. One does for all calls of this process: each has a thread that stays."""
    from app import create_app

    with redirect_stdout(_Void()):  # where the app that is made there logs to
        settings = Settings(secret_key=token_urlsafe(), webhook_verify="off")
        return create_app(settings, store=cast("Store", NOWHERE))


class _Void(io.TextIOBase):
    """A stream that leads nowhere."""

    def write(self, text: str) -> int:
        return len(text)


def _python() -> PythonFlows:
    """Who runs flows in Python. Its threads stay, so one does for all calls; a new one does not know who was late."""
    global _runner  # noqa: PLW0603
    if _runner.left_behind:
        _runner = PythonFlows()
    return _runner


_runner = PythonFlows()


class _Nowhere:
    """A store that keeps nothing: as much of one as webhooks need."""

    def record(self, *_: Any, **__: Any) -> bool:
        return True

    def record_later(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    def unfile(self, *_: Any, **__: Any) -> bool:
        return True

    def unfile_later(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    def count(self, name: str) -> None:
        """Nothing."""


NOWHERE: EventWriter = _Nowhere()


class _Rehearsed:
    """Call flows as they are at the time *at*; all that they give is in `served`. As much of Flows as webhooks ask."""

    def __init__(self, flows: Flows, at: datetime | None) -> None:
        self.served: list[Reply] = []
        self._flows = flows
        self._at = at

    def answer(self, request: Request, at: datetime) -> Reply:
        given = self._flows.answer(request, self._at or at)
        self.served.append(given)
        return given

    def enter(self, flow: str, step: str, state: str | None, request: Request) -> Reply | None:
        return self._seen(self._flows.enter(flow, step, state, request))

    def follow(self, flow: str, step: str, state: str | None, request: Request, result: Result) -> Reply | None:
        return self._seen(self._flows.follow(flow, step, state, request, result))

    def detected(self, request: Request, result: Result, at: datetime) -> Reply | None:
        return self._seen(self._flows.detected(request, result, self._at or at))

    def _seen(self, given: Reply | None) -> Reply | None:
        if given is not None:
            self.served.append(given)
        return given
