"""What a server's API should say of the recording of a conversation, computed from the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from vonage_simulator.ledger import Conversation, Ledger
from vonage_simulator.spans import Span, without
from vonage_simulator.verify.differences import Difference, OneOf, differences

VERBS: Final = ("record", "stop_record")
DONE: Final = (200, 204)


def recording_differences(ledger: Ledger, view: Mapping[str, Any], paused: bool | None = None) -> list[Difference]:
    """Where `GET /api/v1/conversations/<id>` differs, while nothing is being done, in its recording and its files.

    Only requests to the Voice API are the server's doing: no script of a leg may have it recorded. *paused*: whether
    what the server did last was a pause, which is a stop to the carrier; None: it may have been.
    """
    conversation = ledger.conversations[view["conversation_uuid"]]
    should = {"record_state": _state(ledger, conversation, paused), "files": len(conversation.recordings)}
    return differences(should, {"record_state": view.get("record_state"), "files": len(view["recordings"])})


def _state(ledger: Ledger, conversation: Conversation, paused: bool | None) -> Any:
    """Any state if the server cannot know: the last request that was carried out, or may have been, had no response."""
    own = [each for each in ledger.requests if each.verb in VERBS and each.about == conversation.uuid]
    known = max((each.at for each in own if each.status in DONE), default=None)
    if any(each.status is None and (known is None or each.at >= known) for each in own):
        return OneOf(("inactive", "paused", "active"))
    if conversation.recording is not None:
        return "active"
    if known is None or paused is False or was_left(conversation, known):
        return "inactive"
    return "paused" if paused else OneOf(("inactive", "paused"))


def was_left(conversation: Conversation, since: datetime) -> bool:
    """Whether nobody was in it at some moment after *since*."""
    stays = [stay for leg in conversation.legs.values() for stay in leg.stays if stay.value == conversation.uuid]
    return bool(without(Span(None, since), stays))
