"""Faults of the Voice API, as Vonage's own HTTP client meets them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import requests
from vonage_http_client.errors import HttpRequestError, RateLimitedError, ServerError
from vonage_http_client.http_client import HttpClient, HttpClientOptions

from tests.vonage_simulator.api_server import CALL, ROOM, Server
from vonage_simulator.ledger import ApiRequest
from vonage_simulator.voice_api.faults import FAULTS, ApiFaults, FaultRule
from vonage_simulator.voice_api.verbs import VERBS


@pytest.fixture
def client(server: Server) -> Iterator[Callable[..., HttpClient]]:
    """Makes the SDK's client, which sends nothing twice: `client(timeout=1)`."""
    made: list[HttpClient] = []

    def make(**options: Any) -> HttpClient:
        host = server.base.removeprefix("https://")
        once = {"max_retries": 0, "pool_maxsize": 1, "timeout": 20}  # the pool's size is how often it tries again
        made.append(HttpClient(server.client.http_client.auth, HttpClientOptions(api_host=host, **once | options)))
        return made[-1]

    yield make
    for each in made:
        each._session.close()


@contextmanager
def faults(server: Server, *rules: FaultRule, seed: int = 0) -> Iterator[list[ApiRequest]]:
    """The API has these faults; yields what is requested from now on."""
    server.api.faults = ApiFaults(rules, seed)
    server.carrier.ledger.requests.clear()
    try:
        yield server.carrier.ledger.requests
    finally:
        server.api.faults = ApiFaults()


def put(http: HttpClient, leg: str, action: str = "mute", **more: Any) -> Any:
    return http.put(http.api_host, f"/v1/calls/{leg}", {"action": action} | more)


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [("400", HttpRequestError, 400), ("429", RateLimitedError, 429), ("500", ServerError, 500)],
)
def test_a_request_is_refused_and_not_carried_out(
    server: Server, client: Any, fault: Any, error: type[Exception], status: int
) -> None:
    leg, http = server.answered(), client()
    with faults(server, FaultRule(fault=fault, verbs=("mute",))) as requested:
        with pytest.raises(error):
            put(http, leg.uuid)
        assert http.last_response.status_code == status
        assert not leg.muted
        assert [(it.verb, it.about, it.status, it.fault) for it in requested] == [("mute", leg.uuid, status, fault)]


def test_the_service_may_be_unavailable(server: Server, client: Any) -> None:
    with faults(server, FaultRule(fault="503")), pytest.raises(HttpRequestError) as error:
        client().post(server.base.removeprefix("https://"), "/v1/calls", CALL)
    assert error.value.response.json() == {"type": "SERVICE_UNAVAILABLE", "error_title": "Service Unavailable"}


def test_a_connection_is_cut_before_anything_is_done(server: Server, client: Any) -> None:
    before, http = len(server.carrier.ledger.legs), client()
    with faults(server, FaultRule(fault="cut", verbs=("create",))) as requested:
        with pytest.raises(requests.ConnectionError):
            http.post(http.api_host, "/v1/calls", CALL)
        assert len(server.carrier.ledger.legs) == before
        assert [(it.verb, it.status, it.fault) for it in requested] == [("create", None, "cut")]


def test_a_connection_is_cut_after_all_is_done(server: Server, client: Any) -> None:
    """The client cannot know whether the call was made."""
    before, http = set(server.carrier.ledger.legs), client()
    with faults(server, FaultRule(fault="lost", verbs=("create",))) as requested:
        with pytest.raises(requests.ConnectionError):
            http.post(http.api_host, "/v1/calls", CALL)
        (made,) = set(server.carrier.ledger.legs) - before
        assert [(it.verb, it.status, it.fault) for it in requested] == [("create", None, "lost")]
    server.until(lambda: server.leg(made).answered)


def test_the_sdks_client_sends_a_request_again_by_itself_when_its_connection_is_cut(
    server: Server, client: Any
) -> None:
    """With its usual options: so a call is made twice."""
    before, http = set(server.carrier.ledger.legs), client(pool_maxsize=10)
    with faults(server, FaultRule(fault="lost", verbs=("create",), count=1)) as requested:
        made = http.post(http.api_host, "/v1/calls", CALL)
        assert [it.status for it in requested] == [None, 201]
    assert len(set(server.carrier.ledger.legs) - before) == 2
    assert made["uuid"] not in before


@pytest.mark.parametrize(("fault", "muted_at_once"), [("slow", False), ("late", True)])
def test_a_response_comes_late(server: Server, client: Any, fault: Any, muted_at_once: bool) -> None:
    """The request is carried out, though its client has given up."""
    leg, http = server.answered(), client(timeout=1)
    with faults(server, FaultRule(fault=fault, verbs=("mute",), seconds=3.0)) as requested:
        begun = time.monotonic()
        with pytest.raises((requests.Timeout, requests.ConnectionError)):  # the second with no tries left
            put(http, leg.uuid)
        if time.monotonic() - begun < 3:  # else this machine was too busy
            assert leg.muted is muted_at_once
        server.until(lambda: leg.muted)
        assert [it.fault for it in requested] == [fault]


def test_a_slow_response_that_is_waited_for_is_the_usual_one(server: Server, client: Any) -> None:
    leg, http = server.answered(), client()
    with faults(server, FaultRule(fault="slow", seconds=0.2), FaultRule(fault="late", seconds=0.2)) as requested:
        begun = time.monotonic()
        put(http, leg.uuid)
        assert time.monotonic() - begun >= 0.2
        assert [(it.status, it.fault) for it in requested] == [(204, "slow")]


