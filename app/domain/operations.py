"""Operations: what is done to calls in several steps, a transfer or a conference.

An operation is a log of entries that only grows. Pure functions make of it, and of what webhooks say of its legs, what
state it is in and what is due (`Plan`). So any worker can go on with it.

The verbs of steps, and their arguments:

- create: `to` and `from` (endpoints as in POST /v1/calls), `ncco`, `ringing_timer` (seconds); the result has `uuid` and
  `conversation_uuid`
- ring: the same, for the leg that waits in the room to which the new leg comes
- move: `ncco`, or the `url` of one, which the leg runs from now on
- stream: `url`, `loop`; stop_stream, earmuff, hangup: none
- begin_conference: `host`, `participants`, `muted`, `earmuffed`, all legs; the result has `conference`, its id. Begun
  once for an operation: a second step of this verb finds the same one
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

HOLD: Final = "hold"  # the request of one answer to a caller, which relies on the operation
LETTERS: Final = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")

# created: with all that is needed to go on; request: somebody wants something of it (complete, cancel, …); decision:
# where it goes from here; step: a request to Vonage is about to be sent; result: what came of it; timeout: what was
# waited for did not come.
EntryKind = Literal["created", "request", "decision", "step", "result", "timeout"]

# done: Vonage accepted it; refused: it did not, and a repeat would not help; gone: there is no such leg (any more);
# failed: it was not carried out, for another reason; unknown: nobody can say whether it was.
StepResult = Literal["done", "refused", "gone", "failed", "unknown"]


def as_id(digits: str) -> str:
    """Hexadecimal *digits* as letters: an id of an operation is never taken for a telephone number, and masked."""
    return digits.translate(LETTERS)


class Entry(NamedTuple):
    """One line of the log. `id` is unique in it.

    `name` and `data` by kind: request: its verb, and what it needs. decision: as in `Decision`. step: the step's name,
    and `verb`, `leg`, `arguments`, `noted` as in `Step`. result: the step's name, and `result` (a `StepResult`) with
    what Vonage said. timeout: one of `Plan.timeouts`, and nothing.
    """

    id: str
    at: datetime
    kind: EntryKind
    name: str
    data: Mapping[str, Any]


def is_released(log: Sequence[Entry]) -> bool:
    """Whether somebody else looks after the legs now, or no answer that was given relies on the operation.

    A release is `of` one answer, or of all.
    """
    releases = [entry.data.get("of") for entry in log if entry.kind == "request" and entry.name == "release"]
    holds = {entry.id for entry in log if entry.kind == "request" and entry.name == HOLD}
    return bool(releases) and (None in releases or holds.issubset(releases))


class Decision(NamedTuple):
    """What the webhooks, results and requests so far mean for the operation: settled once, whatever comes later."""

    name: str
    data: Mapping[str, Any] = {}


class Step(NamedTuple):
    """A request to Vonage that is due. In one operation each `name` is sent once.

    `leg` is None for a new one. `noted` is for whoever plans the next step; it stays in the log.
    """

    name: str
    verb: str
    leg: str | None
    arguments: Mapping[str, Any]
    noted: Mapping[str, Any]


class Plan(NamedTuple):
    """What to do now. It has a decision, timeouts or a step, never two of them: then plan again.

    A decision and a step are appended only if the log is still as it was when planned.
    `check_at`: when to plan again though no webhook has come; None: there is nothing to do any more.
    """

    decision: Decision | None = None
    timeouts: tuple[str, ...] = ()
    step: Step | None = None
    check_at: datetime | None = None


class Happened(NamedTuple):
    """Something that users are to know."""

    name: str
    data: Mapping[str, Any] = {}
