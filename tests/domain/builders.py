"""Builders of webhook bodies and histories, and projections of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from app.domain.conversations import Conversation, History, Kept, history, moments, project
from app.domain.legs import Leg, project_leg
from app.webhooks.schemas import kept_answer, read_kept_answer
from tests.generated import BASE, Body, compact, iso, read_event

HERE, THERE, YONDER = "CON-here", "CON-there", "CON-yonder"
LATER = BASE + timedelta(days=1)
PRESUME_ENDED_AFTER = timedelta(hours=2)


def at(seconds: float) -> datetime:
    """The moment *seconds* after the call began."""
    return BASE + timedelta(seconds=seconds)


def status(name: str, seconds: float | None = 0.0, *, uuid: str = "leg", where: str = HERE, **more: Any) -> Body:
    """A call status; *seconds* None: without a timestamp."""
    body: Body = {"status": name, "uuid": uuid, "conversation_uuid": where}
    return (
        body
        | ({} if seconds is None else {"timestamp": iso(at(seconds))})
        | {k.rstrip("_"): v for k, v in more.items()}
    )


def about(seconds: float | None = 0.0, *, where: str = HERE, **more: Any) -> Body:
    """An event of the conversation, or of a leg that *more* names."""
    return {"conversation_uuid": where} | ({} if seconds is None else {"timestamp": iso(at(seconds))}) | more


def transfer(left: str | None, joined: str | None, seconds: float | None = 0.0, *, uuid: str = "leg") -> Body:
    """A leg went from *left* to *joined*."""
    body: Body = {"type": "transfer", "conversation_uuid_from": left, "conversation_uuid_to": joined, "uuid": uuid}
    return body | ({} if seconds is None else {"timestamp": iso(at(seconds))})


def answer(
    seconds: float, *, name: str = "1", where: str = HERE, served: dict[str, Any] | None = None, **fields: Any
) -> Kept:
    """Our record of an answer given *seconds* after the call began; *served* are further fields of it."""
    request = {"uuid": "leg", "conversation_uuid": where} | {k.rstrip("_"): v for k, v in fields.items()}
    known = {"id": name, "flow": "tutorial", "took_ms": 1.25, "ncco": [{"action": "talk", "text": "Hello"}]}
    kept_of_it = kept_answer(request, known | (served or {}))
    return Kept(read_kept_answer(kept_of_it, compact(kept_of_it)), at(seconds))


def kept(*bodies: Body | Kept, received: float = 0.0) -> list[Kept]:
    """*bodies* as they are kept, all received at once."""
    return [body if isinstance(body, Kept) else Kept(read_event(body), at(received)) for body in bodies]


def history_of(*bodies: Body | Kept, received: float = 0.0) -> History:
    """The history of *bodies*."""
    return history(kept(*bodies, received=received))


def leg(*bodies: Body | Kept, uuid: str = "leg") -> Leg:
    """The leg *uuid* after *bodies*."""
    return project_leg(uuid, moments(history_of(*bodies)))


def conversation(*bodies: Body | Kept, where: str = HERE, now: datetime = BASE) -> Conversation:
    """The conversation *where* after *bodies*."""
    return project_one(where, history_of(*bodies), now)


def project_all(kept_events: Iterable[Kept], *, now: datetime = LATER) -> dict[str, Conversation]:
    """All conversations of *kept_events*."""
    events = history(kept_events)
    names = {name for each in events.values() for name in each.event.conversations}
    return {name: project_one(name, events, now) for name in sorted(names)}


def project_one(name: str, events: History, now: datetime) -> Conversation:
    """The conversation *name* after *events*, of which one at least is of it."""
    found = project(name, events, now=now, presume_ended_after=PRESUME_ENDED_AFTER)
    assert found is not None
    return found
