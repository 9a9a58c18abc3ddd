"""The description of the API: complete, valid and true."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from apispec import APISpec
from marshmallow import Schema

from app.api.blueprint import Blueprint
from tests.api.site import LIST, OPERATOR, SAMPLE, Site, quoted
from tests.engines import wait_until
from tests.generated import conversations_of, several

PUBLISHED = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
CALLS = "/api/v1/calls"
VERBS = (
    *("hangup", "mute", "unmute", "earmuff", "unearmuff", "talk", "talk/stop", "stream", "stream/stop", "dtmf"),
    *("listen", "listen/stop", "transfer", "hold", "resume"),
)
USERS = "/api/v1/users"
SESSION_VERBS = ("hangup", "reject", "terminate", "mute", "unmute", "hold", "unhold", "dtmf", "record", "transfer")
OWN_CONFERENCE = f"{USERS}/{{name}}/conferences/{{conference_id}}"
OWN_TRANSFER = f"{USERS}/{{name}}/transfers/{{transfer_id}}"
DESCRIBED = {
    ("get", CALLS),
    ("get", f"{CALLS}.csv"),
    ("get", f"{CALLS}.ndjson"),
    ("get", f"{CALLS}/{{call_id}}"),
    ("get", f"{CALLS}/{{call_id}}/events"),
    ("get", f"{CALLS}/{{call_id}}/ladder.txt"),
    ("get", f"{CALLS}/{{call_id}}/curl.txt"),
    ("get", f"{CALLS}/{{call_id}}/scenario.yaml"),
    ("get", LIST),
    ("get", f"{LIST}/{{conversation_uuid}}"),
    ("delete", f"{LIST}/{{conversation_uuid}}"),
    ("get", f"{LIST}/{{conversation_uuid}}/events"),
    ("get", "/api/v1/delivery"),
    ("get", "/api/v1/figures"),
    ("get", "/api/v1/flows"),
    ("get", "/api/v1/names/{number}"),
    ("put", "/api/v1/names/{number}"),
    ("delete", "/api/v1/names/{number}"),
    ("get", USERS),
    ("put", f"{USERS}/{{name}}"),
    ("delete", f"{USERS}/{{name}}"),
    ("post", f"{USERS}/{{name}}/token"),
    ("get", f"{USERS}/{{name}}"),
    ("patch", f"{USERS}/{{name}}"),
    ("get", f"{USERS}/{{name}}/phone"),
    ("put", f"{USERS}/{{name}}/registration"),
    ("get", f"{USERS}/{{name}}/current-session"),
    ("put", f"{USERS}/{{name}}/current-session"),
    ("get", f"{USERS}/{{name}}/sessions"),
    ("get", f"{USERS}/{{name}}/sessions/{{session_id}}"),
    ("patch", f"{USERS}/{{name}}/sessions/{{session_id}}"),
    ("get", f"{USERS}/{{name}}/ice-servers"),
    ("post", f"{USERS}/{{name}}/sessions/{{session_id}}/signals"),
    ("get", f"{USERS}/{{name}}/actions/{{action_id}}"),
    ("get", f"{USERS}/{{name}}/transfers"),
    *((method, f"{USERS}/{{name}}/conferences") for method in ("get", "post")),
    *((method, OWN_CONFERENCE) for method in ("get", "delete")),
    *((method, f"{OWN_CONFERENCE}/participants/{{call_id}}") for method in ("put", "delete")),
    *(("post", f"{OWN_CONFERENCE}/participants/{{call_id}}/{verb}") for verb in ("hold", "resume")),
    *((method, OWN_TRANSFER) for method in ("get", "delete")),
    *(("post", f"{OWN_TRANSFER}/{verb}") for verb in ("complete", "swap", "merge")),
    ("get", "/api/v1/recordings/{recording_uuid}"),
    ("get", "/api/v1/unfiled"),
    ("get", "/api/v1/audit"),
    ("get", "/api/v1/legs/{uuid}"),
    ("get", "/api/v1/actions/{action_id}"),
    ("post", CALLS),
    ("post", f"{LIST}/{{conversation_uuid}}/record"),
    *(("post", f"/api/v1/legs/{{uuid}}/{verb}") for verb in VERBS),
    *((method, "/api/v1/transfers") for method in ("get", "post")),
    *((method, "/api/v1/transfers/{transfer_id}") for method in ("get", "delete")),
    *(("post", f"/api/v1/transfers/{{transfer_id}}/{verb}") for verb in ("complete", "swap", "merge")),
    *((method, "/api/v1/conferences") for method in ("get", "post")),
    *((method, "/api/v1/conferences/{conference_id}") for method in ("get", "delete")),
    *((method, "/api/v1/conferences/{conference_id}/participants/{call_id}") for method in ("put", "delete")),
    *(("post", f"/api/v1/conferences/{{conference_id}}/participants/{{call_id}}/{v}") for v in ("hold", "resume")),
    *(("post", f"{USERS}/{{name}}/sessions/{{session_id}}/{verb}") for verb in SESSION_VERBS),
    ("post", f"{USERS}/{{name}}/calls"),
    ("get", f"{USERS}/{{name}}/voicemails"),
    *((method, f"{USERS}/{{name}}/voicemails/{{voicemail_id}}") for method in ("get", "put", "patch", "delete")),
    ("get", f"{USERS}/{{name}}/voicemails/{{voicemail_id}}/audio"),
    ("post", f"{USERS}/{{name}}/sessions/{{session_id}}/answer"),
    ("get", f"{USERS}/{{name}}/stream"),
    ("get", "/api/v1/stream"),
    ("get", "/status"),
    ("get", "/healthz"),
    ("get", "/readyz"),
}
# Vonage's webhooks, pages for people and what they load, what describes the rest, and what Prometheus reads.
PAGES = ("pages", "phone_page", "history", "call_pages", "figures_page", "delivery_page", "static_files")
NOT_FOR_PROGRAMS = frozenset({"voice", "describe", "metrics", *PAGES})
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


@pytest.fixture
def spec(site: Site) -> Any:
    """The description as it is served."""
    response = site.get("/openapi.json")
    assert response.content_type == "application/json"
    return response.json


def everything(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in *value*."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from everything(item)


def looked_up(spec: Any, schema: Any) -> Any:
    """*schema*, or what it refers to."""
    while "$ref" in schema:
        found = spec
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def faults(spec: Any, schema: Any, value: Any, where: str = "") -> list[str]:
    """Where *value* is not as *schema* describes it."""
    schema = looked_up(spec, schema)
    if "anyOf" in schema:
        tried = [faults(spec, option, value, where) for option in schema["anyOf"]]
        return [] if [] in tried else [fault for each in tried for fault in each]
    wanted = schema.get("type", [])
    names = [wanted] if isinstance(wanted, str) else wanted
    kinds = [kind for name in names for kind in TYPES[name]]
    if kinds and (type(value) not in kinds):
        return [f"{where} is a {type(value).__name__}, not {names}"]
    found = [] if value in schema.get("enum", [value]) else [f"{where} is {value}"]
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        found += [f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        if schema.get("additionalProperties") is False:
            found += [f"{where}.{name} is not described" for name in value if name not in properties]
        for name in value.keys() & properties.keys():
            found += faults(spec, properties[name], value[name], f"{where}.{name}")
    if isinstance(value, list):
        found += [fault for item in value for fault in faults(spec, schema.get("items", {}), item, f"{where}[]")]
    return found


def test_every_route_for_programs_is_described_and_no_other(spec: Any, site: Site) -> None:
    """The webhooks are Vonage's contract, not ours; the pages are for people."""
    paths = spec["paths"].items()
    described = {(method, path) for path, methods in paths for method in methods if method != "parameters"}
    assert described == DESCRIBED
    routes = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in site.app.url_map.iter_rules()
        for method in rule.methods or ()
        if method in ("GET", "DELETE", "POST", "PUT", "PATCH")
        and rule.endpoint.partition(".")[0] not in NOT_FOR_PROGRAMS
    }
    assert described == routes, "nothing was added without a description"


