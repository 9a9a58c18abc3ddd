"""The JavaScript client in Node: against a small server that breaks its streams, and against the whole app."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest

from tests.clients.broken_streams import BEGINNING, Breaking, breaking, doubled, frame, streams
from tests.clients.cutting import Cutting
from tests.clients.far_end import alice_does, ring_alice
from tests.clients.node import Failed, NodePhone, phone_in_node, run
from tests.control.conftest import world
from tests.control.test_session_verbs import ALICE, BOB, SECOND, THIRD, call_of_alice, lasting_world
from tests.control.world import AGENT, World
from tests.engines import wait_until
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import FarEnd

__all__ = ["breaking", "lasting_world", "world"]
ONCE, CALLED = "447700900171", "447700900172"  # numbers that one test each calls
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes no call, as a registration, is seen at the next look."""
    monkeypatch.setattr("app.live.user_looks.REST_SECONDS", 0.2)


@pytest.fixture
def phone(world: World) -> Iterator[NodePhone]:
    """Alice's, which follows her events."""
    with phone_in_node(world.base, ALICE) as phone:
        phone("connect", {"audio": True, "video": True})
        yield phone


def held(world: World, leg: Leg) -> None:
    """Wait until the leg is on hold."""
    world.until(lambda: world.control(leg)["hold"] == "held")


def called(world: World, number: str) -> Leg:
    """The leg to *number*, which nobody else calls, once there is one."""
    found: Leg = world.until(lambda: next((leg for leg in world.legs() if leg.to == number), None))
    return found


def recipient_of(world: World, phone: NodePhone, transfer: str) -> Leg:
    """The leg to which a transfer leads, once it is answered."""
    phone.wait("transfer_answered")
    return world.carrier.ledger.legs[phone("getTransfer", transfer)["recipient_call"]]


# ---- The stream


def test_events_come_once_over_broken_connections(breaking: Breaking) -> None:
    url, seen = breaking
    assert run("follow.mjs", url) == [
        ["incoming", ["one", "447700900123"]],
        ["answered", ["one"]],
        ["refused", [503, "Busy"]],
        ["first end", "one"],
        ["deleted", ["one", "completed", None, 0]],
        ["answered", ["one", "two"]],
        ["deleted", ["two", "rejected", None, 0]],
    ]
    assert [each[:2] for each in seen] == [("Bearer token-1", None), ("Bearer token-2", "2"), ("Bearer token-3", "2")]


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_ends_it_with_an_event(status: int) -> None:
    first = (b"retry: 1\n" + BEGINNING + frame(1, "call_incoming", "one"),)
    with streams((first, status)) as (url, seen), phone_in_node(url, "old") as phone:
        phone("connect")
        (stopped,) = phone.wait("stopped")
        assert (stopped["status"], stopped["error_id"]) == (status, "in-a-word")
        assert phone.of("registrationFailed") == [[stopped]]
        assert [name for name, _ in phone.events if name in ("connected", "disconnected")] == [
            *("connected", "disconnected")
        ]
        with pytest.raises(Failed) as failed:
            phone("connect")
        assert failed.value.problem["status"] == status
        assert phone("reRegister", "Alice", "new") == "this"
        phone("start")
        phone.wait("stopped", 3)
        assert [each[:2] for each in seen] == [
            *(("Bearer old", None), ("Bearer old", "1"), ("Bearer old", "1"), ("Bearer new", "1"))
        ]


def test_between_attempts_that_fail_it_waits_longer_and_longer() -> None:
    with streams(((b"retry: 20\n" + BEGINNING,), 503)) as (url, seen), phone_in_node(url, "token") as phone:
        phone("start")
        phone.wait("registrationFailed", 5)
        phone("disconnect")
    assert doubled(seen[:6], 0.02)
    assert len(seen) == 6


