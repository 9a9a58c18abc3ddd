"""What a server should have kept of the webhooks that were sent to it, and what it must not have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vonage_simulator.checking import HERE, THERE, Server, call_and_server, one_event, verdict
from tests.vonage_simulator.ledgers import answered, at, attempt, kept, sent
from vonage_simulator import webhook_bodies
from vonage_simulator.ledger import Move

LOST, UNREAD = attempt(None, "lose", reached=False), attempt(None, "close")
FORGED = attempt(401, "secret")


def test_copies_are_kept_once():
    call, sents, server = call_and_server()
    sents[0].tries += [attempt(how="duplicate"), attempt(how="duplicate"), attempt(None, "drop", reached=False)]
    sents[0].tries.append(attempt(401, "tamper", intact=False))
    found = verdict(server, [call], sents)
    assert (found.ok, found.copies, found.refused, found.sent) == (True, 2, 1, 5)


def test_equal_bodies_are_one():
    call, sents, server = call_and_server()
    assert verdict(server, [call], [*sents, sent(dict(sents[0].body))]).ok


# ---- Where webhooks were lost


@pytest.mark.parametrize(
    ("tries", "there", "ok", "lost"),
    [
        ([attempt(200)], True, True, 0),
        ([attempt(200)], False, False, 0),
        ([attempt(204)], False, False, 0),
        ([LOST, attempt(200)], False, False, 0),
        ([LOST, LOST], False, True, 1),
        ([LOST, LOST], True, False, 0),
        ([UNREAD, LOST], True, True, 0),
        ([UNREAD, LOST], False, True, 1),
        ([FORGED, FORGED], False, True, 1),
        ([FORGED, FORGED], True, False, 0),
        ([FORGED, attempt(200)], True, True, 0),
        ([attempt(503, "forget"), attempt(503, "forget")], False, True, 1),
        ([attempt(503, "forget"), attempt(503, "forget")], True, False, 0),
        ([attempt(503), attempt(503)], True, True, 0),
        ([attempt(503), attempt(503)], False, True, 1),
        ([attempt(500)], True, True, 0),
        ([attempt(400)], True, False, 0),
        ([attempt(302)], True, False, 0),
        ([attempt(401, "tamper", intact=False)], True, False, 0),
        ([attempt(200, "tamper", intact=False)], False, True, 1),
        ([attempt(None, "tamper", intact=False)], True, False, 0),
        ([attempt(200), attempt(401, "replay")], True, True, 0),
        ([attempt(200), attempt(200, "replay")], True, False, 0),
        ([attempt(200, "forget")], True, False, 0),
        ([attempt(200, "unsigned")], True, True, 0),
    ],
)
def test_what_was_acknowledged_is_there_and_what_was_refused_is_not(tries: Any, there: bool, ok: bool, lost: int):
    """503 asks for an unsigned one to be sent again; else the server has trouble of its own, and may have kept it."""
    found = one_event(*tries, there=there)
    assert (found.ok, found.lost) == (ok, lost)
    assert (found.missing, found.unwanted) == (int(not ok and not there), int(not ok and there))
    assert found.refused == sum((one.status or 0) >= 400 for one in tries)


def test_a_refused_body_may_be_there_if_an_equal_one_was_acknowledged():
    body = webhook_bodies.error(HERE, "Syntax error in NCCO.", at(1))
    server = Server()
    server.keep(*kept([body]))
    assert verdict(server, [], [sent(body, FORGED), sent(dict(body))], lossless=False).ok
    assert not verdict(server, [], [sent(body, FORGED)], lossless=False).ok


def test_what_was_altered_on_the_way_must_not_be_there():
    body = webhook_bodies.error(HERE, "Syntax error in NCCO.", at(1))
    server = Server()
    server.keep(*kept([body, body | {"reason": "another"}]))
    found = verdict(server, [], [sent(body, attempt(401, "tamper", intact=False), attempt(200))], lossless=False)
    assert (found.ok, found.unwanted) == (False, 1)
    assert "never sent" in found.lines()[1]


def test_a_record_of_an_answer_may_be_lost_but_none_may_be_made_up():
    call, sents, server = call_and_server()
    server.kept[HERE].pop()
    assert verdict(server, [call], sents, lossless=False).ok
    server.keep(*[answered(sents[-1].body)] * 2)
    assert verdict(server, [call], sents, lossless=False).unwanted == 1
    sents[-1].tries = [LOST, LOST]
    server.kept[HERE].pop()
    assert verdict(server, [call], sents, lossless=False).unwanted == 1
    server.kept[HERE].pop()
    assert verdict(server, [call], sents, lossless=False).lost == 1


@pytest.mark.parametrize(
    "tries", [[LOST, LOST], [FORGED, FORGED], [attempt(401, "tamper", intact=False), attempt()], [attempt(503)]]
)
def test_a_telling_is_not_looked_at_where_webhooks_were_lost(tries: Any):
    """What the server was not told it cannot tell. Of all else it has to tell the truth."""
    call, sents, server = call_and_server()
    assert verdict(server, [call], sents, lossless=False).compared == 1
    server.told[HERE]["state"] = "live"
    found = verdict(server, [call], sents, lossless=False)
    assert (found.ok, found.wrong) == (False, 1)
    sents[0].tries = tries
    if not sents[0].acknowledged:
        server.kept[HERE].pop(0)
    found = verdict(server, [call], sents, lossless=False)
    assert (found.ok, found.compared) == (True, 0)


def test_nor_where_they_went_elsewhere_or_the_leg_came_from_where_some_were_lost():
    call, sents, server = call_and_server()
    server.told[HERE]["state"] = "live"
    other = sent(webhook_bodies.error(HERE, "x", at(1)))
    assert verdict(server, [call], sents, lossless=False, elsewhere=[other]).compared == 0
    lost = sent(webhook_bodies.error(THERE, "x", at(1)), LOST)
    assert verdict(server, [call], [*sents, lost], lossless=False).compared == 1
    call.legs["leg"].moves = [Move(at(0), THERE, HERE)]
    assert verdict(server, [call], [*sents, lost], lossless=False).compared == 0
