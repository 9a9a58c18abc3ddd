"""The short way through gunicorn and gunicorn's own: the app is asked the same, and the client gets the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.workers.base_async import AsyncWorker

from app import create_app
from app.webhooks.front import ROUTES
from config import short_way
from config.settings import Settings
from config.short_way import ShortWay

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
LISTENER, ADDR = ("127.0.0.1", 8000), ("192.0.2.7", 40123)
OBJECTS = {"wsgi.input", "wsgi.errors", "gunicorn.socket", "wsgi.early_hints"}  # others each time, or not offered
DATE = re.compile(rb"(?<=\r\nDate: )[^\r]+")

POST = b"POST /voice/event HTTP/1.1\r\nHost: calls.example.com\r\n"
JSON = b'Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{"uuid":"aa"}'
PLAIN = {
    "as Vonage sends it": POST + b"Authorization: Bearer a.b.c\r\nUser-Agent: Java-http-client/17\r\n" + JSON,
    "the other path": POST.replace(b"event", b"answer") + JSON,
    "with a query": POST.replace(b"/voice/event", b"/voice/event?a=%20b&c=1%2B1") + JSON,
    "of a proxy": POST + b"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\nVia: 1.1 router\r\n" + JSON,
    "a header twice": POST + b"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 198.51.100.2\r\n" + JSON,
    "the last one": POST + b"Connection: close\r\n" + JSON,
    "to be kept": POST + b"Connection: Keep-Alive\r\n" + JSON,
    "in chunks": POST + b'Transfer-Encoding: chunked\r\n\r\n6\r\n{"uuid\r\n7\r\n":"aa"}\r\n0\r\n\r\n',
    "without a body": POST + b"Content-Length: 0\r\n\r\n",
    "names with an underscore": POST + b"X_Api_Key: dropped\r\nX-Api-Key: kept\r\n" + JSON,
    "letters that are no ASCII": POST + "X-Name: Zoë\r\n".encode("latin1") + JSON,
}
UNUSUAL = {
    "another method": POST.replace(b"POST", b"PUT") + JSON,
    "another path": POST.replace(b"/voice/event", b"/api/v1/calls") + JSON,
    "an escaped path": POST.replace(b"/voice/event", b"/voice/%65vent") + JSON,
    "HTTP/1.0": POST.replace(b"1.1", b"1.0") + JSON,
    "a sender who waits for 100": POST + b"Expect: 100-continue\r\n" + JSON,
}


class Client:
    """What is sent to it, piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.pieces.append(bytes(data))

    send = sendall

    @property
    def received(self) -> bytes:
        """All of it, without the date."""
        return DATE.sub(b"today", b"".join(self.pieces))


class Replies:
    """An app that keeps what it was asked, and what it read."""

    def __init__(self, status: str, headers: list[tuple[str, str]], body: Iterable[bytes]) -> None:
        self.status, self.headers, self.body = status, headers, body
        self.environ: dict[str, Any] = {}
        self.read = b""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.environ = {name: value for name, value in environ.items() if name not in OBJECTS}
        self.read = environ["wsgi.input"].read()
        assert OBJECTS - {"wsgi.early_hints"} <= environ.keys()
        start_response(self.status, self.headers)
        return self.body


EMPTY = Replies("200 OK", [("Content-Length", "0")], ())
NCCO = Replies("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")], (b"[]",))
AWAY = Replies("503 SERVICE UNAVAILABLE", [("Retry-After", "1"), ("Content-Length", "4")], [b"la", b"te"])


@pytest.fixture(autouse=True)
def paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_way, "PATHS", set(ROUTES))


@pytest.fixture
def worker_of() -> Iterator[Callable[..., Any]]:
    """Makes workers of gunicorn's own kind that run an app."""
    made: list[AsyncWorker] = []

    def make(app: App, **settings: Any) -> Any:
        config = Config()
        config.set("forwarded_allow_ips", "")
        for name, value in settings.items():
            config.set(name, value)
        worker: Any = AsyncWorker(1, 1, [], cast("Any", None), 30, config, config.logger_class(config))
        worker.wsgi = app
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.tmp.close()
        if (statsd := getattr(worker.log, "sock", None)) is not None:
            statsd.close()


