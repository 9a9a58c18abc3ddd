"""`flask capture`: a stored call becomes a scenario that plays the same call again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.api.site import SAMPLE
from tests.cli.shell import Inside
from tests.engines import Engine
from tests.serving import OPERATOR, Server
from vonage_simulator.scenarios import find, load


class Calls:
    """A server, and commands with its store."""

    def __init__(self, server: Server, inside: Inside) -> None:
        self.server, self.inside = server, inside

    def flask(self, *words: str, status: int = 0) -> str:
        """The output of `flask` with *words*."""
        code, out, err = self.inside.run(*words)
        assert code == status, out + err
        return out + err

    def known(self) -> set[str]:
        """The ids of all stored calls."""
        return {item["id"] for item in self.server.api("/api/v1/calls?limit=500").json["items"]}

    def played(self, scenario: str) -> str:
        """The id of the one call of a scenario, which is played."""
        known = self.known()
        self.flask("simulate", "call", "--scenario", scenario, "--speed", "max")
        (found,) = self.known() - known
        return found


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory, valkey: Engine) -> Iterator[Calls]:
    """A server that has the published call, and a call of each of some scenarios."""
    valkey.flush()
    server = Server(tmp_path_factory.mktemp("capture"), REDIS_URL=valkey.address.url, WEB_CONCURRENCY="1").ready()
    inside = Inside(valkey.address.url, port=server.port, access_tokens=(("operator", OPERATOR),))
    calls = Calls(server, inside)
    calls.flask("replay", str(SAMPLE))
    yield calls
    inside.site.close()
    server.kill()


# Calls that the server answered: the script of others is not known to it.
SERVED = [
    *("app-to-app", "callee-busy", "callee-cannot-be-reached", "callee-hangs-up-first", "callee-rejects"),
    *("callee-unreachable", "caller-gives-up", "nobody-answers", "sip-caller"),
]
PUBLISHED = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"


def test_the_published_call_becomes_a_scenario_without_its_numbers(calls: Calls, tmp_path: Path) -> None:
    file = tmp_path / "captured.yaml"
    said = calls.flask("capture", PUBLISHED, "--to", str(file))
    assert str(file) in said
    text = file.read_text()
    assert "441234567890" not in text
    assert "442038297050" not in text
    scenario = load(file)
    (call,) = scenario.calls
    assert (call.direction, call.endpoint, call.far_end.hangs_up_after) == ("inbound", "phone", 11.332)
    assert (call.far_end.rate, call.far_end.network) == ("0.00720000", "GB-FIXED")
    assert scenario.callees["Alice"].rate == "0.00"
    assert scenario.fields == "2021"


def test_numbers_can_be_kept(calls: Calls) -> None:
    text = calls.flask("capture", PUBLISHED, "--keep-numbers")
    assert "441234567890" in text
    assert "442038297050" in text


@pytest.mark.parametrize("name", SERVED)
def test_a_captured_scenario_plays_the_same_call_again(calls: Calls, tmp_path: Path, name: str) -> None:
    """Legs and their ends, keys and recordings; to the second, as the times of two calls differ a bit."""
    first = calls.played(name)
    file = tmp_path / "captured.yaml"
    calls.flask("capture", first, "--to", str(file))
    assert essence(calls.server, calls.played(str(file))) == essence(calls.server, first)
    assert len(find(name).calls) == len(load(file).calls)


@pytest.mark.parametrize("other", ["call", "conversation", "leg"])
@pytest.mark.parametrize("name", ["transferred-by-agent", "hold-and-resume"])
def test_a_call_over_several_conversations_is_played_whole(calls: Calls, tmp_path: Path, name: str, other: str) -> None:
    """It is found by the id of the call, of its last conversation, or of its last leg."""
    first = calls.played(name)
    call = calls.server.api(f"/api/v1/calls/{first}").json
    assert len(call["conversations"]) > 1
    id_ = {"call": first, "conversation": call["conversations"][-1], "leg": call["legs"][-1]["uuid"]}[other]
    file = tmp_path / "captured.yaml"
    calls.flask("capture", id_, "--to", str(file))
    assert ladder(calls.server, calls.played(str(file))) == ladder(calls.server, first)


def ladder(server: Server, id_: str) -> Any:
    """What each leg of a call did, for how many seconds, how often it moved, and how it ended."""
    call = server.api(f"/api/v1/calls/{id_}").json
    return call["outcome"], [
        (
            leg["outcome"],
            leg["disconnected_by"],
            len(leg["stays"]),
            [(segment["doing"], lasted(segment)) for segment in leg["segments"]],
        )
        for leg in call["legs"]
    ]


def lasted(segment: dict[str, str]) -> float:
    """Seconds."""
    until, since = (datetime.fromisoformat(segment[name]) for name in ("until", "since"))
    return round((until - since).total_seconds())


def test_a_call_that_was_answered_elsewhere_has_no_ncco(calls: Calls) -> None:
    assert "Its NCCO is not known" in calls.flask("capture", calls.played("ring-group"))


def test_an_unknown_call_is_named(calls: Calls) -> None:
    assert "No such call is kept" in calls.flask("capture", "CON-nobody", status=1)


def test_a_file_that_cannot_be_written_is_named(calls: Calls, tmp_path: Path) -> None:
    file = tmp_path / "missing" / "captured.yaml"
    said = calls.flask("capture", PUBLISHED, "--to", str(file), status=1)
    assert str(file) in said
    assert "Traceback" not in said


def essence(server: Server, id_: str) -> str:
    """The part of a call that is the same in every play of it."""
    call = server.api(f"/api/v1/calls/{id_}").json
    legs = sorted(
        # Only the answer request names the user that an app caller called, and a captured call has its own answer.
        (leg["to"] if leg["direction"] == "outbound" else "", leg["outcome"], leg["duration_seconds"], leg["price"])
        for leg in call["legs"]
    )
    keyed = [item["digits"] for item in call["inputs"]]
    seconds = [round(call["duration_seconds"])]
    return json.dumps([legs, keyed, seconds, len(call["recordings"]), [item["reason"] for item in call["errors"]]])
