"""The checks of a webhook, and their order: the status says whose fault it is and what the sender will do about it.

Vonage repeats a request, once, on 429, 503 and 504. https://developer.vonage.com/en/voice/voice-api/webhook-reference
"""

import json
import time
from collections import defaultdict
from typing import Any

import jwt
import pytest

from app.web.limits import MOST_BODY
from app.webhooks import guard
from config.few_lines import FewLines
from tests.engines import wait_until
from tests.webhooks.conftest import APPLICATION, KEY, SECRET, Body, Site, bearer, compact

CONVERSATION = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
EVENT: Body = {
    "from": "441234567890",
    "to": "442038297050",
    "uuid": "0779a56d002f1c7f47f82ef5fe84ab79",
    "conversation_uuid": CONVERSATION,
    "status": "ringing",
    "timestamp": "2021-03-29T21:20:05.582Z",
}
OTHER = EVENT | {"conversation_uuid": "CON-another"}
FOREIGN_APPLICATION = "bbbbbbbb-bbbb-4ccc-8ddd-0123456789ab"
ROUTES = ["/voice/event", "/voice/answer", "/voice/fallback"]
every_route = pytest.mark.parametrize("path", ROUTES)

LARGE = compact(EVENT | {"more": "x" * MOST_BODY})
BAD = b'{"status": '
GOOD = compact(EVENT)

SIGNED = None  # `post` signs when it sends: a token made here would be too old in a long run
UNSIGNED: dict[str, str] = {}
WRONG = bearer(GOOD, secret="x" * 32)


def problem(response: Any) -> Any:
    """What the answer says is wrong."""
    assert response.content_type == "application/problem+json"
    said = json.loads(response.data)
    assert said["status"] == response.status_code
    assert said["title"]
    assert said["detail"], "it says what to do"
    return said


# -- the table --------------------------------------------------------------------------------------------------------


@every_route
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (LARGE, UNSIGNED, 413),
        (LARGE, WRONG, 413),
        (LARGE, SIGNED, 413),
        (b"{" * (MOST_BODY + 1), UNSIGNED, 413),
        (BAD, UNSIGNED, 503),
        (b"", UNSIGNED, 503),
        (GOOD, UNSIGNED, 503),
        (BAD, WRONG, 401),
        (GOOD, WRONG, 401),
        (BAD, SIGNED, 400),
        (b"[]", SIGNED, 400),
        ('{"a":"é"}'.encode("utf-16"), SIGNED, 400),
        (b"[" * 60_000, SIGNED, 400),
        (GOOD, SIGNED, 200),
    ],
)
def test_the_first_check_that_fails_gives_the_status(site: Site, path, body, headers, status):
    response = site.post(path, body, headers)
    assert response.status_code == status
    assert ("Retry-After" in response.headers) == (status == 503)
    if status != 200:
        problem(response)


@every_route
def test_a_body_just_within_the_limit_is_taken_and_one_byte_more_is_not(site: Site, path):
    blanks = MOST_BODY - len(GOOD)
    assert site.post(path, GOOD + b" " * blanks).status_code == 200
    assert "64 KiB" in problem(site.post(path, GOOD + b" " * (blanks + 1)))["detail"]


@every_route
def test_an_unsigned_webhook_is_to_be_sent_again(site: Site, path):
    """Vonage itself now and then sends one unsigned, and repeats it signed."""
    response = site.post(path, EVENT, UNSIGNED)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert problem(response)["fault"] == "missing"


@every_route
@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"secret": "x" * 32}, "signature"),
        ({"api_key": "ffffffff"}, "api_key"),
        ({"application_id": FOREIGN_APPLICATION}, "application"),
        ({"age": 301}, "too_old"),
        ({"age": -400}, "too_new"),
    ],
)
def test_a_wrong_token_is_refused_for_good(site: Site, path, claims, fault):
    response = site.post(path, EVENT, bearer(GOOD, **claims))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert "Retry-After" not in response.headers
    assert problem(response)["fault"] == fault
    wait_until(lambda: site.counters()["refused"] == {fault: 1}, "it is counted")


@every_route
@pytest.mark.parametrize(
    "header", ["Basic YTpi", "Bearer", "Bearer ", "Bearer a b", "Bearer a.b.c", "x", "Bearer ü", "\t"]
)
def test_an_authorization_of_any_other_shape_is_no_crash(site: Site, path, header):
    assert site.post(path, EVENT, {"Authorization": header}).status_code in (401, 503)


def test_nothing_is_kept_of_a_refused_webhook(site: Site):
    for path in ROUTES:
        for body, headers in [(LARGE, bearer(LARGE)), (GOOD, UNSIGNED), (GOOD, WRONG), (BAD, UNSIGNED), (BAD, WRONG)]:
            site.post(path, body, headers)
    wait_until(lambda: site.counters()["refused"] == {"missing": 6, "signature": 6}, "all are counted")
    assert site.store.records(CONVERSATION) == []
    assert site.unfiled() == []
    assert site.counters()["received"] == 0


