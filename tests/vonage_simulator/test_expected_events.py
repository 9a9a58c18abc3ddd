"""The events that a server should have of the webhooks sent to it, and those that it must not have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vonage_simulator import ledgers
from tests.vonage_simulator.checking import HERE, THERE, Server, call_and_server, one_event, verdict
from tests.vonage_simulator.ledgers import Body, answered, at, attempt, bill, kept, leg, sent, webhooks
from vonage_simulator import webhook_bodies
from vonage_simulator.ledger import Conversation, Move, Target

LOST, UNREAD = attempt(None, "lose", reached=False), attempt(None, "close")
FORGED = attempt(401, "secret")


def test_copies_are_kept_once():
    call, sents, server = call_and_server()
    sents[0].tries += [attempt(how="duplicate"), attempt(how="duplicate"), attempt(None, "drop", reached=False)]
    sents[0].tries.append(attempt(401, "tamper", intact=False))
    found = verdict(server, [call], sents)
    assert (found.ok, found.copies, found.refused, found.sent) == (True, 2, 1, 5)


def test_equal_bodies_are_one_event():
    call, sents, server = call_and_server()
    assert verdict(server, [call], [*sents, sent(dict(sents[0].body))]).ok


@pytest.mark.parametrize(("tries", "records", "right"), [(1, 2, False), (2, 0, False), (2, 1, False), (2, 2, True)])
def test_each_answer_request_has_a_record(tries: int, records: int, right: bool):
    call, sents, server = call_and_server()
    sents[-1].tries += [attempt()] * (tries - 1)
    server.kept[HERE] = server.kept[HERE][:-1] + [answered(sents[-1].body)] * records
    server.views[HERE]["answers"] = server.views[HERE]["answers"] * records or server.views[HERE]["answers"]
    assert verdict(server, [call], sents).ok is right


@pytest.mark.parametrize("records", [1, 2])
def test_an_answer_request_whose_answer_was_not_read_may_have_a_record(records: int):
    call, sents, server = call_and_server()
    sents[-1].tries.insert(0, attempt(None, "close"))
    server.kept[HERE] = server.kept[HERE][:-1] + [answered(sents[-1].body)] * records
    assert verdict(server, [call], sents).ok


def test_a_transfer_is_kept_in_both_conversations():
    call, room = Conversation(uuid=HERE), Conversation(uuid=THERE)
    moves = [Move(at(2), HERE, THERE)]
    moved = leg(call, started=0, answered=1, completed=9, bill=bill(8), moves=moves)
    room.legs["leg"] = moved
    sents = [sent(body) for body in webhooks(call)]
    server = Server([call, room])
    for item in sents:
        homes = {item.body.get(key) for key in ("conversation_uuid", "conversation_uuid_from", "conversation_uuid_to")}
        for home in homes - {None}:
            server.keep(*kept([item.body]), where=str(home))
    assert verdict(server, [call, room], sents).ok
    for home in (HERE, THERE):
        without = Server([call, room])
        without.kept = server.kept | {home: [record for record in server.kept[home] if record["kind"] != "transfer"]}
        found = verdict(without, [call, room], sents)
        assert (found.ok, found.missing) == (False, 1)


def test_a_fallback_copy_is_two_events_and_an_error():
    call = Conversation(uuid=HERE)
    leg(call, started=0, answered=1)
    body = webhook_bodies.notify(HERE, {"n": 1}, at(3))
    copied = webhook_bodies.fallback(body, reason="Socket timeout.", url="https://example.com/event", kind="event")
    server = Server([call])
    notice: Body = {"at": "2021-03-29T21:20:03.000Z", "kind": "fallback", "leg": None}
    notice |= {"reason": "Socket timeout.", "failed_url": "https://example.com/event"}
    server.views[HERE]["errors"] = [notice]
    server.keep(*kept([*webhooks(call), body, copied]))
    sents = [sent(item) for item in (*webhooks(call), body)] + [sent(copied, target=ledgers.FALLBACK)]
    assert verdict(server, [call], sents).ok
    without = sents[:-2] + sents[-1:]
    assert verdict(server, [call], without).ok, "the copy brings the event itself"
    server.views[HERE]["errors"] = []
    assert verdict(server, [call], sents).wrong == 1
    server.views[HERE]["errors"] = [notice]
    server.kept[HERE] = [record for record in server.kept[HERE] if record["kind"] != "fallback"]
    assert verdict(server, [call], sents).missing == 1


def test_a_get_is_kept_as_text():
    """All but objects and arrays; parameters of the URL's own are read as well."""
    body = {
        "conversation_uuid": HERE,
        "uuid": None,
        "size": 12,
        "ok": True,
        "dtmf": {"digits": "1"},
        "text": "[not JSON",
    }
    target = Target("https://example.com/voice/event?own=1&size=5", "GET")
    raw: Body = {"own": "1", "conversation_uuid": HERE, "uuid": "", "size": "12", "ok": "true"}
    raw |= {"dtmf": {"digits": "1"}, "text": "[not JSON"}
    server = Server()
    server.keep({"kind": "input", "raw": raw})
    assert verdict(server, [], [sent(body, target=target)], lossless=False).ok
    server.kept[HERE][0]["raw"] = body
    assert not verdict(server, [], [sent(body, target=target)], lossless=False).ok


