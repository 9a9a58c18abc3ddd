"""Calls of users in a browser: they ring, are answered, rejected, hung up, and place calls themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vonage_simulator.api_server import ALICE as PHONE
from tests.vonage_simulator.api_server import OURS, ROOM, Server
from tests.vonage_simulator.client_sdk.sdk_pages import Open, SdkPage
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import Call, FarEnd

STAYS = FarEnd(stays_alone=1e6)
SIP = "sip:desk@example.com"


def connect_to(user: str, **options: Any) -> list[dict[str, Any]]:
    return [{"action": "connect", "endpoint": [{"type": "app", "user": user}], "from": PHONE} | options]


def connect_to_phone(number: str) -> list[dict[str, Any]]:
    return [{"action": "connect", "endpoint": [{"type": "phone", "number": number}], "from": OURS}]


def call_from_a_phone(server: Server, ncco: list[dict[str, Any]], **more: Any) -> Leg:
    """A telephone calls, and gets *ncco*."""
    server.ncco = ncco
    given: dict[str, Any] = {"from_": PHONE, "to": OURS, "far_end": STAYS} | more
    call = Call(**given)
    return server.do(lambda: server.carrier.place(call))


def logged_in(open_page: Open, user: str = "Alice", **more: Any) -> SdkPage:
    page = open_page(user, **more)
    page.log_in()
    return page


def answered(server: Server, page: SdkPage) -> tuple[str, Leg]:
    """A call from a telephone that *page* has answered: its id there, and the caller's leg."""
    caller = call_from_a_phone(server, connect_to(page.user))
    call: str = page.wait_for("callInvite")[0]
    page.ok("answer", call)
    page.wait_for("legStatusUpdate", call, call, "ANSWERED")
    return call, caller


def statuses(server: Server, leg: str) -> list[str]:
    """The statuses in the webhooks of a leg."""
    return [event["status"] for event in server.events if event.get("uuid") == leg and "status" in event]