def test_after_as_many_attempts_as_are_allowed_it_stops() -> None:
    first = (b"retry: 1\n" + BEGINNING,)
    with streams((first, 503)) as (url, seen), phone_in_node(url, "token", reRegistryPhoneTimes=2) as phone:
        phone("start")
        assert phone.wait("stopped")[0]["status"] == 503
        assert len(seen) == 4, "one that went well, one that failed, and two more"


def test_a_stream_that_is_cut_goes_on_where_it_was(world: World) -> None:
    with closing(Cutting(world.base)) as proxy, phone_in_node(proxy.url, ALICE) as phone:
        phone("connect")
        _, _, session = call_of_alice(world)
        phone.wait("ON_CALL_ANSWERED")
        proxy.cut()
        phone.wait("connected", 2)
        phone("hangup", session)
        assert phone.wait("deleteSession")[0]["callId"] == session
        assert (len(phone.of("sessions")), len(phone.of("incoming")), len(phone.of("disconnected"))) == (1, 1, 1)


def test_names_that_depend_on_how_a_call_ended_or_on_the_page() -> None:
    """NethServer/dev issue 7521: somebody else took the call."""
    frames = (
        *(BEGINNING, frame(1, "call_incoming", "one"), frame(2, "call_ended", "one", cause="answered_elsewhere")),
        *(frame(3, "screen_share_started", "two"), frame(4, "screen_share_ended", "two")),
    )
    with streams(((b"".join(frames),), 401)) as (url, _), phone_in_node(url, "token") as phone:
        phone("start")
        call, elsewhere = phone.wait("ON_CALL_CANCELED")
        assert (call["id"], elsewhere) == ("one", True)
        assert phone.wait("deleteSession")[0]["cause"] == "answered_elsewhere"
        for name in ("ON_SHARE_SCREEN_STARTED", "ON_SHARE_SCREEN_ENDED"):
            assert phone.wait(name)[0]["id"] == "two"


def test_tokens_are_kept_until_shortly_before_they_expire() -> None:
    assert run("tokens.mjs") == [
        ["a text, each time", 2],
        ["two at once", 1],
        ["while both are good", 1],
        ["half a minute before the first expires", 2],
        ["a fresh one", 3],
        ["a new one that is refused is not replaced", False],
        ["an old one is", True],
        ["after that", 4],
        ["each time while it fails", 6],
        ["then", "token-7"],
    ]


# ---- Errors


def test_a_request_without_a_response_is_sent_again_and_done_once(world: World) -> None:
    _, alice, session = call_of_alice(world)
    with closing(Cutting(world.base)) as proxy, phone_in_node(proxy.url, ALICE, speed=50) as phone:
        proxy.lose = 1
        assert phone("blindTransfer", session, ONCE)
        recipient = called(world, ONCE)
        world.until(lambda: alice.over)
        assert [leg for leg in world.legs() if leg.to == ONCE] == [recipient]
        assert proxy.lose == 0
        proxy.lose = 1
        assert phone("request", "GET", "/phone")["sessions"] == [], "reading is repeated as well"
        proxy.lose = 99
        assert phone("mute", session) is False
        assert proxy.lose == 99 - 5, "so often it was sent"
        assert phone.read("lastError") == {"status": 0, "title": "No response", "error_id": None}


def test_what_the_server_says_is_wrong_is_an_error(world: World, phone: NodePhone) -> None:
    _, _, session = call_of_alice(world)
    with pytest.raises(Failed) as failed:
        phone("startConference", session, [session, session])
    assert failed.value.problem == {"status": 422, "title": "Conference not possible", "error_id": "invalid-data"}
    assert phone("hold", "unknown") is False
    assert phone.read("lastError") == {"status": 404, "title": "Unknown session", "error_id": None}
    with pytest.raises(Failed) as failed:
        phone("call", "words")
    assert failed.value.problem["status"] == 422
    with phone_in_node(world.base, BOB) as other, pytest.raises(Failed) as failed:
        other("connect")
    assert failed.value.problem["status"] == 403


# ---- Methods and events