def request(worker: Any, raw: bytes) -> Any:
    """The request *raw* as gunicorn parses it."""
    return next(RequestParser(worker.cfg, iter([raw]), ADDR))


def ends(handle: Callable[[], Any]) -> bool:
    """Whether the connection ends with the reply."""
    try:
        assert handle()
    except StopIteration:
        return True
    return False


@pytest.fixture(params=[EMPTY, NCCO, AWAY], ids=["empty", "an NCCO", "an error"])
def app(request: pytest.FixtureRequest) -> Replies:
    replies: Replies = request.param
    return replies


@pytest.mark.parametrize("raw", PLAIN.values(), ids=PLAIN)
def test_app_and_client_see_no_difference(worker_of: Callable[..., Any], app: Replies, raw: bytes) -> None:
    worker, short, own = worker_of(app), Client(), Client()
    way: Any = ShortWay(worker)
    ended = ends(lambda: way.handle(LISTENER, request(worker, raw), short, ADDR))
    asked, read = app.environ, app.read
    assert ended == ends(lambda: worker.handle_request(LISTENER, request(worker, raw), own, ADDR))
    assert (asked, read) == (app.environ, app.read)
    assert short.received == own.received
    assert len(short.pieces) == 1, "head and body are one piece"
    assert worker.nr == 2, "both count for `max_requests`"


def test_nothing_of_a_request_is_left_in_the_next(worker_of: Callable[..., Any]) -> None:
    worker = worker_of(NCCO)
    way: Any = ShortWay(worker)
    for raw in (PLAIN["of a proxy"], PLAIN["as Vonage sends it"]):
        assert way.handle(LISTENER, request(worker, raw), Client(), ADDR)
    assert "HTTP_X_FORWARDED_FOR" not in NCCO.environ


