"""What call flows need to know of a webhook: who calls whom, and what came back from an action."""

from __future__ import annotations

from typing import Final

from app.domain.events import CallStatus, Detection, Input, Notify
from app.flows.model import DETECTIONS, FAILED_STATUSES
from app.flows.request import Headers, Request, Result
from app.webhooks.intake import Webhook

# https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook: SipHeader_X-UserId=1938ND9
SIP_HEADER: Final = "SipHeader_"


def request_of(webhook: Webhook) -> Request:
    """Who calls whom, by an answer webhook or an event. What cannot be read is None."""
    caller, body = webhook.caller, webhook.body
    custom, kind = body.get("custom_data"), body.get("endpoint_type")
    return Request(
        from_=caller.from_,
        to=caller.to,
        from_user=caller.from_user,
        uuid=caller.leg,
        conversation_uuid=caller.conversation,
        endpoint_type=kind if isinstance(kind, str) else None,
        region_url=caller.region_url,
        custom_data=custom if isinstance(custom, dict) else {},
        headers=Headers(
            (name.removeprefix(SIP_HEADER), value)
            for name, value in body.items()
            if name.startswith(SIP_HEADER) and isinstance(value, str)
        ),
    )


def result_of(webhook: Webhook) -> Result | None:
    """What came back from an action; None for an event to which Vonage reads no reply.

    https://developer.vonage.com/en/voice/voice-api/webhook-reference#event-webhook
    """
    event = webhook.event
    if isinstance(event, Input):
        guesses = [guess for guess in event.speech_results or () if guess.text]
        guesses.sort(key=lambda guess: guess.confidence or 0, reverse=True)
        best = guesses[0] if guesses else None
        return Result(
            kind="input",
            digits=event.digits or "",
            timed_out=event.timed_out,
            speech=best.text if best else "",
            confidence=best.confidence if best else None,
            guesses=tuple(guess.text for guess in guesses[1:] if guess.text),
        )
    if isinstance(event, Notify):
        return Result(kind="notify", payload=webhook.body.get("payload"))
    if isinstance(event, Detection):
        known = event.sub_state if event.sub_state in DETECTIONS else event.status
        return Result(kind="detection", status=known, sub_state=event.sub_state)
    if isinstance(event, CallStatus) and event.status in FAILED_STATUSES:
        return Result(kind="connect", status=event.status)
    return None
