"""What a call flow written in Python returns, as actions of an NCCO: dicts, or models of Vonage's SDK."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from app.flows.model import MOST_ACTIONS

LONGEST: Final = 64 * 1024  # characters of JSON


class NoActions(Exception):
    """What a flow written in Python returned is no list of actions. The text says what it is."""


def actions_in(returned: Any) -> list[dict[str, Any]] | None:
    """The actions that a flow returned, as JSON has them; None if it returned None. Raises NoActions."""
    if returned is None:
        return None
    if not isinstance(returned, list | tuple):
        raise NoActions(f"it returned {type(returned).__name__}, but must return a list of actions")
    if len(returned) > MOST_ACTIONS:
        raise NoActions(f"it returned {len(returned)} actions, but must return {MOST_ACTIONS} at most")
    try:
        text = json.dumps([_plain(action) for action in returned], allow_nan=False)
        if len(text) > LONGEST:
            raise NoActions(f"it returned {len(text):,} characters of JSON, but must return {LONGEST:,} at most")
        actions: list[dict[str, Any]] = json.loads(text)
    except (TypeError, ValueError, RecursionError) as wrong:
        raise NoActions(f"it returned what is no action: {wrong}") from wrong
    return actions


def _plain(action: Any) -> dict[str, Any]:
    """An action, or a model of the SDK's, as a dict. Raises TypeError if it is neither, or has no JSON."""
    if isinstance(action, dict):
        return action
    sdk = sys.modules.get("vonage_voice.models.ncco")  # slow to import: a flow that returns its models has done so
    if sdk is None or not isinstance(action, sdk.NccoAction):
        words = "an action must be a dict or one of the SDK's NCCO actions, such as Talk(text=…), but is a"
        raise TypeError(f"{words} {type(action).__name__}")
    try:
        # Without warnings: values that were set by hand are checked by the table of NCCO.
        said: dict[str, Any] = action.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
    except ValueError as error:  # pydantic's, from a payload that has anything at all in it
        raise TypeError(f"the SDK cannot say its {type(action).__name__} in JSON: {error}") from error
    return {"action": said.pop("action"), **said}
