"""What a user is to know of a session: the difference between what was last sent of it and what it is now.

Names: https://wazo-platform.org/documentation (events of wazo-calld), with what Yeastar adds. What was sent is kept
beside the events as a `Mark`. So the next worker needs no earlier state of the call, and a fact is sent once, in any
order of webhooks and however often the session is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from app.domain.events import Input
from app.domain.operations import Happened
from app.domain.sessions import RecordingState, Session
from app.domain.users import Registration, UserSettings

ANSWERED_ELSEWHERE: Final = "answered_elsewhere"
# How a call that the user did not take may have ended without being missed.
NOT_MISSED: Final = frozenset({ANSWERED_ELSEWHERE, "rejected"})
AT_THE_END: Final = ("call_ended", "user_missed_call")
RECORDING: Final[Mapping[tuple[RecordingState, RecordingState], tuple[str, ...]]] = {
    ("inactive", "active"): ("recording_started",),
    ("inactive", "paused"): ("recording_started", "recording_paused"),
    ("active", "paused"): ("recording_paused",),
    ("active", "inactive"): ("recording_stopped",),
    ("paused", "active"): ("recording_resumed",),
    ("paused", "inactive"): ("recording_stopped",),
}


class Mark(NamedTuple):
    """What a user was sent of a session. `sent`: events that a session has once; `shown`: what `call_updated` is for.

    All of it is JSON: it is kept with the events.
    """

    sent: tuple[str, ...] = ()
    muted: bool = False
    paused: bool = False
    recording: RecordingState = "inactive"
    digits: int = 0  # how many times somebody pressed some
    shown: tuple[str, ...] = ()


NOTHING_SENT: Final = Mark()


def mark_of(before: Mark, session: Session) -> Mark:
    """What was sent after `events_between(before, session)`."""
    sent = [name for name in before.sent if not (session.live and name in AT_THE_END)]
    sent += [name for name in _facts_of(session) if name not in before.sent]
    controls = session.controls
    digits = max(before.digits, len(_digits(session)))
    return Mark(tuple(sent), controls.muted, controls.paused, controls.recording, digits, _shown(session))


def events_between(before: Mark, session: Session) -> tuple[Happened, ...]:
    """The events between what was sent *before* and what *session* is now, in the order in which they are sent.

    A session that has ended and, as a late webhook says, goes on after all is updated, and ends again.
    """
    facts = [Happened(name, data) for name, data in _facts_of(session).items() if name not in before.sent]
    beginning = [fact for fact in facts if fact.name not in AT_THE_END]
    ending = [fact for fact in facts if fact.name in AT_THE_END]
    changes = [Happened(name) for name in _changes(before, session)]
    changes += [Happened("call_dtmf_created", {"digits": each}) for each in _digits(session)[before.digits :]]
    if not facts and not changes and before.shown != _shown(session):
        changes = [Happened("call_updated")]
    return (*beginning, *changes, *ending)


def cause_of(session: Session) -> str | None:
    """How *session* ended; `answered_elsewhere` if somebody else took the call while it rang at the user."""
    if session.live or session.answered or session.is_caller:
        return session.cause
    elsewhere = (
        leg.leg.answered
        for leg in session.call.legs
        if leg.user != session.user and leg.leg.direction == "outbound" and leg.leg.answered
    )
    taken = min(elsewhere, default=None)
    return ANSWERED_ELSEWHERE if taken and (session.ended is None or taken <= session.ended) else session.cause


def _facts_of(session: Session) -> dict[str, dict[str, Any]]:
    """The events that *session* has once, with what they say beside it, in the order in which they are sent."""
    facts: dict[str, dict[str, Any]] = {"call_created": {}}
    if not session.is_caller:
        facts["call_incoming"] = {}
    if session.is_caller or session.answered or session.sip_status == "Established":
        facts["session_started"] = {}
    if session.answered:
        facts["call_answered"] = {}
    if not session.live:
        cause = cause_of(session)
        facts["call_ended"] = {"cause": cause, "answered": session.answered, "duration": session.call_seconds}
        if not session.is_caller and not session.answered and cause not in NOT_MISSED:
            facts["user_missed_call"] = {"cause": cause}
    return facts


def _changes(before: Mark, session: Session) -> Iterator[str]:
    """The events that a session may have again and again."""
    controls = session.controls
    if before.paused != controls.paused:
        yield "call_held" if controls.paused else "call_resumed"
    if before.muted != controls.muted:
        yield "call_muted" if controls.muted else "call_unmuted"
    if before.recording != controls.recording:
        yield from RECORDING[before.recording, controls.recording]


def _digits(session: Session) -> list[str]:
    """What was pressed in the call, in the order in which it was received: what comes late is news as well."""
    kept = sorted(session.call.events.values(), key=lambda one: one.received)
    return [one.event.digits for one in kept if isinstance(one.event, Input) and one.event.digits]


def _shown(session: Session) -> tuple[str, ...]:
    """What is shown of *session* and changes without another event; no seconds, which change by themselves."""
    controls = session.controls
    values = (
        *(session.leg, session.number, session.other_name, session.phase, session.sip_status, session.cause),
        *(session.answered_by, session.answered_by_system, session.ringing, controls.conference, controls.parent),
        *(*session.remarks, *sorted(session.talking_to)),
    )
    return tuple("" if value is None else str(value) for value in values)


# ---- What is known of the user as such

STATE_EVENTS: Final = ("registration_changed", "record_permissions_changed", "current_session_changed")


def state_mark(settings: UserSettings, registration: Registration, current: Session | None) -> Mark:
    """What is sent of a user as such, in the order of STATE_EVENTS."""
    shown = (str(registration.registered), str(settings.record_permissions), current.id if current else "")
    return Mark(shown=shown)


def state_events(before: Mark, after: Mark) -> tuple[str, ...]:
    """The events between two of `state_mark`; none before the first one."""
    pairs = zip(STATE_EVENTS, before.shown, after.shown, strict=False)
    return tuple(name for name, was, is_ in pairs if was != is_)
