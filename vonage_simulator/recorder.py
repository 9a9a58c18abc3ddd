"""Recordings of a conversation: by the NCCO action `record`, a `conversation` action's `record`, or the Voice API.

https://developer.vonage.com/en/voice/voice-api/ncco-reference#record
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from vonage_simulator import audio, webhook_bodies
from vonage_simulator.call_context import CallContext
from vonage_simulator.files import File
from vonage_simulator.ledger import Conversation, Leg, Recording, RunningRecording, Target

READY_AFTER = 1.0  # seconds from its end until a recording can be had (a recorded request: 1 s after `completed`)
TRANSCRIBED_AFTER = 2.0  # seconds more until its transcript can be; ours


def start(context: CallContext, conversation: Conversation, options: Mapping[str, Any], leg: Leg) -> RunningRecording:
    """Record *conversation* from now on, for *leg*; a recording that runs already ends."""
    stop(context, conversation)
    context.trace(leg, "record", **{name: value for name, value in options.items() if name != "action"})
    span = conversation.recorded.begin(None, context.clock.now())
    running = conversation.recording = RunningRecording(span.since, options, leg, span)
    return running


def add_speech(context: CallContext, conversation: Conversation, words: str) -> None:
    """Somebody in *conversation* begins to say *words*: they go into the transcript, if it is recorded."""
    if running := conversation.recording:
        running.speech.append((context.clock.now(), words))


def stop(context: CallContext, conversation: Conversation) -> asyncio.Task[None] | None:
    """End the recording of *conversation*, if there is one. Returns what sends its webhook."""
    running, conversation.recording = conversation.recording, None
    if running:
        running.span.ends(context.clock.now())
    return context.spawn(_ready(context, conversation, running, context.clock.now())) if running else None


async def _ready(context: CallContext, conversation: Conversation, running: RunningRecording, ended: datetime) -> None:
    options = running.options
    await context.clock.sleep(READY_AFTER)
    channels = options.get("channels") or (2 if options.get("split") else 1)
    kind: Literal["mp3", "wav", "ogg"] = options.get("format") or ("wav" if channels > 2 else "mp3")
    sound = audio.silence(kind, (ended - running.started).total_seconds(), channels)
    recording = Recording(
        url=context.files.add(File(sound, kind)),
        recording_uuid=context.ids.dashed(),
        at=context.clock.now(),
        started=running.started.replace(microsecond=0),  # as the webhook has them
        ended=ended.replace(microsecond=0),
        format=kind,
        audio=sound,
    )
    conversation.recordings.append(recording)
    running.span.value = recording.url
    target = Target.of(options)
    body = webhook_bodies.record(recording, conversation.uuid)
    context.send(running.leg, body, target, conversation=conversation.uuid)
    if options.get("transcription") is not None:
        context.spawn(_transcribed(context, conversation, running, recording, channels))


async def _transcribed(
    context: CallContext, conversation: Conversation, running: RunningRecording, recording: Recording, channels: int
) -> None:
    await context.clock.sleep(TRANSCRIBED_AFTER)
    recording.transcription_url = context.files.add(File(_transcript(recording, running, channels), "json"))
    body = webhook_bodies.transcribed(recording, conversation.uuid, recording.transcription_url)
    target = Target.of(running.options["transcription"]) or Target.of(running.options)
    context.send(running.leg, body, target, conversation=conversation.uuid)


def _transcript(recording: Recording, running: RunningRecording, channels: int) -> bytes:
    """Known of Vonage's are version, request and channels; the form of a sentence is a guess.

    Speakers are not separated: all sentences are on the first channel.
    """
    sentences = [
        {
            "sentence": words,
            "timestamp": round((at - running.started).total_seconds() * 1000),
            "duration": round(webhook_bodies.spoken_seconds(words) * 1000),
        }
        for at, words in running.speech
    ]
    transcripts = [{"transcript": sentences}, *({"transcript": []} for _ in range(channels - 1))]
    return json.dumps({"ver": "1.0.0", "request_id": recording.recording_uuid, "channels": transcripts}).encode()
