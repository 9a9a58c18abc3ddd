"""Sessions in the API: what rings, who sees what, which is current, and what users say of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.site import OPERATOR, SAMPLE, TOKENS, VIEWER, Site, is_problem, quoted
from tests.engines import wait_until
from tests.generated import Body, iso

ALICE, BOB = "user-alice-of-the-app-1", "user-bob-of-the-app-1"
OWN = "/api/v1/users/Alice"
CALLER, DIALLED = "447700900123", "442079460000"
PUBLISHED = "0779a56d002f1c7f47f82ef5fe84ab79"
ALICE_LEG = "944bf4bf-8dc7-4e23-86b2-2f4234777416"
# As Wazo prints one: https://github.com/duduclx/toriphone-docs (ON_CALL_ANSWERED).
WAZO = {
    *("answered", "answeredBySystem", "answerTime", "autoAnswer", "call", "callId", "callerNumber", "cameraEnabled"),
    *("conference", "creationTime", "dialedExtension", "displayName", "endTime", "ignored", "isCaller", "muted"),
    *("number", "paused", "recording", "recordingPaused", "ringing", "screensharing", "sipCallId", "sipStatus"),
    *("startTime", "type", "videoMuted", "videoRemotelyDowngraded"),
}
# https://github.com/Yeastar-PBX/ys-webrtc-sdk-core (CallStatus)
YEASTAR = {
    *("name", "avatar", "company", "number", "callId", "communicationType", "isVideo", "isRing", "isHold", "isMute"),
    *("callStatus", "callStartTime", "recordStatus", "isTransfer", "transferParent", "isConference"),
}


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """A site with tokens for two users, whose callers are connected with Alice."""
    return open_site(access_tokens=(*TOKENS, ("user/Alice", ALICE), ("user/Bob", BOB)), caller_number=DIALLED)


def status(name: str, leg: str, seconds_ago: float = 0, where: str = "", **more: Any) -> Body:
    """A call status of a moment ago."""
    parties: Body = {"direction": "outbound", "from": CALLER, "to": "Alice"}
    if not leg.startswith("alice"):
        parties = {"direction": "inbound", "from": CALLER, "to": DIALLED}
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    about = {"status": name, "uuid": leg, "conversation_uuid": where or f"CON-{leg}", "timestamp": iso(at)}
    return about | parties | more


def rings(site: Site, leg: str) -> None:
    """Somebody calls, and is connected with Alice, whose leg is reported once she has answered."""
    site.post(status("ringing", leg))
    asked = {"from": CALLER, "to": DIALLED, "uuid": leg, "conversation_uuid": f"CON-{leg}"}
    site.post(asked, "/voice/answer")
    wait_until(lambda: bool(site.read(f"{OWN}/phone")["incomingList"]), "it rings")
    wait_until(lambda: site.get(f"{OWN}/sessions/{leg}").status_code == 200, "it rings")


def answers(site: Site, leg: str) -> None:
    """Alice does."""
    site.post(status("answered", leg))
    site.post(status("answered", f"alice-{leg}", where=f"CON-{leg}"))


def hangs_up(site: Site, leg: str) -> None:
    """The caller, or Alice."""
    site.post(status("completed", leg, where=f"CON-{leg.removeprefix('alice-')}"))


def test_a_session_has_every_name_of_the_documents(site: Site) -> None:
    rings(site, "caller")
    (session,) = site.read(f"{OWN}/sessions", token=ALICE)["items"]
    assert set(session) >= WAZO
    assert set(session["status"]) == YEASTAR
    assert set(session["timer"]) == {"ringDuration", "callingDuration", "callDuration", "holdDuration"}
    assert session["type"] == "CallSession"
    for field in ("cameraEnabled", "screensharing", "videoMuted", "conference", "muted", "paused", "recording"):
        assert session[field] is False, field
    assert session["videoRemotelyDowngraded"] is None


def test_the_way_of_a_call_from_ringing_to_its_end(site: Site) -> None:
    rings(site, "caller")
    phone = site.read(f"{OWN}/phone", token=ALICE)
    (ringing,) = phone["sessions"]
    assert phone["incomingList"] == [ringing]
    assert (phone["currentSessionID"], phone["currentSession"], phone["isMaxCall"]) == (None, None, False)
    assert (ringing["ringing"], ringing["isCaller"], ringing["leg"], ringing["state"]) == (True, False, None, "live")
    assert (ringing["number"], ringing["dialedExtension"]) == (CALLER, DIALLED)
    assert (ringing["status"]["isRing"], ringing["status"]["callStatus"]) == (True, "ringing")
    assert (ringing["call"]["status"], ringing["sipStatus"]) == ("Ringing", "Establishing")
    answers(site, "caller")
    phone = site.read(f"{OWN}/phone", token=ALICE)
    (talking,) = phone["sessions"]
    assert (phone["incomingList"], phone["currentSessionID"]) == ([], "caller")
    assert (
        phone["currentSession"]
        == talking
        == site.read(f"{OWN}/sessions/caller", token=ALICE) | {"timer": talking["timer"]}
    )
    assert (talking["answered"], talking["answeredBy"], talking["answeredBySystem"]) == (True, "app", False)
    assert (talking["id"], talking["sipCallId"], talking["sipStatus"]) == ("caller", "alice-caller", "Established")
    assert talking["call"]["talkingToIds"] == ["caller"]
    assert talking["creationTime"] == ringing["creationTime"] == talking["startTime"]
    hangs_up(site, "alice-caller")
    assert site.read(f"{OWN}/sessions", token=ALICE) == {"items": [], "next": None}
    assert site.read(f"{OWN}/current-session", token=ALICE) == {"currentSessionID": None, "currentSession": None}
    (ended,) = site.read(f"{OWN}/sessions", token=ALICE, state="ended")["items"]
    assert (ended["state"], ended["cause"], ended["answered"], ended["endTime"] is None) == (
        *("ended", "completed", True),
        False,
    )


def test_a_user_sees_whole_numbers_and_a_viewer_does_not(site: Site) -> None:
    rings(site, "caller")
    answers(site, "caller")
    for path in (f"{OWN}/sessions", f"{OWN}/sessions/caller", f"{OWN}/phone", f"{OWN}/current-session"):
        for token in (ALICE, OPERATOR):
            assert CALLER in site.get(path, token=token).text
        shown = site.get(path, token=VIEWER).text
        assert "********0123" in shown
        assert CALLER not in shown
        assert DIALLED not in shown


def test_ids_are_not_masked(site: Site) -> None:
    """Also one that looks like a number."""
    leg, name = "447700900999", "CON-447700900999"
    site.record(status("answered", leg, where=name) | {"from": "Alice"})
    site.post({"from_user": "Alice", "to": DIALLED, "uuid": leg, "conversation_uuid": name}, "/voice/answer")
    wait_until(lambda: bool(site.read(f"{OWN}/sessions")["items"]), "it is recorded")
    (session,) = site.read(f"{OWN}/sessions")["items"]
    assert session["id"] == session["callId"] == session["leg"] == session["sipCallId"] == leg
    assert session["call"]["id"] == session["status"]["callId"] == leg


def test_a_reveal_to_a_user_is_noted(site: Site) -> None:
    rings(site, "caller")
    site.read(f"{OWN}/sessions/caller", token=ALICE)
    site.store.ping()
    noted = site.read("/api/v1/audit", token=OPERATOR)["items"]
    assert ["user", "GET /api/v1/users/<user:name>/sessions/<id:session_id>", ["caller"]] in [
        [entry["role"], entry["route"], entry["calls"]] for entry in noted
    ]


def test_a_session_is_of_the_users_that_take_part(site: Site) -> None:
    rings(site, "caller")
    assert site.read("/api/v1/users/Bob/sessions", token=BOB)["items"] == []
    assert is_problem(site.get("/api/v1/users/Bob/sessions/caller", token=BOB), 404)["id"] == "caller"
    is_problem(site.send("PATCH", "/api/v1/users/Bob/sessions/caller", token=BOB, json={"ignored": True}), 404)
    is_problem(site.get(f"{OWN}/sessions/none", token=ALICE), 404)


def test_another_id_of_the_call_redirects_to_the_session(site: Site) -> None:
    rings(site, "caller")
    answers(site, "caller")
    for other in ("alice-caller", "CON-caller"):
        response = site.get(f"{OWN}/sessions/{other}", token=ALICE)
        assert (response.status_code, response.headers["Location"]) == (302, f"{OWN}/sessions/caller")


def test_the_current_session_is_chosen_and_kept(site: Site) -> None:
    for leg in ("first", "second"):
        rings(site, leg)
        answers(site, leg)
    path = f"{OWN}/current-session"
    assert site.read(path, token=ALICE)["currentSessionID"] == "second", "answered last"
    assert site.read(f"{OWN}/phone", token=ALICE)["isMaxCall"] is True
    chosen: Any = site.send("PUT", path, token=ALICE, json={"currentSessionID": "first"})
    assert (chosen.status_code, chosen.json["currentSession"]["id"]) == (200, "first")
    assert site.read(path, token=VIEWER)["currentSessionID"] == "first"
    for unknown in ("none", "", "alice-first"):
        is_problem(site.send("PUT", path, token=ALICE, json={"currentSessionID": unknown}), 404)
    for wrong in ({}, {"currentSessionID": None}, {"currentSessionID": 5}, {"id": "first"}):
        is_problem(site.send("PUT", path, token=ALICE, json=wrong), 422)
    hangs_up(site, "alice-first")
    assert site.read(path, token=ALICE)["currentSessionID"] == "second"
    is_problem(site.send("PUT", path, token=ALICE, json={"currentSessionID": "first"}), 404)
    assert site.read(f"{OWN}/phone", token=ALICE)["isMaxCall"] is False


def test_how_many_calls_are_the_most_is_a_setting(site: Site) -> None:
    rings(site, "caller")
    for most, full in ((1, True), (2, False)):
        site.send("PATCH", OWN, token=OPERATOR, json={"max_calls": most})
        assert site.read(f"{OWN}/phone")["isMaxCall"] is full


def patched(site: Site, token: str = ALICE, **changes: Any) -> Any:
    response: Any = site.send("PATCH", f"{OWN}/sessions/caller", token=token, json=changes)
    assert response.status_code == 200, response.text
    return response.json


def test_what_the_page_reports_is_kept_and_checked(site: Site) -> None:
    """Nothing believes it: what acts uses the leg that Vonage reported."""
    rings(site, "caller")
    nothing = {"sdkCallId": None, "isLeg": None, "media": None, "mos": None}
    assert site.read(f"{OWN}/sessions/caller", token=ALICE)["page"] == nothing
    ringing = patched(site, sdkCallId="alice-caller", media="ok")
    assert ringing["page"] == nothing | {"sdkCallId": "alice-caller", "media": "ok"}
    assert ringing["leg"] is None
    answers(site, "caller")
    assert site.read(f"{OWN}/sessions/caller", token=ALICE)["page"]["isLeg"] is True
    another = patched(site, sdkCallId="447700900123", media="lost", mos=3.25)
    assert another["page"] == {"sdkCallId": "447700900123", "isLeg": False, "media": "lost", "mos": 3.25}
    assert another["leg"] == "alice-caller"
    assert site.read(f"{OWN}/sessions/caller")["page"] == another["page"], "an id is not masked"
    hangs_up(site, "alice-caller")
    assert patched(site, mos=4)["page"]["mos"] == 4, "how it was is known at the end"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("sdkCallId", value) for value in ("", "x" * 201, 7, None)),
        *(("media", value) for value in ("good", "", None, True)),
        *(("mos", value) for value in (-1, 5.1, "NaN", float("inf"), None, "good")),
        ("sdk_call_id", "x"),
    ],
)
def test_a_report_that_is_none_is_refused(site: Site, field: str, value: Any) -> None:
    rings(site, "caller")
    response = site.send("PATCH", f"{OWN}/sessions/caller", token=ALICE, json={field: value})
    assert field in is_problem(response, 422)["errors"]


def test_what_is_shown_of_the_other_party(site: Site) -> None:
    """A name that is known has priority, unless the user took over."""
    rings(site, "caller")
    assert site.read(f"{OWN}/sessions/caller", token=ALICE)["displayName"] == CALLER
    avatar = "https://example.com/ada.png"
    said = patched(site, name="Ada", company="Analytical", avatar=avatar)
    assert (said["displayName"], said["status"]["name"]) == ("Ada", "Ada")
    assert (said["status"]["company"], said["status"]["avatar"]) == ("Analytical", avatar)
    site.send("PUT", f"/api/v1/names/{CALLER}", token=OPERATOR, json={"name": "Mrs Lovelace"})
    assert patched(site)["displayName"] == "Mrs Lovelace"
    assert patched(site, manual=True)["displayName"] == "Ada"
    assert patched(site, name=None)["displayName"] == CALLER
    assert patched(site, manual=False, company=None)["displayName"] == "Mrs Lovelace"
    assert patched(site)["status"]["company"] is None
    assert patched(site)["status"]["avatar"] == avatar
    assert patched(site, token=OPERATOR, ignored=True)["ignored"] is True
    assert site.read(f"{OWN}/sessions/caller")["ignored"] is True


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", ""), ("name", "a\x00"), ("name", "x" * 61), ("company", 5)),
        *(("avatar", "javascript:alert(1)"), ("avatar", "data:image/png;base64,x"), ("avatar", "x")),
        *(("avatar", f"https://example.com/{'x' * 500}"), ("manual", "yes"), ("ignored", None), ("muted", True)),
    ],
)
def test_what_cannot_be_shown_is_refused(site: Site, field: str, value: Any) -> None:
    rings(site, "caller")
    response = site.send("PATCH", f"{OWN}/sessions/caller", token=ALICE, json={field: value})
    assert field in is_problem(response, 422)["errors"]


def test_a_user_who_calls_another_is_shown_by_name(site: Site) -> None:
    site.send("PUT", "/api/v1/users/Bob", token=OPERATOR, json={"display_name": "Robert"})
    site.post(status("answered", "caller") | {"from": "Bob", "to": "Bob"})
    asked = {"from_user": "Bob", "to": "Alice", "uuid": "caller", "conversation_uuid": "CON-caller"}
    site.post(asked, "/voice/answer")
    wait_until(lambda: bool(site.read(f"{OWN}/sessions")["items"]), "it rings")
    (session,) = site.read(f"{OWN}/sessions", token=ALICE)["items"]
    assert (session["number"], session["displayName"]) == ("Bob", "Robert")
    (other,) = site.read("/api/v1/users/Bob/sessions", token=BOB)["items"]
    assert (other["isCaller"], other["status"]["communicationType"]) == (True, "outbound")
    assert (other["status"]["callStatus"], other["call"]["status"]) == ("calling", "Ring")


def test_an_incoming_call_is_answered_by_the_page_if_the_user_wants_that(site: Site) -> None:
    site.send("PATCH", OWN, token=OPERATOR, json={"auto_answer": True})
    rings(site, "caller")
    assert site.read(f"{OWN}/sessions/caller")["autoAnswer"] is True


def test_sessions_that_have_ended_are_listed_page_by_page(site: Site) -> None:
    for number in range(5):
        leg = f"caller-{number}"
        site.post(status("answered", leg, 1))  # else both may begin in one millisecond, and Alice's leg be the first
        site.post(status("answered", f"alice-{leg}", where=f"CON-{leg}"))
        site.post(status("completed", f"alice-{leg}", where=f"CON-{leg}"))
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = site.read(f"{OWN}/sessions", state="ended", limit=2, **cursor)
        found += [session["id"] for session in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == [f"caller-{number}" for number in (4, 3, 2, 1, 0)], "the callers have not hung up: Alice has"
    is_problem(site.get(f"{OWN}/sessions", state="gone"), 422)
    is_problem(site.get(f"{OWN}/sessions", state="ended", cursor="x"), 422)


def test_the_published_call(site: Site) -> None:
    for line in SAMPLE.read_bytes().splitlines():
        site.post(line)
    session = site.read(f"{OWN}/sessions/{PUBLISHED}", token=ALICE)
    paths: Any = site.read("/openapi.json")["paths"]
    for path, response in (("sessions/{session_id}", session), ("sessions", {"items": [session], "next": None})):
        described = paths[f"/api/v1/users/{{name}}/{path}"]["get"]["responses"]["200"]["content"]["application/json"]
        assert described["example"] == response, "the example is real"
    assert session["leg"] == ALICE_LEG
    assert (session["answerTime"], session["endTime"]) == ("2021-03-29T21:20:13.025Z", "2021-03-29T21:20:17.574Z")
    assert (session["number"], session["dialedExtension"]) == ("441234567890", "442038297050")
    assert session["timer"]["callDuration"] == 4.549


def test_whom_a_user_meets_in_a_room(site: Site) -> None:
    """Both legs came there from elsewhere: each is a call of its own, and the room links them."""
    for leg in ("caller", "alice-leg"):
        moved = {"conversation_uuid_from": f"CON-{leg}", "conversation_uuid_to": "CON-room", "uuid": leg}
        site.post(status("answered", leg, 3))
        site.post(moved | {"type": "transfer", "timestamp": iso(datetime.now(UTC))})
    (live,) = site.read(f"{OWN}/sessions", token=ALICE)["items"]
    assert (live["answered"], live["number"], live["call"]["talkingToIds"]) == (True, CALLER, ["caller"])
    assert site.read(f"{OWN}/sessions/alice-leg", token=ALICE)["number"] == CALLER
    site.post(status("completed", "alice-leg", where="CON-room"))
    (ended,) = site.read(f"{OWN}/sessions", token=ALICE, state="ended")["items"]
    assert (ended["answered"], ended["number"], ended["cause"]) == (True, CALLER, "completed")
    is_problem(site.get(f"{OWN}/sessions/caller", token=ALICE), 404)


def test_a_session_whose_id_is_any_text(site: Site) -> None:
    leg = "a/b\nc d"
    site.record(status("answered", f"alice-{leg}", where="CON-odd"))
    (session,) = site.read(f"{OWN}/sessions")["items"]
    address = f"{OWN}/sessions/{quoted(session['id'])}"
    assert site.read(address, token=ALICE)["id"] == f"alice-{leg}"
    assert json.loads(Path(SAMPLE).read_text().splitlines()[0])["uuid"] == PUBLISHED