def test_the_description_is_complete_openapi_3_1(spec: Any) -> None:
    assert spec["openapi"] == "3.1.0"
    assert spec["info"] == {"title": "Switchhook", "version": "v1"}
    names = set()
    for item in everything(spec):
        if isinstance(item.get("$ref"), str):
            assert looked_up(spec, item)
            names.add(item["$ref"].rpartition("/")[2])
        assert "nullable" not in item, "that is 3.0"
    assert names == {name for part in ("schemas", "responses") for name in spec["components"][part]}, "nothing unused"
    for path, methods in spec["paths"].items():
        in_path = [item["name"] for item in methods.get("parameters", ()) if item["in"] == "path" and item["required"]]
        assert in_path == re.findall(r"{(\w+)}", path)
        for method, operation in methods.items():
            if method != "parameters":
                assert operation["summary"]
                assert operation["responses"]


def test_which_routes_need_a_token_is_described(spec: Any) -> None:
    assert spec["security"] == [{"token": []}]
    assert spec["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    operations = [
        (method, path, methods[method])
        for path, methods in spec["paths"].items()
        for method in ("get", "post", "put", "delete")
        if method in methods
    ]
    open_to_all = {(method, path) for method, path, operation in operations if operation.get("security") == []}
    assert open_to_all == {("get", "/healthz"), ("get", "/readyz")}


