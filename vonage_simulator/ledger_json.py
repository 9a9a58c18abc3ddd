"""The ledger as JSON: what happened to every leg and conversation, and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from vonage_simulator.holds import holds
from vonage_simulator.ledger import Conversation, Ledger, Leg
from vonage_simulator.spans import Span
from vonage_simulator.webhook_bodies import timestamp

Json = dict[str, Any]


def describe(ledger: Ledger) -> Json:
    """`legs`, `conversations`, `requests` and `throttled`. Times are as in webhooks; `until` null: it goes on."""
    requests = [
        {"at": timestamp(it.at), "verb": it.verb, "about": it.about, "status": it.status, "fault": it.fault}
        for it in ledger.requests
    ]
    return {
        "legs": [describe_leg(ledger, leg) for leg in ledger.legs.values()],
        "conversations": [_conversation(conversation) for conversation in ledger.conversations.values()],
        "requests": requests,
        "throttled": ledger.throttled,
    }


def describe_leg(ledger: Ledger, leg: Leg) -> Json:
    """One of the `legs`."""
    names = {uuid: conversation.name for uuid, conversation in ledger.conversations.items()}
    ending = leg.ending
    return {
        "uuid": leg.uuid,
        "direction": leg.direction,
        "endpoint": leg.endpoint,
        "from": leg.caller,
        "to": leg.dialled if leg.from_user else leg.to,
        "region": leg.region,
        "status": leg.status,
        "times": {status: timestamp(at) for status, at in leg.times.items()},
        "conversations": [
            {"uuid": span.value, "name": names.get(span.value)} | when for span, when in _each(leg.stays)
        ],
        "muted": [when for _, when in _each(leg.mutes)],
        "earmuffed": [when for _, when in _each(leg.earmuffs)],
        "played": [
            {"kind": it.kind, "what": it.what, "endless": it.endless, "by": it.by} | when
            for it, when in ((span.value, when) for span, when in _each(leg.played))
        ],
        "held": [{"url": span.value} | when for span, when in _each(holds(ledger, leg))],
        "ended": {"at": timestamp(ending.at), "by": ending.by, "why": ending.why} if ending and leg.over else None,
    }


def _conversation(conversation: Conversation) -> Json:
    return {
        "uuid": conversation.uuid,
        "name": conversation.name,
        "region": conversation.region,
        "present": list(conversation.present),
        "recorded": [{"url": span.value} | when for span, when in _each(conversation.recorded)],
        "errors": [{"at": timestamp(error.at), "reason": error.reason} for error in conversation.errors],
    }


def _each(spans: Iterable[Span[Any]]) -> Iterable[tuple[Span[Any], Json]]:
    for span in spans:
        yield span, {"since": timestamp(span.since), "until": _until(span.until)}


def _until(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None
