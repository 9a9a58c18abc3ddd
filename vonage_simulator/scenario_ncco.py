"""The NCCO that a scenario itself has, in place of one that the application answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vonage_simulator import ncco
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Action, Ncco
from vonage_simulator.ledger import Target

CONVERSATION_OF = "conversation_of: "  # in `conversationId` of a `transfer`: before the number of a call, from 0


def scenario_ncco(active: ActiveLeg, actions: Iterable[Action]) -> Ncco | None:
    """*actions* as they are run on the leg. None, with a trace of each fault, if they cannot be run."""
    own = [_filled_in(active, action) for action in actions]
    faults = ncco.faults(own)
    for fault in faults:
        active.context.trace(active.leg, "trouble", words=f"the scenario's NCCO cannot be run: {fault}")
    return None if faults else own


def _with_event_url(value: Any, event: Target | None) -> Any:
    if isinstance(value, list):
        return [_with_event_url(item, event) for item in value]
    if not isinstance(value, Mapping):
        return value
    filled = {name: _with_event_url(item, event) for name, item in value.items()}
    if filled.get("eventUrl") == ["event_url"] and event:
        filled |= {"eventUrl": [event.url], "eventMethod": event.method}
    return filled


def _filled_in(active: ActiveLeg, action: Action) -> dict[str, object]:
    """`event_url`, anywhere, becomes the application's, `conversation_of: 0` the conversation the call is in now.

    Conversations of one name are another in each playing of the scenario.
    """
    filled: dict[str, object] = _with_event_url(action, active.context.application.event)
    wanted = filled.get("conversationId")
    if filled.get("action") == "conversation" and active.run > 1:
        filled["name"] = f"{filled.get('name')}-{active.run}"
    if filled.get("action") == "transfer":
        for other in active.active_legs.values():
            if other.run == active.run and wanted == f"{CONVERSATION_OF}{other.number}":
                filled["conversationId"] = other.leg.conversation.uuid
    return filled
