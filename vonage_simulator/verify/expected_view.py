"""What a server's API should say about a conversation, computed from the ledger.

Nothing here is taken from the server's own code, else a mistake in it would not be found: the meanings of its words
(state, status, outcome, …), and what webhooks let it know, are written down again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from vonage_simulator.ledger import Answer, Conversation, ErrorEvent, InputResult, Leg, Recording
from vonage_simulator.verify.differences import OneOf

CURRENCY: Final = "EUR"


def expected(conversation: Conversation, controls: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What `GET /api/v1/conversations/<id>` should return once every webhook about *conversation* was delivered.

    *controls*: `control` of each leg by its uuid (expected_control.py); None: it is not compared.

    Only what the carrier can know: no times of receipt, no names of call flows, not how an answer was made, where the
    audio of an input was saved, or the cause of an error. An answer is an NCCO that the application served, also in
    reply to an event. Times whose order matters, two moves of one leg above all, must differ by a millisecond or more:
    nobody could order webhooks with one timestamp.
    """
    here = conversation.uuid
    legs = [leg for leg in conversation.legs.values() if leg.times]  # before its first webhook a leg is unknown
    stays = {leg.uuid: _stays(leg, here) for leg in legs}
    present = [leg for leg in legs if stays[leg.uuid][-1].end is None]
    live = not legs or any(_ended(leg) is None for leg in present)
    ends = (stays[leg.uuid][-1].end or _ended(leg) for leg in legs)
    started = min((stays[leg.uuid][0].begin for leg in legs), default=None)
    ended = None if live else max(end for end in ends if end)
    answered = (
        max(leg.times["answered"], stay.begin) for leg in legs for stay in stays[leg.uuid] if stay.has_answer(leg)
    )
    return {
        "conversation_uuid": here,
        "state": "live" if live else "ended",
        "started_at": _text(started),
        "answered_at": _text(min(answered, default=None)),
        "ended_at": _text(ended),
        "duration_seconds": _seconds(started, ended),
        "price": _sum([leg.bill.price for leg in present if leg.bill and "completed" in leg.times]),
        "currency": CURRENCY,
        "legs": [
            _leg(leg, conversation, gone=stays[leg.uuid][-1].end is not None)
            | ({"control": controls[leg.uuid]} if controls is not None else {})
            for leg in legs
        ],
        "answers": [expected_answer(answer) for answer in conversation.answers if answer.ncco is not None],
        "inputs": [_input(result) for result in conversation.inputs],
        "recordings": [_recording(recording) for recording in conversation.recordings],
        "errors": [_error(error) for error in conversation.errors],
    }


def expected_answer(answer: Answer) -> dict[str, Any]:
    """Its entry in `answers`. If it replied to an event, the leg is the event's: `notify` has none."""
    leg = answer.leg if answer.about is None else answer.about.get("uuid") or answer.about.get("call_uuid")
    return {"leg": leg, "ncco": answer.ncco}


class _Stay(NamedTuple):
    """When a leg was in a conversation; `end` None: it still is."""

    begin: datetime
    end: datetime | None

    def has_answer(self, leg: Leg) -> bool:
        """Whether the leg was answered before the end. It may be transferred at the moment it is picked up."""
        return leg.answered and (self.end is None or leg.times["answered"] <= self.end)


def _stays(leg: Leg, here: str) -> list[_Stay]:
    """When *leg* was in the conversation *here*: at least once."""
    stays, begin = [], min(leg.times.values())  # or when it came, if it began elsewhere
    for move in leg.moves:
        if move.left == here:
            stays.append(_Stay(begin, move.at))
        if move.joined == here:
            begin = move.at
    still_here = not leg.moves or leg.moves[-1].joined == here
    return [*stays, _Stay(begin, None)] if still_here else stays


def _ended(leg: Leg) -> datetime | None:
    """When it was over: at `completed`, or else at the failure, after which that need not come."""
    return leg.times.get("completed") or leg.times.get(leg.failure or "")


