"""The client of a server's API: all pages, new tries, and clear errors."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from tests import serving
from tests.engines import Engine, free_ports
from tests.vonage_simulator import ledgers
from tests.vonage_simulator.ledgers import Body, published, sent
from vonage_simulator.verify import server_api
from vonage_simulator.verify.check import check
from vonage_simulator.verify.server_api import NotAllowed, NotNow, NotSwitchhook, NotThere, NumbersMasked, Server

SAMPLES = Path(__file__).parents[1] / "samples"
PUBLISHED = json.loads((SAMPLES / "phone-to-app.expected.json").read_text())
UUID = PUBLISHED["conversation_uuid"]
UNKNOWN = {"title": "Unknown conversation", "status": 404, "detail": "No such conversation is kept."}


def problem(status: int, body: Any) -> web.Response:
    """An error as the server answers it."""
    return web.json_response(body, status=status, content_type="application/problem+json")


def fetched(
    reply: Callable[[web.Request], web.StreamResponse], ask: Callable[[Server], Awaitable[Any]], **more: Any
) -> tuple[Any, list[web.Request]]:
    """The result of *ask* with a server that answers every request by *reply*, and the requests."""
    requests: list[web.Request] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        requests.append(request)
        return reply(request)

    async def run() -> Any:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            address = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(server_api, "NOT_YET", (0.001, 0.001))
                patch.setattr(server_api, "STILL_AWAY", (0.002, 0.003))
                async with Server(address, "a-token", **more) as server:
                    return await ask(server)
        finally:
            await runner.cleanup()

    return asyncio.run(run()), requests


def test_a_conversation_is_requested_with_the_token():
    result, (request,) = fetched(lambda _: web.json_response(PUBLISHED), lambda server: server.conversation(UUID))
    assert result == PUBLISHED
    assert request.path == f"/api/v1/conversations/{UUID}"
    assert request.headers["Authorization"] == "Bearer a-token"


def test_what_waits_on_the_servers_disk_is_waited_for():
    waiting = iter([3, 1, 0])

    def reply(_: web.Request) -> web.Response:
        return web.json_response({"service": {"name": "switchhook"}, "spool": {"waiting": next(waiting)}})

    _, requests = fetched(reply, lambda server: server.settled())
    assert len(requests) == 3
    without = {"service": {"name": "switchhook"}}
    assert len(fetched(lambda _: web.json_response(without), lambda server: server.settled())[1]) == 1


def test_all_pages_of_events():
    """By the cursor of each page, which may have any characters."""
    pages = {"": ([1, 2], "a+b/c="), "a+b/c=": ([3], "d&e"), "d&e": ([4], None)}

    def reply(request: web.Request) -> web.Response:
        items, following = pages[request.query.get("cursor", "")]
        return web.json_response({"items": items, "next": following})

    found, requests = fetched(reply, lambda server: server.events(UUID))
    assert found == [1, 2, 3, 4]
    assert [request.query["limit"] for request in requests] == ["500"] * 3


def test_an_id_may_have_any_characters():
    name = "CON-a/b c?d%é"
    _, (request,) = fetched(
        lambda _: web.json_response(PUBLISHED | {"conversation_uuid": name}), lambda s: s.conversation(name)
    )
    assert request.raw_path == f"/api/v1/conversations/{quote(name, safe='')}"


@pytest.mark.parametrize("status", [404, 503])
def test_a_conversation_that_is_not_stored_yet_is_requested_again(status: int):
    answers = iter([problem(status, UNKNOWN | {"status": status}), web.json_response(PUBLISHED)])
    result, requests = fetched(lambda _: next(answers), lambda server: server.conversation(UUID))
    assert (result, len(requests)) == (PUBLISHED, 2)


def test_an_unknown_conversation_is_none():
    found, requests = fetched(lambda _: problem(404, UNKNOWN), lambda server: server.fetch(UUID))
    assert (found, len(requests)) == ((None, []), 3)


def text(status: int, body: str = "<h1>It works!</h1>", **headers: str) -> Callable[[web.Request], web.Response]:
    """Answers every request with *body*."""
    return lambda _: web.Response(status=status, text=body, headers=headers)


DENIED = {"title": "Not logged in", "status": 401, "detail": "Send a token of ACCESS_TOKENS."}
AWAY = {"title": "Store unavailable", "status": 503, "detail": "Redis does not answer (timeout)."}
MASKED = json.loads(json.dumps(PUBLISHED).replace("441234567890", "********7890"))
FAULTS: list[tuple[Callable[[web.Request], web.StreamResponse], type[Exception], str]] = [
    (lambda _: problem(401, DENIED), NotAllowed, "does not take this token. Send a token of ACCESS_TOKENS."),
    (text(403), NotAllowed, "does not take this token."),
    (lambda _: problem(503, AWAY), NotNow, "503. Redis does not answer (timeout)."),
    (text(502), NotNow, "answers 502."),
    (text(200), NotSwitchhook, "no JSON object"),
    (text(200, "[]"), NotSwitchhook, "no JSON object"),
    (text(404), NotSwitchhook, "it answers 404"),
    (text(404, '{"detail": "Not Found"}'), NotSwitchhook, "it answers 404"),
    (text(500), NotSwitchhook, "it answers 500"),
    (text(302, Location="https://example.com/login"), NotSwitchhook, "it is at https://example.com/login"),
    (text(200, "{}"), NotSwitchhook, "a conversation has no legs or the wrong id"),
    (lambda _: web.json_response({"legs": []}), NotSwitchhook, "has no legs or the wrong id"),
    (lambda _: web.json_response({"conversation_uuid": UUID}), NotSwitchhook, "no legs or the wrong id"),
    (text(504), NotNow, "answers 504."),
    (lambda _: web.json_response(MASKED), NumbersMasked, "take an operator's"),
]


@pytest.mark.parametrize(("reply", "error", "words"), FAULTS, ids=[words for _, _, words in FAULTS])
def test_errors_are_clear(reply: Any, error: type[Exception], words: str):
    with pytest.raises(error, match=r"^http://127\.0\.0\.1:\d+ ") as caught:
        fetched(reply, lambda server: server.fetch(UUID))
    assert words in str(caught.value)


def test_a_list_of_events_in_another_shape_is_refused():
    with pytest.raises(NotSwitchhook, match="a page of events has no items"):
        fetched(text(200, "{}"), lambda server: server.events(UUID))


@pytest.mark.parametrize("body", [{}, {"service": {"name": "other"}}, {"service": "switchhook"}])
def test_a_status_of_another_service_is_refused(body: Any):
    with pytest.raises(NotSwitchhook, match="its /status is another service's"):
        fetched(lambda _: web.json_response(body), lambda server: server.status())
    with pytest.raises(NotSwitchhook, match="its /status is another service's"):
        fetched(lambda _: problem(404, UNKNOWN), lambda server: server.status())


def test_a_server_that_does_not_run():
    async def ask(url: str, **more: Any) -> None:
        async with Server(url, "a-token", **more) as server:
            await server.status()

    for url in (f"http://127.0.0.1:{free_ports(1)[0]}", "http://"):
        with pytest.raises(NotThere):
            asyncio.run(ask(url))


def test_an_answer_that_takes_too_long():
    async def ask(port: int) -> None:
        async with Server(f"http://127.0.0.1:{port}", "a-token", seconds=0.05) as server:
            await server.status()

    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(NotThere, match=r"within 0\.05 s"),
    ):
        asyncio.run(ask(silent.getsockname()[1]))


def test_the_published_call_on_a_real_server(tmp_path: Path, valkey: Engine):
    """Its view is right; for a different call the same view is wrong, and so is one event too few."""
    valkey.flush()
    server = serving.Server(tmp_path, REDIS_URL=valkey.address.url, WEB_CONCURRENCY="1")
    try:
        server.ready()
        log = [json.loads(line) for line in (SAMPLES / "phone-to-app.events.jsonl").read_text().splitlines()]
        for body in log:
            assert server.post("/voice/event", body).status == 200
        call, sents = published(), [sent(body) for body in log]

        async def look(more: list[Body]) -> Any:
            async with Server(f"http://127.0.0.1:{server.port}", serving.OPERATOR) as api:
                assert (await api.status())["conversations"]["ended"] == 1
                every = [*sents, *map(sent, more)]
                return await check([call], every, api.fetch, lossless=True, patience=(0.01,))

        assert asyncio.run(look([])).ok
        assert asyncio.run(look([log[0] | {"timestamp": "2021-03-29T21:20:09.000Z"}])).missing == 1
        next(iter(call.legs.values())).times["answered"] = ledgers.at(6.183)
        assert asyncio.run(look([])).wrong == 1
    finally:
        server.kill()
