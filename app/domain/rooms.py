"""Where a leg is by the NCCO that it runs: in a room, a named conversation, or in a pair made by `connect`.

https://developer.vonage.com/en/voice/voice-api/ncco-reference#conversation
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from app.domain.actions import Action, ActionResult
from app.domain.events import Answer, Event
from app.domain.leg_control import done_to
from app.domain.legs import Moment, project_leg

NOT_DONE: Final = ("refused", "gone", "failed")


class Room(NamedTuple):
    """A named conversation, and the options with which the leg entered it."""

    name: str
    options: Mapping[str, Any]

    def entered_again(self, *, muted: bool = False) -> dict[str, Any]:
        """The action by which a leg comes back: nobody waits for it, and its end ends nobody else's call."""
        left_out = ("startOnEnter", "endOnExit", "record", "mute", "musicOnHoldUrl")
        kept = {name: value for name, value in self.options.items() if name not in left_out}
        return {**kept, **({"mute": True} if muted and "canSpeak" not in kept else {})}


def room_of(moments: Iterable[tuple[datetime, Event]]) -> Room | None:
    """The room that the latest NCCO in *moments*, those of one leg, leads to; None if it leads to none."""
    scripts = _scripts(moments)
    return _room_in(scripts[-1]) if scripts else None


def is_connected(moments: Iterable[tuple[datetime, Event]]) -> bool:
    """Whether the latest NCCO in *moments*, those of a conversation, has a `connect`."""
    scripts = _scripts(moments)
    return bool(scripts) and any(action.get("action") == "connect" for action in scripts[-1])


def _scripts(moments: Iterable[tuple[datetime, Event]]) -> list[list[Mapping[str, Any]]]:
    """The NCCO that were run, oldest first: not those of moves that came to nothing."""
    happened = [Moment(*moment) for moment in moments]
    failed = {e.action for _, e in happened if isinstance(e, ActionResult) and e.result in NOT_DONE}
    if failed:  # else nothing has to be computed; a webhook may say that it was done all the same
        legs = {e.leg for _, e in happened if isinstance(e, Action) and e.leg and e.action in failed}
        done = done_to(happened, {leg: project_leg(leg, happened) for leg in legs})
        failed = {each.action.action for each in done if each.state in NOT_DONE}
    return [
        script
        for _, event in happened
        if not (isinstance(event, Action) and event.action in failed) and (script := _script(event)) is not None
    ]


def _room_in(script: Sequence[Mapping[str, Any]]) -> Room | None:
    for action in script:
        if action.get("action") == "conversation" and isinstance(action.get("name"), str):
            return Room(action["name"], action)
    return None


def _script(event: Event) -> list[Mapping[str, Any]] | None:
    """The NCCO that a leg runs from *event* on. Holding a leg is no way to another place: it will come back."""
    found: Any = None
    if isinstance(event, Answer) and event.ncco:
        found = json.loads(event.ncco)
    elif isinstance(event, Action) and event.verb in ("transfer", "move", "create", "ring"):
        found = event.argument.get("ncco")
    elif isinstance(event, ActionResult) and event.room:
        found = [{"action": "conversation", "name": event.room}]
    if not isinstance(found, list):
        return None
    return [action for action in found if isinstance(action, dict)]
