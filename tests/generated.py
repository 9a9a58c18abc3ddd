"""Whole calls made up at random, in the shapes of the webhook reference: every kind, every status, every oddity.

https://developer.vonage.com/en/voice/voice-api/webhook-reference#event-webhook
The random generator is an argument: `hypothesis.strategies.randoms()` where a failure is to be made small,
`random.Random(seed)` elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from app.domain.conversations import Kept
from app.domain.events import Event
from app.store.codec import ANSWER, EVENT
from app.webhooks import kept
from app.webhooks.schemas import kept_answer, read_event, read_kept_answer

Body = dict[str, Any]

# Far ahead: live calls of a time that has passed would be presumed ended, from one day on, and then forgotten.
BASE = datetime(2126, 11, 20, 12, 0, 0, tzinfo=UTC)
FAILURES = ("rejected", "failed", "busy", "timeout", "cancelled", "unanswered")
NEVER_HEARD_OF = ("held", "resumed", "ferried", "transcoding")
NUMBERS = ("447700900123", "447700901123", "442079460000", "14155550100", "33612345678", "7700900123")
PARTIES = (
    *NUMBERS,
    *NUMBERS,
    " 447700900123",
    "Alice",
    "sip:bob@example.com",
    "wss://example.com/audio",
    "Unknown",
    "",
    None,
)
STEPS = (0, 0, 1, 1, 40, 600, 5000, 61_000)  # milliseconds between two events
ODD_TIMES = (
    None,
    "",
    "yesterday",
    1617052805,
    "2126-11-20 12:00:05.58Z",
    "2126-11-20T13:00:05.582+01:00",
    "2126-11-20T12:00:07",
)


class Webhook(NamedTuple):
    """One webhook, or our record of an answer, as it reaches the store."""

    event: Event
    text: bytes
    received: datetime
    sort: bytes = EVENT

    @property
    def kept(self) -> Kept:
        """The event as the domain gets it."""
        return Kept(self.event, self.received)


def compact(body: Any) -> bytes:
    """Compact JSON, keys in their own order."""
    return json.dumps(body, separators=(",", ":")).encode()


def iso(moment: datetime) -> str:
    """A `timestamp` as Vonage writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


read_record = kept.read_record  # what the app gives to its store for reading records


def webhooks_of(body: Body, received: datetime) -> list[Webhook]:
    """The webhooks stored for *body*: for a fallback copy the fallback, and the event as if it came directly."""
    text = compact(body)
    if "ncco" in body:
        return [Webhook(read_kept_answer(body, text), text, received, ANSWER)]
    found = [Webhook(read_event(body), text, received)]
    if body.get("original_request") is not None:
        found += webhooks_of({k: v for k, v in body.items() if k not in ("original_request", "reason")}, received)
    return found


