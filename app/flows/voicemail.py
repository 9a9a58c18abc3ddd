"""`voicemail: Alice` in a step: a greeting, and a recording that is a message for a user.

https://developer.vonage.com/en/voice/voice-api/ncco-reference#record
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.domain.events import Voicemail
from app.flows.call_state import CallState
from app.flows.model import RenderFault, VoicemailUrl, is_user
from vonage_simulator import ncco

GREETING: Final = "Please leave a message after the tone."
# The recording ends by a key, after so many seconds of silence, or of all; or when the caller hangs up.
LIMITS: Final[Mapping[str, Any]] = {"beepStart": True, "endOnSilence": 5, "endOnKey": "#", "timeOut": 120}
FILLED_IN: Final = frozenset({"action", "eventUrl", "eventMethod"})
OPTIONS: Final = tuple(name for name in ncco.RECORD if name not in FILLED_IN)
FIELDS: Final = ("voicemail", "greeting", *OPTIONS)
PARTIES: Final = ("from", "from_user", "uuid")  # of what is known of a call


def greeting_of(given: Any) -> dict[str, Any] | None:
    """The action that *given* stands for: a text, or the options of a `talk` or a `stream`; None if it is neither."""
    if isinstance(given, str):
        return {"action": "talk", "text": given}
    if isinstance(given, Mapping) and ("text" in given) != ("streamUrl" in given):
        return {"action": "talk" if "text" in given else "stream", **given}
    return None


def record_for(user: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The `record` for *user* with the options *given*; null takes one of the limits away."""
    options = {**LIMITS, **{name: given[name] for name in OPTIONS if name in given}}
    known = {name: value for name, value in options.items() if value is not None}
    return {"action": "record", **known, "eventUrl": [VoicemailUrl(user)]}


def state_for(user: str, call: CallState) -> CallState:
    """What the address of the webhook carries: whose voicemail it is, and of *call* who leaves it."""
    parties = {name: call.known[name] for name in PARTIES if name in call.known}
    return CallState(known={**parties, "voicemail": user})


def left_by(state: CallState) -> Voicemail:
    """The voicemail that *state* is of. Raises RenderFault."""
    known = state.known
    if not is_user(known.get("voicemail")):
        raise RenderFault("`state` in the address is that of a step, not of a voicemail")
    return Voicemail(known["voicemail"], known.get("from"), known.get("from_user"), known.get("uuid"))