def test_every_parameter_is_described_with_what_it_takes(spec: Any) -> None:
    described = {parameter["name"]: parameter for parameter in spec["paths"][LIST]["get"]["parameters"]}
    assert list(described) == ["limit", "cursor", "state", "number", "outcome", "since", "until"]
    assert not any(parameter["required"] for parameter in described.values())
    assert described["limit"]["schema"] == {"type": "integer", "default": 50, "minimum": 1, "maximum": 500}
    assert described["state"]["schema"] == {"type": "string", "enum": ["live", "ended", "presumed_ended"]}
    assert "answered" in described["outcome"]["schema"]["enum"]
    since = described["since"]["schema"]
    assert (since["type"], since["format"]) == ("string", "date-time")
    assert re.search(since["pattern"], "1970-01-01T00:00:00Z")
    assert not re.search(since["pattern"], "1969-12-31T23:59:59Z")
    events = spec["paths"][f"{LIST}/{{conversation_uuid}}/events"]["get"]["parameters"]
    assert [parameter["name"] for parameter in events] == ["limit", "cursor"]


def test_responses_are_as_described(spec: Any, site: Site) -> None:
    for line in SAMPLE.read_bytes().splitlines():
        site.post(line)
    site.post(
        {"conversation_uuid": "CON-asked", "uuid": "leg", "from_user": "Alice", "to": "447700900123"}, "/voice/answer"
    )
    calls = several(Random(12), 40, orderly=False)
    for call in calls:
        site.record_webhooks(call)
    users = sorted({"Alice", *(user for call in site.read(CALLS, limit=500)["items"] for user in call["users"])} - {""})
    names = [PUBLISHED, "CON-asked", *sorted({name for call in calls for name in conversations_of(call)})]
    requests = [("/status", "/status"), ("/healthz", "/healthz"), ("/readyz", "/readyz"), (LIST, LIST), (CALLS, CALLS)]
    requests.append((USERS, USERS))
    for user in users:
        own = f"{USERS}/{quoted(user)}"
        requests += [(f"{USERS}/{{name}}{rest}", f"{own}{rest}") for rest in ("", "/phone", "/current-session")]
        requests += [(f"{USERS}/{{name}}/sessions", f"{own}/sessions{query}") for query in ("", "?state=ended")]
    for name in names:
        requests.append((f"{LIST}/{{conversation_uuid}}", f"{LIST}/{quoted(name)}"))
        requests.append((f"{LIST}/{{conversation_uuid}}/events", f"{LIST}/{quoted(name)}/events"))
        path = site.get(f"{CALLS}/{quoted(name)}").headers.get("Location", f"{CALLS}/{quoted(name)}")
        requests += [(f"{CALLS}/{{call_id}}", path), (f"{CALLS}/{{call_id}}/events", f"{path}/events")]
        legs = site.conversation(name)["legs"]
        requests += [("/api/v1/legs/{uuid}", f"/api/v1/legs/{quoted(leg['uuid'])}") for leg in legs]
    for route, path in requests:
        described = spec["paths"][route]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        for token in (OPERATOR, None) if route.endswith("z") else (OPERATOR,):
            assert faults(spec, described, site.read(path, token=token)) == [], path