def test_a_call_and_all_that_is_done_to_it(world: World, phone: NodePhone) -> None:
    customer, alice, session = call_of_alice(world)
    (shown,) = phone.wait("ON_CALL_ANSWERED")
    assert (shown["id"], shown["answered"], shown["number"]) == (session, True, AGENT)
    assert phone.wait("call_answered")[0]["session"] == phone.wait("ON_CALL_ACCEPTED")[0] == shown
    for name in ("newRTCSession", "incoming", "startSession"):
        (data,) = phone.wait(name)
        assert (data["callId"], data["session"]["id"]) == (session, session)
    for name in ("call_created", "call_incoming", "session_started"):
        assert phone.wait(name)[0]["session"]["id"] == session
    assert phone.wait("ON_CALL_INCOMING")[0]["id"] == session
    for verb, names in {
        "mute": ("ON_CALL_MUTED", "call_muted"),
        "unmute": ("ON_CALL_UNMUTED", "call_unmuted"),
        "hold": ("ON_CALL_HELD", "call_held"),
        "unhold": ("ON_CALL_RESUMED", "ON_CALL_UNHELD", "call_resumed"),
    }.items():
        assert phone(verb, session) is True
        for name in names:
            phone.wait(name)
        known = phone("getSession", session)
        assert (known["muted"], known["paused"]) == (verb == "mute", verb == "hold")
        assert (alice.muted, alice.hears(customer)) == (verb == "mute", verb != "hold")
    assert phone("dtmf", session, "1#") is True
    assert phone("hold", session) is True
    phone.wait("call_held", 2)
    assert phone("resume", session) is True
    phone.wait("call_resumed", 2)
    assert phone("setSessionStaticStatus", session, {"name": "Ada", "company": "Engines"}, True) is True
    wait_until(lambda: phone("getSession", session)["displayName"] == "Ada", "it is shown")
    assert phone.of("call_updated")
    assert phone("hangup", session) is True
    assert phone.wait("deleteSession")[0] == {"callId": session, "cause": "completed", "detail": None}
    assert phone.wait("ON_CALL_ENDED")[0]["id"] == session
    assert phone.wait("call_ended")[0]["answered"] is True
    assert phone("getSession", session) is None


def test_what_the_phone_knows(world: World, phone: NodePhone) -> None:
    assert (phone.read("sessions"), phone.read("currentSession"), phone("getSessions")) == ({}, None, [])
    first, _, one = call_of_alice(world, AGENT, "one")
    assert phone("hold", one) is True
    held(world, first)
    second, _, two = call_of_alice(world, SECOND, "two")
    phone.wait("ON_CALL_ANSWERED", 2)
    assert set(phone.read("sessions")) == {each["id"] for each in phone("getSessions")} == {one, two}
    assert phone.read("isMaxCall") is True
    for session in (one, two):
        assert phone("setCurrentSession", session) is True
        assert phone.read("currentSessionID") == phone.read("currentSession")["id"] == session
        assert phone("getCurrentSession")["id"] == session
    assert phone("setCurrentSession", "unknown") is False
    assert phone.wait("current_session_changed")[0]["session"]
    assert phone("unhold", one) is True, "and whom the user talks to is put on hold"
    held(world, second)
    assert phone.read("currentSessionID") == one
    assert phone("terminate", one) is True
    world.known(first, "completed")
    phone.wait("deleteSession")
    wait_until(lambda: phone.read("isMaxCall") is False, "there is a place again")


def test_a_call_that_rings_is_rejected_or_left_to_the_page(world: World, phone: NodePhone) -> None:
    with alice_does(world, FarEnd(does="never_answers", after=0.1)):
        ring_alice(world)
        (ringing,) = phone.wait("ON_CALL_INCOMING")
        assert [each["id"] for each in phone.read("incomingList")] == [ringing["id"]]
        assert phone("answer", ringing["id"]) == {"code": 0, "message": ""}
        assert phone.wait("answer_requested")[0]["session"]["id"] == ringing["id"]
        assert phone("reject", ringing["id"]) is True
        assert phone.wait("deleteSession")[0]["callId"] == ringing["id"]
        assert phone.read("incomingList") == []
        ring_alice(world)
        phone.wait("ON_CALL_INCOMING", 2)
        (again,) = phone.read("incomingList")
        assert phone("terminate", again["id"], "reject") is True
        phone.wait("deleteSession", 2)
    with alice_does(world, FarEnd(does="rejects", after=0.1)):
        ring_alice(world)
        assert phone.wait("deleteSession", 3)[0]["cause"] == "rejected"
        assert phone.wait("ON_CALL_REJECTED")[0]["id"]


