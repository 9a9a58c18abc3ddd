"""Sessions: who gets one, several pages of one user, lost connections, tokens that expire."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.vonage_simulator.api_server import Server
from tests.vonage_simulator.client_sdk.sdk_pages import ACL, Open, SdkPage
from tests.vonage_simulator.client_sdk.test_browser_calls import answered, call_from_a_phone, connect_to, logged_in
from vonage_simulator.client_sdk import server as sdk_server
from vonage_simulator.client_sdk import sessions

STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def acl_of(*paths: str) -> dict[str, Any]:
    return {"paths": {path: {} for path in paths}}


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"application_id": "another"}, "INVALID_TOKEN"),
        ({"sub": None}, "INVALID_TOKEN"),
        ({"jti": None}, "INVALID_TOKEN"),
        ({"exp": None}, "INVALID_TOKEN"),
        ({"exp": 99_999_999_999}, "INVALID_TOKEN"),
        ({"iat": 1, "exp": 2}, "EXPIRED_TOKEN"),
        ({"sub": "Nobody"}, "INVALID_USER"),
        ({"acl": None}, "AUTHORIZATION_ERROR"),
        ({"acl": {"paths": []}}, "AUTHORIZATION_ERROR"),
        ({"acl": acl_of("/*/users/**", "/*/conversations/**")}, "AUTHORIZATION_ERROR"),
        ({"acl": acl_of("/v9/sessions/**", "/*/users/**", "/*/conversations/**")}, "AUTHORIZATION_ERROR"),
    ],
)
def test_a_token_that_is_not_right_gets_no_session(open_page: Open, claims: dict[str, Any], code: str) -> None:
    alice = open_page("Alice")
    assert alice.error("createSession", alice.token(**claims)) == ("SESSION_ERROR", code)


@pytest.mark.parametrize(("token", "code"), [("", "EMPTY_TOKEN"), (None, "EMPTY_TOKEN"), ("no.jwt", "INVALID_TOKEN")])
def test_what_is_no_token_gets_no_session(open_page: Open, token: str | None, code: str) -> None:
    assert open_page("Alice").error("createSession", token) == ("SESSION_ERROR", code)


def test_a_token_signed_by_somebody_else_gets_no_session(open_page: Open) -> None:
    alice = open_page("Alice")
    claims = jwt.decode(alice.token(), options={"verify_signature": False})
    for token in (jwt.encode(claims, STRANGER, algorithm="RS256"), jwt.encode(claims, "k" * 32, algorithm="HS256")):
        assert alice.error("createSession", token) == ("SESSION_ERROR", "INVALID_TOKEN")


def test_after_a_wrong_token_a_right_one_gets_a_session(open_page: Open) -> None:
    alice = open_page("Alice")
    alice.error("createSession", "wrong")
    assert alice.log_in()
    assert alice.error("createSession", alice.token()) == ("SESSION_ERROR", "ALREADY_ACTIVE_SESSION")


@pytest.mark.parametrize("paths", [("/**",), ("/v1/**",), tuple(ACL["paths"])])
def test_paths_that_cover_more_are_enough(open_page: Open, paths: tuple[str, ...]) -> None:
    alice = open_page("Alice")
    assert alice.ok("createSession", alice.token(acl=acl_of(*paths)))


def test_what_the_acl_does_not_have_is_not_done(server: Server, open_page: Open) -> None:
    alice = open_page("Alice")
    alice.ok("createSession", alice.token(acl=acl_of("/*/users/**", "/*/conversations/**", "/*/sessions/**")))
    assert alice.error("serverCall", {"to": "447700900123"}) == ("SESSION_ERROR", "AUTHORIZATION_ERROR")
    call, _ = answered(server, alice)
    assert alice.error("mute", call) == ("SESSION_ERROR", "AUTHORIZATION_ERROR")


def test_without_a_session_nothing_works(open_page: Open) -> None:
    alice = open_page("Alice")
    assert alice.error("serverCall", {}) == ("SESSION_ERROR", "NO_ACTIVE_SESSION")
    alice.log_in()
    alice.ok("deleteSession")
    assert alice.error("getUser", "me") == ("SESSION_ERROR", "NO_ACTIVE_SESSION")


def test_a_page_knows_its_user(open_page: Open) -> None:
    user = logged_in(open_page).ok("getUser", "me")
    assert (user["name"], user["displayName"]) == ("Alice", None)
    assert user["id"].startswith("USR-")


# Several pages of one user


def test_all_pages_ring_and_one_answers(server: Server, open_page: Open) -> None:
    first = logged_in(open_page)
    second = open_page("Alice", beside=first)
    second.log_in()
    call_from_a_phone(server, connect_to("Alice"))
    call: str = first.wait_for("callInvite")[0]
    second.wait_for("callInvite", call)
    second.ok("answer", call)
    assert first.wait_for("callInviteCancel") == [call, "AnsweredElsewhere"]
    assert first.error("hangup", call) == ("INTERNAL_ERROR", None), "it is not its call"
    second.ok("hangup", call)
    second.wait_for("callHangup", call)
    assert first.events("callHangup") == []


def test_what_one_page_rejects_rings_nowhere(server: Server, open_page: Open) -> None:
    first, second = logged_in(open_page), logged_in(open_page)
    call_from_a_phone(server, connect_to("Alice"))
    call: str = second.wait_for("callInvite")[0]
    first.wait_for("callInvite", call)
    first.ok("reject", call)
    assert second.wait_for("callInviteCancel") == [call, "RejectedElsewhere"]


def test_of_two_pages_that_answer_at_once_one_has_the_call(server: Server, open_page: Open) -> None:
    first, second = logged_in(open_page), logged_in(open_page)
    call_from_a_phone(server, connect_to("Alice"))
    call: str = first.wait_for("callInvite")[0]
    second.wait_for("callInvite", call)
    for page in (first, second):
        page.page.evaluate(f"window.answered = call('answer', '{call}'); null")
    results = [page.page.evaluate("answered") for page in (first, second)]
    assert sorted("ok" in result for result in results) == [False, True]


def test_a_page_that_opens_while_it_rings_rings_too(server: Server, open_page: Open) -> None:
    first = logged_in(open_page)
    call_from_a_phone(server, connect_to("Alice"))
    call = first.wait_for("callInvite")[0]
    second = logged_in(open_page)
    second.wait_for("callInvite", call)
    first.ok("deleteSession")
    second.ok("answer", call)


def test_a_session_goes_to_the_page_that_came_last(open_page: Open) -> None:
    first = open_page("Alice")
    session = first.log_in()
    second = open_page("Alice")
    assert second.log_in(session) == session
    assert first.wait_for("sessionError") == ["TRANSPORT_CLOSED"]
    second.page.wait_for_timeout(1000)
    assert second.events("sessionError") == [], "the first one does not take it back"


def test_a_user_has_so_many_pages_and_no_more(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_OF_A_USER", 1)
    logged_in(open_page)
    another = open_page("Alice")
    assert another.error("createSession", another.token()) == ("SESSION_ERROR", "MAX_OPEN_SESSIONS")
    assert logged_in(open_page, "Bob")


# Lost connections


def test_a_call_goes_on_while_the_page_comes_back(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    call, caller = answered(server, alice)
    server.do(lambda: server.sdk.cut("Alice"))
    alice.wait_for("reconnecting")
    alice.wait_for("reconnection")
    assert not server.leg(call).over
    alice.ok("mute", call)
    server.do(lambda: server.carrier.people.hang_up(caller.uuid))
    assert alice.wait_for("callHangup", call)[2] == "REMOTE_HANGUP"


def test_what_happens_meanwhile_is_told_once_when_the_page_is_back(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    call, caller = answered(server, alice)
    alice.loses_network()
    alice.wait_for("reconnecting")
    server.until(lambda: not server.sdk.online())
    server.do(lambda: server.carrier.people.hang_up(caller.uuid))
    second = call_from_a_phone(server, connect_to("Alice"))
    server.until(lambda: any(leg.to == "Alice" for leg in second.conversation.legs.values()))
    alice.page.wait_for_timeout(300)
    assert alice.events("callHangup") == []
    alice.context.set_offline(False)
    alice.wait_for("reconnection")
    assert alice.wait_for("callHangup", call)[2] == "REMOTE_HANGUP"
    alice.until(lambda: len(alice.events("callInvite")) == 2)
    assert len(alice.events("callHangup")) == 1
    alice.ok("answer", alice.events("callInvite")[1][0])


def test_a_request_without_a_connection_is_rejected(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    alice.loses_network()
    alice.wait_for("reconnecting")
    assert alice.error("getUser", "me") == ("NETWORK_ERROR", None)
    alice.context.set_offline(False)
    alice.wait_for("reconnection")
    assert alice.ok("getUser", "me")["name"] == "Alice"


def test_a_page_that_is_opened_again_goes_on_with_its_call(server: Server, open_page: Open) -> None:
    alice = open_page("Alice")
    session = alice.log_in()
    call, caller = answered(server, alice)
    alice.page.reload()
    assert alice.log_in(session) == session
    assert alice.error("mute", "another") == ("INTERNAL_ERROR", None)
    alice.ok("reconnectCall", call)
    alice.ok("mute", call)
    server.do(lambda: server.carrier.people.hang_up(caller.uuid))
    assert alice.wait_for("callHangup", call)[2] == "REMOTE_HANGUP"


def test_a_page_in_a_session_of_its_own_takes_its_call_back(server: Server, open_page: Open) -> None:
    """Where the id of the session is lost, but not that of the call."""
    alice = logged_in(open_page)
    call, _ = answered(server, alice)
    alice.page.reload()
    alice.log_in()
    alice.ok("reconnectCall", call)
    alice.ok("hangup", call)
    assert alice.wait_for("callHangup", call)[2] == "LOCAL_HANGUP"


def test_a_call_ends_whose_page_stays_away(server: Server, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MEDIA_TIMEOUT", 0.3)
    alice = logged_in(open_page)
    call, _ = answered(server, alice)
    alice.loses_network()
    server.until(lambda: server.leg(call).over)
    alice.context.set_offline(False)
    assert alice.wait_for("callHangup", call)[2] == "MEDIA_TIMEOUT"


def test_a_session_is_over_when_its_page_stays_away(
    server: Server, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "LIVES_ON", 0.3)
    alice = logged_in(open_page)
    alice.loses_network()
    server.until(lambda: not server.sdk.calls.sessions.has("Alice"))
    alice.context.set_offline(False)
    assert alice.wait_for("sessionError") == ["TRANSPORT_CLOSED"]
    assert alice.log_in(), "it may have another one"


def test_a_session_is_that_of_its_user(open_page: Open) -> None:
    session = logged_in(open_page).ok("getUser", "me")["id"]
    bob = open_page("Bob")
    assert bob.error("createSession", bob.token(), session) == ("SESSION_ERROR", "INVALID_SESSION")
    alice = open_page("Alice")
    own = alice.log_in()
    assert bob.error("createSession", bob.token(), own) == ("SESSION_ERROR", "INVALID_SESSION")


def test_a_session_that_is_ended_without_a_connection_does_not_come_back(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    alice.loses_network()
    alice.wait_for("reconnecting")
    assert alice.error("deleteSession") == ("NETWORK_ERROR", None)
    alice.context.set_offline(False)
    alice.page.wait_for_timeout(2500)
    assert server.sdk.online() == set()
    assert alice.events("reconnection") == []


# Tokens that expire


def expires_in(page: SdkPage, seconds: float) -> str:
    return page.token(exp=time.time() + seconds)


def test_a_token_that_expires_ends_the_session_and_another_one_brings_it_back(server: Server, open_page: Open) -> None:
    alice = open_page("Alice")
    session = alice.ok("createSession", expires_in(alice, 1.0))
    assert alice.wait_for("sessionError") == ["EXPIRED_TOKEN"]
    assert not server.sdk.calls.sessions.has("Alice")
    assert alice.events("reconnecting") == []
    assert alice.log_in(session) == session


def test_a_token_that_is_refreshed_in_time_does_not_expire(open_page: Open) -> None:
    alice = open_page("Alice")
    alice.ok("createSession", expires_in(alice, 2.0))
    alice.ok("refreshSession", alice.token())
    assert alice.error("refreshSession", alice.token(sub="Nobody")) == ("SESSION_ERROR", "INVALID_USER")
    alice.page.wait_for_timeout(2500)
    assert alice.events("sessionError") == []


def test_a_session_is_not_refreshed_for_somebody_else(open_page: Open) -> None:
    logged_in(open_page, "Bob")
    alice = logged_in(open_page)
    assert alice.error("refreshSession", alice.token(sub="Bob")) == ("SESSION_ERROR", "INVALID_USER")


def test_a_call_outlives_a_token_by_a_little(server: Server, open_page: Open) -> None:
    alice = open_page("Alice")
    session = alice.log_in()
    call, _ = answered(server, alice)
    server.do(lambda: server.sdk.expire("Alice"))
    assert alice.wait_for("sessionError") == ["EXPIRED_TOKEN"]
    alice.log_in(session)
    alice.ok("reconnectCall", call)
    alice.ok("hangup", call)


def test_a_page_that_comes_back_with_an_expired_token_is_told(server: Server, open_page: Open) -> None:
    alice = open_page("Alice")
    alice.ok("createSession", expires_in(alice, 1.5))
    alice.loses_network()
    alice.wait_for("reconnecting")
    alice.page.wait_for_timeout(1600)
    alice.context.set_offline(False)
    assert alice.wait_for("sessionError") == ["EXPIRED_TOKEN"]


def test_a_session_that_nobody_comes_back_to_makes_room_for_another(
    server: Server, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is opened again and again, without the id of its session, is not locked out."""
    monkeypatch.setattr(sessions, "MOST_OF_A_USER", 2)
    alice = logged_in(open_page)
    call, _ = answered(server, alice)
    for _ in range(3):
        alice.page.reload()
        alice.log_in()
    assert len(server.sdk.calls.sessions.of("Alice")) == 2
    alice.ok("reconnectCall", call)


