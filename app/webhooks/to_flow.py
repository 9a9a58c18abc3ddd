"""What call flows want to know of a webhook: who calls whom, and what came back from an action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.domain.events import CallStatus, Detection, Event, Input, Notify
from app.flows.model import FAILED_STATUSES
from app.flows.request import Headers, Request, Result
from app.webhooks.schemas import read_answer

# https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook: SipHeader_X-UserId=1938ND9
SIP_HEADER: Final = "SipHeader_"


def request_of(body: Mapping[str, Any]) -> Request:
    """Who calls whom, as the answer webhook, or an event, *body* has it. What cannot be read is not there."""
    asked = read_answer(body)
    custom, kind = body.get("custom_data"), body.get("endpoint_type")
    return Request(
        from_=asked.from_,
        to=asked.to,
        from_user=asked.from_user,
        uuid=asked.leg,
        conversation_uuid=asked.conversation,
        endpoint_type=kind if isinstance(kind, str) else None,
        custom_data=custom if isinstance(custom, dict) else {},
        headers=Headers(
            (name.removeprefix(SIP_HEADER), value)
            for name, value in body.items()
            if name.startswith(SIP_HEADER) and isinstance(value, str)
        ),
    )


def result_of(event: Event, body: Mapping[str, Any]) -> Result | None:
    """What came back from an action; None if Vonage does not read a reply to *event*, whose JSON object *body* is.

    https://developer.vonage.com/en/voice/voice-api/webhook-reference#event-webhook
    """
    if isinstance(event, Input):
        best = max(
            (one for one in event.speech_results or () if one.text), key=lambda one: one.confidence or 0, default=None
        )
        return Result(
            kind="input",
            digits=event.digits or "",
            timed_out=event.timed_out,
            speech=best.text if best else "",
            confidence=best.confidence if best else None,
        )
    if isinstance(event, Notify):
        return Result(kind="notify", payload=body.get("payload"))
    if isinstance(event, Detection):
        return Result(kind="detection", status=event.sub_state or event.status)
    if isinstance(event, CallStatus) and event.status in FAILED_STATUSES:
        return Result(kind="connect", status=event.status)
    return None
