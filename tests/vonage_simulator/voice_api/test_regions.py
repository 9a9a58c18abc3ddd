"""Legs live in a region, and are controlled at its host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from vonage_http_client.errors import NotFoundError
from vonage_http_client.http_client import HttpClient, HttpClientOptions

from tests.vonage_simulator.api_server import ALICE, CALL, OURS, ROOM, STAYS, Server, serving
from vonage_simulator.scenario import Call, Region, Scenario

HERE: Region = "eu-west"
THERE: Region = "na-east"


@pytest.fixture(scope="module")
def regions(carrier_folder: Path) -> Iterator[Server]:
    with serving(carrier_folder, regions=(HERE, THERE)) as server:
        yield server


@pytest.fixture
def clients(regions: Server) -> Iterator[dict[Region, HttpClient]]:
    """Vonage's own client, one for each region."""
    made = {
        region: HttpClient(
            regions.client.http_client.auth, HttpClientOptions(api_host=url.removeprefix("https://"), timeout=20)
        )
        for region, url in regions.api.by_region.items()
    }
    yield made
    for each in made.values():
        each._session.close()


def inbound(server: Server, region: Region | None = None, **more: Any) -> str:
    """A caller whose script is the application's."""
    call = Call(from_=ALICE, to=OURS, far_end=STAYS, region=region, **more)
    return server.do(lambda: server.carrier.place(call, Scenario(name="in", about="", calls=(call,)))).uuid


def test_the_answer_webhook_names_the_region_of_the_call(regions: Server) -> None:
    lives = {inbound(regions): HERE, inbound(regions, THERE): THERE}
    wanted = {uuid: regions.api.by_region[region] for uuid, region in lives.items()}

    def named() -> dict[str, str]:
        queries = [it["query"] for it in regions.events if "query" in it]
        return {query["uuid"]: query["region_url"] for query in queries if query["uuid"] in lives}

    regions.until(lambda: len(named()) == len(wanted))
    assert named() == wanted
    assert regions.base == regions.api.by_region[HERE] != regions.api.by_region[THERE]


def test_a_leg_is_controlled_at_its_region_only(regions: Server, clients: dict[Region, HttpClient]) -> None:
    uuid = inbound(regions, THERE)
    regions.until(lambda: regions.leg(uuid).answered)
    here, there = clients[HERE], clients[THERE]
    with pytest.raises(NotFoundError):
        here.put(here.api_host, f"/v1/calls/{uuid}", {"action": "mute"})
    with pytest.raises(NotFoundError):
        here.get(here.api_host, f"/v1/calls/{uuid}")
    assert not regions.leg(uuid).muted
    there.put(there.api_host, f"/v1/calls/{uuid}", {"action": "mute"})
    assert regions.leg(uuid).muted


def test_a_call_lives_where_it_was_made(regions: Server, clients: dict[Region, HttpClient]) -> None:
    made = {region: each.post(each.api_host, "/v1/calls", CALL)["uuid"] for region, each in clients.items()}
    assert [regions.leg(made[region]).region for region in (HERE, THERE)] == [HERE, THERE]
    for region, each in clients.items():
        listed = each.get(each.api_host, "/v1/calls", {"page_size": 100})["_embedded"]["calls"]
        assert {call["uuid"] for call in listed} & set(made.values()) == {made[region]}


def test_a_conversation_is_recorded_at_its_region_only(regions: Server, clients: dict[Region, HttpClient]) -> None:
    uuid = inbound(regions, THERE)
    leg = regions.until(lambda: regions.leg(uuid).moves and regions.leg(uuid))
    path = f"/v1/conversations/{leg.conversation.uuid}/record"
    with pytest.raises(NotFoundError):
        clients[HERE].put(clients[HERE].api_host, path, {"action": "start"})
    clients[THERE].put(clients[THERE].api_host, path, {"action": "start"})
    assert leg.conversation.recording


def test_a_name_is_another_conversation_in_each_region(regions: Server) -> None:
    room = tuple(ROOM)
    first, second, other = (inbound(regions, region, ncco=room) for region in (HERE, HERE, THERE))
    legs = [regions.leg(uuid) for uuid in (first, second, other)]
    regions.until(lambda: all(leg.moves for leg in legs))
    assert legs[0].conversation is legs[1].conversation is not legs[2].conversation
    assert {leg.conversation.name for leg in legs} == {"room"}


def test_whoever_is_rung_or_transferred_stays_in_the_region(regions: Server, clients: dict[Region, HttpClient]) -> None:
    connect = {"action": "connect", "from": OURS, "endpoint": [{"type": "phone", "number": "447700900301"}]}
    caller = regions.leg(inbound(regions, THERE, ncco=(connect,)))
    rung = regions.until(
        lambda: [leg for leg in caller.conversation.legs.values() if leg.direction == "outbound" and leg.answered]
    )
    there = clients[THERE]
    there.put(
        there.api_host,
        f"/v1/calls/{caller.uuid}",
        {"action": "transfer", "destination": {"type": "ncco", "ncco": ROOM}},
    )
    assert (rung[0].region, caller.region, len(caller.moves)) == (THERE, THERE, 1)