def scalars(value: Any) -> Iterator[Any]:
    """Every text and number in *value*."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from scalars(item)
    else:
        yield value


def test_examples_are_from_real_responses(spec: Any, site: Site) -> None:
    """To the published call, and to the answer request that Vonage documents."""
    for line in SAMPLE.read_bytes().splitlines():
        site.post(line)
    asked = {"from": "447700900123", "to": "442079460000", "uuid": "leg", "conversation_uuid": "CON-asked"}
    site.post(asked | {"region_url": "https://api-us-3.vonage.com"}, "/voice/answer")
    wait_until(lambda: site.get(f"{LIST}/CON-asked").status_code == 200, "the answer is recorded")
    paths = [f"{LIST}/{PUBLISHED}", f"{LIST}/{PUBLISHED}/events", f"{LIST}/CON-asked", "/api/v1/flows", "/api/v1/calls"]
    responses = [site.read(path, token=OPERATOR) for path in paths]
    responses.append(site.read("/api/v1/figures", tz="Europe/Paris"))
    real = {value for response in responses for value in scalars(response)}
    examples = {item["example"] for item in everything(spec["components"]) if "example" in item}
    assert len(examples) >= 6
    # Of a call that goes on, by a menu, from a user of the application; and what the audit log's route looks like.
    assert examples - real <= {"Bob", "talking", "menu", "sales", "GET /api/v1/conversations"}


def test_errors_are_as_described(spec: Any, site: Site) -> None:
    """All have the same description: a problem, which may have more members."""
    paths = spec["paths"].values()
    operations = [methods[method] for methods in paths for method in ("get", "delete") if method in methods]
    for operation in operations:
        for code in operation["responses"].keys() - {"200", "204", "206"}:
            described = looked_up(spec, operation["responses"][code])["content"]
            assert list(described) == ["application/problem+json"]
    schema = described["application/problem+json"]["schema"]
    for response in (
        site.get(LIST, token=None),
        site.send("DELETE", f"{LIST}/x"),
        site.get(f"{LIST}/none"),
        site.get("/api/v1/legs/none"),
        site.get(LIST, limit="x", state="y"),
        site.send("POST", LIST),
        site.get("/nowhere"),
    ):
        assert response.status_code >= 400
        assert faults(spec, schema, response.json) == []


def test_the_description_is_the_same_every_time(site: Site) -> None:
    first = site.get("/openapi.json").data
    assert all(site.get("/openapi.json").data == first for _ in range(3))
    pages = [re.sub(r'"server-time" content=".*?"', "", site.get("/docs").text) for _ in range(2)]
    assert pages[0] == pages[1]


def test_the_description_is_made_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes as long as many an answer."""
    first = site.get("/openapi.json").data

    def again(*_: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(APISpec, "to_dict", again)
    assert site.get("/openapi.json").data == first
    assert "/api/v1/conversations" in site.get("/docs").text


def test_the_page_for_people_shows_every_route_and_fetches_nothing(site: Site, spec: Any) -> None:
    response = site.get("/docs")
    assert response.content_type == "text/html; charset=utf-8"
    page = response.text
    for method, path in DESCRIBED:
        assert f"{method.upper()}</span> <code>{path}</code>" in page
    for name in spec["components"]["schemas"]:
        assert f'id="{name}"' in page
    for wanted in ("list of <a", "1 to 500", "live, ended, presumed_ended", "string or null"):
        assert wanted in page
    assert not re.findall(r"https?://|//[a-z]|<iframe|<style|@import|url\(", page)
    targets = {target for target in re.findall(r'(?:src|href|action)="([^"#]+)"', page) if "/static/" not in target}
    assert targets == {"/", "/language", "/openapi.json"}, "for one with a token there is no login"
    for target in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{target}"' in page


def test_the_page_has_the_headers_of_a_page(open_site: Callable[..., Site]) -> None:
    headers = open_site().get("/docs").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_start_makes_no_schema_for_the_description_alone() -> None:
    made = []

    class CountedSchema(Schema):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)

    blueprint = Blueprint("described", __name__)
    blueprint.get("/")(blueprint.alt_response(200, schema=CountedSchema)(lambda: None))
    assert not made
