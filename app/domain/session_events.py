"""What a user is to know of a session: the difference between what was last sent of it and what it was next.

Names: https://wazo-platform.org/documentation (events of wazo-calld), with what Yeastar adds. What was sent is kept
beside the events as a `Mark`, with how many events of each conversation it was made of. So the next look goes on
there, event by event (`session_log.py`): what was done and undone before anybody looked is found as well, and the
events are the same whenever somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from app.domain.events import Input
from app.domain.operations import Happened
from app.domain.session_log import Added, SessionLog
from app.domain.sessions import RecordingState, Session
from app.domain.users import Registration, UserSettings

STATE: Final = ""  # in place of a session's id: what is known of the user as such
ANSWERED_ELSEWHERE: Final = "answered_elsewhere"
# How a call that the user did not take may have ended without being missed.
NOT_MISSED: Final = frozenset({ANSWERED_ELSEWHERE, "rejected"})
AT_THE_END: Final = ("call_ended", "user_missed_call")
LONG: Final = 500  # events in a call, and those that it meets: each look at one of them projects all before it
RECORDING: Final[Mapping[tuple[RecordingState, RecordingState], tuple[str, ...]]] = {
    ("inactive", "active"): ("recording_started",),
    ("inactive", "paused"): ("recording_started", "recording_paused"),
    ("active", "paused"): ("recording_paused",),
    ("active", "inactive"): ("recording_stopped",),
    ("paused", "active"): ("recording_resumed",),
    ("paused", "inactive"): ("recording_stopped",),
}


class Mark(NamedTuple):
    """What a user was sent of a session.

    `sent`: events that a session has once; `shown` and `said`: what `call_updated` is for, of the call and of what the
    user says of it; `read`: how many events of each conversation it was made of, and `at` when, as ISO 8601. That of
    the user as such has in `read` the conversations of all sessions whose end was not sent yet. All of it is JSON: it
    is kept with the events.
    """

    sent: tuple[str, ...] = ()
    muted: bool = False
    paused: bool = False
    recording: RecordingState = "inactive"
    ringing: bool = False
    sharing: bool = False
    shown: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    read: tuple[tuple[str, int], ...] = ()
    at: str = ""


NOTHING_SENT: Final = Mark()


class Step(NamedTuple):
    """Something that changed a session: as it was after that, at the time `at`, with the mark and the events.

    `session` is None where the event that was looked at came before the session.
    """

    at: datetime
    session: Session | None
    mark: Mark
    events: tuple[Happened, ...]


def steps_of(session: Session, before: Mark, log: SessionLog, now: datetime) -> Iterator[Step]:
    """What became of *session* since the mark *before*: after each event in *log*, each time limit, and *now*.

    If the log does not lead to what is known of the session, as part of it was deleted, or is very long, there is only
    the difference to what it is now.
    """
    mark, position, whole = before, position_of(before, session, log), log.lengths(session)
    added = list(log.added(position, whole))
    if _is_as_sent(session, mark, log):
        return
    if added and (sum(whole.values()) > LONG or not _leads_to(session, log, whole, now)):
        yield _step(now, session, mark, whole, added, by_now=True)
        return
    latest = at_mark(session, mark, log)
    for each in (*added, None):
        until = each.at if each else now
        for limit in log.limits(latest, position, _time_of(mark, log, position), until) if latest else ():
            if still := _earlier(session, mark, log, position, limit):
                step = _step(limit, still, mark, position)
                yield step
                mark = step.mark
        if each is None:
            break
        position = {**position, each.conversation: position.get(each.conversation, 0) + 1}
        latest = _earlier(session, mark, log, position, each.at)
        if latest:
            step = _step(each.at, latest, mark, position, [each])
        else:
            read = tuple(sorted(position.items()))
            step = Step(each.at, None, mark._replace(read=read, at=each.at.isoformat()), ())
        yield step
        mark = step.mark
    yield _step(max([now, *(each.at for each in added)]), session, mark, whole, by_now=True)


def at_mark(session: Session, mark: Mark, log: SessionLog) -> Session | None:
    """*session* as it was when *mark* was made; None: nothing was sent of it."""
    if not mark.sent:
        return None
    if _is_as_sent(session, mark, log):
        return session
    position = position_of(mark, session, log)
    return _earlier(session, mark, log, position, _time_of(mark, log, position)) if position else session


def _time_of(mark: Mark, log: SessionLog, position: Mapping[str, int]) -> datetime:
    """When *mark* was made; what time alone changes until then is in it."""
    made = [datetime.fromisoformat(mark.at)] if mark.at else []
    return max([*made, log.reached(position)] if position else made)


def _is_as_sent(session: Session, mark: Mark, log: SessionLog) -> bool:
    """Whether nothing has happened since *mark*."""
    whole = log.lengths(session)
    return position_of(mark, session, log) == whole and _mark_of(session, mark, whole, by_now=True) == mark


def position_of(mark: Mark, session: Session, log: SessionLog) -> dict[str, int]:
    """Where *mark* was made. A conversation that was deleted and began anew is looked at from its beginning."""
    read, lengths = dict(mark.read), log.lengths(session)
    return {name: read[name] for name, length in lengths.items() if 0 < read.get(name, 0) <= length}


def _earlier(
    session: Session, mark: Mark, log: SessionLog, position: Mapping[str, int], at: datetime
) -> Session | None:
    """*session* as it was at *position* and the time *at*; a share of the screen as the user was last sent it."""
    return log.session(replace(session, remarks=session.remarks._replace(screensharing=mark.sharing)), position, at)


def _leads_to(session: Session, log: SessionLog, whole: Mapping[str, int], now: datetime) -> bool:
    """Whether the events in *log* say the same of *session* as all that is known of it does."""
    if not log.knows_more(session):
        return True
    found = log.session(session, whole, now)
    return found is not None and _mark_of(found, NOTHING_SENT, {}) == _mark_of(session, NOTHING_SENT, {})


def _step(
    at: datetime,
    session: Session,
    before: Mark,
    read: Mapping[str, int],
    added: Iterable[Added] = (),
    *,
    by_now: bool = False,
) -> Step:
    """The step from the mark *before* to what *session* was after the events *added*.

    *by_now*: whether what the user says of it, which is known as it is by now alone, is looked at. A session that has
    ended and, as a late webhook says, goes on after all is updated, and ends again.
    """
    facts, after = _facts_of(session), _mark_of(session, before, read, by_now=by_now)
    new = [Happened(name, data) for name, data in facts.items() if name not in before.sent]
    beginning = [fact for fact in new if fact.name not in AT_THE_END]
    ending = [fact for fact in new if fact.name in AT_THE_END]
    changes = [Happened(name) for name in _changes(before, after)]
    changes += [Happened("call_dtmf_created", {"digits": digits}) for digits in _digits(session, added)]
    if not new and not changes and _updated(before, after):
        changes = [Happened("call_updated")]
    if after != before:
        after = after._replace(at=at.isoformat())
    return Step(at, session, after, (*beginning, *changes, *ending))


def _mark_of(session: Session, before: Mark, read: Mapping[str, int], *, by_now: bool = False) -> Mark:
    """What was sent after the step from *before* to *session*."""
    sent = [name for name in before.sent if not (session.live and name in AT_THE_END)]
    over = "call_ended" in sent  # the call may go on without the user
    return Mark(
        sent=(*sent, *(name for name in _facts_of(session) if name not in before.sent)),
        muted=session.controls.muted if session.live else before.muted,
        paused=session.controls.paused if session.live else before.paused,
        recording=before.recording if over else session.controls.recording,
        ringing=session.ringing,
        sharing=session.screensharing if by_now else before.sharing and session.live,
        shown=_shown(session),
        said=_said(session) if by_now else before.said,
        read=tuple(sorted(read.items())),
        at=before.at,
    )


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
        facts["call_ended"] = {
            "cause": cause,
            "detail": session.detail,
            "answered": session.answered,
            "duration": session.call_seconds,
        }
        if not session.is_caller and not session.answered and cause not in NOT_MISSED:
            facts["user_missed_call"] = {"cause": cause}
    return facts


def _changes(before: Mark, after: Mark) -> Iterator[str]:
    """The events that a session may have again and again."""
    if before.paused != after.paused:
        yield "call_held" if after.paused else "call_resumed"
    if before.muted != after.muted:
        yield "call_muted" if after.muted else "call_unmuted"
    if before.recording != after.recording:
        yield from RECORDING[before.recording, after.recording]
    if before.sharing != after.sharing:
        yield "screen_share_started" if after.sharing else "screen_share_ended"


def _digits(session: Session, added: Iterable[Added]) -> Iterator[str]:
    """What was pressed in the call, of the events *added*."""
    for event in (each.kept.event for each in added):
        if isinstance(event, Input) and event.digits and event.canonical in session.call.events:
            yield event.digits


def _updated(before: Mark, after: Mark) -> bool:
    """Whether something changed for which there is no other event."""
    said = bool(before.said) and before.said != after.said
    return said or (before.ringing, before.shown) != (after.ringing, after.shown)


def _shown(session: Session) -> tuple[str, ...]:
    """What is shown of the call and changes without another event; no seconds, which change by themselves."""
    controls = session.controls
    values = (
        *(session.leg, session.number, session.phase, session.sip_status, session.cause),
        *(session.answered_by, session.answered_by_system, controls.conference, controls.parent),
        *sorted(session.talking_to),
    )
    return tuple("" if value is None else str(value) for value in values)


def _said(session: Session) -> tuple[str, ...]:
    """What is shown of what the user says of it, or of whom it is with: no part of the log."""
    remarks = session.remarks
    values = (session.other_name, remarks.name, remarks.avatar, remarks.company, remarks.manual, remarks.ignored)
    return tuple("" if value is None else str(value) for value in values)


# ---- What is known of the user as such

STATE_EVENTS: Final = ("registration_changed", "record_permissions_changed", "current_session_changed")


def state_mark(settings: UserSettings, registration: Registration, current: Session | None) -> Mark:
    """What is sent of a user as such, in the order of STATE_EVENTS."""
    shown = (str(registration.registered), str(settings.record_permissions), current.id if current else "")
    return Mark(shown=shown)


def open_in(marks: Iterable[Mark]) -> tuple[tuple[str, int], ...]:
    """The conversations of the sessions with these *marks* whose end was not sent yet."""
    begun = (mark for mark in marks if mark.sent and "call_ended" not in mark.sent)
    return tuple(sorted({(name, 0) for mark in begun for name, _ in mark.read}))


def state_events(before: Mark, after: Mark) -> tuple[str, ...]:
    """The events between two of `state_mark`; none before the first one."""
    pairs = zip(STATE_EVENTS, before.shown, after.shown, strict=False)
    return tuple(name for name, was, is_ in pairs if was != is_)
