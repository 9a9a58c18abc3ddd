"""One line for each request: whom it was about and its outcome; never a token, a query, or a whole number."""

import json
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from config import few_lines
from config.few_lines import A_MINUTE
from tests.folders import NOWHERE, own_folder
from tests.webhooks.conftest import KEY, OPERATOR, SECRET, Body, Site, bearer, compact

CONVERSATION = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
LEG = "0779a56d002f1c7f47f82ef5fe84ab79"
EVENT: Body = {
    "from": "441234567890",
    "to": "442038297050",
    "uuid": LEG,
    "conversation_uuid": CONVERSATION,
    "status": "ringing",
    "timestamp": "2021-03-29T21:20:05.582Z",
}


def test_a_request_is_one_line_of_json(site: Site):
    site.post("/voice/event", EVENT)
    site.post("/voice/answer", EVENT)
    site.client.get("/healthz")
    event, answer, health = map(json.loads, site.log_text.splitlines())
    about = {"conversation": CONVERSATION, "leg": LEG, "from": "********7890", "to": "********7050"}
    request = {"method": "POST", "status": 200}
    kept = {"path": "/voice/event", "kind": "status", "call_status": "ringing", "outcome": "kept"}
    assert event == event | request | about | kept
    assert answer == answer | request | about | {
        "path": "/voice/answer",
        "kind": "answer",
        "outcome": "answered:phone-to-app/start",
    }
    assert all(line["at"].endswith("Z") and line["ms"] >= 0 for line in (event, answer, health))
    assert health["path"] == "/healthz"


def test_every_outcome_has_its_word(site: Site):
    token = bearer(b"{}", secret="x" * 32)
    site.post("/voice/event", EVENT)
    site.post("/voice/event", EVENT)
    site.post("/voice/event", {"status": "ringing"})
    site.post("/voice/event", b"{")
    site.post("/voice/event", EVENT, {})
    site.post("/voice/event", EVENT, token)
    site.post("/voice/answer", {"from_user": "Bob"})
    site.post("/voice/event", b"x" * 70_000)
    site.client.head("/voice/event")
    assert [(line["status"], line.get("outcome")) for line in site.lines()] == [
        (200, "kept"),
        (200, "repeat"),
        (200, "unfiled"),
        (400, "unfiled:bad_body"),
        (503, "refused:missing"),
        (401, "refused:signature"),
        (200, "answered:last-resort"),
        (413, None),
        (405, None),
    ]


def test_an_event_that_redis_does_not_take_says_what_became_of_it(start):
    for folder, status, outcome in ((NOWHERE, 503, "unavailable"), (own_folder(), 200, "spooled")):
        site = start("unix:///nonexistent/socket", app_env="production", data_dir=folder)
        site.post("/voice/event", EVENT)
        (line,) = site.lines()
        assert (line["status"], line["outcome"]) == (status, outcome)
        assert (line["conversation"], line["leg"]) == (CONVERSATION, LEG)


NUMBERS = [
    *(
        "447700900123",
        "+447700900124",
        "tel:+447700900125",
        "sip:447700900126@example.com",
        "sip:+447700900127@example.com",
    ),
    *(
        "+44 7700 900128",
        "0044 (7700) 900-129",
        "447700900130;ext=1",
        "'447700900131'",
        "Bob 447700900132",
        "447700900133@x",
    ),
    *(
        "x447700900134",
        "447700900135x",
        "447700900136.",
        "a:447700900137:b",
        "447700900138\n447700900139",
        "1447700900140",
        " 447700900141",
    ),
    *(
        "447700900142,447700900143",
        "44.7700.900.144",
        "+44-7700-900-145",
        "wss://example.com/447700900146",
        "447700900147-1",
    ),
]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("in_production", [True, False])
def test_no_telephone_number_is_in_the_log_however_it_is_written(start, number, in_production):
    site = start(app_env="production" if in_production else "development")
    for method in (site.post, site.get):
        for path in ("/voice/event", "/voice/answer", "/voice/fallback"):
            method(path, EVENT | {"from": number, "to": number})
            method(path, EVENT | {"from_user": number, "to": number, "status": None})
            method(path, EVENT | {"to": number}, {})
    digits = "".join(filter(str.isdigit, number))
    only_digits = "".join(filter(str.isdigit, site.log_text.replace(CONVERSATION, "").replace(LEG, "")))
    assert digits[-12:] not in only_digits
    assert number.strip() not in site.log_text
    assert len([line for line in site.log_text.splitlines() if " ms" in line or '"ms"' in line]) == 18