def test_a_call_that_is_given_up_was_missed(world: World, phone: NodePhone) -> None:
    with alice_does(world, FarEnd(does="never_answers", after=0.1)):
        leg = ring_alice(world)
        phone.wait("incoming")
        assert world.act(leg, "hangup").status_code == 200
        call, elsewhere = phone.wait("ON_CALL_CANCELED")
        assert (call["sipCallId"], elsewhere) == (leg.uuid, False)
        assert phone.wait("user_missed_call")[0]["cause"] == "cancelled"


def test_a_user_who_calls(world: World, phone: NodePhone) -> None:
    """From the app itself, and by the server: the page rings first."""
    world.caller("Alice", endpoint="app")
    (call,) = phone.wait("ON_CALL_OUTGOING")
    assert (call["isCaller"], call["callerNumber"]) == (True, "Alice")
    assert phone("hangup", call["id"]) is True
    phone.wait("deleteSession")
    assert phone("call", CALLED, {"video": False}) == {"code": 0, "message": ""}
    (call,) = phone.wait("ON_CALL_ANSWERED")
    assert (call["isCaller"], call["callerNumber"], call["number"]) == (True, "Alice", CALLED)
    called(world, CALLED)


def test_keys_that_somebody_presses(world: World, phone: NodePhone) -> None:
    keys = {"action": "input", "type": ["dtmf"], "eventUrl": [f"{world.base}/voice/event"]}
    with alice_does(world, FarEnd(after=0.1, keys=("12",), stays_alone=1e6)):
        ring_alice(world, ncco=[keys, {"action": "conversation", "name": world.room}])
        assert phone.wait("call_dtmf_created")[0]["digits"] == "12"


def test_recordings(world: World, phone: NodePhone) -> None:
    _, _, session = call_of_alice(world)
    assert phone.read("recordPermissions") == 0
    assert phone("startRecord", session) is False
    assert phone.read("lastError")["status"] == 403
    assert world.ask("PATCH", "/users/Alice", {"record_permissions": 2}).status_code == 200
    assert phone.wait("recordPermissionsChange") == [2]
    assert phone.wait("record_permissions_changed")[0]["userState"]["record_permissions"] == 2
    for method, event, status in (
        ("startRecord", "recording_started", "recording"),
        ("pauseRecord", "recording_paused", "pause"),
        ("startRecord", "recording_resumed", "recording"),
    ):
        assert phone(method, session) is True
        phone.wait(event)
        assert phone("getSession", session)["status"]["recordStatus"] == status
    phone("request", "POST", f"/sessions/{session}/record", {"action": "stop"})
    phone.wait("recording_stopped")


def test_the_page_says_that_it_is_registered(world: World, phone: NodePhone) -> None:
    phone("setRegistered", True, {"seconds": 10, "attempts": 1})
    expires = world.ask("GET", "/users/Alice").json["registration_expires_at"]
    assert phone.wait("isRegisteredChange") == [True]
    assert (phone.wait("registered"), phone.wait("ON_REGISTERED")) == ([], [])
    assert phone.read("isRegistered") is True
    assert phone.wait("registration_changed")[0]["userState"]["registration_attempts"] == 1
    with phone_in_node(world.base, ALICE, speed=20) as other:
        other("connect")
        other("setRegistered", True, {"seconds": 11})
        world.until(lambda: world.ask("GET", "/users/Alice").json["registration_expires_at"] > expires)
        said = partial(lambda: world.ask("GET", "/users/Alice").json["registration_expires_at"])
        expires = said()
        world.until(lambda: said() > expires)
        other("setRegistered", False)
        phone("setRegistered", True)
        assert phone("disconnect") is True
        assert phone("disconnect") is False
        assert other.wait("ON_UNREGISTERED") == []
        assert other.wait("isRegisteredChange") == [False]