def test_a_fallback_copy_of_a_detection_names_its_leg_in_another_field():
    """Whether the notice names the leg is not documented."""
    body = {"call_uuid": "leg", "conversation_uuid": HERE, "status": "machine", "timestamp": "2021-03-29T21:20:03.000Z"}
    copied = webhook_bodies.fallback(body, reason="Socket timeout.", url="https://example.com", kind="event")
    call, server = Conversation(uuid=HERE), Server([Conversation(uuid=HERE)])
    server.keep(*kept([body, copied]))
    notice = {
        "at": body["timestamp"],
        "kind": "fallback",
        "reason": "Socket timeout.",
        "failed_url": "https://example.com",
    }
    for named, right in ((None, True), ("leg", True), ("other", False)):
        server.views[HERE]["errors"] = [notice | {"leg": named}]
        assert verdict(server, [call], [sent(copied, target=ledgers.FALLBACK)]).ok is right
    with_leg = sent(copied | {"uuid": "leg"}, target=ledgers.FALLBACK)
    server.kept[HERE] = []
    server.keep(*kept([body | {"uuid": "leg"}, copied | {"uuid": "leg"}]))
    for named, right in ((None, False), ("leg", True)):
        server.views[HERE]["errors"] = [notice | {"leg": named}]
        assert verdict(server, [call], [with_leg]).ok is right


def test_lossless_webhooks_must_be_there():
    """Also if the server never acknowledged them."""
    assert not one_event(LOST, LOST, there=False, lossless=True).ok
    assert one_event(UNREAD, UNREAD, there=True, lossless=True).ok


def test_an_unreadable_record_of_an_answer():
    server = Server()
    server.keep({"kind": "answer", "raw": None})
    assert verdict(server, [], [sent(webhook_bodies.error(HERE, "x", at(1)))], lossless=False).unwanted == 1


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
def test_acknowledged_webhooks_are_there_and_refused_ones_are_not(tries: Any, there: bool, ok: bool, lost: int):
    """503 makes Vonage repeat an unsigned one; with others it is trouble in the server, which may have kept it."""
    found = one_event(*tries, there=there)
    assert (found.ok, found.lost) == (ok, lost)
    assert (found.missing, found.unwanted) == (int(not ok and not there), int(not ok and there))
    assert found.refused == sum((attempt.status or 0) >= 400 for attempt in tries)


def test_a_refused_body_may_be_there_if_an_equal_one_was_acknowledged():
    body = webhook_bodies.error(HERE, "Syntax error in NCCO.", at(1))
    server = Server()
    server.keep(*kept([body]))
    assert verdict(server, [], [sent(body, FORGED), sent(dict(body))], lossless=False).ok
    assert not verdict(server, [], [sent(body, FORGED)], lossless=False).ok


def test_an_altered_webhook_must_not_be_there():
    body = webhook_bodies.error(HERE, "Syntax error in NCCO.", at(1))
    server = Server()
    server.keep(*kept([body, body | {"reason": "another"}]))
    found = verdict(server, [], [sent(body, attempt(401, "tamper", intact=False), attempt(200))], lossless=False)
    assert (found.ok, found.unwanted) == (False, 1)
    assert "never sent" in found.lines()[1]


def test_a_record_of_an_answer_may_be_lost_but_not_invented():
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
def test_a_view_is_not_compared_if_webhooks_were_lost(tries: Any):
    """The server cannot show what it never received. All else must be right."""
    call, sents, server = call_and_server()
    assert verdict(server, [call], sents, lossless=False).compared == 1
    server.views[HERE]["state"] = "live"
    found = verdict(server, [call], sents, lossless=False)
    assert (found.ok, found.wrong) == (False, 1)
    sents[0].tries = tries
    if not sents[0].acknowledged:
        server.kept[HERE].pop(0)
    found = verdict(server, [call], sents, lossless=False)
    assert (found.ok, found.compared) == (True, 0)


def test_a_view_is_not_compared_if_webhooks_of_it_or_of_an_earlier_conversation_are_missing():
    call, sents, server = call_and_server()
    server.views[HERE]["state"] = "live"
    other = sent(webhook_bodies.error(HERE, "x", at(1)))
    assert verdict(server, [call], sents, lossless=False, elsewhere=[other]).compared == 0
    lost = sent(webhook_bodies.error(THERE, "x", at(1)), LOST)
    assert verdict(server, [call], [*sents, lost], lossless=False).compared == 1
    call.legs["leg"].moves = [Move(at(0), THERE, HERE)]
    assert verdict(server, [call], [*sents, lost], lossless=False).compared == 0