def test_a_number_in_the_path_is_not_in_the_log(site: Site):
    for path in ("/447700900123", "/x/447700900123", "/voice/447700900123", "/%0A447700900123", "/x%0A447700900123"):
        site.client.get(path)
    assert "447700900" not in site.log_text


def test_neither_tokens_nor_secrets_nor_query_strings_are_in_the_log(start):
    for settings in ({}, {"webhook_verify": "report"}, {"webhook_verify": "off"}, {"signature_secrets": ()}):
        site = start(**settings)
        said = [bearer(compact(EVENT)), bearer(b"another"), {"Authorization": "Basic c2VjcmV0OnNlY3JldA=="}]
        for headers in said:
            for path in ("/voice/event", "/voice/answer", "/voice/fallback"):
                site.post(path + "?secret_in_query=1", EVENT, headers)
                site.get(path, EVENT | {"secret_in_query": "1"}, headers)
        site.client.get("/status?secret_in_query=1", headers={"Authorization": f"Bearer {OPERATOR}"})
        site.client.get(f"/?token={OPERATOR}&secret_in_query=1")
        tokens = [header["Authorization"].split()[1] for header in said]
        for secret in (
            *tokens,
            *(token[:20] for token in tokens),
            OPERATOR,
            SECRET,
            KEY,
            "secret_in_query",
            "secret-key",
        ):
            assert secret not in site.log_text


INJECTIONS = [
    "a\n{}",
    'a\n{"path": "/x", "outcome": "kept"}',
    "a\r\nb",
    "a\x0bb",
    "a\x0cb",
    "a\x1bb[31m",
    "a\x85b",
    "a\u2028b",
    "a\u2029b",
    "\ud800",
    "a\0b",
]


@pytest.mark.parametrize("name", INJECTIONS, ids=repr)
@pytest.mark.parametrize("in_production", [True, False])
def test_an_id_cannot_write_lines_of_its_own(start, name, in_production):
    site = start(app_env="production" if in_production else "development")
    body = {"from": name, "to": name, "uuid": name, "conversation_uuid": name, "status": "x" + name}
    site.post("/voice/event", body)
    site.post("/voice/answer", body)
    site.client.get("/" + quote(name, errors="surrogatepass"))
    assert len(site.log_text.splitlines()) == 3
    assert all(line.isprintable() for line in site.log_text.splitlines())
    if in_production:
        lines = site.lines()
        assert [line["path"] for line in lines[:2]] == ["/voice/event", "/voice/answer"]
        assert {line["conversation"] for line in lines[:2]} == {name}


def test_an_error_of_ours_is_one_line_too(site: Site, monkeypatch):
    said = "for 447700900123\n447700900123 and another line"

    def broken(*_: object, **_kw: object) -> None:
        raise ZeroDivisionError(said)

    monkeypatch.setattr(site.store, "record", broken)
    response = site.post("/voice/event", EVENT)
    assert response.status_code == 500
    assert response.content_type == "application/problem+json"
    assert "ZeroDivisionError" not in response.text
    fault, line = map(json.loads, site.log_text.splitlines())
    assert fault["level"] == "error"
    assert "ZeroDivisionError" in fault["traceback"]
    assert "447700900123" not in site.log_text
    assert (line["status"], line["path"]) == (500, "/voice/event")


def test_those_we_do_not_know_cannot_fill_the_log(site: Site, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(few_lines, "time", SimpleNamespace(monotonic=lambda: now))
    wrong = {"Authorization": "Bearer x.y.z"}
    for number in range(2 * A_MINUTE):
        site.client.get("/nowhere/" + "x" * 5000)
        site.client.get("/api/v1/conversations", headers=wrong)
        site.post("/voice/event", {"uuid": f"{number}"}, wrong)
    assert len(site.lines()) == A_MINUTE
    assert len(site.log_text) < 100_000
    site.post("/voice/event", EVENT)
    site.api("/status")
    assert [line["status"] for line in site.lines()[A_MINUTE:]] == [200, 200], "Vonage and operators are always logged"
    now += 60
    site.client.get("/nowhere")
    assert f"without a valid token or signature, which were not logged: {5 * A_MINUTE}" in site.log_text
    assert site.lines()[-1]["path"] == "/nowhere"
