"""What a server should keep of the webhooks that were sent to it: which bodies, how often, with which conversations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vonage_simulator.delivery import wire
from vonage_simulator.ledger import FAILURES, Target
from vonage_simulator.transcript import webhook
from vonage_simulator.verify.differences import OneOf

if TYPE_CHECKING:
    from vonage_simulator.delivery.sent import Sent, Try
    from vonage_simulator.ledger import Conversation

Body = dict[str, Any]
Key = tuple[str, str]  # "answer" or "event", and the canonical JSON of a body

UNSIGNED: Final = ("unsigned", "forget", "secret", "clock", "replay")  # tries that no server may take for Vonage's
FORGED: Final = ("forget", "secret", "clock", "replay")  # those of them that no server should say it has
LOSSY: Final = ("lose", "tamper", *FORGED)  # tries that Vonage does not make
ADDED_BY_FALLBACK: Final = ("reason", "original_request")
STEPS: Final = "/voice/flows/"
STATE: Final = "state"  # a parameter that the server put into a step's address: no part of what it is asked there
# Events whose reply may have an NCCO: by what they have, and by their status.
ANSWERED_FIELDS: Final = ("dtmf", "speech", "payload")
ANSWERED_STATUSES: Final = (*FAILURES, "human", "machine", "disconnected")


@dataclass(slots=True)
class Wanted:
    """A body that is to be kept *least* to *most* times. `reply`: it is the record of an NCCO served to an event.

    `unheard`: webhooks with it that were never acknowledged. `forged`: tries that were, though anybody could have made
    them.
    """

    words: str
    least: int = 0
    most: int = 0
    unheard: int = 0
    forged: int = 0
    reply: bool = False

    @property
    def times(self) -> str:
        """How often at most, for people."""
        if not self.most:
            return "none served" if self.reply else "not taken"
        word = "served" if self.reply else "sent"
        return f"{word} once" if self.most == 1 or not self.reply else f"{word} {self.most} times at most"


@dataclass(slots=True)
class Keep:
    """What is to be kept with one conversation.

    `notices` is what `errors` tells of turns to the fallback URL, beside the errors that the application was told of.
    """

    wanted: dict[Key, Wanted] = field(default_factory=dict)
    notices: list[Body] = field(default_factory=list)


def keeping(sent: Iterable[Sent], conversations: Iterable[Conversation] = (), *, lossless: bool) -> dict[str, Keep]:
    """What is to be kept of *sent*, by conversation. What was replied to events stands with the *conversations*.

    An event is kept once, however often it comes, with each conversation that it names; a fallback copy as two, the
    event as it first was and a notice. Of an answer each asking is kept. What was acknowledged has to be there, but for
    answers where it is not *lossless*: their record is written after the reply and may be lost.

    Of an NCCO in reply to an event there is such a record, too. It names no more of the event than conversation and
    leg, so that all those of a leg are counted together. Of each reply that was read it is known whether there was an
    NCCO in it; for any other try there may be a record, if it is of an event that may be answered.
    """
    kept: dict[str, Keep] = {}
    for one in sent:
        if one.target is None:
            continue
        body = as_received(one.target, one.body)
        if one.kind == "answer":
            _answer(kept, one, body, lossless=lossless)
        elif body.get("original_request") is None:
            _event(kept, one, body, _homes(body))
            _replies(kept, one, body)
        else:
            where_it_went = _homes(body)[-1:]
            _event(kept, one, body, where_it_went)
            original = {name: value for name, value in body.items() if name not in ADDED_BY_FALLBACK}
            _event(kept, one, original, _homes(original))
            _replies(kept, one, original)
            for home in where_it_went:
                kept[home].notices.append(_notice(body))
    for asked in (asked for each in conversations for asked in each.asked):
        if asked.about is not None:
            _replied(kept, asked.about, served=asked.ncco is not None, lossless=lossless)
    for wanted in (wanted for keep in kept.values() for wanted in keep.wanted.values() if wanted.reply):
        wanted.most = max(wanted.most, wanted.least)
    return kept


def homes_of(sent: Sent) -> list[str]:
    """The conversations that a webhook is of."""
    return _homes(sent.body)


def key_of(event: Mapping[str, Any]) -> Key:
    """The key of an event as the server tells it.

    Where the server says of a request no more than conversation and leg, it served an NCCO in reply to an event.
    """
    raw = event.get("raw")
    if event.get("kind") == "answer" and isinstance(raw, dict):
        request = raw.get("request")
        if isinstance(request, dict) and request.keys() <= {"conversation_uuid", "uuid"}:
            return _key_of_reply(request.get("conversation_uuid"), request.get("uuid"))
        return "answer", _canonical(request)
    return "event", _canonical(raw)


def as_received(target: Target, body: Body) -> Body:
    """*body* as a server at *target* reads it: in a GET, what is no object or array is text, and null is empty."""
    if target.method.upper() != "GET":
        return body
    parameters = json.loads(wire.write(target, body).hashed)
    if STEPS in urlsplit(target.url).path:
        parameters.pop(STATE, None)
    return {name: _nested(value[-1] if isinstance(value, list) else value) for name, value in parameters.items()}


def _answer(kept: dict[str, Keep], sent: Sent, body: Body, *, lossless: bool) -> None:
    taken, possible = sum(map(_taken, sent.tries)), sum(map(_possible, sent.tries))
    for home in _homes(body):
        wanted = _wanted(kept, home, ("answer", _canonical(body)), sent)
        wanted.least += taken if lossless else 0
        wanted.most += possible
        wanted.unheard += not taken


def _event(kept: dict[str, Keep], sent: Sent, body: Body, homes: list[str]) -> None:
    for number, home in enumerate(homes):
        wanted = _wanted(kept, home, ("event", _canonical(body)), sent)
        wanted.least = max(wanted.least, int(any(map(_taken, sent.tries))))
        wanted.most = max(wanted.most, int(any(map(_possible, sent.tries))))
        if number == 0:
            wanted.unheard += not sent.acknowledged
            wanted.forged += sum(_taken(attempt) and attempt.how in FORGED for attempt in sent.tries)


def _replies(kept: dict[str, Keep], sent: Sent, body: Body) -> None:
    """Each try may have had an NCCO in its reply."""
    if (reply := _reply(kept, body)) is not None:
        reply.most += sum(map(_possible, sent.tries))


def _replied(kept: dict[str, Keep], body: Body, *, served: bool, lossless: bool) -> None:
    """One reply was read: there was an NCCO in it, or there was none."""
    if (reply := _reply(kept, body)) is not None:
        reply.least += served and lossless
        reply.most -= not served


def _reply(kept: dict[str, Keep], body: Body) -> Wanted | None:
    """What is to be kept of replies to an event, and others of its leg; None if nobody would read one."""
    home, leg = body.get("conversation_uuid"), body.get("uuid") or body.get("call_uuid")
    read = body.get("status") in ANSWERED_STATUSES or any(body.get(name) is not None for name in ANSWERED_FIELDS)
    if not (home and read):
        return None
    words = f"NCCO in reply to an event of leg {leg}" if leg else "NCCO in reply to an event that names no leg"
    kept_there = kept.setdefault(home, Keep()).wanted
    return kept_there.setdefault(_key_of_reply(home, leg), Wanted(words, reply=True))


def _key_of_reply(home: Any, leg: Any) -> Key:
    return "answer", _canonical({"conversation_uuid": home, "uuid": leg or None})


def _wanted(kept: dict[str, Keep], home: str, key: Key, sent: Sent) -> Wanted:
    milliseconds = sent.at.microsecond // 1000
    words = f"{sent.kind} {webhook(sent.body)} sent at {sent.at:%H:%M:%S}.{milliseconds:03}"
    return kept.setdefault(home, Keep()).wanted.setdefault(key, Wanted(words))


def _taken(attempt: Try) -> bool:
    """Whether the server said that it has it."""
    return attempt.as_told and attempt.status is not None and attempt.status // 100 == 2


def _possible(attempt: Try) -> bool:
    """Whether the server may have it: it said so, or no reply was read, or it had trouble of its own on the way.

    What is not signed as it should be it may not have, also where it asks, by 503, for a signed copy.
    """
    if not (attempt.as_told and attempt.reached):
        return False
    if attempt.status is None:
        return True
    return _taken(attempt) or (attempt.status >= 500 and attempt.how not in UNSIGNED)


def _homes(body: Mapping[str, Any]) -> list[str]:
    """The conversations that an event is of: a transfer is of two."""
    if home := body.get("conversation_uuid"):
        return [home]
    between = (body.get("conversation_uuid_from"), body.get("conversation_uuid_to"))
    return list(dict.fromkeys(home for home in between if home))


def _notice(body: Mapping[str, Any]) -> Body:
    """What `errors` tells of a turn to the fallback URL. A detection names its leg in a field of its own."""
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
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
