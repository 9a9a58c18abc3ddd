"""Domain objects as the JSON of the API. Times are UTC with milliseconds and Z; every key is always there."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from app.domain.causes import WentWrong
from app.domain.conversations import Conversation, Member, Recorded
from app.domain.events import Answer, Fallback, Input
from app.domain.legs import Leg
from app.domain.moves import Move
from app.store.codec import Record
from app.webhooks.body import read_object
from app.webhooks.kept import read_record

CURRENCY = "EUR"  # all of Vonage's prices are


def time(moment: datetime | None) -> str | None:
    """2021-03-29T21:20:05.582Z"""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def conversation(told: Conversation) -> dict[str, Any]:
    """One conversation."""
    return {
        "conversation_uuid": told.conversation_uuid,
        "state": told.state,
        "first_heard_at": time(told.first_received),
        "last_heard_at": time(told.last_received),
        "started_at": time(told.started),
        "answered_at": time(told.answered),
        "ended_at": time(told.ended),
        "duration_seconds": told.duration_seconds,
        "price": told.price,
        "currency": CURRENCY,
        "legs": [_member(member) for member in told.legs],
        "answers": [_answer(at, event) for at, event in told.answers],
        "inputs": [_input(at, event) for at, event in told.inputs],
        "recordings": [_recording(recorded) for recorded in told.recordings],
        "errors": [_error(one) for one in told.errors],
    }


def leg(told: Leg) -> dict[str, Any]:
    """One leg, over all conversations it has been in; `moved_from` and `moved_to` tell its latest move."""
    latest = told.moves[-1] if told.moves else None
    return _leg(told, latest, latest)


def record(kept: Record) -> dict[str, Any]:
    """One event as it was kept. `lag_ms` is how long it took to get here; null without a timestamp."""
    event = read_record(kept)
    lag = round((kept.received - event.occurred).total_seconds() * 1000) if event.occurred else None
    return {
        "kind": event.kind,
        "leg": event.leg,
        "status": getattr(event, "status", None),
        "occurred_at": time(event.occurred),
        "received_at": time(kept.received),
        "lag_ms": lag,
        "raw": read_object(kept.body),
        "flags": [*event.flags, *kept.notes],
    }


def _member(member: Member) -> dict[str, Any]:
    return _leg(member.leg, member.presence.arrival, member.presence.departure)


def _leg(told: Leg, arrival: Move | None, departure: Move | None) -> dict[str, Any]:
    return {
        "uuid": told.uuid,
        "direction": told.direction,
        "from": told.from_,
        "to": told.to,
        "state": told.state,
        "status": told.status,
        "outcome": told.outcome,
        "times": {
            "started": time(told.started),
            "ringing": time(told.ringing),
            "answered": time(told.answered),
            "completed": time(told.completed),
        },
        "ring_seconds": told.ring_seconds,
        "talk_seconds": told.talk_seconds,
        "duration_seconds": told.duration_seconds,
        "rate": told.rate,
        "price": told.price,
        "network": told.network,
        "detail": told.detail,
        "sip_code": told.sip_code,
        "disconnected_by": told.disconnected_by,
        "machine": told.machine,
        "moved_from": {"conversation_uuid": arrival.left, "at": time(arrival.at)} if arrival else None,
        "moved_to": {"conversation_uuid": departure.joined, "at": time(departure.at)} if departure else None,
    }


def _answer(at: datetime, served: Answer) -> dict[str, Any]:
    return {
        "at": time(at),
        "leg": served.leg,
        "flow": served.flow,
        "step": served.step,
        "version": served.version,
        "took_ms": served.took_ms,
        "ncco": _ncco(served),
        "fault": served.fault,
        "fallback_reason": served.reason,
    }


def _ncco(served: Answer) -> Any:
    return json.loads(served.ncco) if served.ncco else None


def _input(at: datetime, event: Input) -> dict[str, Any]:
    heard = [{"text": one.text, "confidence": one.confidence} for one in event.speech_results or ()]
    return {
        "at": time(at),
        "leg": event.leg,
        "digits": event.digits,
        "timed_out": event.timed_out,
        "speech": heard,
        "speech_timeout_reason": event.speech_timeout_reason,
        "speech_error": event.speech_error,
        "speech_recording_url": event.speech_recording_url,
    }


def _recording(recorded: Recorded) -> dict[str, Any]:
    return {
        "at": time(recorded.at),
        "recording_uuid": recorded.recording_uuid,
        "recording_url": recorded.recording_url,
        "size": recorded.size,
        "started_at": time(recorded.start_time),
        "ended_at": time(recorded.end_time),
        "transcription_url": recorded.transcription_url,
    }


def _error(wrong: WentWrong) -> dict[str, Any]:
    error, cause = wrong.event, None
    if wrong.cause:
        served = wrong.cause.answer
        cause = {"at": time(wrong.cause.at), "flow": served.flow, "step": served.step, "version": served.version}
        cause["ncco"] = _ncco(served)
    return {
        "at": time(wrong.at),
        "kind": error.kind,
        "leg": error.leg,
        "reason": error.reason,
        "failed_url": error.url if isinstance(error, Fallback) else None,
        "answer": cause,
    }