def test_a_transfer_with_a_consultation(world: World, phone: NodePhone) -> None:
    customer, alice, session = call_of_alice(world)
    transfer = phone("consult", session, THIRD)["id"]
    recipient = recipient_of(world, phone, transfer)
    world.until(lambda: alice.hears(recipient) and not alice.hears(customer))
    assert phone.wait("transfer_created")[0]["transfer"]["id"] == transfer
    assert phone("getTransfer", transfer)["status"] == "answered"
    phone("cancelTransfer", transfer)
    phone.wait("transfer_cancelled")
    phone.wait("transfer_ended")
    world.until(lambda: recipient.over and alice.hears(customer))


def test_an_attended_transfer_is_completed(world: World, phone: NodePhone) -> None:
    customer, alice, session = call_of_alice(world)
    assert phone("attendedTransfer", session, THIRD) is True
    transfer = phone.wait("transfer_answered")[0]["transfer"]["id"]
    assert phone("attendedTransfer", "unknown", THIRD) is False
    recipient = recipient_of(world, phone, transfer)
    phone("completeTransfer", transfer)
    phone.wait("transfer_completed")
    world.until(lambda: customer.hears(recipient) and alice.over)


def test_the_two_of_a_consultation_are_swapped_and_merged(world: World, phone: NodePhone) -> None:
    customer, alice, session = call_of_alice(world)
    transfer = phone("consult", session, THIRD)["id"]
    recipient = recipient_of(world, phone, transfer)
    phone("swapTransfer", transfer)
    world.until(lambda: alice.hears(customer) and not alice.hears(recipient))
    world.until(lambda: phone("getTransfer", transfer)["pending"] is None)
    phone("mergeTransfer", transfer)
    world.until(lambda: customer.hears(recipient) and customer.hears(alice) and alice.hears(recipient))


def test_whoever_is_transferred_may_hang_up(world: World, phone: NodePhone) -> None:
    customer, alice, session = call_of_alice(world)
    recipient = recipient_of(world, phone, phone("consult", session, THIRD)["id"])
    assert world.act(customer, "hangup").status_code == 200
    phone.wait("transfer_abandoned")
    assert alice.hears(recipient)


def test_both_users_of_a_call_get_that_it_is_answered(world: World, phone: NodePhone) -> None:
    room = {"action": "conversation", "name": world.room}
    with phone_in_node(world.base, BOB, "Bob") as other:
        other("connect")
        legs = [
            world.created(world.ask("POST", "/calls", {"to": {"type": "app", "user": user}, "ncco": [room]}))
            for user in ("Alice", "Bob")
        ]
        for each, leg, number in ((phone, legs[0], "Bob"), (other, legs[1], "Alice")):
            (call,) = each.wait("ON_CALL_ANSWERED")
            assert (call["sipCallId"], call["number"], call["answered"]) == (leg.uuid, number, True)


def test_who_gets_a_transferred_call_sees_the_caller_and_not_who_transferred_it(world: World, phone: NodePhone) -> None:
    """NethServer/dev issue 7989"""
    customer, alice, session = call_of_alice(world)
    with phone_in_node(world.base, BOB, "Bob") as other:
        other("connect")
        assert phone("blindTransfer", session, {"type": "app", "user": "Bob"}) is True
        call = other.wait("ON_CALL_ANSWERED")[0]
        assert (call["number"], call["isCaller"]) == (AGENT, False)
    world.until(lambda: alice.over and not customer.over)


