"""The events of calls that an operation's log amounts to: which actions were requested, and what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar

from app.domain import actions
from app.domain.actions import Action, ActionResult
from app.domain.events import CANONICAL
from app.domain.leg_actions import QUEUE, QUEUE_SECONDS, project
from app.domain.operations import Entry
from app.domain.room_calls import RING
from app.domain.step_log import unconfirmed

Ours = TypeVar("Ours", Action, ActionResult)

LATE: Final = {"result": "failed", "detail": f"it could not be sent within {QUEUE_SECONDS:.0f} s"}
ACTION: Final = "action"  # name of the created entry of an operation that is a single action


def kind_of(log: Sequence[Entry]) -> str:
    """Which state machine the operation is of: action, transfer, conference."""
    return log[0].name


def events_of(operation: str, log: Sequence[Entry]) -> Iterator[Action | ActionResult]:
    """The events, each with the same body however often this is computed: the store keeps it once.

    A log may be empty: Redis may have lost what was in it a moment ago.
    """
    if not log:
        return
    created = log[0]
    single = created.name == ACTION
    main: set[str] = set()
    if single:
        action = project(log, {})
        data = created.data
        if action.verb == "create" and action.result:  # only now there is a leg
            data = {**data, "leg": action.result.get("uuid"), "conversation": action.result.get("conversation_uuid")}
        main = {name for name in action.sent if name.removesuffix(":2") in action.steps}
        yield _action(operation, operation, data["verb"], data, created.at)
        if action.result is not None and _is_final(action.steps, action.sent, action.result):
            at = max(found_at for name, (_, found_at) in action.results.items() if name in main)
            yield _result(operation, data, action.result, at)
        for entry in log:
            if entry.kind == "timeout":
                yield _result(operation, data, LATE if entry.name == QUEUE else {"result": "timeout"}, entry.at)
    where: dict[str, Mapping[str, Any]] = {}
    for entry in log:
        if entry.kind == "step" and entry.name not in main:
            where[entry.name] = entry.data
            yield _action(f"{operation}:{entry.name}", operation, entry.data["verb"], entry.data, entry.at)
        elif entry.kind == "result" and entry.name in where:
            of = where[entry.name]
            if entry.data.get("uuid"):
                of = {**of, "leg": entry.data["uuid"], "room": of["shown"]["ncco"][0]["name"]}
                of["consultation"] = of["verb"] != RING
            yield _result(f"{operation}:{entry.name}", of, entry.data, entry.at)
            if entry.data["result"] == "unknown":  # the operation goes on without it, and waits for no webhook
                yield _result(f"{operation}:{entry.name}", where[entry.name], {"result": "timeout"}, entry.at)
        elif entry.kind == "timeout" and (step := unconfirmed(entry.name)) in where:
            yield _result(f"{operation}:{step}", where[step], {"result": "timeout"}, entry.at)


def _is_final(steps: tuple[str, ...], sent: tuple[str, ...], result: Mapping[str, Any]) -> bool:
    """Whether no further step will change the result."""
    return result["result"] != "done" or all(step in sent or f"{step}:2" in sent for step in steps)


def _action(id_: str, operation: str, verb: str, data: Mapping[str, Any], at: datetime) -> Action:
    shown = data.get("shown", {})
    return _with_body(
        Action(
            canonical=b"",
            conversation=data.get("conversation"),
            leg=data.get("leg"),
            occurred=at,
            action=id_,
            verb=verb,
            by=data["by"],
            sequence=data.get("sequence", 0),
            after=data.get("after", 0),
            operation=operation,
            arguments=CANONICAL.encode(shown),
        )
    )


def _result(id_: str, data: Mapping[str, Any], result: Mapping[str, Any], at: datetime) -> ActionResult:
    return _with_body(
        ActionResult(
            canonical=b"",
            conversation=data.get("conversation"),
            leg=data.get("leg"),
            occurred=at,
            action=id_,
            result=result["result"],
            status=result.get("status"),
            detail=result.get("detail"),
            room=data.get("room"),
            consultation=bool(data.get("consultation")),
        )
    )


def _with_body(event: Ours) -> Ours:
    return replace(event, canonical=CANONICAL.encode(actions.kept(event)).encode())
