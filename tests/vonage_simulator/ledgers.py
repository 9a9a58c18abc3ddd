"""Ledgers written by hand, their webhooks, and what a server should return about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from app.webhooks.schemas import read_event
from vonage_simulator import webhook_bodies
from vonage_simulator.delivery.sent import Kind, Sent, Try
from vonage_simulator.ledger import (
    Answer,
    Application,
    Bill,
    Conversation,
    ErrorEvent,
    InputResult,
    Leg,
    Move,
    Recording,
    Target,
)
from vonage_simulator.scenario import FarEnd
from vonage_simulator.verify.expected_view import expected

Body = dict[str, Any]

BASE = datetime.fromisoformat("2021-03-29T21:20:00.000Z")
EVENTS = Target("https://example.com/voice/event")
ANSWERS = Target("https://example.com/voice/answer", "GET")
FALLBACK = Target("https://example.com/voice/fallback")
APPLICATION = Application(id="app", answer=ANSWERS, event=EVENTS, fallback=FALLBACK)
NCCO: list[Body] = [
    {"action": "talk", "text": "Hello"},
    {"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}]},
]


def at(seconds: float) -> datetime:
    """The moment *seconds* after the scenario began."""
    return BASE + timedelta(seconds=seconds)


def bill(seconds: int, price: str = "0.00144000", rate: str = "0.00720000", network: str | None = "GB-FIXED") -> Bill:
    """A bill for *seconds*."""
    return Bill(at(6) if seconds else None, at(6 + seconds) if seconds else None, seconds, rate, price, network)


def leg(where: Conversation, uuid: str = "leg", *, bill: Bill | None = None, **more: Any) -> Leg:
    """A leg in *where*; `started=…` and other statuses are seconds, the rest are fields of a ledger's leg."""
    times = {name: at(more.pop(name)) for name in STATUSES if name in more}
    known = {"direction": "inbound", "endpoint": "phone", "from_": "441234567890", "to": "442038297050"}
    made = Leg(uuid=uuid, conversation=where, far_end=FarEnd(), events=EVENTS, times=times, bill=bill, **(known | more))
    for move in made.moves:
        assert where.uuid in (move.left, move.joined)
    where.legs[uuid] = made
    return made


STATUSES = (
    *("started", "ringing", "answered", "human", "machine", "disconnected", "completed"),
    *("busy", "cancelled", "failed", "rejected", "timeout", "unanswered"),
)


def published() -> Conversation:
    """The call of the published log, phone-to-app.events.jsonl."""
    call = Conversation(uuid="CON-8f5a100c-fbce-4218-8d4b-16341335bcd6")
    leg(
        call,
        "0779a56d002f1c7f47f82ef5fe84ab79",
        started=5.582,
        ringing=5.582,
        answered=6.182,
        completed=17.514,
        bill=bill(12),
    )
    leg(
        call,
        "944bf4bf-8dc7-4e23-86b2-2f4234777416",
        direction="outbound",
        endpoint="app",
        to="Alice",
        started=13.025,
        answered=13.025,
        completed=17.574,
        bill=bill(5, "0", "0.00", None),
    )
    return call