@pytest.mark.parametrize("raw", UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_unusual_goes_gunicorns_own_way_and_nothing_was_done(worker_of: Callable[..., Any], raw: bytes) -> None:
    app = Replies("200 OK", [("Content-Length", "0")], ())
    worker, client = worker_of(app), Client()
    way: Any = ShortWay(worker)
    asked = request(worker, raw)
    assert not way.handle(LISTENER, asked, client, ADDR)
    assert (app.environ, client.pieces, worker.nr) == ({}, [], 0)
    assert asked.body.read() == b'{"uuid":"aa"}'


def test_so_does_all_with_an_access_log_or_over_a_unix_socket(
    worker_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = PLAIN["as Vonage sends it"]
    for how in ({"accesslog": "-"}, {"statsd_host": "127.0.0.1:8125"}):
        counting = worker_of(EMPTY, **how)
        way: Any = ShortWay(counting)
        assert not way.handle(LISTENER, request(counting, raw), Client(), ADDR)
    worker = worker_of(EMPTY)
    way = ShortWay(worker)
    assert not way.handle("/run/switchhook.sock", request(worker, raw), Client(), "")
    assert way.handle(LISTENER, request(worker, raw), Client(), ADDR)
    monkeypatch.setenv("SCRIPT_NAME", "/mounted")
    way = ShortWay(worker)
    assert not way.handle(LISTENER, request(worker, raw), Client(), ADDR)


def test_an_app_that_fails_leaves_the_error_to_gunicorn_and_nothing_is_sent(worker_of: Callable[..., Any]) -> None:
    closed: list[bool] = []

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            yield b"half of"
            raise RuntimeError("a bug")

        def close(self) -> None:
            closed.append(True)

    worker, client = worker_of(Replies("200 OK", [], Pieces())), Client()
    way: Any = ShortWay(worker)
    with pytest.raises(RuntimeError, match="a bug"):
        way.handle(LISTENER, request(worker, PLAIN["as Vonage sends it"]), client, ADDR)
    assert (client.pieces, closed) == ([], [True])


def test_what_an_app_does_at_the_end_of_a_reply_comes_after_it(worker_of: Callable[..., Any]) -> None:
    client = Client()

    class Pieces(list[bytes]):
        def close(self) -> None:
            client.pieces.append(b"closed")

    worker = worker_of(Replies("408 REQUEST TIMEOUT", [("Content-Length", "4")], Pieces([b"late"])))
    way: Any = ShortWay(worker)
    assert way.handle(LISTENER, request(worker, PLAIN["as Vonage sends it"]), client, ADDR)
    short, client.pieces = client.received, []
    assert worker.handle_request(LISTENER, request(worker, PLAIN["as Vonage sends it"]), client, ADDR)
    assert short == client.received
    assert short.endswith(b"lateclosed")


def test_a_failure_after_the_reply_ends_the_connection_without_another(
    worker_of: Callable[..., Any],
) -> None:
    class Pieces(list[bytes]):
        def close(self) -> None:
            raise RuntimeError("a bug")

    client = Client()
    worker = worker_of(Replies("200 OK", [("Content-Length", "2")], Pieces([b"[]"])))
    way: Any = ShortWay(worker)
    with pytest.raises(StopIteration):
        way.handle(LISTENER, request(worker, PLAIN["as Vonage sends it"]), client, ADDR)
    assert len(client.pieces) == 1


def test_each_listener_has_its_own_name_and_port(worker_of: Callable[..., Any]) -> None:
    worker = worker_of(NCCO)
    way: Any = ShortWay(worker)
    for listener in (LISTENER, ("::1", 8001, 0, 0), LISTENER):
        assert way.handle(listener, request(worker, PLAIN["as Vonage sends it"]), Client(), ADDR)
        assert (NCCO.environ["SERVER_NAME"], NCCO.environ["SERVER_PORT"]) == (listener[0], str(listener[1]))


def test_connections_are_not_kept_where_none_are(worker_of: Callable[..., Any]) -> None:
    worker, client = worker_of(EMPTY, keepalive=0), Client()
    way: Any = ShortWay(worker)
    with pytest.raises(StopIteration):
        way.handle(LISTENER, request(worker, PLAIN["to be kept"]), client, ADDR)
    assert b"Connection: close\r\n" in client.received


def test_a_worker_that_is_to_end_replies_to_what_was_sent_before(worker_of: Callable[..., Any]) -> None:
    """The app learns of the end while it makes the first reply; the second request is there already."""
    short, own = Client(), Client()

    class Ends(Replies):
        def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            worker.alive = False
            return super().__call__(environ, start_response)

    app = Ends("200 OK", [("Content-Length", "0")], [])
    worker = worker_of(app)
    way: Any = ShortWay(worker)
    raw = PLAIN["as Vonage sends it"]
    assert way.handle(LISTENER, request(worker, raw), short, ADDR)
    worker.alive = True
    assert worker.handle_request(LISTENER, request(worker, raw), own, ADDR)
    assert short.received == own.received


def test_the_last_of_max_requests_ends_its_connection(
    worker_of: Callable[..., Any],
) -> None:
    worker, client = worker_of(EMPTY, max_requests=2), Client()
    way: Any = ShortWay(worker)
    raw = PLAIN["as Vonage sends it"]
    assert way.handle(LISTENER, request(worker, raw), client, ADDR)
    assert worker.alive
    with pytest.raises(StopIteration):
        way.handle(LISTENER, request(worker, raw), client, ADDR)
    assert not worker.alive
    assert b"Connection: close\r\n" in client.pieces[-1]


def test_strangers_cannot_fill_the_memory_with_names_of_headers(worker_of: Callable[..., Any]) -> None:
    worker = worker_of(EMPTY)
    way: Any = ShortWay(worker)
    for number in range(0, 2 * short_way.MOST_NAMES, 50):
        names = b"".join(b"X-%d: 1\r\n" % (number + index) for index in range(50))
        assert way.handle(LISTENER, request(worker, POST + names + JSON), Client(), ADDR)
    assert len(way._names) <= short_way.MOST_NAMES


def test_the_webhooks_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_way, "PATHS", set())
    create_app(Settings(secret_key="of nobody"))
    assert set(ROUTES) == short_way.PATHS
