"""Named conversations: who is in, who hears whom, when they start and end.

https://developer.vonage.com/en/voice/voice-api/ncco-reference#conversation
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vonage_simulator.ledger import Conversation, Leg

if TYPE_CHECKING:
    from vonage_simulator.active_leg import ActiveLeg
    from vonage_simulator.call_context import CallContext

MOST_MEMBERS = 50
WAITS = 120.0  # seconds that the first one in waits for somebody else, at least, where no scenario says it; ours


@dataclass(frozen=True, slots=True)
class Voice:
    """Who hears a member, and whom it hears; None is everybody. *music*: it has some until the conversation starts."""

    speaks_to: frozenset[str] | None = None
    hears: frozenset[str] | None = None
    music: bool = False

    @classmethod
    def of(cls, action: Mapping[str, Any]) -> Voice:
        """As an action's `canSpeak`, `canHear` and `musicOnHoldUrl` say."""
        speaks, hears = action.get("canSpeak"), action.get("canHear")
        return cls(
            None if speaks is None else frozenset(speaks),
            None if hears is None else frozenset(hears),
            "musicOnHoldUrl" in action,
        )


@dataclass(slots=True)
class Room:
    """A named conversation while somebody is in it."""

    conversation: Conversation
    started: bool = False
    voices: dict[str, Voice] = field(default_factory=dict)
    moderators: set[str] = field(default_factory=set)  # whose leaving ends it
    record: Mapping[str, Any] | None = None  # how it is to be recorded once it starts
    recording: bool = False


class Rooms:
    """The named conversations of an application."""

    def __init__(self, board: CallContext) -> None:
        self._board = board
        self._by_name: dict[str, Room] = {}
        self._by_id: dict[str, Room] = {}

    def enter(self, line: ActiveLeg, action: Mapping[str, Any]) -> bool:
        """The leg enters the conversation that *action* names. False if it is full."""
        name = action["name"]
        room = self._by_name.get(name)
        if room is None:
            room = self._by_name[name] = self._named(name)
        if len(room.conversation.present) >= MOST_MEMBERS:
            return False
        self._board.note(line.leg, "join", name=name)
        room.voices[line.leg.uuid] = Voice.of(action)
        line.leg.muted = bool(action.get("mute"))
        if action.get("endOnExit"):
            room.moderators.add(line.leg.uuid)
        if action.get("record"):
            room.record = action
        line.move(room.conversation)
        if action.get("startOnEnter", True):
            room.started = True
        if room.started and room.record is not None and not room.recording:
            room.recording = True
            self._board.recorder.start(room.conversation, room.record, line.leg)
        line.idle = True
        if len(room.conversation.present) == 1 and line.leg.far_end.hangs_up_after is None:
            line.left_alone(at_least=WAITS)
        return True

    def join(self, line: ActiveLeg, conversation: Conversation, action: Mapping[str, Any]) -> None:
        """The leg goes to *conversation*, which is there already: the `transfer` action."""
        room = self._by_id.setdefault(conversation.uuid, Room(conversation, started=True))
        room.voices[line.leg.uuid] = Voice.of(action)
        line.leg.muted = bool(action.get("mute"))
        line.move(conversation)
        line.idle = True

    def hears(self, listener: Leg, speaker: Leg) -> bool:
        """Whether *listener* hears what *speaker* says now."""
        conversation = listener.conversation
        if listener is speaker or speaker.conversation is not conversation:
            return False
        if not (listener.answered and speaker.answered) or listener.over or speaker.over:
            return False
        if speaker.muted or listener.earmuffed:
            return False
        room = self._by_id.get(conversation.uuid)
        if room is None:
            return True
        if not room.started:  # they wait, and hear music
            return False
        said, heard = room.voices.get(speaker.uuid, Voice()), room.voices.get(listener.uuid, Voice())
        return (said.speaks_to is None or listener.uuid in said.speaks_to) and (
            heard.hears is None or speaker.uuid in heard.hears
        )

    def left(self, conversation: Conversation, leg: Leg) -> None:
        """*leg* is no longer in *conversation*."""
        if not conversation.present:
            self._board.recorder.stop(conversation)
        if room := self._by_id.get(conversation.uuid):
            room.voices.pop(leg.uuid, None)
            if not conversation.present:  # the next to enter waits again
                room.started = room.recording = False
                room.record = None
                room.moderators.clear()
            if leg.uuid in room.moderators:
                room.moderators.clear()
                for other in list(conversation.present):
                    self._board.lines[other].end("platform", "the moderator left")
        if len(conversation.present) == 1:
            self._alone(next(iter(conversation.present)), room)

    def forget(self, conversations: Collection[str]) -> None:
        """Drop the rooms that *conversations* were: who enters one of that name finds another."""
        for conversation in conversations:
            if room := self._by_id.pop(conversation, None):
                name = room.conversation.name
                if name is not None and self._by_name.get(name) is room:
                    del self._by_name[name]

    def _alone(self, uuid: str, room: Room | None) -> None:
        """The last one stays no longer than a while, unless something is played to it."""
        music = room is not None and not room.started and room.voices.get(uuid, Voice()).music
        line = self._board.lines[uuid]
        if line.idle and not music:
            line.left_alone()

    def _named(self, name: str) -> Room:
        room = Room(self._board.conversation(name))
        self._by_id[room.conversation.uuid] = room
        return room