def test_a_second_call_that_rings_changes_nothing_of_the_first(world: World, phone: NodePhone) -> None:
    """NethServer/dev issue 7840"""
    _, _, session = call_of_alice(world)
    phone.wait("current_session_changed")
    before = phone.read("currentSession")
    with alice_does(world, FarEnd(does="never_answers", after=0.1)):
        ring_alice(world)
        (ringing,) = phone.wait("ON_CALL_INCOMING", 2)
    assert [each["id"] for each in phone.read("incomingList")] == [ringing["id"]]
    assert phone.read("currentSessionID") == session
    for name in ("displayName", "answerTime", "creationTime", "number"):
        assert phone.read("currentSession")[name] == before[name]


def test_a_conference(world: World, phone: NodePhone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.domain.step_log.CONFIRM_SECONDS", 1)  # a host comes back after that
    legs, ids = [], []
    for room, number in (("one", AGENT), ("two", SECOND), ("three", THIRD)):
        customer, alice, session = call_of_alice(world, number, room)
        legs.append(customer)
        ids.append(session)
        if room == "one":
            host = alice
        else:
            phone.wait("ON_CALL_ANSWERED", len(ids))
        if room != "three":
            assert phone("hold", session) is True
            held(world, customer)
    assert phone("unhold", ids[0]) is True
    world.until(lambda: legs[0].hears(host))
    held(world, legs[2])
    begun = phone("startConference", ids[0], [ids[1]])
    assert (begun["host"]["id"], begun["host"]["conference"], begun["finished"]) == (ids[0], True, False)
    assert begun["host"]["displayName"] == "Conference"
    assert set(begun["participants"]) == {legs[0].uuid, legs[1].uuid}
    id_ = begun["conferenceId"]
    assert phone.wait("conference_adhoc_created")[0]["conference"]["conference_id"] == id_
    phone.wait("conference_adhoc_participant_joined", 3)
    assert phone.conference("refresh")["started"] is True
    phone.conference("addParticipant", ids[2])
    assert phone.wait("conference_adhoc_participant_joined", 4)[0]["call_id"] == legs[2].uuid
    assert [phone.conference("hasParticipants"), len(phone.conference("getParticipants"))] == [True, 3]
    for verb, muted in (("mute", True), ("unmute", False)):
        assert phone.conference(verb)["muted"] is host.muted is phone.conference("isMuted") is muted
    assert phone.conference("hold")["paused"] is True
    world.until(lambda: not legs[0].hears(host) and legs[0].hears(legs[1]))
    assert phone.conference("isOnHold") is True
    world.until(partial(resumed, phone))
    world.until(lambda: legs[0].hears(host))
    fewer = phone.conference("removeParticipant", ids[2])
    assert set(fewer["participants"]) == {legs[0].uuid, legs[1].uuid}
    assert phone.wait("conference_adhoc_participant_left")[0]["call_id"] == legs[2].uuid
    assert set(phone.conference("participantHasLeft", ids[1])["participants"]) == {legs[0].uuid}
    over = phone.conference("hangup")
    assert (over["finished"], over["participants"]) == (True, [])
    assert phone.wait("conference_adhoc_deleted")[0]["conference"]["conference_id"] == id_
    for leg in (*legs, host):
        world.known(leg, "completed")


def resumed(phone: NodePhone) -> bool:
    """Whether the host is back: it cannot be while it is still on the way to the music."""
    try:
        return phone.conference("resume")["paused"] is False
    except Failed:
        return False


def test_once_it_is_destroyed_it_knows_nothing(world: World, phone: NodePhone) -> None:
    customer, _, session = call_of_alice(world)
    phone.wait("ON_CALL_ANSWERED")
    phone("destroy")
    assert (phone.read("sessions"), phone.read("currentSessionID"), phone.read("isRegistered")) == ({}, None, False)
    assert not customer.over, "nothing happens to the calls"
    count = len(phone.events)
    phone("connect")
    assert set(phone.read("sessions")) == {session}, "it begins anew"
    assert len(phone.events) == count, "without the listeners of before"
