"""`flask transfers` and `flask conferences`, with the simulated carrier at the server's other side."""

from __future__ import annotations

import json

from tests.cli.test_acting import Flask, flask, lasting_world, world
from tests.control.world import AGENT, BUSY, CALLER, World

__all__ = ["flask", "lasting_world", "world"]
SECOND = "447700900106"


def test_a_transfer_with_a_consultation_is_begun_swapped_and_completed(world: World, flask: Flask) -> None:
    agent, customer = world.in_room(AGENT, CALLER, room="transfer")
    assert flask("transfers") == (0, "No transfer goes on.\n", "")
    code, out, err = flask("transfers", "begin", agent.uuid, SECOND, "--json")
    assert (code, err) == (0, "")
    id_ = json.loads(out)["id"]
    who = f"leg {agent.uuid} transfers leg {customer.uuid} to {SECOND}"
    of = f"{who}  (transfer {id_})\n"
    consults = f"answered: {who}, and talks to {SECOND} now  (transfer {id_})\n"
    world.until(lambda: flask("transfers") == (0, consults, ""))
    assert flask("transfers", "swap", id_) == (0, consults.replace(f"to {SECOND} now", "to that leg now"), "")
    world.until(lambda: agent.hears(customer))
    assert flask("transfers", "complete", id_) == (0, f"ended: {of}", "")
    recipient = next(leg for leg in world.legs() if leg.to == SECOND and not leg.over)
    world.until(lambda: recipient.hears(customer))
    world.known(agent, "completed")
    assert flask("transfers", "show", id_) == (0, f"ended: {of}", "")


def test_to_cancel_asks_first(world: World, flask: Flask) -> None:
    agent, customer = world.in_room(AGENT, CALLER, room="cancel")
    id_ = json.loads(flask("transfers", "begin", agent.uuid, SECOND, "--json")[1])["id"]
    code, out, err = flask("transfers", "cancel", id_, typed="n\n")
    assert (code, out) == (1, "")
    assert f"Cancel transfer {id_}?" in err
    assert flask("transfers", "cancel", id_, "--yes")[0] == 0
    world.until(lambda: agent.hears(customer))


def test_a_blind_transfer_to_somebody_who_is_busy_comes_back(world: World, flask: Flask) -> None:
    agent, customer = world.in_room(AGENT, CALLER, room="blind")
    assert flask("transfers", "begin", agent.uuid, BUSY, "--blind", "--timeout", "20")[0] == 0
    world.until(lambda: agent.hears(customer))


def test_a_conference_from_its_beginning_to_its_end(world: World, flask: Flask) -> None:
    host, first = world.in_room(AGENT, CALLER, room="one")
    second, third = (world.in_room(AGENT, number, room=number)[1] for number in (SECOND, "447700900107"))
    code, out, err = flask("conferences", "begin", host.uuid, first.uuid, second.uuid, "--json")
    assert (code, err) == (0, "")
    id_ = json.loads(out)["conference_id"]
    with_two = f"going on: host {host.uuid}, with {first.uuid}, {second.uuid}  (conference {id_})\n"
    world.until(lambda: first.hears(second) and first.hears(host))
    world.until(lambda: flask("conferences")[1] == with_two)
    assert flask("conferences", "add", id_, third.uuid)[0] == 0
    world.until(lambda: third.hears(first))
    assert flask("conferences", "hold", id_, first.uuid)[0] == 0
    world.until(lambda: not first.hears(second))
    assert f"with {first.uuid} (on hold), {second.uuid}" in flask("conferences", "show", id_)[1]
    assert flask("conferences", "resume", id_, first.uuid)[0] == 0
    world.until(lambda: first.hears(second))
    assert flask("conferences", "remove", id_, third.uuid, typed="n\n")[0] == 1
    assert not third.over
    assert flask("conferences", "remove", id_, third.uuid, "--yes")[0] == 0
    world.known(third, "completed")
    assert flask("conferences", "remove", id_, second.uuid, "--detach")[0] == 0
    world.until(lambda: not second.hears(first))
    assert not second.over
    assert flask("conferences", "end", id_, typed="y\n")[1].startswith("over: ")
    world.known(first, "completed")


def test_what_is_not_possible_is_said(world: World, flask: Flask) -> None:
    leg = world.caller()
    assert flask("transfers", "show", "nothing") == (1, "", "Error: No such transfer is stored.\n")
    assert flask("conferences", "end", "nothing", "--yes") == (1, "", "Error: No such conference is stored.\n")
    code, _, err = flask("transfers", "begin", leg.uuid, SECOND)
    assert code == 1
    assert err.startswith("Error: ")
    code, _, err = flask("conferences", "begin", leg.uuid)
    assert (code, "LEG..." in err) == (2, True)