class Call:
    """One made-up call: its legs, and the conversations that they moved between.

    *orderly*: every leg's moves follow on each other, each at a time of its own (but for a last one that goes straight
    back at the same moment), so that it is in one conversation at a time. Else moves contradict each other, lack ends
    and times, and events lack conversations: this has to be survived, though where the leg is cannot be known.
    """

    def __init__(self, chance: Random, *, orderly: bool = True) -> None:
        self.chance = chance
        self.orderly = orderly
        self.bodies: list[Body] = []
        self.names = [f"CON-{self._id()}" for _ in range(chance.choice((1, 1, 1, 2, 3, 4)))]
        self.begins = BASE + timedelta(milliseconds=chance.randrange(600_000))
        for _ in range(chance.choice((0, 1, 1, 2, 2, 3))):
            self._leg()
        for _ in range(chance.choice((0, 0, 1, 2, 3))):
            self._about_the_conversation()
        for body in list(self.bodies):
            if chance.random() < 0.2:
                self.bodies.append(self._variant(body))

    def webhooks(self) -> list[Webhook]:
        """All of it, each body at a received time of its own, in no order that means anything."""
        found = [
            webhook
            for body in self.bodies
            for webhook in webhooks_of(body, self.begins + timedelta(milliseconds=self.chance.randrange(180_000)))
        ]
        known: dict[bytes, Webhook] = {}
        for webhook in found:  # a copy may be written in another way, but was received when the first was
            first = known.setdefault(webhook.event.canonical, webhook)
            assert first.event == webhook.event
        copies = [webhook._replace(received=known[webhook.event.canonical].received) for webhook in found]
        self.chance.shuffle(copies)
        return copies

    def _id(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128), version=4)

    def _pick(self, *options: Any) -> Any:
        return self.chance.choice(options)

    def _step(self, at: datetime) -> datetime:
        return at + timedelta(milliseconds=self.chance.choice(STEPS))

    def _time(self, at: datetime) -> dict[str, Any]:
        """A `timestamp`, mostly; now and then none, or an unusual one."""
        if self.chance.random() < 0.9:
            return {"timestamp": iso(at)}
        return self._pick({}, {"timestamp": self.chance.choice(ODD_TIMES)})

    def _home(self, name: str) -> dict[str, Any]:
        if not self.orderly and self.chance.random() < 0.05:
            return self._pick({}, {"conversation_uuid": None})
        return {"conversation_uuid": name}

    def _leg(self) -> None:
        """The webhooks of a leg: statuses, detection, inputs, answer request, moves; to its end or not."""
        chance = self.chance
        leg = self._pick(self._id().hex, str(self._id()))
        at, current, been = self._step(self.begins), chance.choice(self.names), []
        been.append(current)
        who = {"from": chance.choice(PARTIES), "to": chance.choice(PARTIES)}
        direction = self._pick("inbound", "outbound")
        end = self._pick("completed", "completed", "failure", "failure and completed", "two failures", "nothing")
        life = [
            s
            for s in ("started", "ringing", "answered")
            if chance.random() < (0.4 if "fail" in end and s == "answered" else 0.85)
        ]
        life += [self._pick("human", "machine")] * (chance.random() < 0.2)
        life += ["disconnected"] * (chance.random() < 0.1) + [chance.choice(NEVER_HEARD_OF)] * (chance.random() < 0.1)
        failures = chance.sample(FAILURES, 2 if end == "two failures" else 1)
        life += failures if "fail" in end else []
        life += ["completed", "completed"] if chance.random() < 0.05 else ["completed"] if "completed" in end else []
        moves = self._moves(at, current) if len(self.names) > 1 else []
        for status in life:
            at = self._step(at)
            while moves and moves[0][0] <= at:
                been.append(self._moved(leg, *moves.pop(0)))
            # What was sent before a move, or does not know of it yet, names the conversation that was left.
            home = been[-1] if chance.random() < 0.8 else chance.choice(been)
            self._status(
                leg, status, home, at, who if chance.random() < 0.8 else {"from": chance.choice(PARTIES)}, direction
            )
            if chance.random() < 0.1:
                self._input(leg, chance.choice(been), at, who)
        been += [self._moved(leg, *move) for move in moves]
        if chance.random() < 0.4:
            self._answer(leg, been[0], who)
        if not life or chance.random() < 0.03:
            self._input(leg, been[0], at, who)

    def _moves(self, at: datetime, current: str) -> list[tuple[datetime, str | None, str | None]]:
        moves: list[tuple[datetime, str | None, str | None]] = []
        for _ in range(self._pick(0, 1, 1, 2, 3, 5)):
            at = self._step(at) + timedelta(milliseconds=1)
            goes = self.chance.choice([name for name in self.names if name != current])
            moves.append((at, current, goes))
            current = goes
        if moves and self.chance.random() < 0.2:
            _, left, joined = moves[-1]
            moves.append((at, joined, left))
        if not self.orderly:
            moves = [
                (
                    self._pick(at, at, self.begins),
                    self._pick(left, *self.names, None),
                    self._pick(joined, *self.names, None),
                )
                for at, left, joined in moves
            ]
        return moves

    def _moved(self, leg: str, at: datetime, left: str | None, joined: str | None) -> str:
        body = {"conversation_uuid_from": left, "conversation_uuid_to": joined, "type": "transfer", "uuid": leg}
        self.bodies.append(body | ({"timestamp": iso(at)} if self.orderly else self._time(at)))
        return joined or left or self.names[0]

    def _status(self, leg: str, status: str, home: str, at: datetime, who: Body, direction: str) -> None:
        body: Body = {"headers": {}, **who, "uuid": leg, **self._home(home), "status": status, "direction": direction}
        body |= self._time(at)
        if status in ("human", "machine"):
            body = (
                {"call_uuid": body.pop("uuid")}
                | body
                | self._pick({}, {"sub_state": self._pick("beep_start", "beep_timeout")})
            )
        elif status == "disconnected":
            del body["direction"]
        elif status == "answered":
            body = {"start_time": None, "rate": None, "network": None} | body
        elif status in FAILURES:
            body |= self._pick(
                {}, {"detail": self._pick("declined", "cannot_route"), "sip_code": self._pick(404, 480, "603", None)}
            )
        elif status == "completed":
            body |= {
                "status": self._pick("completed", "completed", "complete", "COMPLETED"),
                "network": self._pick("GB-FIXED", None),
            }
            body |= {
                "start_time": self._pick(iso(at), None),
                "end_time": iso(at),
                "rate": self._pick("0.00720000", "0.00", None),
            }
            body |= self._pick({}, {"duration": self._pick("12", 12, "0", "0.4", "93", None, "long")})
            body |= self._pick({}, {"price": self._pick("0.00144000", "0", 1.5e-4, None, "dear")})
            body |= self._pick({}, {"disconnected_by": "user", "sip_code": 200})
        self.bodies.append(body)

    def _input(self, leg: str, home: str, at: datetime, who: Body) -> None:
        what: Body = self._pick(
            {"dtmf": {"digits": self._pick("1", "*", None, ""), "timed_out": True}, "speech": {"results": []}},
            {"dtmf": "12", "timed_out": self._pick("true", False)},
            {
                "dtmf": {"digits": None},
                "speech": {"results": [{"text": "yes", "confidence": self._pick("0.94", 0.9)}, {}]},
            },
            {"speech": {"error": "Speech was not enabled"}},
        )
        self.bodies.append(what | self._pick(who, {}) | {"uuid": leg, **self._home(home), **self._time(at)})

    def _answer(self, leg: str, home: str, who: Body) -> None:
        request = self._pick({"from": who["from"]}, {"from_user": "Alice"}) | {
            "to": who["to"],
            "uuid": leg,
            "conversation_uuid": home,
        }
        served = {
            "id": self._id().hex[:16],
            "flow": "tutorial",
            "took_ms": 1.2,
            "ncco": [{"action": "talk", "text": "Hello"}],
        }
        self.bodies.append(kept_answer(request, served))

    def _about_the_conversation(self) -> None:
        at = self._step(self._step(self.begins))
        about = self._home(self.chance.choice(self.names)) | self._time(at)
        recording = str(self._id())
        recorded = {
            "start_time": iso(self.begins),
            "end_time": iso(at),
            "recording_url": self._pick("https://r.example/1", ""),
            "size": 12,
        }
        text = {
            "type": "record",
            "status": "transcribed",
            "transcription_url": "https://t.example/1",
            "recording_uuid": recording,
        }
        kinds: list[list[Body]] = [
            [recorded | {"recording_uuid": self._pick(recording, None)} | about],
            [recorded | {"recording_uuid": recording} | about, text | about],
            [text | about],
            [{"payload": {"step": self._pick("menu", 1)}} | about],
            [{"reason": "Syntax error in NCCO. Invalid value type or action."} | about],
            [{"something": "else"} | about],
        ]
        self.bodies += self.chance.choice(kinds)

    def _variant(self, body: Body) -> Body:
        """The same event in another form: fields null, added or in another order, or by the fallback URL."""
        if "ncco" in body:
            return dict(body)
        variant = dict(body)
        how = self._pick("null", "more", "order", "fallback")
        if how == "null":
            optional = [
                name for name in ("from", "to", "headers", "network", "price", "size", "recording_url") if name in body
            ]
            variant |= dict.fromkeys(optional[:1])
        elif how == "more":
            variant["region_url"] = "https://api-eu-3.vonage.com"
        elif how == "order":
            variant = dict(reversed(body.items()))
        else:
            variant |= {
                "reason": "Socket timeout.",
                "original_request": {"url": "https://a.example/event", "type": "event"},
            }
        return variant


def distinct(webhooks: Iterable[Webhook]) -> dict[bytes, Webhook]:
    """Each webhook once, by its identity in the store."""
    return {webhook.event.canonical: webhook for webhook in webhooks}


def conversations_of(webhooks: Iterable[Webhook]) -> set[str]:
    """Every conversation that *webhooks* name."""
    return {home for webhook in webhooks for home in webhook.event.conversations}


def several(chance: Random, count: int, *, orderly: bool = True) -> list[Sequence[Webhook]]:
    """The webhooks of *count* calls, call by call."""
    return [Call(chance, orderly=orderly).webhooks() for _ in range(count)]