def _leg(leg: Leg, conversation: Conversation, *, gone: bool) -> dict[str, Any]:
    times, ended = leg.times, _ended(leg)
    given_up = times.get(leg.failure) if leg.failure else ended  # `completed` may come long after a failure
    bill = leg.bill if "completed" in times else None
    here = conversation.uuid
    arrivals = [{"conversation_uuid": move.left, "at": _text(move.at)} for move in leg.moves if move.joined == here]
    departures = [{"conversation_uuid": move.joined, "at": _text(move.at)} for move in leg.moves if move.left == here]
    reached = [name for name in ("started", "ringing", "answered") if name in times]
    outcome = leg.failure or ("answered" if leg.answered else "unanswered")
    return {
        "uuid": leg.uuid,
        "direction": leg.direction,
        "from": _caller(leg, conversation),
        "to": _called(leg, conversation),
        "state": "completed" if ended else reached[-1],
        "status": (leg.failure or "completed") if ended else reached[-1],
        "outcome": outcome if ended else None,
        "times": {name: _text(times.get(name)) for name in ("started", "ringing", "answered")}
        | {"completed": _text(ended)},
        "ring_seconds": _seconds(times.get("ringing"), times.get("answered") or given_up),
        "talk_seconds": _seconds(times.get("answered"), ended),
        "duration_seconds": bill.duration if bill else None,
        "rate": _money(bill.rate) if bill else None,
        "price": _money(bill.price) if bill else None,
        "network": bill.network if bill else None,
        "detail": leg.detail if ended else None,
        "sip_code": leg.sip_code if ended else None,
        "disconnected_by": leg.disconnected_by if "completed" in times else None,
        "machine": leg.machine,
        "moved_from": arrivals[-1] if arrivals else None,
        "moved_to": departures[-1] if gone else None,
    }


def _caller(leg: Leg, conversation: Conversation) -> Any:
    """The caller. Status events of an app caller's leg have null: only answer webhooks and input events have its name.

    If the leg moved, they may have come in another conversation, which is not known here: then both are right.
    """
    if not leg.from_user:
        return _party(leg.from_)
    answers = {answer.leg for answer in conversation.answers if answer.about is None}
    if leg.uuid in answers | {result.leg for result in conversation.inputs}:
        return _party(leg.from_user)
    return OneOf((None, _party(leg.from_user))) if leg.moves else None


def _called(leg: Leg, conversation: Conversation) -> Any:
    """The callee. An app caller's status events have the caller's own name there: see `_caller`."""
    if not leg.from_user:
        return _party(leg.to)
    own, dialled, caller = _party(leg.to), _party(leg.dialled) or _party(leg.to), _caller(leg, conversation)
    if caller is None:
        return own
    return OneOf((own, dialled)) if isinstance(caller, OneOf) else dialled


def _input(result: InputResult) -> dict[str, Any]:
    return {
        "at": _text(result.at),
        "leg": result.leg,
        "digits": result.digits or None,  # whether there were none or none were wanted is not known
        "timed_out": result.timed_out,
        "speech": [{"text": text, "confidence": float(confidence)} for text, confidence in result.speech],
        "speech_timeout_reason": result.timeout_reason,
        "speech_error": result.error,
    }


def _recording(recording: Recording) -> dict[str, Any]:
    return {
        "at": _text(recording.at),
        "recording_uuid": recording.recording_uuid,
        "recording_url": recording.url,
        "size": len(recording.audio),
        "started_at": _text(recording.started.replace(microsecond=0)),  # as in its webhook
        "ended_at": _text(recording.ended.replace(microsecond=0)),
        "transcription_url": recording.transcription_url,
    }


def _error(error: ErrorEvent) -> dict[str, Any]:
    """Its webhook names no leg."""
    return {"at": _text(error.at), "kind": "error", "leg": None, "reason": error.reason, "failed_url": None}


def _party(text: str | None) -> str | None:
    """A `from` or `to`: trimmed; empty and `Unknown` are null."""
    trimmed = (text or "").strip()
    return None if trimmed.lower() in ("", "unknown") else trimmed


def _text(moment: datetime | None) -> str | None:
    """2021-03-29T21:20:05.582Z"""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z" if moment else None


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return round((end - begin).total_seconds(), 3) if begin and end else None


def _money(text: str) -> str:
    """Never with an exponent."""
    return format(Decimal(text), "f")


def _sum(prices: Sequence[str]) -> str | None:
    return format(sum(map(Decimal, prices)), "f") if prices else None
