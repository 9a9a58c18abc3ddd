"""What a server should keep of the webhooks that were sent to it: which bodies, how often, in which conversations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from vonage_simulator.delivery import wire
from vonage_simulator.delivery.sent import Sent, Try
from vonage_simulator.ledger import FAILURES, Conversation, Target
from vonage_simulator.transcript import webhook
from vonage_simulator.verify.differences import OneOf

Body = dict[str, Any]
Key = tuple[str, str]  # "answer" or "event", and the canonical JSON of a body

FORGED: Final = ("forget", "secret", "clock", "replay")  # tries that no server should acknowledge
UNSIGNED: Final = ("unsigned", *FORGED)  # tries that no server may take for Vonage's
ADDED_BY_FALLBACK: Final = ("reason", "original_request")
STEPS: Final = "/voice/flows/"
STATE: Final = "state"  # a parameter that the server put into a step's URL: no part of the request
# Events whose reply may have an NCCO: by what they have, and by their status.
ANSWERED_FIELDS: Final = ("dtmf", "speech", "payload")
ANSWERED_STATUSES: Final = (*FAILURES, "human", "machine", "disconnected")


@dataclass(slots=True)
class Record:
    """A body that should be kept *least* to *most* times."""

    words: str
    least: int = 0
    most: int = 0
    unacknowledged: int = 0  # webhooks with this body that were never acknowledged
    forged: int = 0  # tries that were acknowledged although they were not signed
    reply: bool = False  # the record of an NCCO in reply to an event

    @property
    def times(self) -> str:
        """How often at most, for people."""
        if not self.most:
            return "none served" if self.reply else "not taken"
        word = "served" if self.reply else "sent"
        return f"{word} once" if self.most == 1 or not self.reply else f"{word} {self.most} times at most"


@dataclass(slots=True)
class Expected:
    """What should be kept of one conversation."""

    records: dict[Key, Record] = field(default_factory=dict)
    notices: list[Body] = field(default_factory=list)  # in `errors`, about fallback requests; without error events


def expected_events(
    sent: Iterable[Sent], conversations: Iterable[Conversation] = (), *, lossless: bool
) -> dict[str, Expected]:
    """What should be kept of *sent*, by conversation. The replies to events are in *conversations*.

    An event is kept once, however often it comes, in each conversation that it names; a fallback request as two, the
    original event and a notice. Of answer webhooks each request is kept. What was acknowledged must be there, but for
    answers if not *lossless*: their record is written after the reply and may be lost.

    An NCCO in reply to an event has such a record, too. It has no more of the event than conversation and leg, so all
    those of a leg are counted together. Of each reply that was read it is known whether it had an NCCO; for any other
    try there may be a record, if its event can have one in its reply.
    """
    kept: dict[str, Expected] = {}
    for webhook_sent in sent:
        body = as_received(webhook_sent.target, webhook_sent.body)
        if webhook_sent.kind == "answer":
            _answer(kept, webhook_sent, body, lossless=lossless)
            continue
        if body.get("original_request") is not None:
            for conversation in conversations_of(body)[-1:]:
                _event(kept, webhook_sent, body, [conversation])
                kept[conversation].notices.append(_notice(body))
            body = {name: value for name, value in body.items() if name not in ADDED_BY_FALLBACK}
        _event(kept, webhook_sent, body, conversations_of(body))
        if (reply := _reply(kept, body)) is not None:
            reply.most += sum(map(_possible, webhook_sent.tries))
    for answer in (answer for conversation in conversations for answer in conversation.answers):
        if answer.about is not None and (reply := _reply(kept, answer.about)) is not None:
            reply.least += answer.ncco is not None and lossless
            reply.most -= answer.ncco is None
    for record in (record for expected in kept.values() for record in expected.records.values() if record.reply):
        record.most = max(record.most, record.least)
    return kept


def conversations_of(body: Mapping[str, Any]) -> list[str]:
    """The conversations that a webhook names: a transfer names two."""
    if conversation := body.get("conversation_uuid"):
        return [conversation]
    between = (body.get("conversation_uuid_from"), body.get("conversation_uuid_to"))
    return list(dict.fromkeys(filter(None, between)))


def key_of(event: Mapping[str, Any]) -> Key:
    """The key of an event in the server's API.

    If the request of an answer has no more than conversation and leg, it is the record of an NCCO in reply to an event.
    """
    raw = event.get("raw")
    if event.get("kind") == "answer" and isinstance(raw, dict):
        request = raw.get("request")
        if isinstance(request, dict) and request.keys() <= {"conversation_uuid", "uuid"}:
            return _key_of_reply(request.get("conversation_uuid"), request.get("uuid"))
        return "answer", _canonical(request)
    return "event", _canonical(raw)


def as_received(target: Target, body: Body) -> Body:
    """*body* as a server at *target* reads it: in a GET all but objects and arrays is text, and null is empty."""
    if target.method.upper() != "GET":
        return body
    parameters = json.loads(wire.write(target, body).hashed)
    if STEPS in urlsplit(target.url).path:
        parameters.pop(STATE, None)
    return {name: _nested(value[-1] if isinstance(value, list) else value) for name, value in parameters.items()}


def _answer(kept: dict[str, Expected], sent: Sent, body: Body, *, lossless: bool) -> None:
    taken, possible = sum(attempt.acknowledged for attempt in sent.tries), sum(map(_possible, sent.tries))
    for conversation in conversations_of(body):
        record = _record(kept, conversation, ("answer", _canonical(body)), sent)
        record.least += taken if lossless else 0
        record.most += possible
        record.unacknowledged += not taken


def _event(kept: dict[str, Expected], sent: Sent, body: Body, conversations: list[str]) -> None:
    for number, conversation in enumerate(conversations):
        record = _record(kept, conversation, ("event", _canonical(body)), sent)
        record.least = max(record.least, int(sent.acknowledged))
        record.most = max(record.most, int(any(map(_possible, sent.tries))))
        if number == 0:
            record.unacknowledged += not sent.acknowledged
            record.forged += sum(attempt.acknowledged and attempt.how in FORGED for attempt in sent.tries)


def _reply(kept: dict[str, Expected], body: Body) -> Record | None:
    """The record of NCCOs in reply to this event and others of its leg; None if its reply is never read."""
    conversation, leg = body.get("conversation_uuid"), body.get("uuid") or body.get("call_uuid")
    read = body.get("status") in ANSWERED_STATUSES or any(body.get(name) is not None for name in ANSWERED_FIELDS)
    if not (conversation and read):
        return None
    words = f"NCCO in reply to an event of leg {leg}" if leg else "NCCO in reply to an event that names no leg"
    records = kept.setdefault(conversation, Expected()).records
    return records.setdefault(_key_of_reply(conversation, leg), Record(words, reply=True))


def _key_of_reply(conversation: Any, leg: Any) -> Key:
    return "answer", _canonical({"conversation_uuid": conversation, "uuid": leg or None})


def _record(kept: dict[str, Expected], conversation: str, key: Key, sent: Sent) -> Record:
    words = f"{sent.kind} {webhook(sent.body)} sent at {sent.at.time().isoformat('milliseconds')}"
    return kept.setdefault(conversation, Expected()).records.setdefault(key, Record(words))


def _possible(attempt: Try) -> bool:
    """Whether the server may have kept it: it acknowledged it, no reply was read, or it answered 5xx after keeping it.

    It may not keep what is not signed properly, also if it requests a signed copy by 503.
    """
    kept_unacknowledged = attempt.status is None or (attempt.status >= 500 and attempt.how not in UNSIGNED)
    return attempt.intact and attempt.reached and (attempt.acknowledged or kept_unacknowledged)


def _notice(body: Mapping[str, Any]) -> Body:
    """The entry in `errors` about a fallback request. A detection names its leg in a field of its own."""
    leg, called = body.get("uuid"), body.get("call_uuid")
    return {
        "at": body.get("timestamp"),
        "kind": "fallback",
        "leg": OneOf((None, called)) if called and not leg else leg,
        "reason": body["reason"],
        "failed_url": body["original_request"]["url"],
    }


def _canonical(body: Any) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def _nested(text: str) -> Any:
    if text.startswith(("{", "[")):
        with suppress(ValueError):
            return json.loads(text)
    return text