def eventful() -> Conversation:
    """A call with everything that a call can have: put on hold, recorded, and two items in each list."""
    call = Conversation(uuid="CON-eventful")
    caller = leg(
        call,
        "caller",
        started=0,
        ringing=0.1,
        answered=1,
        completed=40,
        bill=bill(39, "0.00468000"),
        moves=[Move(at(20), call.uuid, "CON-hold"), Move(at(30), "CON-hold", call.uuid)],
        disconnected_by="user",
        sip_code=200,
    )
    leg(
        call,
        "busy",
        direction="outbound",
        to="447700900123",
        started=10,
        ringing=10.2,
        busy=11,
        completed=19,
        failure="busy",
        detail="line_in_use",
        sip_code=486,
        disconnected_by="user",
        bill=bill(0, "0", network=None),
    )
    leg(
        call,
        "agent",
        direction="outbound",
        endpoint="app",
        to="Alice",
        started=12,
        answered=13,
        machine=15,
        bill=None,
        moves=[Move(at(38), call.uuid, "CON-elsewhere")],
    ).machine = "beep_start"
    call.answers += [Answer(caller.uuid, ANSWERS.url, NCCO), Answer(caller.uuid, ANSWERS.url, None)]
    call.answers.append(Answer("agent", "https://example.com/whisper", [{"action": "talk", "text": "A call"}]))
    call.inputs += [pressed(3, "12", leg="caller"), said(8, ("sales", "0.9405097"), ("sails", ".05"), leg="caller")]
    call.recordings += [recording("one", 25), recording("two", 41, transcription_url="https://example.com/text")]
    about = (input_body(call, call.inputs[0]), webhook_bodies.notify(call.uuid, {"step": "menu"}, at(5)))
    call.answers += [replied_to(body, [{"action": "talk", "text": body["timestamp"]}]) for body in about]
    call.answers.append(replied_to(webhook_bodies.status(call.legs["agent"], "machine", at(15), today=True), []))
    call.answers.append(replied_to(input_body(call, call.inputs[1]), None))
    call.errors += [ErrorEvent(at(2), "Syntax error in NCCO."), ErrorEvent(at(9), "Calls per second limit exceeded.")]
    return call


def pressed(seconds: float, digits: str | None, *, leg: str = "leg", timed_out: bool = False) -> InputResult:
    """Keys pressed at an input for keys only."""
    error = "Speech was not enabled"
    return InputResult(
        at=at(seconds), leg=leg, digits=digits, timed_out=timed_out, speech=(), timeout_reason=None, error=error
    )


def said(seconds: float, *results: tuple[str, str], leg: str = "leg") -> InputResult:
    """Words said at an input for speech only."""
    reason = "end_on_silence_timeout"
    return InputResult(
        at=at(seconds), leg=leg, digits=None, timed_out=False, speech=results, timeout_reason=reason, error=None
    )


def recording(name: str, seconds: float, **more: Any) -> Recording:
    """A recording that is ready *seconds* after the scenario began, of the nine seconds until one second before."""
    return Recording(
        recording_uuid=name,
        url=f"https://api.nexmo.com/v1/files/{name}",
        at=at(seconds),
        started=at(seconds - 10).replace(microsecond=0),
        ended=at(seconds - 1).replace(microsecond=0),
        format="mp3",
        audio=b"\xff\xfb" * 100,
        **more,
    )


# ---- Their webhooks


def webhooks(call: Conversation) -> list[Body]:
    """The bodies of all events about *call*, also of its legs in other conversations, as the carrier writes them."""
    found: list[Body] = []
    for member in call.legs.values():
        for name, moment in sorted(member.times.items(), key=lambda item: item[1]):
            moved = [move for move in member.moves if move.at <= moment]
            home = moved[-1].joined if moved else member.moves[0].left if member.moves else call.uuid
            found.append(webhook_bodies.status(member, name, moment, today=True) | {"conversation_uuid": home})
        found += [webhook_bodies.transfer(member, move.left, move.joined, move.at) for move in member.moves]
    found += [input_body(call, result) for result in call.inputs]
    found += [answer.about for answer in call.answers if answer.about and "payload" in answer.about]
    for recorded in call.recordings:
        found.append(webhook_bodies.record(recorded, call.uuid))
        if recorded.transcription_url:
            found.append(webhook_bodies.transcribed(recorded, call.uuid, recorded.transcription_url))
    return found + [webhook_bodies.error(call.uuid, fault.reason, fault.at) for fault in call.errors]


def input_body(call: Conversation, result: InputResult) -> Body:
    """The event about one of its inputs."""
    speech: Body = {"timeout_reason": result.timeout_reason} if result.timeout_reason else {}
    speech |= {"error": result.error} if result.error else {}
    speech |= {"results": [{"text": text, "confidence": how} for text, how in result.speech]} if result.speech else {}
    dtmf = {"digits": result.digits, "timed_out": result.timed_out}
    body = webhook_bodies.input_result(call.legs[result.leg], dtmf=dtmf, speech=speech, at=result.at)
    return body | {"conversation_uuid": call.uuid}


