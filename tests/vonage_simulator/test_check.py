"""The verdict on many conversations whose webhooks were all delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.vonage_simulator import ledgers
from tests.vonage_simulator.checking import HERE, Server, call_and_server, one_event, verdict
from tests.vonage_simulator.ledgers import Body, answered, at, attempt, kept, replies, requests, sent, webhooks
from tests.vonage_simulator.mutations import mutations
from vonage_simulator import webhook_bodies
from vonage_simulator.cli.report import is_below
from vonage_simulator.ledger import Conversation
from vonage_simulator.verify.server_api import NotSwitchhook
from vonage_simulator.verify.server_api import Server as Api


def test_a_server_that_has_everything_passes():
    call, sents, server = call_and_server()
    found = verdict(server, [call], sents)
    assert found.ok
    assert (found.conversations, found.sent, found.copies, found.refused, found.lost) == (1, 5, 0, 0, 0)
    counts = "Conversations: 1, webhooks: 5 (0 copies, 0 refused, 0 lost)"
    assert found.lines() == [f"{counts}: the server's state matches what happened"]


def test_every_wrong_view_makes_a_wrong_conversation():
    """All changes of `test_differences`; an answer too many shows in the events."""
    call = ledgers.eventful()
    server = Server([call])
    sents = [sent(body) for body in webhooks(call)]
    for webhook in sents:
        for home in {webhook.body.get(f"conversation_uuid{end}") for end in ("", "_from", "_to")} - {None}:
            server.keep(*kept([webhook.body]), where=str(home))
    right = server.views[call.uuid]
    answers = [sent(body, kind="answer", target=ledgers.EVENTS) for body in requests(call)]
    server.keep(*(answered(webhook.body) for webhook in answers), *replies(call), where=call.uuid)
    assert verdict(server, [call], [*sents, *answers]).ok
    wrongs = [(what, view) for what, view in mutations(right) if not (what.startswith("answers") and "twice" in what)]
    assert len(wrongs) > 400
    for what, view in wrongs:
        server.views[call.uuid] = view
        found = verdict(server, [call], [*sents, *answers])
        assert (found.ok, found.wrong, found.missing, found.unwanted) == (False, 1, 0, 0), what


@pytest.mark.parametrize("index", range(5))
def test_each_webhook_has_to_be_there_once(index: int):
    call, sents, server = call_and_server()
    gone = server.kept[HERE].pop(index)
    found = verdict(server, [call], sents)
    assert (found.ok, found.missing, found.unwanted, found.wrong) == (False, 1, 0, 0)
    assert len(found.lines()) == 2
    server.keep(gone, gone)
    found = verdict(server, [call], sents)
    assert (found.ok, found.missing, found.unwanted, found.wrong) == (False, 0, 1, 0)


@pytest.mark.parametrize("index", range(5))
def test_a_changed_body_is_found(index: int):
    """It was never sent, and the one that was sent is missing."""
    call, sents, server = call_and_server()
    raw = server.kept[HERE][index]["raw"]
    server.kept[HERE][index]["raw"] = raw | {"request": raw["request"] | {"x": 1}} if "ncco" in raw else raw | {"x": 1}
    found = verdict(server, [call], sents)
    assert (found.ok, found.missing, found.unwanted) == (False, 1, 1)


def test_what_the_server_has_of_vonages_api_is_no_webhook():
    """It asks there if none came in time; and the webhook may come all the same."""
    call, sents, server = call_and_server()
    (last,) = [event for event in server.kept[HERE] if event["status"] == "completed"]
    of_the_api = last | {"raw": last["raw"] | {"timestamp": "2026-11-28 09:56:13"}, "flags": ["looked_up"]}
    server.keep(of_the_api)
    assert verdict(server, [call], sents).ok
    server.kept[HERE].remove(last)
    assert verdict(server, [call], sents).missing == 1, "it takes the place of none"


def test_an_unknown_conversation_is_found():
    call, sents, server = call_and_server()
    server.views, server.kept = {}, {}
    found = verdict(server, [call], sents)
    assert (found.ok, found.wrong, found.missing) == (False, 1, 5)
    assert not verdict(server, [call], []).ok, "also if no webhook is known"
    notified = sent(webhook_bodies.notify(HERE, {}, at(1)))
    assert verdict(server, [Conversation(uuid=HERE)], [notified]).wrong == 1
    assert verdict(server, [Conversation(uuid=HERE)], []).ok, "a conversation without webhooks may be unknown"


def test_an_empty_check_is_not_passed():
    found = verdict(Server(), [], [])
    assert not found.ok
    assert "nothing to check" in found.lines()[0]


def test_a_webhook_of_a_conversation_without_ledger_is_checked_too():
    assert not one_event(there=False, lossless=True).ok
    assert one_event(there=True, lossless=True).ok


def test_an_answer_that_could_not_be_used_is_expected_too():
    """The first answer failed; the fallback URL was requested, and its answer counts."""
    call, sents, server = call_and_server()
    again = webhook_bodies.fallback(sents[-1].body, reason="Invalid NCCO.", url="https://example.com", kind="answer")
    sents.append(sent(again, kind="answer", target=ledgers.FALLBACK))
    server.keep(answered(again))
    answers = server.views[HERE]["answers"]
    answers.insert(0, answers[0] | {"ncco": [{"action": "sing"}]})
    assert not verdict(server, [call], sents).ok, "the view has an answer without a record"
    server.kept[HERE][-2]["raw"]["ncco"] = [{"action": "sing"}]
    assert verdict(server, [call], sents).ok
    answers[1]["ncco"] = [{"action": "dance"}]
    found = verdict(server, [call], sents)
    assert (found.ok, found.wrong) == (False, 1)


# ---- How the server is read


def test_records_written_a_moment_later_are_waited_for():
    call, sents, server = call_and_server()
    late = server.kept[HERE].pop()
    fetch = server.fetch

    async def slow(uuid: str) -> tuple[Body | None, list[Body]]:
        if server.fetches:
            server.kept[HERE].append(late)
        return await fetch(uuid)

    server.fetch = slow  # type: ignore[method-assign]
    assert verdict(server, [call], sents, patience=(0.001,)).ok
    assert server.fetches == 2


def test_no_more_than_the_limit_are_fetched_at_once():
    calls = [Conversation(uuid=f"CON-{number}") for number in range(30)]
    server = Server(calls)
    assert verdict(server, calls, [], at_once=4).conversations == 30
    assert server.most_at_once == 4


def test_the_first_differences_are_printed_as_lines():
    call, sents, server = call_and_server()
    for name in ("from", "to", "network"):
        server.views[HERE]["legs"][0][name] = None
    server.kept[HERE].pop(0)
    lines: Sequence[str] = verdict(server, [call], sents).lines(most=3)
    summary = "Conversations: 1, webhooks: 5 (0 copies, 0 refused, 0 lost): 1 missing, 1 with a wrong state"
    assert lines == [
        summary,
        "CON-here event started sent at 21:20:00.000: expected sent, got not there",
        "CON-here leg leg from: expected 441234567890, got null",
        "CON-here leg leg to: expected 442038297050, got null",
        "… and 1 more",
    ]
    assert len(verdict(server, [call], sents).lines(most=4)) == 5
    server.views[HERE] = ledgers.api_view(call)
    server.keep(*[kept([sents[0].body])[0]] * 2)
    lines = verdict(server, [call], sents).lines()
    assert lines[1:] == ["CON-here event started sent at 21:20:00.000: expected sent once, got there 2 times"]


def test_a_lossy_verdict_has_other_words():
    found = one_event(there=True)
    summary = "Conversations: 1, webhooks: 1 (0 copies, 0 refused, 0 lost)"
    words = "everything acknowledged is there, and no more; the state of 0 of 1 could be compared, and matches"
    assert found.lines() == [f"{summary}: {words}"]


# ---- What would fool it


def test_a_wrong_view_counts_though_the_next_is_right():
    for what in ("view", "there"):
        call, sents, server = call_and_server()
        fetch = server.fetch

        async def wrong_at_first(uuid: str) -> tuple[Body | None, list[Body]]:
            view, events = await fetch(uuid)  # noqa: B023
            if server.fetches == 1:  # noqa: B023
                return (None, []) if what == "there" else ((view or {}) | {"state": "live"}, events)  # noqa: B023
            return view, events

        server.fetch = wrong_at_first  # type: ignore[method-assign]
        found = verdict(server, [call], sents, patience=(0.001, 0.001))
        assert (found.ok, found.wrong, server.fetches) == (False, 1, 1)


def test_a_missing_answer_is_waited_for_but_a_wrong_one_is_not():
    for wrong, right in (([], True), ([{"leg": "leg", "ncco": []}], False)):
        call, sents, server = call_and_server()
        fetch = server.fetch

        async def late(uuid: str) -> tuple[Body | None, list[Body]]:
            view, events = await fetch(uuid)  # noqa: B023
            first = server.fetches == 1  # noqa: B023
            return ((view or {}) | {"answers": wrong}, events[:-1]) if first else (view, events)  # noqa: B023

        server.fetch = late  # type: ignore[method-assign]
        assert verdict(server, [call], sents, patience=(0.001,)).ok is right


def test_a_repeated_or_invented_answer_is_wrong():
    others: list[Body] = [{}, {"ncco": []}, {"leg": "another"}]
    for more in others:
        call, sents, server = call_and_server()
        answers = server.views[HERE]["answers"]
        answers.append(answers[0] | more)
        assert verdict(server, [call], sents).wrong == 1


def test_an_unacknowledged_webhook_is_lost_and_not_missing():
    call, sents, server = call_and_server()
    sents[1].tries = [attempt(503), attempt(503)]
    server.kept[HERE].pop(1)
    server.views[HERE]["state"] = "live"  # it did not get every event
    found = verdict(server, [call], sents)
    assert (found.ok, found.lost, found.missing, found.wrong, found.compared) == (False, 1, 0, 0, 0)
    summary = "Conversations: 1, webhooks: 5 (1 copy, 2 refused, 1 lost): 1 never acknowledged"
    assert found.lines() == [summary]
    server.kept[HERE].pop(0)
    assert verdict(server, [call], sents).missing == 1, "it did acknowledge the webhook"


# ---- What is at the server, and in its list


def test_localhost_and_127_0_0_1_are_the_same_server():
    base = "http://localhost:8080/at"
    for url in ("http://localhost:8080/at/x", "http://127.0.0.1:8080/at/x", "HTTP://LocalHost:8080/at/"):
        assert is_below(url, base), url
    for url in (
        "http://localhost:80/at/x",
        "https://localhost:8080/at/x",
        "http://localhost:8080/attic",
        "http://[/at/",
    ):
        assert not is_below(url, base), url
    assert not is_below("http://localhost:eighty/at/x", base)
    assert not is_below("http://localhost:8080/at/x", None)
    assert is_below("http://example.com:80/voice/event", "http://example.com")


def test_unlisted_conversations_are_found():
    pages: dict[str, Body] = {
        "/api/v1/conversations?limit=500": {"items": [{"conversation_uuid": "CON-1"}, "x"], "next": "a/b"},
        "/api/v1/conversations?limit=500&cursor=a%2Fb": {"items": [{"conversation_uuid": "CON-2"}], "next": None},
    }
    api = Api("http://127.0.0.1", "token")
    paths: list[str] = []

    async def get(path: str) -> Body | None:
        paths.append(path)
        return pages.get(path)

    api._get = get  # type: ignore[method-assign]
    assert asyncio.run(api.unlisted(["CON-1"])) == []
    assert len(paths) == 1, "no more pages than needed"
    assert asyncio.run(api.unlisted(["CON-2", "CON-3", "CON-1"])) == ["CON-3"]
    pages.clear()
    with pytest.raises(NotSwitchhook):
        asyncio.run(api.unlisted(["CON-1"]))
