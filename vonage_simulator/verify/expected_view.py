"""What a server should tell of a conversation, worked out from the ledger.

Nothing here is taken from the server's own code. What its words mean (state, status, outcome, …) is written down anew,
and so is what of the truth the webhooks carry to it; else a mistake in one place would be right in both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from vonage_simulator.ledger import Asked, Conversation, Fault, InputResult, Leg, Recording
from vonage_simulator.verify.differences import OneOf

CURRENCY: Final = "EUR"


def expected(conversation: Conversation) -> dict[str, Any]:
    """What `GET /api/v1/conversations/<id>` should tell once every webhook about *conversation* was delivered.

    It has only what the carrier can know: no clocks of receipt, no names of call flows, nothing of how an answer came
    about. An answer is the NCCO that the application served, also in reply to an event. Not known to the ledger either
    is where the audio of an input was saved, and what is taken for the cause of an error. Times, and two moves of one
    leg above all, are taken to differ by a millisecond or more where their order matters: of webhooks with one
    timestamp nobody could tell which came first.
    """
    here = conversation.uuid
    legs = [leg for leg in conversation.legs.values() if leg.times]  # before its first webhook nobody knows a leg
    stays = {leg.uuid: _stays(leg, here) for leg in legs}
    present = [leg for leg in legs if stays[leg.uuid][-1].end is None]
    live = not legs or any(_ended(leg) is None for leg in present)
    ends = (stays[leg.uuid][-1].end or _ended(leg) for leg in legs)
    started = min((stays[leg.uuid][0].begin for leg in legs), default=None)
    ended = None if live else max(end for end in ends if end)
    answered = (max(leg.times["answered"], stay.begin) for leg in legs for stay in stays[leg.uuid] if stay.answers(leg))
    return {
        "conversation_uuid": here,
        "state": "live" if live else "ended",
        "started_at": _text(started),
        "answered_at": _text(min(answered, default=None)),
        "ended_at": _text(ended),
        "duration_seconds": _seconds(started, ended),
        "price": _sum(leg.bill.price for leg in present if leg.bill and "completed" in leg.times),
        "currency": CURRENCY,
        "legs": [_leg(leg, conversation, gone=stays[leg.uuid][-1].end is not None) for leg in legs],
        "answers": [answer(asked) for asked in conversation.asked if asked.ncco is not None],
        "inputs": [_input(result) for result in conversation.inputs],
        "recordings": [_recording(recording) for recording in conversation.recordings],
        "errors": [_error(fault) for fault in conversation.faults],
    }


def answer(asked: Asked) -> dict[str, Any]:
    """What `answers` should tell of an asking. Where an event was replied to, its leg is the one that the event names.

    A `notify` names none; a detection does so in a field of its own.
    """
    leg = asked.leg if asked.about is None else asked.about.get("uuid") or asked.about.get("call_uuid")
    return {"leg": leg, "ncco": asked.ncco}


class _Stay(NamedTuple):
    """From when until when a leg was in a conversation; it is there still where `end` is None."""

    begin: datetime
    end: datetime | None

    def answers(self, leg: Leg) -> bool:
        """Whether the leg was, for any part of this, answered. It may be put through at the moment it is picked up."""
        return leg.answered and (self.end is None or leg.times["answered"] <= self.end)


def _stays(leg: Leg, here: str) -> list[_Stay]:
    """When *leg* was in the conversation *here*: at least once."""
    stays, begin = [], min(leg.times.values())  # or, if it began elsewhere, when it came
    for move in leg.moves:
        if move.left == here:
            stays.append(_Stay(begin, move.at))
        if move.joined == here:
            begin = move.at
    is_there = not leg.moves or leg.moves[-1].joined == here
    return [*stays, _Stay(begin, None)] if is_there else stays


def _ended(leg: Leg) -> datetime | None:
    """When it was over: `completed` says so, or else the failure, after which that need not come."""
    return leg.times.get("completed") or leg.times.get(leg.failure or "")


def _leg(leg: Leg, conversation: Conversation, *, gone: bool) -> dict[str, Any]:
    times, ended = leg.times, _ended(leg)
    given_up = times.get(leg.failure) if leg.failure else ended  # `completed` may come long after a failure
    bill = leg.bill if "completed" in times else None
    arrivals = [move for move in leg.moves if move.joined == conversation.uuid]
    departures = [move for move in leg.moves if gone and move.left == conversation.uuid]
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
        "moved_from": {"conversation_uuid": arrivals[-1].left, "at": _text(arrivals[-1].at)} if arrivals else None,
        "moved_to": {"conversation_uuid": departures[-1].joined, "at": _text(departures[-1].at)}
        if departures
        else None,
    }


def _caller(leg: Leg, conversation: Conversation) -> Any:
    """Who calls. All statuses of an app caller's leg have null: only being asked for it, or its input, gives its name.

    Whether that happened in another conversation that the leg has been in, this one does not know: then both are right.
    """
    if not leg.from_user:
        return _party(leg.from_)
    asked_for = {asked.leg for asked in conversation.asked if asked.about is None}
    named = asked_for | {result.leg for result in conversation.inputs}
    if leg.uuid in named:
        return _party(leg.from_user)
    return OneOf((None, _party(leg.from_user))) if leg.moves else None


def _called(leg: Leg, conversation: Conversation) -> Any:
    """Whom it reaches. An app caller's statuses have the caller's own name there; what gives the caller gives this."""
    if not leg.from_user:
        return _party(leg.to)
    own, asked_for, caller = _party(leg.to), _party(leg.dialled) or _party(leg.to), _caller(leg, conversation)
    if caller is None:
        return own
    return OneOf((own, asked_for)) if isinstance(caller, OneOf) else asked_for


def _input(result: InputResult) -> dict[str, Any]:
    return {
        "at": _text(result.at),
        "leg": result.leg,
        "digits": result.digits or None,  # no keys and none asked for are both nothing known
        "timed_out": result.timed_out,
        "speech": [{"text": text, "confidence": float(confidence)} for text, confidence in result.speech],
        "speech_timeout_reason": result.timeout_reason,
        "speech_error": result.error,
    }


def _recording(recording: Recording) -> dict[str, Any]:
    """Its webhook has begin and end in whole seconds, cut."""
    return {
        "at": _text(recording.at),
        "recording_uuid": recording.recording_uuid,
        "recording_url": recording.url,
        "size": len(recording.audio),
        "started_at": _text(recording.started.replace(microsecond=0)),
        "ended_at": _text(recording.ended.replace(microsecond=0)),
        "transcription_url": recording.transcription_url,
    }


def _error(fault: Fault) -> dict[str, Any]:
    """Its webhook names no leg."""
    return {"at": _text(fault.at), "kind": "error", "leg": None, "reason": fault.reason, "failed_url": None}


def _party(text: str | None) -> str | None:
    """A `from` or `to`: trimmed; empty and `Unknown` are not known."""
    trimmed = (text or "").strip()
    return None if trimmed.lower() in ("", "unknown") else trimmed


def _text(moment: datetime | None) -> str | None:
    """2021-03-29T21:20:05.582Z"""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z" if moment else None


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return round((end - begin).total_seconds(), 3) if begin and end else None


def _money(text: str) -> str:
    """Never with an exponent."""
    return format(Decimal(text), "f")


def _sum(prices: Iterable[str]) -> str | None:
    amounts = [Decimal(price) for price in prices]
    return format(sum(amounts, Decimal(0)), "f") if amounts else None
