"""Calls of Alice as the store keeps them, entry by entry, and somebody who looks at them now and then."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from app.domain import actions
from app.domain.actions import Action, ActionResult, Result
from app.domain.calls import read_calls
from app.domain.conversations import History, Kept, history, moments
from app.domain.events import CANONICAL
from app.domain.legs import project_leg
from app.domain.news import Followed, Marked, News, OperationEvent, UserState, find_news
from app.domain.operations import Happened
from app.domain.session_controls import controls_of
from app.domain.session_events import NOTHING_SENT, STATE, Mark
from app.domain.session_log import SessionLog
from app.domain.sessions import NO_REMARKS, Remarks, Session, read_session
from app.domain.user_sessions import claimed
from app.domain.users import DEFAULTS, NOT_REGISTERED, Chosen
from tests.domain.builders import HERE, PRESUME_ENDED_AFTER, THERE, YONDER, about, answer, at, kept, transfer
from tests.domain.test_sessions import app, callee, caller, served
from tests.generated import Body

OTHER = "other"  # who calls in the second call
LATE = "presses_late"


@dataclass
class Story:
    """What happens to Alice, second by second; `entries`: what is kept, each with its conversation, in that order."""

    seconds: float = 0.0
    entries: list[tuple[str, Kept]] = field(default_factory=list)
    numbers: int = 0
    other: str = ""  # what goes on with the other call
    decisions: list[OperationEvent] = field(default_factory=list)  # of a transfer

    def keep(self, *bodies: Body | Kept, late: float = 0.0) -> None:
        """Each of *bodies* is received now, or *late* seconds ago and kept only now."""
        for body in bodies:
            event = kept(body)[0].event
            for name in event.conversations:
                self.entries.append((name, Kept(event, at(self.seconds - late))))
            self.seconds += 0.25

    def passes(self, seconds: float) -> None:
        """Nothing happens for some time."""
        self.seconds += seconds

    def known(self) -> dict[str, History]:
        """All conversations."""
        return lists_of(self.entries)

    def acts(self, verb: str, leg: str | None, where: str = HERE) -> None:
        """An action is requested, and Vonage accepts it."""
        self.numbers += 1
        events = {canonical: each for known in self.known().values() for canonical, each in known.items()}
        of_leg = {canonical: each for canonical, each in events.items() if leg and each.event.leg == leg}
        after = project_leg(leg, moments(of_leg)).place.order if leg and of_leg else 0
        id_, common = f"action-{self.numbers}", {"canonical": b"", "conversation": where, "leg": leg}
        action = Action(
            **common,  # type: ignore[arg-type]
            action=id_,
            verb=verb,
            by="user Alice",
            sequence=self.numbers,
            after=after,
            operation=id_,
            occurred=at(self.seconds),
        )
        self.keep(Kept(_whole(action), at(self.seconds)))
        result = ActionResult(**common, action=id_, result="done", status=204, occurred=at(self.seconds))  # type: ignore[arg-type]
        self.keep(Kept(_whole(result), at(self.seconds)))

    def rings(self) -> None:
        """Somebody calls, and is connected with Alice."""
        self.keep(caller("ringing", self.seconds), caller("answered", self.seconds))
        self.keep(served(app(timeout=20), seconds=self.seconds))

    def answers(self) -> None:
        """Alice does."""
        self.keep(callee("started", self.seconds), callee("answered", self.seconds))

    def holds(self) -> None:
        """The caller hears music."""
        self.acts("hold", "caller")
        self.keep(transfer(HERE, THERE, self.seconds, uuid="caller"))

    def resumes(self) -> None:
        """The caller comes back."""
        self.acts("resume", "caller", THERE)
        self.keep(transfer(THERE, HERE, self.seconds, uuid="caller"))

    def rings_again(self) -> None:
        """Somebody else calls."""
        if not self.other:
            self.other = "rings"
            self.keep(self._other("ringing"), self._other("answered"))
            self.keep(served(app(timeout=20), seconds=self.seconds, uuid=OTHER, where=YONDER))

    def answers_again(self) -> None:
        """Alice talks to the other caller."""
        if self.other == "rings":
            self.other = "talks"
            self.keep(callee("answered", self.seconds, uuid="again", where=YONDER))

    def gives_up(self) -> None:
        """The other caller does."""
        if self.other in ("rings", "talks"):
            self.other = "left" if self.other == "talks" else "over"
            self.keep(self._other("completed"))

    def leaves(self) -> None:
        """Alice hangs up on the other caller."""
        if self.other in ("talks", "left"):
            self.other = "over"
            self.keep(callee("completed", self.seconds, uuid="again", where=YONDER))

    def _other(self, name: str) -> Body:
        return caller(name, self.seconds, where=YONDER) | {"uuid": OTHER}

    def decides(self) -> None:
        """Something happens to the transfer of the caller."""
        self.numbers += 1
        happened = Happened("transfer_answered", {"number": self.numbers})
        self.decisions.append(OperationEvent(at(self.seconds), happened, {"transfer": self.numbers}))
        self.seconds += 0.25

    def presses(self) -> None:
        """The caller presses keys."""
        self.numbers += 1
        self.keep(about(self.seconds, uuid="caller", dtmf={"digits": str(self.numbers)}))

    def presses_late(self) -> None:
        """The same; it was received some time before it could be kept."""
        self.numbers += 1
        self.keep(about(self.seconds, uuid="caller", dtmf={"digits": str(self.numbers)}), late=3)

    def is_called_into_a_room(self) -> None:
        """Somebody waits in a room, and Alice is called there. Vonage has not said yet by which leg."""
        self.keep(caller("ringing", self.seconds), caller("answered", self.seconds))
        room, connect = {"action": "conversation", "name": "room"}, app(timeout=20)
        self.keep(answer(self.seconds, uuid="caller", served={"ncco": [room], "room_for": connect}))
        ring = Action(
            canonical=b"",
            conversation=HERE,
            leg="caller",
            occurred=at(self.seconds),
            action="call:ring",
            verb="ring",
            by="flow tutorial",
            operation="call",
            arguments=CANONICAL.encode({"to": connect["endpoint"], "ncco": [room]}),
        )
        self.keep(Kept(_whole(ring), at(self.seconds)))
        self.keep(callee("started", self.seconds, where=YONDER), callee("ringing", self.seconds, where=YONDER))

    def is_named(self, result: Result, leg: str | None) -> None:
        """What came of calling Alice into the room: *leg*, if Vonage has said that."""
        named = ActionResult(
            canonical=b"",
            conversation=HERE,
            leg=leg,
            occurred=at(self.seconds),
            action="call:ring",
            result=result,
            room="room" if leg else None,
        )
        self.keep(Kept(_whole(named), at(self.seconds)))

    def ends(self) -> None:
        """Both hang up."""
        self.keep(callee("completed", self.seconds), caller("completed", self.seconds))


def _whole(event: Action | ActionResult) -> Action | ActionResult:
    return replace(event, canonical=CANONICAL.encode(actions.kept(event)).encode())


def lists_of(entries: list[tuple[str, Kept]]) -> dict[str, History]:
    """The conversations of *entries*."""
    found: dict[str, list[Kept]] = {}
    for name, each in entries:
        found.setdefault(name, []).append(each)
    return {name: history(each) for name, each in found.items()}


DO: dict[str, Callable[[Story], None]] = {
    "mute": lambda story: story.acts("mute", "callee"),
    "unmute": lambda story: story.acts("unmute", "callee"),
    "record": lambda story: story.acts("record_start", None),
    "pause": lambda story: story.acts("record_pause", None),
    "stop": lambda story: story.acts("record_stop", None),
    "wait": lambda story: story.passes(7),
    "wait long": lambda story: story.passes(45),
    "silence": lambda story: story.passes(PRESUME_ENDED_AFTER.total_seconds() + 60),
    **{name: getattr(Story, name) for name in ("holds", "resumes", "presses", LATE, "decides")},
    **{name: getattr(Story, name) for name in ("rings_again", "gives_up", "answers_again", "leaves")},
}


@dataclass
class Reader:
    """Looks at Alice's calls, and goes on from the marks that are kept, as any worker does."""

    remarks: Remarks = NO_REMARKS
    chosen: Chosen | None = None
    marks: dict[str, Mark] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)

    def look(self, story: Story, now: datetime, count: int | None = None, most: int = 10_000) -> None:
        """Look at the first *count* entries, None: at all, until nothing is left to find; *most*: see find_news."""
        while self._look(story, now, count, most):
            pass

    def _look(self, story: Story, now: datetime, count: int | None, most: int) -> bool:
        lists = lists_of(story.entries[:count])
        calls = read_calls(lists, now=now, presume_ended_after=PRESUME_ENDED_AFTER).calls
        sessions = claimed([session for call in calls.values() if (session := self._session(call, calls, now))])
        sessions.sort(key=lambda session: (session.created, session.id))
        log = SessionLog(lists, calls, ("caller",), PRESUME_ENDED_AFTER)
        marked = [Marked(session, self.marks.get(session.id, NOTHING_SENT)) for session in sessions]
        user = UserState(self.marks.get(STATE, NOTHING_SENT), DEFAULTS, NOT_REGISTERED, self.chosen)
        decided = [event for event in story.decisions if event.at <= now]
        transfer = Followed("transfer", self.marks.get("transfer", NOTHING_SENT), decided, over=False, session="caller")
        found = find_news(user, marked, [transfer], log, now, most)
        self.news += found.news
        assert json.loads(json.dumps(found.marks)) is not None
        self.marks |= found.marks
        return found.more

    def _session(self, call: Any, calls: Any, now: datetime) -> Session | None:
        linked = [calls[id_] for id_ in call.linked if id_ in calls]
        controls = controls_of(call, "Alice", linked)
        return read_session(call, "Alice", now=now, linked=linked, controls=controls, remarks=self.remarks)

    def sent(self) -> list[Any]:
        """The events, and what the session was at each."""
        return [
            (
                *(news.happened.name, dict(news.happened.data), news.of_user),
                *((one.id, one.live, one.phase, one.controls, one.screensharing) if (one := news.session) else ()),
            )
            for news in self.news
        ]

    def names(self) -> list[str]:
        """Of the events, without those that say what has no name of its own, and those of the user as such."""
        return [one.happened.name for one in self.news if not one.of_user and one.happened.name != "call_updated"]


def just_before(moment: datetime) -> datetime:
    """A microsecond earlier."""
    return moment - timedelta(microseconds=1)
