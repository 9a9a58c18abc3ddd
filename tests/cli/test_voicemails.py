"""`flask voicemails`: the list of a user, and what is done with one, over the API of a server that runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.flows.call_state import CallState, StateCodec
from app.flows.voicemail import state_for
from tests.cli.test_acting import Flask, flask, lasting_world, world
from tests.control.world import CALLER, World
from vonage_simulator.files import File

__all__ = ["flask", "lasting_world", "world"]
ID, CONVERSATION = "aaaaaaaa-bbbb-4ccc-8ddd-111111111111", "CON-recorded"
SOUND = b"ID3" + bytes(40)


@pytest.fixture
def left(world: World, flask: Flask) -> str:
    """How a message that Alice has is listed, but for whether it was heard."""
    url = world.do(lambda: world.carrier.files.add(File(SOUND, "mp3")))
    call = CallState(known={"from": CALLER, "uuid": "leg"})
    state = StateCodec(world.services.settings.secret_key).seal(state_for("Alice", call))
    times = {"start_time": "2026-11-27T12:00:00Z", "end_time": "2026-11-27T12:00:07Z"}
    body = {"conversation_uuid": CONVERSATION, "recording_uuid": ID, "recording_url": url, "size": len(SOUND), **times}
    body |= {"timestamp": "2026-11-27T12:00:08.000Z"}
    assert world.app.test_client().post(f"/voice/voicemails?state={state}", json=body).status_code == 200
    return f"2026-11-27T12:00:08.000Z  {{}}  from {CALLER}, 7 s  (voicemail {ID}, call leg)\n"


def test_a_list_and_what_is_done_with_one(left: str, flask: Flask, tmp_path: Path) -> None:
    new, heard = left.format("new  "), left.format("heard")
    assert flask("voicemails", "Alice") == (0, new, "")
    assert flask("voicemails", "Alice", "heard", ID) == (0, heard, "")
    assert flask("voicemails", "Alice", "--unheard") == (0, "There is none.\n", "")
    assert flask("voicemails", "Alice", "unheard", ID) == (0, new, "")
    file = tmp_path / "message.mp3"
    assert flask("voicemails", "Alice", "play", ID, "--to-file", str(file))[0] == 0
    assert file.read_bytes() == SOUND
    assert [found["id"] for found in json.loads(flask("voicemails", "Alice", "--json")[1])["items"]] == [ID]
    code, out, err = flask("voicemails", "Alice", "delete", ID, typed="n\n")
    assert (code, out) == (1, "")
    assert f"Delete voicemail {ID} of Alice?" in err
    assert flask("voicemails", "Alice", "delete", ID, "--yes") == (0, f"deleted: voicemail {ID}\n", "")
    assert flask("voicemails", "Alice") == (0, "There is none.\n", "")


def test_one_that_is_not_there(world: World, flask: Flask) -> None:
    code, _, err = flask("voicemails", "Nobody")
    assert (code, err.startswith("Error: No such user has settings")) == (1, True)
    assert flask("voicemails", "Alice", "heard")[0] == 2, "without an ID"
    for words in (("heard", "x"), ("play", "x"), ("delete", "x", "--yes")):
        code, _, err = flask("voicemails", "Alice", *words)
        assert (code, err) == (
            1,
            "Error: This user has no voicemail with this id, or none any more: it goes with its call.\n",
        )
