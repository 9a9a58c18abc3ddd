"""Viewers see the last four digits of telephone numbers, operators the whole number."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.api.site import LIST, OPERATOR, VIEWER, Site, status
from tests.engines import wait_until
from tests.generated import BASE, iso

CALLER, CALLED, DIALLED = "447700900123", "442079460000", "33612345678"
NUMBERS = (CALLER, CALLED, DIALLED, "+44 7700 900123", "+44 (7700) 900-123")
CALL, ELSEWHERE, LEG = "CON-12345678-1234-4321-8123-123456789012", "CON-b", "12345678-1234-4321-8123-123456789012"
PATHS = [LIST, f"{LIST}/{CALL}", f"{LIST}/{CALL}/events", f"/api/v1/legs/{LEG}"]
WHOLE = f"/api/v1/calls/{LEG}"
PATHS += ["/api/v1/calls", WHOLE, f"{WHOLE}/events", "/api/v1/calls.csv", "/api/v1/calls.ndjson"]
PAGES = ["/calls", f"/calls/{LEG}"]
WITHOUT_IDS = ["/", f"/calls/{LEG}/ladder.svg", f"{WHOLE}/ladder.txt"]
WITHOUT_IDS += ["/figures", "/delivery", "/api/v1/figures", "/api/v1/delivery", "/metrics"]


def record_a_call(site: Site) -> None:
    """A call with a number in every field that has held one, or may."""
    about = {"conversation_uuid": CALL, "uuid": LEG, "timestamp": iso(BASE)}
    site.record(
        about | {"status": "started", "from": f" {CALLER}", "to": CALLED, "direction": "inbound"},
        about | {"status": "answered", "from": f"sip:+{CALLER}@sip.example.com;user=phone", "to": f"tel:+{CALLED}"},
        about | {"status": "ringing", "from": "+44 7700 900123", "to": "+44 (7700) 900-123"},
        about
        | {"status": "completed", "from": int(CALLER), "to": int(CALLED), "price": "0.00144000", "duration": "12"},
        about
        | {"status": "levitating", "headers": {"X-Caller": CALLER, "X-List": [f"<sip:{CALLED}@a.example>", DIALLED]}},
        about | {"status": "busy", "custom_data": {"deep": [{"deeper": {"still": f"call {CALLER} back"}}]}},
        about | {"dtmf": {"digits": DIALLED, "timed_out": True}, "from": CALLER, "to": CALLED},
        about | {"speech": {"results": [{"text": f"my number is {CALLER}", "confidence": "0.9"}]}},
        about | {"reason": f"Cannot connect to {DIALLED}."},
        about | {"payload": {"number": CALLER}},
        about | {"recording_url": f"https://r.example/{LEG}", "recording_uuid": LEG},
        {"type": "transfer", "uuid": LEG, "conversation_uuid_from": CALL, "conversation_uuid_to": ELSEWHERE},
        status("ringing", ELSEWHERE, LEG, from_=CALLER, to=f"sip:{DIALLED}@b.example"),
    )
    site.post({"conversation_uuid": CALL, "uuid": LEG, "from_user": "Alice", "to": DIALLED}, "/voice/answer")
    site.store.ping()


def shown_to(site: Site, token: str) -> str:
    """All that *token* lets see, the page included."""
    browser = site.browser()
    browser.post("/login", data={"token": token})
    by_token = site.browser()
    by_token.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    answers = [_read(by_token, path) for path in [*PATHS, f"{LIST}/{ELSEWHERE}", f"{LIST}?number=0123"]]
    answers += [_read(browser, path) for path in [*PAGES, *WITHOUT_IDS, *PATHS]]
    return "".join(answer.text for answer in answers)


def test_viewers_see_no_whole_number_anywhere(site: Site) -> None:
    record_a_call(site)
    shown = shown_to(site, VIEWER)
    for number in NUMBERS:
        assert number not in shown
    assert "0123" in shown, "the end is shown, so that calls can be distinguished"
    (served,) = site.conversation(CALL)["answers"]
    assert served["ncco"][1]["endpoint"] == [{"type": "phone", "number": "*******5678"}]


def test_ids_times_and_money_are_shown_to_all(site: Site) -> None:
    record_a_call(site)
    call = site.conversation(CALL)
    assert call["conversation_uuid"] == CALL
    assert [leg["uuid"] for leg in call["legs"]] == [LEG]
    assert call["legs"][0]["moved_to"]["conversation_uuid"] == ELSEWHERE
    assert call["legs"][0]["price"] == "0.00144000"
    assert call["recordings"][0]["recording_uuid"] == LEG
    assert call["recordings"][0]["recording_url"] == f"https://r.example/{LEG}"
    assert call["answers"][0]["leg"] == LEG
    assert site.listed() == [CALL, ELSEWHERE] or site.listed() == [ELSEWHERE, CALL]
    for token in (VIEWER, OPERATOR):
        events = site.read(f"{LIST}/{CALL}/events", token=token)["items"]
        assert {event["leg"] for event in events} == {LEG}
        assert events[0]["raw"]["conversation_uuid"] == CALL
        assert events[0]["raw"]["timestamp"] == iso(BASE)


def test_a_number_in_a_confidence_is_masked_and_still_a_number(site: Site) -> None:
    site.record(
        {"conversation_uuid": CALL, "uuid": LEG, "speech": {"results": [{"text": "", "confidence": int(CALLER)}]}}
    )
    (guess,) = site.conversation(CALL)["inputs"][0]["speech"]
    assert guess["confidence"] == 123.0


@pytest.mark.parametrize("odd", [10**9, 447700900123, 10**15])
def test_an_odd_number_is_no_error_for_viewers_and_stays_a_number(site: Site, odd: int) -> None:
    about = {"conversation_uuid": CALL, "uuid": LEG, "timestamp": iso(BASE), "payload": {"deep": [-odd, odd + 0.5]}}
    site.record(
        about | {"status": "completed", "sip_code": odd, "duration": odd, "size": odd, "price": odd},
        about | {"speech": {"results": [{"text": "", "confidence": odd}]}},
        about | {"recording_url": "https://r.example/1", "size": odd},
        status("ringing", ELSEWHERE, LEG),
    )
    shown = shown_to(site, VIEWER)
    assert str(odd) not in shown
    for path in (LIST, f"{LIST}/{CALL}", f"{LIST}/{CALL}/events", f"/api/v1/legs/{LEG}"):
        assert _types(site.read(path)) == _types(site.read(path, token=OPERATOR))
    call = site.conversation(CALL)
    assert call["legs"][0]["sip_code"] == odd % 10**4
    assert type(call["inputs"][-1]["speech"][0]["confidence"]) is float


@pytest.mark.parametrize(
    "number",
    [
        *(
            "(415) 555-0132",
            "(020) 7946 0018",
            "07700/900123",
            "07700,900,123",
            "020–7946–0018",
            "020\u00a07946\u00a00018",
        ),
        *("x447700900123", "rec_447700900123.wav", "447700900123-abc", "٤٤٧٧٠٠٩٠٠١٢٣", "4477.00900123"),
    ],
)
def test_a_number_written_in_any_way_is_masked_in_every_text(site: Site, number: str) -> None:
    about = {"conversation_uuid": CALL, "uuid": LEG, "timestamp": iso(BASE)}
    site.record(
        about | {"status": "completed", "from": number, "to": f"sip:{number}@a.example", "detail": number},
        about | {"status": f"odd {number}", "network": number, "direction": number, "headers": {number: [number]}},
        about | {"speech": {"error": number, "timeout_reason": number, "results": [{"text": f"call {number}!"}]}},
        about | {"dtmf": number},
        about | {"recording_url": f"https://r.example/{number}", "recording_uuid": LEG, "price": number},
        about | {"reason": f"Cannot connect to {number}", "timestamp": number},
        about | {"payload": {"deep": {number: f"{number}{number}"}}},
    )
    site.post(
        about | {"from": number, "to": number, "custom_data": {"n": number}, "region_url": number}, "/voice/answer"
    )
    site.store.ping()
    browser = site.browser()
    browser.post("/login", data={"token": VIEWER})
    escaped = json.dumps(number)[1:-1]
    for path in (*PAGES, *WITHOUT_IDS, *PATHS):
        shown = _read(browser, path)
        assert number not in shown.text
        assert escaped not in shown.text
        assert LEG in shown.text or path in WITHOUT_IDS


def test_operators_see_every_number_whole(site: Site) -> None:
    record_a_call(site)
    shown = shown_to(site, OPERATOR)
    for number in NUMBERS:
        assert number in shown
    assert "**" not in shown


def test_with_masking_off_viewers_see_what_operators_see(open_site: Callable[..., Site]) -> None:
    site = open_site(mask_numbers=False)
    record_a_call(site)
    for path in PATHS:
        assert site.get(path, token=VIEWER).json == site.get(path, token=OPERATOR).json
    assert CALLER in shown_to(site, VIEWER)


def test_a_masked_response_has_the_shape_of_an_unmasked_one(site: Site) -> None:
    """Programs of viewers read it by the same description."""
    record_a_call(site)
    for path in (LIST, f"{LIST}/{CALL}", f"/api/v1/legs/{LEG}"):
        seen, whole = (site.read(path, token=token) for token in (VIEWER, OPERATOR))
        assert _shape(seen) == _shape(whole)


@pytest.mark.parametrize(
    "body",
    [
        {"headers": {CALLER: "x"}},
        {"headers": {"X-Note": "call +44 7700 900123 back"}},
        {"payload": {"caller": int(CALLER)}},
        {"timestamp": {"of": CALLER}},
        {"from": f"sip:{CALLER}:5060"},
        {"from": "+44/7700/900 123 called"},
        {"headers": {"X-Note": f"number:{CALLER}"}},
    ],
)
def test_a_number_is_masked_in_any_field(site: Site, body: dict[str, object]) -> None:
    site.record(status("ringing", "CON-1") | body)
    shown = site.get(f"{LIST}/CON-1/events").text
    assert CALLER not in shown.replace(" ", "").replace("/7700/", "7700")


def _read(browser: FlaskClient, path: str) -> TestResponse:
    """The page; repeated while a busy machine leaves no time for the read."""
    shown: list[TestResponse] = []

    def readable() -> bool:
        shown[:] = [browser.get(path)]
        return shown[0].status_code == 200

    wait_until(readable, f"{path} is read")
    return shown[0]


def _types(value: object) -> object:
    if isinstance(value, dict):
        return {name: _types(item) for name, item in value.items()}
    return [_types(item) for item in value] if isinstance(value, list) else type(value)


def _shape(value: object) -> object:
    if isinstance(value, dict):
        return {name: _shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    return "text" if isinstance(value, str) else value
