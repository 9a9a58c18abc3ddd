"""Recordings: of a conversation, from when it is asked for until somebody stops it or everybody is gone.

https://developer.vonage.com/en/voice/voice-api/ncco-reference#record
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from vonage_simulator import audio, bodies
from vonage_simulator.ledger import Conversation, Leg, Recording, Target

if TYPE_CHECKING:
    from vonage_simulator.call_context import CallContext

READY_AFTER = 1.0  # seconds from its end until a recording can be had (a recorded request: 1 s after `completed`)
TEXT_AFTER = 2.0  # seconds more until its text can be; ours
KEPT_FILES = 100  # where old ones are dropped: by a carrier that runs for days

Kind = Literal["mp3", "wav", "ogg", "json"]


@dataclass(frozen=True, slots=True)
class File:
    """What can be downloaded."""

    content: bytes
    kind: Kind


@dataclass(frozen=True, slots=True)
class _Running:
    started: datetime
    options: Mapping[str, Any]
    leg: Leg  # for whom it was asked
    said: list[tuple[datetime, str]] = field(default_factory=list)


class Recorder:
    """What is recorded, and the files that webhooks name, by the last part of their URL."""

    def __init__(self, board: CallContext, files_url: str) -> None:
        self.files_url = files_url
        self.files: dict[str, File] = {}
        self._board = board
        self._running: dict[str, _Running] = {}

    def start(self, conversation: Conversation, options: Mapping[str, Any], leg: Leg) -> None:
        """Record *conversation*; what was recorded of it until now is ready."""
        self.stop(conversation)
        self._board.note(leg, "record", **{name: value for name, value in options.items() if name != "action"})
        self._running[conversation.uuid] = _Running(self._board.clock.now(), options, leg)

    def forget(self) -> None:
        """Drop all files but the latest."""
        for file in list(self.files)[:-KEPT_FILES]:
            del self.files[file]

    def hear(self, conversation: Conversation, words: str) -> None:
        """Somebody in *conversation* begins to say *words*; if it is recorded, they are in its text."""
        if running := self._running.get(conversation.uuid):
            running.said.append((self._board.clock.now(), words))

    def keep(self, content: bytes, kind: Kind) -> str:
        """Keep a file; its URL."""
        file = self._board.ids.dashed()
        self.files[file] = File(content, kind)
        return f"{self.files_url}/{file}"

    def stop(self, conversation: Conversation) -> None:
        """End the recording of *conversation*, if there is one; its webhook follows."""
        running = self._running.pop(conversation.uuid, None)
        if running:
            self._board.spawn(self._ready(conversation, running, self._board.clock.now()))

    async def _ready(self, conversation: Conversation, running: _Running, ended: datetime) -> None:
        board, options = self._board, running.options
        await board.clock.sleep(READY_AFTER)
        channels = options.get("channels") or (2 if options.get("split") else 1)
        kind: Literal["mp3", "wav", "ogg"] = options.get("format") or ("wav" if channels > 2 else "mp3")
        sound = audio.silence(kind, (ended - running.started).total_seconds(), channels)
        url = self.keep(sound, kind)
        recording = Recording(
            recording_uuid=board.ids.dashed(),
            url=url,
            at=board.clock.now(),
            started=running.started.replace(microsecond=0),  # as the webhook tells them
            ended=ended.replace(microsecond=0),
            format=kind,
            audio=sound,
        )
        conversation.recordings.append(recording)
        own = Target.of(options)
        board.tell(
            running.leg, bodies.record(recording, conversation.uuid), own or running.leg.events,
            conversation=conversation.uuid,
        )  # fmt: skip
        if (wanted := options.get("transcription")) is not None:
            await board.clock.sleep(TEXT_AFTER)
            recording.transcription_url = self.keep(_text(recording, running, channels), "json")
            body = bodies.transcribed(recording, conversation.uuid, recording.transcription_url)
            board.tell(running.leg, body, Target.of(wanted) or own, conversation=conversation.uuid)


def _text(recording: Recording, running: _Running, channels: int) -> bytes:
    """The text of a recording. Known of Vonage's are its version, request and channels; a sentence is a guess.

    Who says what on which channel is not told apart: all of it is on the first.
    """
    sentences = [
        {
            "sentence": words,
            "timestamp": round((at - running.started).total_seconds() * 1000),
            "duration": round(bodies.spoken_seconds(words) * 1000),
        }
        for at, words in running.said
    ]
    heard = [{"transcript": sentences}, *({"transcript": []} for _ in range(channels - 1))]
    return json.dumps({"ver": "1.0.0", "request_id": recording.recording_uuid, "channels": heard}).encode()