@every_route
@pytest.mark.parametrize("body", [BAD, b"[]", b"[" * 60_000, b'{"a":NaN}', "é".encode("latin-1"), b"\x00"])
def test_a_signed_bad_body_is_kept_as_unfiled(site: Site, path, body):
    response = site.post(path, body)
    assert response.status_code == 400
    assert problem(response)["title"] == "Bad body"
    ((why, kept),) = site.unfiled()
    assert why.startswith("bad body: ")
    assert kept == body
    assert site.counters()["unfiled"] == 1


def test_a_signed_bad_query_is_kept_as_unfiled(site: Site):
    response = site.client.get("/voice/event?uuid=%FF", headers=bearer(b"{}"))
    assert response.status_code == 400
    ((_, kept),) = site.unfiled()
    assert kept == b"uuid=%FF"


@pytest.mark.parametrize("body", [EVENT | {"status": "ferried"}, {**EVENT, "status": None}, EVENT | {"status": 7}])
def test_unknown_events_are_accepted_and_flagged(site: Site, body):
    assert site.post("/voice/event", body).status_code == 200
    (event,) = site.events(CONVERSATION)
    assert event["kind"] == "unknown" or event["flags"] == ["unknown_status"]
    assert event["raw"] == body
    assert site.counters()["unknown"] == 1


# -- a token vouches for one body -------------------------------------------------------------------------------------


def test_the_same_token_with_the_same_body_is_a_repeat(site: Site):
    token = bearer(GOOD)
    for _ in range(3):
        response = site.post("/voice/event", EVENT, token)
        assert (response.status_code, response.data) == (200, b"")
    assert len(site.events(CONVERSATION)) == 1
    assert (site.counters()["received"], site.counters()["repeats"]) == (3, 2)
    assert [line["outcome"] for line in site.lines()[:3]] == ["kept", "repeat", "repeat"]


@pytest.mark.parametrize("body", [compact(OTHER), GOOD + b" ", b"{}", BAD, b"\xef\xbb\xbf" + GOOD, b" "])
def test_a_token_lifted_from_one_request_does_not_carry_another_body(site: Site, body):
    response = site.post("/voice/event", body, bearer(GOOD))
    assert response.status_code == 401
    assert problem(response)["fault"] == "payload_hash"
    assert site.store.records("CON-another") == []


def test_a_token_lifted_from_one_request_does_not_carry_a_query(start):
    """A POST without a body would be read from its query."""
    site = start(app_env="production")
    response = site.client.post("/voice/event", query_string=OTHER, headers=bearer(GOOD))
    assert response.status_code == 401
    strict = start(app_env="production", verify_get_hash=True)
    assert strict.client.get("/voice/event", query_string=OTHER, headers=bearer(GOOD)).status_code == 401
    assert site.store.records("CON-another") == []


# -- GET --------------------------------------------------------------------------------------------------------------


def test_a_get_signed_over_its_query_is_taken_without_a_note(start):
    for strict in (False, True):
        site = start(app_env="production", verify_get_hash=strict)
        assert site.get("/voice/event", EVENT).status_code == 200
        assert site.events(CONVERSATION)[0]["flags"] == []


def test_a_get_whose_hash_is_of_something_else_is_taken_counted_and_noted(site: Site, monkeypatch):
    """Of what Vonage makes the hash of a GET is not documented."""
    monkeypatch.setattr(guard, "_few_lines", defaultdict(lambda: FewLines(1)))
    assert site.get("/voice/event", EVENT, bearer(b"something else")).status_code == 200
    assert site.events(CONVERSATION)[0]["flags"] == ["get_hash_mismatch"]
    wait_until(lambda: site.counters()["reported"] == {"get_hash_mismatch": 1}, "it is counted")
    assert site.counters()["get_hash"] == {"right": 0, "wrong": 1}
    assert "payload hash of a GET webhook" in site.log_text
    assert site.get("/voice/event", EVENT, bearer(b"something else")).status_code == 200
    assert site.log_text.count("payload hash of a GET webhook") == 1, "once a minute says it"


