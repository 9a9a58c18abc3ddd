"""Recordings: start and end, their webhooks, and the files."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from datetime import datetime
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from tests.vonage_simulator.stage import STAYS, Json, Played, connect, inbound, play, playing, scenario, talk
from vonage_simulator.files import File
from vonage_simulator.ledger import Recording
from vonage_simulator.recorder import READY_AFTER
from vonage_simulator.scenario import FarEnd
from vonage_simulator.trace import Happening
from vonage_simulator.voice_api.calls import Calls
from vonage_simulator.voice_api.errors import NotFound

THEN: Json = {"action": "talk", "text": "then"}
HELLO = "x" * 50  # takes 3.5 seconds to say


def record(**options: Any) -> Json:
    return {"action": "record", **options}


def recorded(*actions: Json, keys: tuple[str, ...] = (), says: tuple[str, ...] = (), **far_end: Any) -> Played:
    """A caller, whose script begins at 0.6; a callee talks for ten seconds."""
    return play(scenario(inbound(FarEnd(keys=keys, says=says, **far_end)), callees={"*": STAYS}), list(actions))


def recordings(played: Played) -> list[Recording]:
    return [item for conversation in played.carrier.ledger.conversations.values() for item in conversation.recordings]


def file(played: Played, url: str) -> File:
    assert url.startswith(f"{played.carrier.files.url}/")
    return played.carrier.files[url.rpartition("/")[2]]


# ---- from when until when


def test_a_recording_goes_on_while_the_script_does_until_everybody_is_gone() -> None:
    played = recorded(record(), connect(), talk(7.0))
    (made,) = recordings(played)
    assert played.when("ring") == [0.6], "nothing waits for it"
    assert (made.started.second, made.ended.second) == (0, int(played.ended))


@pytest.mark.parametrize(
    ("options", "keys", "says", "seconds"),
    [
        ({"endOnSilence": 3}, (), (HELLO,), 6.5),
        ({"endOnSilence": 3}, (), (), 8.0),  # speech without words in the scenario takes five seconds
        ({"endOnSilence": 3, "timeOut": 4}, (), (HELLO,), 4.0),
        ({"endOnKey": "#"}, ("#",), (HELLO,), 3.5),
        ({"endOnKey": "#", "endOnSilence": 3}, ("#",), (HELLO,), 3.5),
        ({"endOnKey": "*", "timeOut": 10}, ("#",), (HELLO,), 10.0),
        ({"endOnKey": "1", "timeOut": 5}, ("",), (), 5.0),
    ],
)
def test_a_recording_that_ends_by_an_option_is_waited_for(
    options: Json, keys: tuple[str, ...], says: tuple[str, ...], seconds: float
) -> None:
    """A key, silence, or a time, whichever comes first. Its event is sent before the next action begins."""
    played = recorded(record(**options), THEN, keys=keys, says=says)
    assert played.when("talk") == [pytest.approx(0.6 + seconds + READY_AFTER)]
    (made,) = recordings(played)
    assert (made.ended - made.started).total_seconds() == int(0.6 + seconds)
    order = [it.what for it in played.result.happenings if it.what == "talk" or _is_recording(it)]
    assert order == ["sent", "talk"]
    assert played.result.spoken == list(says)
    assert played.result.pressed == ([options["endOnKey"]] if options.get("endOnKey") in keys else [])
    assert len(recordings(played)) == 1


def _is_recording(happening: Happening) -> bool:
    return happening.what == "sent" and "recording_url" in happening.data["sent"].body


def test_with_a_time_alone_the_script_goes_on_meanwhile() -> None:
    played = recorded(record(timeOut=3), talk(7.0))
    assert played.when("talk") == [0.6]
    (made,) = recordings(played)
    assert (made.ended - made.started).total_seconds() == 3
    again = recorded(record(timeOut=5), talk(1.4), record(format="wav"), talk(7.0))
    assert [round((it.ended - it.started).total_seconds()) for it in recordings(again)] == [2, 7], "the first is over"


def test_without_the_key_it_lasts_until_the_caller_hangs_up() -> None:
    played = recorded(record(endOnKey="#"), THEN, hangs_up_after=30.0)
    assert (played.result.said, played.ended, len(recordings(played))) == ([], 30.6, 1)


def test_a_second_recording_ends_the_first() -> None:
    played = recorded(record(), talk(7.0), record(format="wav"), talk(7.0))
    assert [recording.format for recording in recordings(played)] == ["mp3", "wav"]
    assert [round((recording.ended - recording.started).total_seconds()) for recording in recordings(played)] == [7, 7]


def test_a_recording_stays_with_the_conversation() -> None:
    """It ends when the last one has gone to another."""
    played = recorded(record(), talk(7.0), {"action": "conversation", "name": "room"}, hangs_up_after=30.0)
    (event,) = played.having("recording_url")
    assert event["conversation_uuid"] == played.leg.moves[0].left
    assert event["end_time"] == "2026-01-01T00:00:07Z"


# ---- the event


def test_the_event_comes_a_second_after_the_end() -> None:
    """With its times in whole seconds, and its size."""
    played = recorded(record(endOnKey="*", timeOut=10), talk(7.0))
    (made,) = recordings(played)
    (event,) = played.having("recording_url")
    assert event == {
        "start_time": "2026-01-01T00:00:00Z",
        "recording_url": made.url,
        "size": len(made.audio),
        "recording_uuid": made.recording_uuid,
        "end_time": "2026-01-01T00:00:10Z",
        "conversation_uuid": played.leg.conversation.uuid,
        "timestamp": "2026-01-01T00:00:11.600Z",
    }
    assert not made.url.endswith(made.recording_uuid), "the file has an id of its own"


def test_the_event_may_come_after_completed() -> None:
    played = recorded(record(), talk(1.4))
    assert [next(iter(event.keys() & {"status", "recording_url"})) for event in played.events][-2:] == [
        "status",
        "recording_url",
    ]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_event_goes_to_the_url_of_the_action(method: str) -> None:
    played = recorded(record(eventUrl=["stage:/own"], eventMethod=method), talk(1.4))
    assert [(got.method, "recording_url" in got.data) for got in played.got if got.path == "/own"] == [(method, True)]
    assert played.having("recording_url") == []


# ---- the file


@pytest.mark.parametrize(
    ("options", "format_", "channels", "begins"),
    [
        ({}, "mp3", None, b"\xff\xf3"),
        ({"format": "wav"}, "wav", 1, b"RIFF"),
        ({"format": "ogg"}, "ogg", None, b"OggS"),
        ({"split": "conversation"}, "mp3", None, b"\xff\xf3"),
        ({"split": "conversation", "format": "wav"}, "wav", 2, b"RIFF"),
        ({"split": "conversation", "channels": 2}, "mp3", None, b"\xff\xf3"),
        ({"split": "conversation", "channels": 3}, "wav", 3, b"RIFF"),
        ({"split": "conversation", "channels": 32}, "wav", 32, b"RIFF"),
    ],
)
def test_the_file_is_of_the_format_and_has_the_channels(
    options: Json, format_: str, channels: int | None, begins: bytes
) -> None:
    """mp3 unless it says otherwise, or has more channels than mp3 knows."""
    played = recorded(record(**options), talk(1.4))
    (made,) = recordings(played)
    assert file(played, made.url) == File(made.audio, made.format)
    assert (made.format, made.audio.startswith(begins)) == (format_, True)
    if channels:
        with wave.open(io.BytesIO(made.audio)) as sound:
            assert sound.getnchannels() == channels
            assert sound.getnframes() / sound.getframerate() == pytest.approx(1.4, abs=0.01)


# ---- the transcript

TRANSCRIPTION = {"transcription": {"language": "en-GB", "eventUrl": ["stage:/text"]}}


def test_a_recording_may_be_transcribed() -> None:
    """Its event comes some time later, with a URL of its own."""
    played = recorded(record(**TRANSCRIPTION), talk(1.4))
    (made,) = recordings(played)
    assert played.to("/text") == [
        {
            "conversation_uuid": played.leg.conversation.uuid,
            "recording_uuid": made.recording_uuid,
            "status": "transcribed",
            "transcription_url": made.transcription_url,
            "type": "record",
        }
    ]
    (recording, text) = [
        it.at for it in played.result.happenings if it.what == "sent" and "recording_uuid" in it.data["sent"].body
    ]
    assert (text - recording).total_seconds() == 2.0


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"transcription": {}}, "/event"),
        ({"transcription": {}, "eventUrl": ["stage:/own"]}, "/own"),
        ({**TRANSCRIPTION, "eventUrl": ["stage:/own"]}, "/text"),
    ],
)
def test_the_transcription_event_goes_to_its_own_url_or_that_of_the_recording(options: Json, path: str) -> None:
    played = recorded(record(**options), talk(1.4))
    assert len(played.having("transcription_url", path)) == 1


def test_the_transcript_can_be_downloaded_and_has_the_words() -> None:
    """Only words said during the recording; their times count from its beginning."""
    speech = {"action": "input", "type": ["speech"]}
    played = recorded(speech, record(**TRANSCRIPTION), talk(7.0), speech, says=("before", HELLO))
    (made,) = recordings(played)
    assert made.transcription_url
    found = file(played, made.transcription_url)
    assert found.kind == "json"
    assert json.loads(found.content) == {
        "ver": "1.0.0",
        "request_id": made.recording_uuid,
        "channels": [{"transcript": [{"sentence": HELLO, "timestamp": 8000, "duration": 3500}]}],
    }


def test_each_channel_has_a_transcript() -> None:
    played = recorded(record(endOnSilence=3, split="conversation", **TRANSCRIPTION), says=(HELLO,))
    (made,) = recordings(played)
    assert made.transcription_url
    channels = json.loads(file(played, made.transcription_url).content)["channels"]
    assert [len(channel["transcript"]) for channel in channels] == [1, 0]


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [("mp3", "audio/mpeg"), ("wav", "audio/wav"), ("ogg", "audio/ogg"), ("json", "application/json")],
)
def test_every_file_has_its_content_type(kind: Any, content_type: str) -> None:
    async def run() -> tuple[Any, str]:
        async with playing({}) as (carrier, _):
            name = carrier.files.add(File(b"content", kind)).rpartition("/")[2]
            calls = Calls(carrier)
            with pytest.raises(NotFound):
                await calls.file(make_mocked_request("GET", "/", match_info={"id": f"not {name}"}))
            response = await calls.file(make_mocked_request("GET", "/", match_info={"id": name}))
            return response.body, response.content_type

    assert asyncio.run(run()) == (b"content", content_type)


def test_no_transcript_is_made_without_the_option() -> None:
    played = recorded(record(), talk(1.4))
    assert (recordings(played)[0].transcription_url, len(played.carrier.files)) == (None, 1)


def test_times_of_a_recording_are_whole_seconds_in_the_ledger_too() -> None:
    (made,) = recordings(recorded(talk(0.7), record(), talk(1.4)))
    assert [moment.microsecond for moment in (made.started, made.ended)] == [0, 0]
    assert isinstance(made.started, datetime)
