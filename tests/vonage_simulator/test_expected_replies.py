"""The verdict on NCCOs in reply to events: each has a record."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.vonage_simulator import ledgers
from tests.vonage_simulator.checking import HERE, Server, call_and_server, call_with_steps, verdict
from tests.vonage_simulator.ledgers import Body, at, attempt, kept, replied, replied_to, sent
from vonage_simulator import webhook_bodies
from vonage_simulator.delivery.sent import Sent
from vonage_simulator.ledger import Conversation, Target
from vonage_simulator.verify.expected_events import as_received

OTHER: list[Body] = [{"action": "talk", "text": "something else"}]
Case = tuple[Conversation, list[Sent], Server]


def test_a_server_that_returns_its_replies_is_right():
    call, sents, server = call_with_steps()
    assert len(server.views[HERE]["answers"]) == 4
    for lossless in (True, False):
        found = verdict(server, [call], sents, lossless=lossless)
        assert (found.ok, found.compared, found.sent) == (True, 1, 9), found.lines()


def test_a_record_of_no_leg_may_have_null_or_no_uuid():
    """Both mean that the reply names no leg."""
    call, sents, server = call_with_steps()
    (of_notify,) = (record for record in server.kept[HERE] if record["kind"] == "answer" and record["leg"] is None)
    of_notify["raw"]["request"]["uuid"] = None
    assert verdict(server, [call], sents).ok


@pytest.mark.parametrize("index", range(1, 4))
@pytest.mark.parametrize("lie", ["gone", "another NCCO", "another leg", "no leg", "twice"])
def test_each_wrong_reply_in_the_view_is_found(index: int, lie: str):
    """The view is wrong while the records are right."""
    call, sents, server = call_with_steps()
    answers = server.views[HERE]["answers"]
    if lie == "gone":
        del answers[index]
    elif lie == "twice":
        answers.insert(index, dict(answers[index]))
    else:
        wrong: dict[str, Body] = {"another NCCO": {"ncco": OTHER}, "another leg": {"leg": "x"}, "no leg": {"leg": None}}
        if lie == "no leg" and answers[index]["leg"] is None:
            wrong["no leg"] = {"leg": "leg"}
        answers[index] |= wrong[lie]
    found = verdict(server, [call], sents)
    assert (found.ok, found.wrong, found.missing, found.unwanted) == (False, 1, 0, 0)
    assert not verdict(server, [call], sents, lossless=False).ok or lie == "gone", "lossy: the record may be lost"


@pytest.mark.parametrize("where", range(1, 4))
def test_a_record_that_the_server_lacks_is_missing(where: int):
    call, sents, server = call_with_steps()
    records = [record for record in server.kept[HERE] if record["kind"] == "answer"]
    server.kept[HERE].remove(records[where])
    found = verdict(server, [call], sents)
    assert (found.ok, found.missing, found.wrong) == (False, 1, 0)
    assert "NCCO in reply to an event" in found.lines()[1]
    del server.views[HERE]["answers"][where]
    found = verdict(server, [call], sents)
    assert (found.ok, found.missing, found.wrong) == (False, 1, 1)
    assert verdict(server, [call], sents, lossless=False).ok, "the record of an answer may be lost"


@pytest.mark.parametrize("is_shown", [False, True])
@pytest.mark.parametrize("lossless", [True, False])
def test_one_record_too_many_is_unwanted(is_shown: bool, lossless: bool):
    """Also for an event of a leg with other answered events: their number is known."""
    for about in (0, 1, 2):
        call, sents, server = call_with_steps()
        record = [record for record in server.kept[HERE] if record["kind"] == "answer"][1 + about]
        server.keep(copy.deepcopy(record))
        if is_shown:
            answers = server.views[HERE]["answers"]
            answers.insert(1 + about, dict(answers[1 + about]))
        found = verdict(server, [call], sents, lossless=lossless)
        assert (found.ok, found.unwanted) == (False, 1)


def test_an_invented_reply_to_an_event_is_found():
    call, sents, server = call_and_server()
    about = webhook_bodies.notify(HERE, {}, at(4))
    call.answers.append(replied_to(about, None, leg="leg"))
    sents.append(sent(about))
    server.keep(*kept([about]))
    assert verdict(server, [call], sents).ok, "without NCCO there is no record"
    server.keep(replied(about, OTHER))
    found = verdict(server, [call], sents)
    assert (found.ok, found.unwanted) == (False, 1)
    assert found.lines()[1].endswith(
        "NCCO in reply to an event that names no leg: expected none served, got there 1 times"
    )


@pytest.mark.parametrize(
    "more", [{"uuid": "x"}, {"uuid": None}, {"to": "447700900123"}, {"conversation_uuid": "CON-x"}]
)
def test_a_record_about_another_event_is_unwanted(more: Body):
    call, sents, server = call_with_steps()
    (first,) = (answer for answer in call.answers if answer.about and "dtmf" in answer.about and answer.ncco)
    server.keep(replied(first.about or {}, first.ncco, **more))
    found = verdict(server, [call], sents)
    assert (found.ok, found.unwanted) == (False, 1)


@pytest.mark.parametrize("status", ["started", "ringing", "answered", "completed"])
def test_a_reply_to_an_event_whose_reply_is_not_read_is_unwanted(status: str):
    call, sents, server = call_and_server()
    about = {"conversation_uuid": HERE, "uuid": "leg", "status": status}
    assert verdict(server, [call], sents).ok
    server.keep(replied(about, OTHER))
    assert verdict(server, [call], sents).unwanted == 1


# ---- Replies that the carrier did not read


def _unread(*tries: Any, read: bool = True) -> Case:
    """A call with a notify that came in *tries*; the reply to the last was *read*."""
    call, sents, server = call_and_server()
    about = webhook_bodies.notify(HERE, {}, at(4))
    sents.append(sent(about, *tries))
    server.keep(*kept([about]))
    if read:
        call.answers.append(replied_to(about, OTHER, leg="leg"))
        server.views[HERE] = ledgers.api_view(call)
    return call, sents, server


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize(
    ("tries", "read", "least", "most"),
    [
        ([attempt()], True, 1, 1),
        ([attempt(), attempt(how="duplicate")], True, 1, 2),
        ([attempt(None, "close"), attempt()], True, 1, 2),
        ([attempt(503), attempt()], True, 1, 2),
        ([attempt(None, "drop", reached=False), attempt()], True, 1, 1),
        ([attempt(503, "unsigned"), attempt()], True, 1, 1),
        ([attempt(None, "close"), attempt(None, "close")], False, 0, 2),
        ([attempt()], False, 0, 1),  # the reply was not read, or could not be run
    ],
)
def test_there_may_be_a_record_for_each_try_and_no_more(
    tries: list[Any], read: bool, least: int, most: int, lossless: bool
):
    for records in range(4):
        call, sents, server = _unread(*tries, read=read)
        about, answers = sents[-1].body, server.views[HERE]["answers"]
        server.keep(*[replied(about, OTHER)] * records)
        first = ledgers.api_view(call)["answers"][:1]
        more: Body = {"leg": None, "ncco": OTHER, "at": answers[0]["at"]}
        server.views[HERE]["answers"] = [*first, *[more] * records]
        found = verdict(server, [call], sents, lossless=lossless)
        right = (least if lossless else 0) <= records <= most
        assert found.ok is right, (records, found.lines())


def test_a_copy_may_have_got_another_ncco():
    """That one was not read; the NCCO that was read must be there."""
    call, sents, server = _unread(attempt(), attempt(how="duplicate"))
    about = sents[-1].body
    server.keep(replied(about, OTHER), replied(about, []))
    answers = server.views[HERE]["answers"]
    answers.append(answers[-1] | {"ncco": []})
    assert verdict(server, [call], sents).ok
    answers[-1]["ncco"] = [{"action": "talk", "text": "never served"}]
    assert verdict(server, [call], sents).wrong == 1


def test_a_record_written_a_moment_later_is_waited_for():
    call, sents, server = call_with_steps()
    correct, late = copy.deepcopy(server.views[HERE]), server.kept[HERE].pop()
    fetch = server.fetch

    async def slow(uuid: str) -> tuple[Body | None, list[Body]]:
        if server.fetches:
            server.kept[HERE] = [*server.kept[HERE], late]
            server.views[HERE] = correct
        return await fetch(uuid)

    del server.views[HERE]["answers"][-1]
    server.fetch = slow  # type: ignore[method-assign]
    assert verdict(server, [call], sents, patience=(0.001,)).ok
    assert server.fetches == 2


# ---- The fallback URL, and steps that are requested by GET


def test_a_reply_of_the_fallback_url_counts_as_a_reply_to_the_event():
    """The first could not be run, so it may be missing; the second must be there."""
    call, sents, server = call_and_server()
    about = ledgers.input_body(call, ledgers.pressed(4, "1"))
    copied = webhook_bodies.fallback(about, reason="Invalid NCCO.", url=ledgers.EVENTS.url, kind="event")
    call.inputs.append(ledgers.pressed(4, "1"))
    call.answers.append(replied_to(copied, OTHER, leg="leg"))
    sents += [sent(about), sent(copied, target=ledgers.FALLBACK)]
    server.views[HERE] = ledgers.api_view(call)
    notice: Body = {"at": about["timestamp"], "kind": "fallback", "leg": "leg", "reason": "Invalid NCCO."}
    server.views[HERE]["errors"] = [notice | {"failed_url": ledgers.EVENTS.url}]
    answers = server.views[HERE]["answers"]
    answers.insert(1, answers[1] | {"ncco": [{"action": "sing"}]})
    server.keep(*kept([about, copied]), replied(about, [{"action": "sing"}]), replied(about, OTHER))
    found = verdict(server, [call], sents)
    assert found.ok, found.lines()
    server.keep(replied(about, OTHER))
    assert verdict(server, [call], sents).unwanted == 1
    server.kept[HERE] = [*server.kept[HERE][:-3], replied(about, OTHER)]
    assert verdict(server, [call], sents).wrong == 1, "the view has a reply without a record"
    del answers[1]
    assert verdict(server, [call], sents).ok, "the missing record may be that of the reply that was not read"
    answers[1] = answers[1] | {"ncco": [{"action": "sing"}]}
    assert not verdict(server, [call], sents).ok


def test_the_state_in_the_url_of_a_step_is_no_part_of_the_request():
    target = Target("https://example.com/voice/flows/menu/choice?state=abc&own=1", "GET")
    about = webhook_bodies.notify(HERE, {"n": 1}, at(4))
    assert as_received(target, about) == about | {"own": "1"}
    assert as_received(Target("https://example.com/other?state=abc", "GET"), about) == about | {"state": "abc"}
    call, sents, server = call_and_server()
    call.answers.append(replied_to(about, OTHER, leg="leg"))
    server.views[HERE] = ledgers.api_view(call)
    server.keep(*kept([about | {"own": "1"}]), replied(about, OTHER))
    assert verdict(server, [call], [*sents, sent(about, target=target)]).ok