def test_a_browser_rings_answers_and_hangs_up(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    caller = call_from_a_phone(server, connect_to("Alice"))
    call, from_, channel = alice.wait_for("callInvite")
    assert (from_, channel) == (PHONE, "phone")
    leg = server.leg(call)
    assert (leg.to, leg.answered) == ("Alice", False)
    alice.ok("answer", call)
    alice.wait_for("legStatusUpdate", call, call, "ANSWERED")
    server.until(lambda: caller.answered and leg.answered)
    alice.ok("hangup", call)
    assert alice.wait_for("callHangup", call)[2] == "LOCAL_HANGUP"
    assert alice.wait_for("legStatusUpdate", call, call)[2] == "COMPLETED"
    server.until(lambda: caller.over)
    assert leg.ending
    assert leg.ending.by == "user"
    assert not alice.errors


def test_the_webhooks_of_a_leg_in_a_browser_are_those_of_the_published_log(server: Server, open_page: Open) -> None:
    """phone-to-app.events.jsonl: `started` has no headers, there is no `ringing`, and the price is 0."""
    alice = logged_in(open_page)
    call, caller = answered(server, alice)
    server.do(lambda: server.carrier.people.hang_up(caller.uuid))
    assert alice.wait_for("callHangup", call)[2] == "REMOTE_HANGUP"
    server.until(lambda: "completed" in statuses(server, call))
    assert statuses(server, call) == ["started", "answered", "completed"]
    started, _, completed = (event for event in server.events if event.get("uuid") == call)
    assert "-" in call
    assert "headers" not in started
    assert (completed["price"], completed["from"], completed["to"]) == ("0", PHONE, "Alice")


@pytest.mark.parametrize(
    ("endpoint", "from_", "channel"), [("phone", PHONE, "phone"), ("sip", SIP, "sip"), ("app", "Bob", "app")]
)
def test_the_invite_says_what_kind_of_caller_it_is(
    server: Server, open_page: Open, endpoint: str, from_: str, channel: str
) -> None:
    alice = logged_in(open_page)
    connect = connect_to("Alice")
    if endpoint == "app":
        del connect[0]["from"]
    call_from_a_phone(server, connect, endpoint=endpoint, from_=from_)
    assert alice.wait_for("callInvite")[1:] == [PHONE if endpoint != "app" else "Bob", channel]


def test_a_call_by_the_voice_api_rings_in_the_browser(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    body = {
        "to": [{"type": "app", "user": "Alice"}],
        "from": {"type": "phone", "number": OURS},
        "ncco": [{"action": "talk", "text": "Good morning."}],
    }
    made = server.ask("POST", "/v1/calls", body).json()
    assert alice.wait_for("callInvite", made["uuid"])[1:] == [OURS, "phone"]
    alice.ok("answer", made["uuid"])
    assert alice.wait_for("callHangup", made["uuid"])[2] == "REMOTE_HANGUP", "the script is over"


def test_a_call_that_is_rejected(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    call_from_a_phone(server, connect_to("Alice"))
    call: str = alice.wait_for("callInvite")[0]
    alice.ok("reject", call)
    server.until(lambda: statuses(server, call) == ["started", "rejected"])
    assert alice.events("callInviteCancel") == [], "who rejects it knows"
    assert alice.error("answer", call) == ("INTERNAL_ERROR", None), "it rings no more"


def test_a_caller_who_gives_up(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    caller = call_from_a_phone(server, connect_to("Alice"))
    call: str = alice.wait_for("callInvite")[0]
    server.do(lambda: server.carrier.people.hang_up(caller.uuid))
    assert alice.wait_for("callInviteCancel", call) == [call, "RemoteCancel"]


def test_a_call_that_nobody_answers_in_time(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    call_from_a_phone(server, connect_to("Alice", timeout=1))
    call: str = alice.wait_for("callInvite")[0]
    assert alice.wait_for("callInviteCancel", call) == [call, "RemoteTimeout"]
    server.until(lambda: "timeout" in statuses(server, call))


def test_who_has_no_page_is_the_far_end_of_the_scenario(server: Server, open_page: Open) -> None:
    """As without the stand-in; and so again once the page has ended its session."""
    alice = logged_in(open_page)
    alice.ok("deleteSession")
    caller = call_from_a_phone(server, connect_to("Alice"))
    server.until(lambda: any(leg.to == "Alice" and leg.answered for leg in caller.conversation.legs.values()))
    assert alice.events("callInvite") == []


def test_a_page_calls_a_telephone(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    server.ncco = connect_to_phone(PHONE)
    before = len(server.events)
    call: str = alice.ok("serverCall", {"to": PHONE, "ticket": 4711})
    leg = server.leg(call)
    asked = server.until(lambda: next((event for event in server.events[before:] if "query" in event), None))["query"]
    assert (asked["from_user"], asked["to"], asked["uuid"]) == ("Alice", PHONE, call)
    assert json.loads(asked["custom_data"]) == {"ticket": 4711}
    assert alice.wait_for("legStatusUpdate", call, call) == [call, call, "ANSWERED"]
    other = server.until(lambda: next((it for it in leg.conversation.legs.values() if it is not leg), None))
    alice.wait_for("legStatusUpdate", call, other.uuid, "ANSWERED")
    seen = [status for _, about, status in alice.events("legStatusUpdate") if about == other.uuid]
    assert seen == ["RINGING", "ANSWERED"]
    server.do(lambda: server.carrier.people.hang_up(other.uuid))
    assert alice.wait_for("callHangup", call)[2] == "REMOTE_HANGUP"
    assert alice.wait_for("legStatusUpdate", call, other.uuid)[2] == "COMPLETED"


@pytest.mark.parametrize(
    ("far_end", "timeout", "reason"),
    [
        (FarEnd(does="busy", after=0.1), 60, "REMOTE_REJECT"),
        (FarEnd(does="rejects", after=0.1), 60, "REMOTE_REJECT"),
        (FarEnd(does="never_answers"), 1, "REMOTE_NO_ANSWER_TIMEOUT"),
        (FarEnd(does="fails", after=0.1), 60, "REMOTE_HANGUP"),
    ],
)
def test_why_nobody_was_reached(server: Server, open_page: Open, far_end: FarEnd, timeout: int, reason: str) -> None:
    alice = logged_in(open_page)
    server.carrier.callees["447700900777"] = far_end
    server.ncco = [connect_to_phone("447700900777")[0] | {"timeout": timeout}]
    call = alice.ok("serverCall", {"to": "447700900777"})
    assert alice.wait_for("callHangup", call)[2] == reason


def test_a_page_calls_another_page(server: Server, open_page: Open) -> None:
    alice, bob = logged_in(open_page), logged_in(open_page, "Bob")
    server.ncco = [{"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}]}]
    ours: str = bob.ok("serverCall", {"to": "Alice"})
    theirs, from_, channel = alice.wait_for("callInvite")
    assert (from_, channel) == ("Bob", "app")
    assert bob.wait_for("legStatusUpdate", ours, theirs) == [ours, theirs, "RINGING"]
    alice.ok("answer", theirs)
    bob.wait_for("legStatusUpdate", ours, theirs, "ANSWERED")
    alice.ok("mute", theirs)
    assert alice.wait_for("mute", theirs) == [theirs, theirs, True]
    assert bob.wait_for("mute", ours) == [ours, theirs, True]
    assert server.leg(theirs).muted
    alice.ok("unmute", theirs)
    assert bob.wait_for("mute", ours, theirs, False)
    bob.ok("enableEarmuff", ours)
    assert alice.wait_for("earmuff", theirs, ours, True)
    assert server.leg(ours).earmuffed
    bob.ok("disableEarmuff", ours)
    assert alice.wait_for("earmuff", theirs, ours, False)
    bob.ok("sendDTMF", ours, "12p#")
    assert alice.wait_for("dtmf", theirs) == [theirs, ours, "12#"], "p is a pause"
    bob.ok("hangup", ours, "enough", "200")
    assert alice.wait_for("callHangup", theirs)[2] == "REMOTE_HANGUP"
    assert bob.wait_for("callHangup", ours)[2] == "LOCAL_HANGUP"
    assert alice.errors == bob.errors == []


def test_digits_come_to_the_input_of_the_call(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    server.ncco = [{"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 3}}]
    call = alice.ok("serverCall", {"to": OURS})
    alice.wait_for("legStatusUpdate", call, call, "ANSWERED")
    server.until(lambda: any(each.what == "input" and each.leg == call for each in server.happenings))
    alice.ok("sendDTMF", call, "123")
    server.until(lambda: any("123" in str(event.get("dtmf")) for event in server.events))


def test_what_the_voice_api_does_comes_to_the_page(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    call, _ = answered(server, alice)
    server.ask("PUT", f"/v1/calls/{call}", {"action": "mute"})
    assert alice.wait_for("mute", call) == [call, call, True]
    ncco = [{"action": "conversation", "name": "elsewhere"}]
    moved = {"action": "transfer", "destination": {"type": "ncco", "ncco": ncco}}
    server.ask("PUT", f"/v1/calls/{call}", moved)
    server.until(lambda: server.leg(call).conversation.name == "elsewhere")
    assert alice.wait_for("callTransfer", call, server.leg(call).conversation.uuid)
    assert alice.wait_for("mute", call)[2] is False, "a leg that moves is muted no more"
    server.ask("PUT", f"/v1/calls/{call}", {"action": "hangup"})
    assert alice.wait_for("callHangup", call)[2] == "REMOTE_HANGUP"


def test_a_second_call_rings_beside_the_first_and_each_is_ended_by_itself(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    first, _ = answered(server, alice)
    caller = call_from_a_phone(server, connect_to("Alice"))
    alice.until(lambda: len(alice.events("callInvite")) == 2)
    second: str = alice.events("callInvite")[1][0]
    alice.ok("answer", second)
    server.until(lambda: caller.answered)
    alice.ok("hangup", first)
    alice.wait_for("callHangup", first)
    assert not server.leg(second).over
    alice.ok("hangup", second)
    alice.wait_for("callHangup", second)


def test_what_is_said_to_a_call_is_heard_by_all_in_it(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    call, caller = answered(server, alice)
    alice.ok("say", call, {"text": "One moment."})
    alice.ok("say", call, "Thank you.")
    said = [(each.leg, each.data["text"]) for each in server.happenings if each.what == "talk"]
    assert {(caller.uuid, "One moment."), (call, "One moment."), (caller.uuid, "Thank you.")} <= set(said)
    alice.ok("hangup", call)


@pytest.mark.parametrize(
    ("method", "args", "error"),
    [
        ("answer", ["of-nobody"], ("INTERNAL_ERROR", None)),
        ("hangup", ["of-nobody"], ("INTERNAL_ERROR", None)),
        ("mute", ["of-nobody"], ("INTERNAL_ERROR", None)),
        ("reconnectCall", ["of-nobody"], ("INTERNAL_ERROR", None)),
        ("reject", [None], ("CS_ERROR", "VALIDATION_FAIL")),
        ("serverCall", [[1]], ("CS_ERROR", "VALIDATION_FAIL")),
        ("getUser", ["Nobody"], ("CS_ERROR", "USER_NOT_FOUND")),
    ],
)
def test_a_method_that_cannot_work_is_rejected(
    server: Server, open_page: Open, method: str, args: list[Any], error: tuple[str, str | None]
) -> None:
    assert logged_in(open_page).error(method, *args) == error


@pytest.mark.parametrize(("method", "args"), [("sendDTMF", ["1a"]), ("sendDTMF", [""]), ("say", [""]), ("say", [None])])
def test_a_wrong_argument_of_a_call_is_rejected(server: Server, open_page: Open, method: str, args: list[Any]) -> None:
    alice = logged_in(open_page)
    call, _ = answered(server, alice)
    assert alice.error(method, call, *args) == ("CS_ERROR", "VALIDATION_FAIL")
    alice.ok("hangup", call)


def test_nobody_acts_on_the_call_of_another(server: Server, open_page: Open) -> None:
    alice, bob = logged_in(open_page), logged_in(open_page, "Bob")
    call, caller = answered(server, alice)
    for method in ("hangup", "mute", "reconnectCall", "answer"):
        assert bob.error(method, call) == ("INTERNAL_ERROR", None)
    assert bob.error("sendDTMF", caller.uuid, "1") == ("INTERNAL_ERROR", None)
    assert not server.leg(call).over
    alice.ok("hangup", call)


def test_a_room_with_a_browser(server: Server, open_page: Open) -> None:
    """A page whose call is alone in a conversation stays: it does what whoever is there says."""
    alice = logged_in(open_page)
    server.ncco = ROOM
    call = alice.ok("serverCall", {})
    server.until(lambda: server.leg(call).conversation.name == "room")
    alice.page.wait_for_timeout(300)
    assert not server.leg(call).over
    alice.ok("hangup", call)


@pytest.mark.parametrize(("act", "reason"), [("answer", "AnsweredElsewhere"), ("reject", "RejectedElsewhere")])
def test_what_a_test_does_for_the_user_ends_the_ringing(server: Server, open_page: Open, act: str, reason: str) -> None:
    alice = logged_in(open_page)
    call_from_a_phone(server, connect_to("Alice"))
    call: str = alice.wait_for("callInvite")[0]
    server.do(lambda: getattr(server.carrier.people, act)(call))
    assert alice.wait_for("callInviteCancel") == [call, reason]
