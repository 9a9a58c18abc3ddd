"""Commands that come too early, twice, or in pairs, through Vonage's own client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from vonage_http_client.errors import HttpRequestError, NotFoundError

from tests.vonage_simulator.api_server import ALICE, CALL, RINGS, ROOM, Server, serving
from vonage_simulator.behaviour import Behaviour

TO_ROOM = {"action": "transfer", "destination": {"type": "ncco", "ncco": ROOM}}


def put(server: Server, path: str, body: Any) -> Any:
    http = server.client.http_client
    return http.put(http.api_host, path, body)


def refused(server: Server, path: str, body: Any) -> int:
    with pytest.raises(HttpRequestError) as error:
        put(server, path, body)
    return error.value.response.status_code


def test_a_leg_is_not_transferred_before_it_is_answered(server: Server) -> None:
    http = server.client.http_client
    made = http.post(http.api_host, "/v1/calls", CALL | {"to": [{"type": "phone", "number": RINGS}]})
    assert refused(server, f"/v1/calls/{made['uuid']}", TO_ROOM) == 400


def test_a_leg_may_not_be_ready_when_it_is_answered(carrier_folder: Path) -> None:
    """Every command is refused for two seconds."""
    with serving(carrier_folder, speed=1.0, behaviour=Behaviour(no_commands_seconds=2.0)) as server:
        leg = server.answered()
        path = f"/v1/calls/{leg.uuid}"
        moves = len(leg.moves)
        tried: list[int] = []

        def accepted() -> bool:
            try:
                put(server, path, TO_ROOM)
            except HttpRequestError as error:
                tried.append(error.response.status_code)
                return False
            return True

        server.until(accepted)
        assert set(tried) <= {400}
        assert (server.carrier.clock.now() - leg.times["answered"]).total_seconds() >= 2
        assert len(leg.moves) > moves


def test_a_leg_that_was_hung_up_is_not_found(server: Server) -> None:
    path = f"/v1/calls/{server.ended_call().uuid}"
    for body in ({"action": "hangup"}, {"action": "mute"}, TO_ROOM):
        with pytest.raises(NotFoundError):
            put(server, path, body)


def test_each_pair_of_start_and_stop_is_a_recording_and_an_event(server: Server) -> None:
    leg = server.answered(ncco=[{"action": "conversation", "name": "in pairs"}])
    conversation = server.until(lambda: leg.moves and leg.conversation)
    path = f"/v1/conversations/{conversation.uuid}/record"
    options = {"format": "wav", "event_url": [f"{server.application_url}/event"]}
    for number in (1, 2):
        put(server, path, {"action": "start"} | options)
        put(server, path, {"action": "stop"})
        server.until(lambda number=number: len(conversation.recordings) == number)  # type: ignore[misc]

    def sent() -> list[str]:
        return [
            event["recording_url"]
            for event in server.events
            if "recording_url" in event and event["conversation_uuid"] == conversation.uuid
        ]

    urls = [recording.url for recording in conversation.recordings]
    server.until(lambda: len(sent()) == 2)
    assert (sent(), [span.value for span in conversation.recorded]) == (urls, urls)
    assert len(set(urls)) == 2
    assert [server.ask("GET", url).content for url in urls] == [made.audio for made in conversation.recordings]


def test_music_is_played_until_it_is_stopped(server: Server) -> None:
    leg = server.answered(to=[{"type": "phone", "number": ALICE}])
    http, path = server.client.http_client, f"/v1/calls/{leg.uuid}"
    put(server, f"{path}/stream", {"stream_url": ["https://example.com/a.mp3"], "loop": 0, "level": "0.4"})
    put(server, f"{path}/talk", {"text": "Hello", "loop": 0})
    assert [(span.value.kind, span.until) for span in leg.played] == [("stream", None), ("talk", None)]
    assert http.delete(http.api_host, f"{path}/stream") == {"message": "Stream stopped", "uuid": leg.uuid}
    assert [(span.value.kind, span.until is None) for span in leg.played] == [("stream", False), ("talk", True)]
    assert http.delete(http.api_host, f"{path}/talk") == {"message": "Talk stopped", "uuid": leg.uuid}
    assert all(span.until for span in leg.played)
