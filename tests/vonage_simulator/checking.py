"""A fake server, and the check of it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterable
from typing import Any

from tests.vonage_simulator import ledgers
from tests.vonage_simulator.ledgers import (
    NCCO,
    Body,
    answered,
    at,
    bill,
    input_body,
    kept,
    leg,
    pressed,
    replied_to,
    replies,
    requests,
    sent,
    webhooks,
)
from vonage_simulator import webhook_bodies
from vonage_simulator.delivery.sent import Sent
from vonage_simulator.ledger import Answer, Conversation
from vonage_simulator.verify.check import Verdict, check

HERE, THERE = "CON-here", "CON-there"


class Server:
    """A server as the check sees it: its views of calls, and the events that it has kept."""

    def __init__(self, calls: Iterable[Conversation] = ()) -> None:
        self.views: dict[str, Body] = {call.uuid: ledgers.api_view(call) for call in calls}
        self.kept: dict[str, list[Body]] = {}
        self.fetches = 0
        self.at_once = self.most_at_once = 0

    def keep(self, *events: Body, where: str = HERE) -> None:
        """Add *events* to those that it has."""
        self.kept.setdefault(where, []).extend(events)

    async def fetch(self, uuid: str) -> tuple[Body | None, list[Body]]:
        """Fetch a view and its events, as a client of the API would."""
        self.fetches += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return copy.deepcopy((self.views.get(uuid), self.kept.get(uuid, [])))


def verdict(
    server: Server, calls: Iterable[Conversation], sents: Iterable[Sent], *, lossless: bool = True, **more: Any
) -> Verdict:
    """The verdict of the check, which does not try again."""
    return asyncio.run(check(calls, sents, server.fetch, lossless=lossless, **({"patience": ()} | more)))


def call_and_server() -> tuple[Conversation, list[Sent], Server]:
    """A call, every webhook sent about it, and a server that has them all."""
    call = Conversation(uuid=HERE, answers=[Answer("leg", "https://example.com", NCCO)])
    leg(call, started=0, ringing=0, answered=1, completed=9, bill=bill(8))
    server = Server([call])
    server.keep(*kept(webhooks(call)), *map(answered, requests(call)))
    sents = [sent(body) for body in webhooks(call)]
    return call, [*sents, *(sent(body, kind="answer", target=ledgers.EVENTS) for body in requests(call))], server


def call_with_steps() -> tuple[Conversation, list[Sent], Server]:
    """A call whose events were answered: of two inputs the first with NCCO, a notify, and a machine that was found."""
    call, sents, server = call_and_server()
    caller = call.legs["leg"]
    call.inputs += [pressed(2, "1"), pressed(3, "2")]
    caller.times["machine"], caller.machine = at(5), "machine"
    first, second = (input_body(call, result) for result in call.inputs)
    about = [
        first,
        webhook_bodies.notify(HERE, {"step": "menu"}, at(4)),
        webhook_bodies.status(caller, "machine", at(5), today=True),
    ]
    call.answers += [replied_to(body, [{"action": "talk", "text": body["timestamp"]}], leg="leg") for body in about]
    call.answers.append(replied_to(second, None, leg="leg"))
    server.views[HERE] = ledgers.api_view(call)
    server.keep(*kept([*about, second]), *replies(call))
    return call, [*sents, *map(sent, [*about, second])], server


def one_event(*tries: Any, there: bool, lossless: bool = False) -> Verdict:
    """The verdict on one event after *tries*, which the server has (*there*) or has not."""
    body = webhook_bodies.error(HERE, "Syntax error in NCCO.", at(1))
    server = Server([Conversation(uuid=HERE)])
    server.keep(*(kept([body]) if there else []))
    return verdict(server, [], [sent(body, *tries)], lossless=lossless)
