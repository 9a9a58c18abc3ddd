"""Operations: what is done to calls in several steps, a transfer or a conference.

An operation is a log of entries that only grows. Pure functions make of it, and of what webhooks say of its legs, what
state it is in and which step is due (`Plan`). So any worker can go on with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

# created: with all that is needed to go on; request: somebody wants something of it (complete, cancel, …); step: a
# request to Vonage is about to be sent; result: what came of it; timeout: what was waited for did not come.
EntryKind = Literal["created", "request", "step", "result", "timeout"]

# done: Vonage accepted it; refused: it did not, and a repeat would not help; gone: there is no such leg (any more);
# failed: it was not carried out, for another reason; unknown: nobody can say whether it was.
StepResult = Literal["done", "refused", "gone", "failed", "unknown"]


class Entry(NamedTuple):
    """One line of the log. `id` is unique in it; `name` is a verb, the name of a step, or what timed out."""

    id: str
    at: datetime
    kind: EntryKind
    name: str
    data: Mapping[str, Any]


class Step(NamedTuple):
    """A request to Vonage that is due. In one operation each `name` is sent once.

    `verb` is one of `app/control`: create, move, hangup, mute, …; `leg` is None for a new one.
    """

    name: str
    verb: str
    leg: str | None
    arguments: Mapping[str, Any]


class Plan(NamedTuple):
    """What to do now: the steps that are due, in this order, and the `timeouts` that are over.

    `check_at`: when to plan again though no webhook has come; None: the operation has ended.
    """

    steps: tuple[Step, ...] = ()
    timeouts: tuple[str, ...] = ()
    check_at: datetime | None = None