def replied_to(about: Body, ncco: list[Body] | None, *, leg: str = "caller") -> Answer:
    """The record that *ncco* was the reply to an event; None: the reply had no NCCO."""
    return Answer(leg, EVENTS.url, ncco, about)


def requests(call: Conversation) -> list[Body]:
    """The bodies of the call's answer requests."""
    legs = [answer.leg for answer in call.answers if answer.about is None]
    found = [webhook_bodies.answer(call.legs[leg], APPLICATION, today=True) for leg in legs]
    return [body | {"conversation_uuid": call.uuid} for body in found]


def replies(call: Conversation) -> list[Body]:
    """The records of the NCCOs in reply to its events, as `/events` lists them."""
    return [replied(answer.about, answer.ncco) for answer in call.answers if answer.about and answer.ncco is not None]


def replied(about: Body, ncco: Any, **more: Any) -> Body:
    """The record of an NCCO in reply to an event: it names the leg, if the event does, and the conversation."""
    leg = about.get("uuid") or about.get("call_uuid")
    request = {"conversation_uuid": about["conversation_uuid"]} | ({"uuid": leg} if leg else {}) | more
    record = answered(request, ncco)
    record["raw"] |= {"flow": "menu", "step": "choice", "version": "3f2a91c0"}
    return record


def attempt(status: int | None = 200, how: Any = None, *, intact: bool = True, reached: bool = True) -> Try:
    """One try that was answered *status*."""
    return Try(0, how, intact, reached, status, "", 0.01)


def sent(body: Body, *tries: Try, kind: Kind = "event", target: Target | None = None) -> Sent:
    """A webhook that was sent; without *tries*, one that went well."""
    home = body.get("conversation_uuid") or body.get("conversation_uuid_to") or ""
    target = target or (ANSWERS if kind == "answer" else EVENTS)
    known = list(tries or [attempt()])
    return Sent(at=BASE, kind=kind, target=target, conversation=home, leg=body.get("uuid", ""), body=body, tries=known)


def kept(bodies: Iterable[Body]) -> list[Body]:
    """Events as `/events` lists them."""
    found = []
    for body in bodies:
        event = read_event(body)
        occurred = bodies_time(event.occurred)
        item = {"kind": event.kind, "leg": event.leg, "status": getattr(event, "status", None), "occurred_at": occurred}
        found.append(item | {"received_at": bodies_time(BASE), "lag_ms": 1, "raw": body, "flags": []})
    return found


def answered(request: Body, ncco: Any = NCCO) -> Body:
    """The record of an answer as `/events` lists it."""
    raw = {"request": request, "id": "0123456789abcdef", "flow": "tutorial", "took_ms": 1.5, "ncco": ncco}
    item = {"kind": "answer", "leg": request.get("uuid"), "status": None, "occurred_at": None, "raw": raw}
    return item | {"received_at": bodies_time(BASE), "lag_ms": None, "flags": []}


def bodies_time(moment: datetime | None) -> str | None:
    """A moment as the API writes it."""
    return webhook_bodies.timestamp(moment) if moment else None


def api_view(call: Conversation) -> Body:
    """The view of *call* that a correct server returns, with everything that the carrier cannot know."""
    right = expected(call)
    clocks = {"first_heard_at": bodies_time(BASE), "last_heard_at": bodies_time(at(50))}
    more = {"at": bodies_time(BASE), "flow": "menu", "step": "choice", "version": "3f2a91c0", "took_ms": 1.5}
    more |= {"fault": None, "fallback_reason": None}
    return (
        right
        | clocks
        | {"answers": [answer | more for answer in right["answers"]]}
        | {"inputs": [result | {"speech_recording_url": None} for result in right["inputs"]]}
        | {"errors": [error | {"answer": None} for error in right["errors"]]}
    )