def test_gets_are_counted_by_their_hash_so_that_it_is_known_whether_it_can_be_required(start):
    """The JSON of the query is the documented form, its text itself is another that was published.

    https://api.support.vonage.com/hc/en-us/articles/19033783342876
    """
    query = "from=447700900123&to=442079460000&conversation_uuid=CON-1&uuid=leg"
    as_json = b'{"from":"447700900123","to":"442079460000","conversation_uuid":"CON-1","uuid":"leg"}'
    site = start(app_env="production")
    unhashed = {"iat": int(time.time()), "iss": "Vonage", "api_key": KEY, "application_id": APPLICATION}
    without_hash = {"Authorization": f"Bearer {jwt.encode(unhashed, SECRET, 'HS256')}"}
    for headers in (bearer(as_json), bearer(query.encode()), bearer(GOOD), without_hash):
        assert site.client.get("/voice/event", query_string=query, headers=headers).status_code == 200
    site.post("/voice/event", EVENT)
    wait_until(lambda: site.counters()["received"] == 5, "all are counted")
    wait_until(lambda: site.counters()["get_hash"] == {"right": 2, "wrong": 2}, "each by its hash")
    strict = start(app_env="production", verify_get_hash=True)
    codes = (bearer(as_json), 200), (bearer(query.encode()), 200), (bearer(GOOD), 401), (without_hash, 401)
    for headers, code in codes:
        assert strict.client.get("/voice/event", query_string=query, headers=headers).status_code == code


def test_a_get_whose_hash_is_of_something_else_is_refused_where_that_is_asked_for(start):
    site = start(app_env="production", verify_get_hash=True)
    response = site.get("/voice/event", EVENT, bearer(b"something else"))
    assert (response.status_code, problem(response)["fault"]) == (401, "payload_hash")
    assert site.store.records(CONVERSATION) == []


# -- what the check noted ---------------------------------------------------------------------------------------------


def test_a_token_that_names_no_application_is_taken_and_noted(site: Site):
    assert site.post("/voice/event", EVENT, bearer(GOOD, application_id="")).status_code == 200
    assert site.events(CONVERSATION)[0]["flags"] == ["no_application_id"]


def test_signature_notes_are_added_to_the_flags_of_the_event(site: Site):
    body = EVENT | {"timestamp": "yesterday"}
    site.post("/voice/event", body, bearer(compact(body), application_id=""))
    flags = ["unreadable_timestamp", "no_timestamp", "no_application_id"]
    assert site.events(CONVERSATION)[0]["flags"] == flags


def test_any_secret_of_the_key_is_good_while_secrets_are_rotated(start):
    site = start(app_env="production", signature_secrets=((KEY, "y" * 32), (KEY, SECRET), ("other", "z" * 32)))
    assert site.post("/voice/event", EVENT).status_code == 200
    assert site.post("/voice/event", EVENT, bearer(GOOD, secret="y" * 32)).status_code == 200
    assert site.post("/voice/event", EVENT, bearer(GOOD, api_key="other", secret="z" * 32)).status_code == 200
    assert site.post("/voice/event", EVENT, bearer(GOOD, secret="z" * 32)).status_code == 401


# -- modes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "flag", "fault"), [(UNSIGNED, "unsigned", "missing"), (WRONG, "refused_signature", "signature")]
)
def test_report_accepts_counts_and_logs(start, headers, flag, fault, monkeypatch):
    monkeypatch.setattr(guard, "_few_lines", defaultdict(lambda: FewLines(1)))
    site = start(app_env="production", webhook_verify="report")
    assert site.post("/voice/event", EVENT, headers).status_code == 200
    assert site.events(CONVERSATION)[0]["flags"] == [flag]
    wait_until(lambda: site.counters()["reported"] == {fault: 1}, "it is counted")
    assert site.counters()["refused"] == {}
    site.post("/voice/event", EVENT | {"uuid": "another"}, headers)
    assert site.log_text.count("let through, for WEBHOOK_VERIFY is report") == 1, "once a minute says it"
    assert site.post("/voice/event", BAD, headers).status_code == 400
    assert site.post("/voice/event", LARGE, headers).status_code == 413


def test_report_does_not_mark_a_valid_signature(start):
    site = start(app_env="production", webhook_verify="report")
    site.post("/voice/event", EVENT)
    assert site.events(CONVERSATION)[0]["flags"] == []
    assert site.counters()["reported"] == {}


@pytest.mark.parametrize(
    "settings",
    [{"webhook_verify": "off", "app_env": "production"}, {"signature_secrets": ()}],
    ids=["off", "development without a secret"],
)
@pytest.mark.parametrize("headers", [UNSIGNED, WRONG, SIGNED], ids=["unsigned", "wrong", "signed"])
def test_with_signatures_off_everything_is_marked_unsigned(start, settings, headers):
    site = start(**settings)
    assert site.post("/voice/event", EVENT, headers).status_code == 200
    assert site.events(CONVERSATION)[0]["flags"] == ["unsigned"]
    assert (site.counters()["refused"], site.counters()["reported"]) == ({}, {})
    assert site.api("/status")["service"]["webhook_verify"] == "off"
    assert site.post("/voice/event", BAD, headers).status_code == 400


def test_development_with_a_secret_enforces_it(start):
    site = start()
    assert site.post("/voice/event", EVENT, UNSIGNED).status_code == 503
    assert site.api("/status")["service"]["webhook_verify"] == "enforce"