def test_a_page_that_stays_away_is_rung_no_more(
    server: Server, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may come back to its session, but until then the user is the far end of the scenario."""
    monkeypatch.setattr(sessions, "RINGS_ON", 0.3)
    alice = logged_in(open_page)
    alice.loses_network()
    server.until(lambda: not server.sdk.calls.sessions.has("Alice"))
    caller = call_from_a_phone(server, connect_to("Alice"))
    server.until(lambda: any(leg.to == "Alice" and leg.answered for leg in caller.conversation.legs.values()))
    alice.context.set_offline(False)
    alice.wait_for("reconnection")
    assert alice.events("callInvite") == []


# Connections that cannot be had again


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that waits a tenth as long for an answer, and tries to come back for half a second only."""
    whole = sdk_server.script()
    short = {"PING_EVERY = 2000": "PING_EVERY = 200", "PING_PATIENCE = 6000": "PING_PATIENCE = 600"}
    short["3000, 3000, 3000, 3000, 3000, 3000, 3000, 3000]"] = "]"
    short["[200, 500, 1000, 2000,"] = "[100, 400,"
    for usual, shorter in short.items():
        assert whole.count(usual) == 1
        whole = whole.replace(usual, shorter)
    monkeypatch.setattr(sdk_server, "script", lambda: whole)


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_answers_nothing_is_made_anew(server: Server, open_page: Open) -> None:
    alice = logged_in(open_page)
    server.do(lambda: server.sdk.disturb("Alice", delay=100.0))
    alice.wait_for("reconnecting")
    server.do(lambda: server.sdk.disturb("Alice"))
    alice.wait_for("reconnection")
    assert alice.ok("getUser", "me")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("reason", ["PING_TIMEOUT", "TRANSPORT_CLOSED"])
def test_a_page_gives_up_and_says_how_the_connection_was_lost(
    server: Server, open_page: Open, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    alice = logged_in(open_page)
    monkeypatch.setattr(sdk_server, "MOST_CONNECTIONS", 0)
    if reason == "PING_TIMEOUT":
        server.do(lambda: server.sdk.disturb("Alice", delay=100.0))
    else:
        server.do(lambda: server.sdk.cut("Alice"))
    assert alice.wait_for("sessionError") == [reason]
    assert alice.events("reconnecting") == [[]]
    assert alice.error("getUser", "me") == ("SESSION_ERROR", "NO_ACTIVE_SESSION")
    assert alice.error("createSession", alice.token()) == ("NETWORK_ERROR", None)
    monkeypatch.undo()
    assert alice.log_in()