def test_only_the_requests_that_a_rule_names_have_its_fault(server: Server, client: Any) -> None:
    leg, http = server.answered(), client()
    rules = (
        FaultRule(fault="500", verbs=("transfer",), first=2, count=1),
        FaultRule(fault="429", verbs=("mute", "unmute"), count=2),
    )
    to_room = {"destination": {"type": "ncco", "ncco": ROOM}}
    with faults(server, *rules) as requested:
        for action, more in (("transfer", to_room), ("mute", {}), ("unmute", {}), ("mute", {}), ("transfer", to_room)):
            with suppress(HttpRequestError):
                put(http, leg.uuid, action, **more)
        put(http, leg.uuid, "transfer", **to_room)
        assert [(it.verb, it.status) for it in requested] == [
            ("transfer", 204),
            ("mute", 429),
            ("unmute", 429),
            ("mute", 204),
            ("transfer", 500),
            ("transfer", 204),
        ]
    assert server.carrier.ledger.throttled == 2


def test_requests_without_credentials_and_those_of_other_apis_have_no_faults(server: Server) -> None:
    with faults(server, FaultRule(fault="500")) as requested:
        assert server.ask("GET", "/v1/calls", token="x.y.z").status_code == 401
        assert server.ask("GET", "/v1/users").status_code == 200
        assert server.ask("GET", "/v1/texts").status_code == 404
        assert [(it.verb, it.status, it.fault) for it in requested] == [("list", 401, None)]


def test_every_request_is_logged_by_what_it_wants(server: Server) -> None:
    leg = server.answered()
    call, record = f"/v1/calls/{leg.uuid}", f"/v1/conversations/{leg.conversation.uuid}/record"
    with faults(server) as requested:
        for method, path, body in [
            ("GET", "/v1/calls", None),
            ("GET", f"{call}/", None),
            ("PUT", call, {"action": "earmuff"}),
            ("PUT", call, {"action": "sing"}),
            ("PUT", f"{call}/stream", {"stream_url": ["https://example.com/a.mp3"]}),
            ("DELETE", f"{call}/stream", None),
            ("PUT", f"{call}/talk", {"text": "Hello"}),
            ("DELETE", f"{call}/talk", None),
            ("PUT", f"{call}/dtmf", {"digits": "1"}),
            ("PUT", f"{call}/input/dtmf", {"event_url": ["https://example.com/"]}),
            ("DELETE", f"{call}/input/dtmf", None),
            ("PUT", record, {"action": "start"}),
            ("PUT", record, {"action": "stop"}),
            ("PUT", record, {}),
            ("GET", "/v1/files/none", None),
            ("POST", "/v1/calls", {}),
        ]:
            server.ask(method, path, body)
        server.ask("PUT", call, data=b"[" * 50_000)
        assert [(it.verb, it.status) for it in requested] == [
            ("list", 200),
            ("get", 200),
            ("earmuff", 204),
            ("other", 400),
            ("stream", 200),
            ("stop_stream", 200),
            ("talk", 200),
            ("stop_talk", 200),
            ("dtmf", 200),
            ("listen", 200),
            ("stop_listening", 200),
            ("record", 204),
            ("stop_record", 204),
            ("other", 400),
            ("download", 404),
            ("create", 400),
            ("other", 400),
        ]
        assert {it.about for it in requested} == {None, leg.uuid, leg.conversation.uuid}
        assert server.ask("POST", "/v1/calls", data=b" " * 2_000_000).status_code == 413


# ---- rules


def drawn(faults: ApiFaults, *verbs: str) -> list[str | None]:
    return [rule.fault if (rule := faults.draw(verb)) else None for verb in verbs]


def test_the_same_seed_draws_the_same_faults() -> None:
    def draws(seed: int) -> list[str | None]:
        return drawn(ApiFaults([FaultRule(fault="429", share=0.3)], seed), *["mute"] * 200)

    assert draws(1) == draws(1) != draws(2)
    assert 30 < draws(1).count("429") < 90


def test_the_first_rule_that_hits_counts_and_all_rules_count_requests() -> None:
    rules = [FaultRule(fault="cut", count=1), FaultRule(fault="lost", first=2)]
    assert drawn(ApiFaults(rules), "get", "get", "get") == ["cut", "lost", "lost"]


def test_faults_are_read_from_a_text() -> None:
    found = ApiFaults.read("429, lost=0.3,transfer:slow=1", 7)
    assert (found.seed, list(found.rules)) == (
        7,
        [
            FaultRule(fault="429", share=0.1),
            FaultRule(fault="lost", share=0.3),
            FaultRule(fault="slow", verbs=("transfer",), share=1.0),
        ],
    )
    assert ApiFaults.read("") == ApiFaults()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("slaw", "no fault is called 'slaw'"),
        ("sing:slow", "no request is called 'sing'"),
        ("slow=often", "slow=often: a share is a number from 0 to 1"),
        ("slow=2", "a share is from 0 to 1"),
    ],
)
def test_wrong_faults_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ApiFaults.read(text)


def test_rules_name_known_things_only() -> None:
    for wrong in ({"fault": "404"}, {"fault": "slow", "verbs": ("sing",)}, {"fault": "slow", "first": 0}):
        with pytest.raises(ValueError, match=r"no fault|no request|the first request"):
            FaultRule(**wrong)
    assert {rule.fault for rule in (FaultRule(fault=fault) for fault in FAULTS)} == set(FAULTS)
    assert len(set(VERBS)) == len(VERBS) - 1, "a recording has two addresses"
