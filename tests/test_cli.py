"""The commands, run as people run them: in a shell, on a store whose server runs or does not.

Where only the words matter, a command is run inside of this process: a start takes half a second.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from app.webhooks.schemas import kept_answer
from config.embedded import Engine
from tests.api.site import OPERATOR, SAMPLE, Site, status
from tests.engines import Engine as ValkeyEngine
from tests.engines import free_ports, wait_until
from tests.generated import BASE, Body, compact, iso, webhooks_of

ROOT = Path(__file__).parents[1]
PUBLISHED = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
SECRETS = "a1b2c3d4:k7Qm2vX9sT4bL8wR1nZ6cY3pH5dJ0fGa"
ODD = [
    *(
        "CON-\x1b]0;owned\x07",
        "CON-\x1b[2J\x1b[31m",
        "CON-a\nb",
        "CON-\r\x08",
        "CON-\x9b31m",
        "CON-\u202egnp",
        "CON-\x7f",
    ),
    *("CON-\u2028x", "CON-'\"$(id)", "--help", "-x", "Zoë 李"),
]


class Shell:
    """Runs `flask` with a DATA_DIR of its own."""

    def __init__(self, data_dir: Path, **environ: str) -> None:
        self.data_dir = data_dir
        self.environ = {"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir), **environ}
        self.engine = Engine(data_dir)

    def run(self, *words: str, typed: str | None = None, **environ: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error of `flask` with *words*."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", *words],
            cwd=ROOT,
            env=self.environ | environ,
            input=(typed or "").encode(),
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def said(self, *words: str, **more: Any) -> str:
        """What a command that has to succeed says."""
        code, out, err = self.run(*words, **more)
        assert (code, err) == (0, "")
        return out

    @property
    def token(self) -> str:
        """The operator's token that was made there."""
        return (self.data_dir / "operator_token").read_text().strip()

    @contextmanager
    def site(self) -> Iterator[Site]:
        """The app over the store, while its engine runs."""
        site = Site(self.engine.url)
        try:
            yield site
        finally:
            site.close()

    def tell(self, *bodies: Body, received: datetime = BASE) -> None:
        """Keep *bodies*."""
        was_alive = self.engine.alive()
        if not was_alive:
            self.engine.start()
        with self.site() as site:
            site.tell(*bodies, received=received)
        if not was_alive:
            self.engine.stop()


class Inside:
    """Runs commands in this process."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.site = Site(url, **settings)

    def run(self, *words: str, typed: str | bytes = "") -> tuple[int, str, str]:
        """Exit status, standard output and standard error of `flask` with *words*."""
        with self.site.app.app_context():
            done = self.site.app.test_cli_runner().invoke(args=list(words), input=typed)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr

    def said(self, *words: str, **more: Any) -> str:
        """What a command that has to succeed says."""
        code, out, err = self.run(*words, **more)
        assert (code, err) == (0, "")
        return out


@pytest.fixture
def inside(valkey: ValkeyEngine) -> Iterator[Inside]:
    """Commands on an empty store."""
    valkey.flush()
    inside = Inside(valkey.address.url)
    yield inside
    inside.site.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell beside an engine that no server runs: each command starts it, and stops it again."""
    shell = Shell(tmp_path / "var")
    yield shell
    assert not shell.engine.alive(), "nothing is left running"


@pytest.fixture
def beside(shell: Shell) -> Iterator[Shell]:
    """A shell beside an engine that a server runs."""
    shell.engine.start()
    yield shell
    assert shell.engine.alive(), "a command leaves it to its server"
    shell.engine.stop()


@pytest.fixture(params=["its server runs", "its server does not run"])
def either(request: pytest.FixtureRequest) -> Shell:
    """A shell in either case."""
    found: Shell = request.getfixturevalue("beside" if request.param == "its server runs" else "shell")
    return found


# -- calls, call ------------------------------------------------------------------------------------------------------


def test_calls_are_listed_newest_first(either: Shell) -> None:
    assert either.said("calls") == "No call is kept yet.\n"
    either.tell(
        status("ringing", "CON-1", from_="447700900123", to="Alice", timestamp=iso(BASE)),
        status("completed", "CON-1", timestamp=iso(BASE + timedelta(seconds=11.992)), duration="12"),
    )
    now = datetime.now(UTC)
    either.tell(status("answered", "CON-2", from_="Bob", to="442079460000"), received=BASE + timedelta(hours=9))
    either.tell({"conversation_uuid": "CON-3", "payload": {}}, received=now - timedelta(days=1))
    lines = either.said("calls").splitlines()
    assert [line.split()[-1:] for line in lines] == [["answered"], ["answered"], ["yet"]]
    assert "CON-2  Bob → 442079460000 answered" in lines[0]
    assert lines[1] == ("2126-11-20 12:00:00.000  ended               12.0 s  CON-1  447700900123 → Alice answered")
    assert "presumed ended" in lines[2]
    assert "no leg known yet" in lines[2]


def test_calls_can_be_chosen(inside: Inside) -> None:
    for number in range(4):
        name = f"CON-{number}"
        inside.site.tell(
            status("ringing" if number % 2 else "busy", name, from_=f"44770090012{number}"),
            received=BASE + timedelta(minutes=number),
        )
    for words, found in (
        (("--limit", "2"), "32"),
        (("--state", "ended"), "20"),
        (("--number", "+44 7700 900123"), "3"),
        (("--number", "0121"), "1"),
        (("--state", "live", "--number", "0120"), ""),
    ):
        out = inside.said("calls", *words)
        assert [line.split("CON-")[1][0] for line in out.splitlines() if "CON-" in line] == list(found)
    assert out == "No call is kept that fits.\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("calls", "--number", "Alice"), "--number"),
        (("calls", "--state", "over"), "--state"),
        (("calls", "--limit", "0"), "--limit"),
        (("calls", "--limit", "501"), "--limit"),
        (("call",), "CONVERSATION_UUID"),
        (("forget",), "NUMBER"),
        (("replay", "no-such-file"), "no-such-file"),
        (("replay", str(SAMPLE), "--to", "127.0.0.1:8080"), "--to"),
    ],
)
def test_a_wrong_word_is_named(inside: Inside, words: tuple[str, ...], named: str) -> None:
    code, out, err = inside.run(*words)
    assert (code, out) == (2, "")
    assert named in err


def test_one_call_is_told_whole(either: Shell) -> None:
    """For people with all that is known; for programs as the API gives it to an operator."""
    about = {"conversation_uuid": "CON-1", "uuid": "leg", "timestamp": iso(BASE)}
    move = {"type": "transfer", "uuid": "two", "conversation_uuid_from": "CON-1", "conversation_uuid_to": "CON-2"}
    either.tell(
        about | {"status": "answered", "from": "447700900123", "to": "Alice", "direction": "inbound"},
        about | {"status": "completed", "price": "0.00144000", "duration": "12", "sip_code": 200},
        about | {"dtmf": {"digits": "12#"}, "speech": {"results": [{"text": "yes"}]}},
        about | {"recording_url": "https://r.example/1", "recording_uuid": "r"},
        about | {"reason": "Syntax error in NCCO."},
        status("answered", "CON-1", "two", timestamp=iso(BASE)),
        move | {"timestamp": iso(BASE + timedelta(seconds=1))},
    )
    out = either.said("call", "CON-1")
    for told in (
        *("CON-1  ended", "0.00144000 EUR", "leg leg  inbound  447700900123 → Alice", "billed 12 s", "sip_code 200"),
        *("keys 12#", "speech yes", "https://r.example/1", "Syntax error in NCCO.", "went to CON-2", "talked 0.0 s"),
    ):
        assert told in out
    told = json.loads(either.said("call", "CON-1", "--json"))
    assert list(told)[:2] == ["conversation_uuid", "state"]
    assert [leg["uuid"] for leg in told["legs"]] == ["leg", "two"]


def test_an_error_is_shown_beside_the_ncco_that_caused_it(inside: Inside) -> None:
    """With where that came from, and each action in a line of its own that no text makes longer."""
    talks = [{"action": "talk", "text": f"{'Zoë ' * 40}\x1b[2J"}, {"action": "input", "type": ["dtmf"]}]
    about = {"conversation_uuid": "CON-1", "uuid": "leg"}
    known: list[tuple[Body, Body]] = [
        (about | {"from": "447700900123"}, {"flow": "menu", "step": "welcome", "version": "3f2a91c0", "ncco": talks}),
        (about, {"flow": "last-resort", "fault": "menu/choice: no such step", "ncco": talks[1:]}),
        (about, {"flow": "tutorial", "ncco": []}),
    ]
    for place, (request, served) in enumerate(known):
        answer = kept_answer(request, {"id": str(place), "took_ms": 1.2} | served)
        inside.site.keep(webhooks_of(answer, BASE + timedelta(seconds=place)))
    said = [(0.5, "Syntax error in NCCO."), (1.5, "Another."), (2.5, "Nothing in it."), (-1, "Before all.")]
    for seconds, reason in said:
        moment = BASE + timedelta(seconds=seconds)
        inside.site.tell({"conversation_uuid": "CON-1", "reason": reason, "timestamp": iso(moment)}, received=moment)
    lines = inside.said("call", "CON-1").splitlines()
    first = lines.index("  answered 12:00:00.000 by menu/welcome (3f2a91c0) in 1.2 ms: talk → input")
    assert lines[first + 1 :] == [
        "  answered 12:00:01.000 by last-resort in 1.2 ms: input",
        "      the last resort: menu/choice: no such step",
        "  answered 12:00:02.000 by tutorial in 1.2 ms: ",
        "  error 11:59:59.000  Before all.",
        "  error 12:00:00.500  Syntax error in NCCO.  in what was answered 12:00:00.000 by menu/welcome (3f2a91c0):",
        f'      {{"action":"talk","text":"{"Zoë " * 40}'[:109] + "…",
        '      {"action":"input","type":["dtmf"]}',
        "  error 12:00:01.500  Another.  in what was answered 12:00:01.000 by last-resort:",
        '      {"action":"input","type":["dtmf"]}',
        "  error 12:00:02.500  Nothing in it.  in what was answered 12:00:02.000 by tutorial:",
    ]


def test_programs_get_what_the_api_gives_an_operator(inside: Inside) -> None:
    for line in SAMPLE.read_bytes().splitlines():
        inside.site.hear(line)
    told = json.loads(inside.said("call", PUBLISHED, "--json"))
    assert told == inside.site.conversation(PUBLISHED, token=OPERATOR)


def test_an_unknown_call_is_said_to_be_unknown(shell: Shell) -> None:
    code, out, err = shell.run("call", "CON-none")
    assert (code, out) == (1, "")
    assert "No such conversation" in err
    assert "flask calls" in err


def test_no_name_steers_the_terminal(inside: Inside) -> None:
    """Ids and names are whatever somebody sent: what is not printable is shown as an escape."""
    for name in ODD:
        inside.site.tell(status("ringing", name, name, from_=f"{name}x", to="Alice", detail=name))
        inside.site.tell({"conversation_uuid": name, "reason": f"{name}x"})
    inside.site.tell(status("ringing", "CON-\ud800", from_="half \udc00 a pair"))
    outputs = [inside.said("calls", "--limit", "500")]
    assert len(outputs[0].splitlines()) == len(ODD) + 1, "a line each"
    for name in [*ODD, "CON-\ud800"]:
        outputs += [inside.said("call", "--", name), inside.said("call", "--json", "--", name)]
        assert json.loads(outputs[-1])["conversation_uuid"] == name
    for line in "".join(outputs).split("\n"):
        assert line.isprintable(), ascii(line)


def test_no_name_steers_a_real_terminal_either(beside: Shell) -> None:
    beside.tell(status("ringing", ODD[0], from_="half \udc00 a pair", to="Zoë"))
    for words in (("calls",), ("call", ODD[0])):
        out = beside.said(*words)
        assert r"CON-\x1b]0;owned\x07" in out
        assert r"half \udc00 a pair → Zoë" in out


def test_without_its_redis_a_command_says_so(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    away = Inside(f"redis://127.0.0.1:{port}")
    for words in (("calls",), ("call", "CON-1"), ("forget", "447700900123", "--yes")):
        code, out, err = away.run(*words)
        assert (code, out) == (1, "")
        assert "Redis is away" in err


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    code, _, err = Shell(tmp_path / "var").run("calls", PORT="many")
    assert code == 1
    assert "PORT" in err


# -- forget -----------------------------------------------------------------------------------------------------------


def test_a_number_is_forgotten_once_somebody_said_so(either: Shell) -> None:
    either.tell(
        status("completed", "CON-1", from_="447700900123", to="Alice"),
        status("ringing", "CON-2", from_="+44 7700 900123"),
        status("ringing", "CON-3", from_="442079460000", to="447700900123"),
        status("ringing", "CON-4", from_="447700900124"),
        status("ringing", "CON-5", from_="15557700900123"),
    )
    code, out, err = either.run("forget", "+44 7700 900-123", typed="n\n")
    assert code == 1
    assert "447700900123" in out
    assert "Aborted" in err
    assert either.said("calls").count("CON-") == 5
    out = either.said("forget", "+44 7700 900-123", typed="y\n")
    assert "Deleted 3 conversations." in out
    listed = either.said("calls")
    assert [f"CON-{number}" in listed for number in range(1, 6)] == [False, False, False, True, True]
    assert either.said("forget", "447700900124", "--yes") == "Deleted 1 conversations.\n"


@pytest.mark.parametrize(
    "number", ["", "Alice", "0123", "0900123", "900123", "12345678901234567", "sip:447700900123@a"]
)
def test_what_is_not_a_whole_number_is_not_forgotten(inside: Inside, number: str) -> None:
    """Its end alone would take every number with that end along."""
    code, out, err = inside.run("forget", "--yes", number)
    assert (code, out) == (2, "")
    assert "whole telephone number" in err


# -- replay -----------------------------------------------------------------------------------------------------------


class Server:
    """A gunicorn, as `make run` starts it."""

    def __init__(self, shell: Shell, port: int) -> None:
        self.shell, self.url = shell, f"http://127.0.0.1:{port}"
        self.log = shell.data_dir.parent / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"],
                cwd=ROOT,
                env=shell.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self.answers, "the server is up", 30)

    def answers(self) -> bool:
        """Whether it does."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).ok
        except requests.ConnectionError:
            return False

    def stop(self) -> None:
        """End it and its workers."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Shell]]:
    """Starts servers, once for all tests with the same settings; gives a shell beside each."""
    servers: dict[str, Server] = {}

    def start(**environ: str) -> Shell:
        name = repr(environ)
        if name not in servers:
            (port,) = free_ports(1)
            data_dir = tmp_path_factory.mktemp("served") / "var"
            servers[name] = Server(Shell(data_dir, PORT=str(port), WEB_CONCURRENCY="1", **environ), port)
        return servers[name].shell

    yield start
    for server in servers.values():
        server.stop()
        assert not server.shell.engine.alive()


def lines_of(*bodies: Body) -> str:
    """A file of webhooks."""
    return "".join(compact(body).decode() + "\n" for body in bodies)


def test_the_published_call_is_replayed_and_shown(serve: Callable[..., Shell]) -> None:
    shell = serve()
    for _ in range(2):  # a repeat changes nothing, and is no error
        out = shell.said("replay", str(SAMPLE))
        posted, _, shown = out.partition("\n\n")
        assert [line.split() for line in posted.splitlines()] == [
            [str(number), "200", word]
            for number, word in enumerate(
                ["ringing", "started", "answered", "started", "answered", "completed", "completed"], 1
            )
        ]
        assert shown.startswith(f"{PUBLISHED}  ended  11.992 s  0.00144000 EUR\n")
        assert "441234567890 → Alice" in shown
    assert shell.said("call", PUBLISHED) == shown, "the running server's store is the one that commands read"


def test_every_kind_of_webhook_can_be_replayed_also_from_a_pipe(serve: Callable[..., Shell]) -> None:
    asked = {"from": "447700900123", "to": "442079460000", "uuid": "a", "conversation_uuid": "CON-asked"}
    move = {"type": "transfer", "uuid": "a", "conversation_uuid_from": "CON-asked", "conversation_uuid_to": "CON-moved"}
    about = {"conversation_uuid": "CON-moved", "timestamp": iso(BASE)}
    bodies = [
        asked,
        status("\x1b[31mred", "CON-asked", "a"),
        move,
        about | {"dtmf": {"digits": "1"}, "uuid": "a"},
        about | {"recording_url": "https://r.example/1"},
        about | {"payload": {"to": "x"}},
        about | {"reason": "Oh."},
        {"nothing": "known"},
    ]
    out = serve().said("replay", "-", typed="\n" + "\n".join(lines_of(*bodies).splitlines(keepends=True)))
    posted, _, shown = out.partition("\n\n")
    words = ["answer", r"\x1b[31mred", "transfer", "input", "record", "notify", "error", "unknown"]
    assert [line.split()[1:] for line in posted.splitlines()] == [["200", word] for word in words]
    assert [line.split()[0] for line in posted.splitlines()] == [str(2 + 2 * place) for place in range(8)], (
        "as in the file"
    )
    assert "CON-asked" in shown
    assert any(line.startswith("  answered ") for line in shown.splitlines())
    assert "CON-moved" in shown
    assert all(line.isprintable() for line in out.split("\n"))


def test_a_call_that_only_asked_is_shown_though_its_record_is_written_later(serve: Callable[..., Shell]) -> None:
    shell = serve()
    inside = Inside(shell.engine.url, port=int(shell.environ["PORT"]), access_tokens=(("operator", shell.token),))
    for number in range(20):
        asked = {"from": "447700900123", "to": "Alice", "uuid": "b", "conversation_uuid": f"CON-only-{number}"}
        assert f"CON-only-{number}  live" in inside.said("replay", "-", typed=lines_of(asked))
    inside.site.close()


def test_a_server_that_wants_signatures_gets_them(serve: Callable[..., Shell]) -> None:
    application = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
    shell = serve(VONAGE_SIGNATURE_SECRETS=SECRETS, VONAGE_APPLICATION_ID=application)
    out = shell.said("replay", str(SAMPLE))
    assert out.count("  200  ") == 7
    assert PUBLISHED in out


@pytest.mark.parametrize(
    ("secrets", "code", "why"),
    [("", "503", "not signed"), ("a1b2c3d4:another-secret-of-the-same-key-xx", "401", "signature")],
)
def test_an_unsigned_or_wrongly_signed_replay_is_refused_line_by_line(
    serve: Callable[..., Shell], secrets: str, code: str, why: str
) -> None:
    shell = serve(VONAGE_SIGNATURE_SECRETS=SECRETS, VONAGE_APPLICATION_ID="aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab")
    line = lines_of(status("ringing", f"CON-refused-{code}"))
    status_, out, err = shell.run("replay", "-", typed=line, VONAGE_SIGNATURE_SECRETS=secrets)
    assert status_ == 1
    assert "200" not in out
    assert f"   1  {code}  ringing: " in err
    assert why in err
    assert "1 requests were refused" in err


def test_a_server_that_is_not_there_is_named(shell: Shell) -> None:
    (port,) = free_ports(1)
    for words in (("--to", f"http://127.0.0.1:{port}/"), ()):
        code, out, err = shell.run("replay", str(SAMPLE), *words, PORT=str(port))
        assert (code, out) == (1, "")
        assert f"No answer from http://127.0.0.1:{port} " in err
        assert "make run" in err


@pytest.mark.parametrize("line", [b"no json", b"[]", b'"text"', b'{"a": NaN}', b'{"a": ', b"\xff", b"[" * 5000])
def test_a_line_that_is_no_webhook_is_named_with_its_number(inside: Inside, tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "webhooks.jsonl"
    file.write_bytes(compact(status("ringing", "CON-before")) + b"\n\n" + line + b"\n" + b"{}\n")
    with listening() as listener:
        code, out, err = inside.run("replay", str(file), "--to", listener.url)
    assert code == 1
    assert f"{file}, line 3: " in err
    assert out == "   1  200  ringing\n", "what stands before it was sent, what stands behind it was not"
    assert len(listener.asked) == 1


class Listener(ThreadingHTTPServer):
    """A server that remembers what it is asked, and answers as it is told."""

    daemon_threads = True

    def __init__(self, code: int = 200, body: bytes = b"", **headers: str) -> None:
        self.code, self.body, self.headers = code, body, headers
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    """One request."""

    server: Listener

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        self.send_response(self.server.code)
        for name, value in {**self.server.headers, "Content-Length": str(len(self.server.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def listening(code: int = 200, body: bytes = b"", **headers: str) -> Iterator[Listener]:
    """A listener at work."""
    with Listener(code, body, **headers) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield listener
        finally:
            listener.shutdown()
            thread.join()


@pytest.mark.parametrize("path", ["", "/", "/behind/a/prefix", "/behind/a/prefix//"])
def test_the_server_may_be_behind_a_path(inside: Inside, path: str) -> None:
    body = status("ringing", "CON/1 \n")
    with listening(body=b"[]") as listener:
        inside.run("replay", "-", "--to", f"{listener.url}{path}", typed=lines_of(body, {"to": "x", "uuid": "y"}))
    prefix = path.rstrip("/")
    assert [(method, asked) for method, asked, _, _ in listener.asked] == [
        ("POST", f"{prefix}/voice/event"),
        ("POST", f"{prefix}/voice/answer"),
        ("GET", f"{prefix}/api/v1/conversations/CON%2F1"),
    ]
    assert listener.asked[0][3] == compact(body), "byte for byte"
    assert listener.asked[0][2]["Content-Type"] == "application/json"
    assert "Authorization" not in listener.asked[0][2]
    assert listener.asked[2][2]["Authorization"] == f"Bearer {OPERATOR}"


@pytest.mark.parametrize("body", [b"", b"<!doctype html>", b"[]", b"{}", b'{"legs": 1}', b"null", b"\xff"])
def test_a_server_of_another_kind_is_told_from_ours(inside: Inside, body: bytes) -> None:
    with listening(body=body) as listener:
        code, out, err = inside.run("replay", "-", "--to", listener.url, typed=lines_of(status("ringing", "CON-1")))
    assert (code, out) == (1, "   1  200  ringing\n")
    assert f"{listener.url} answers, but is no Switchhook" in err


def test_what_is_posted_is_signed_as_vonage_signs(valkey: ValkeyEngine) -> None:
    key, _, secret = SECRETS.partition(":")
    signing = Inside(valkey.address.url, signature_secrets=((key, secret),))
    with listening() as listener:
        signing.said("replay", "-", "--to", listener.url, typed=lines_of({"a": 1}))
    _, _, headers, _ = listener.asked[0]
    claims = jwt.decode(headers["Authorization"].removeprefix("Bearer "), secret, algorithms=["HS256"])
    assert claims["api_key"] == key
    assert abs(claims["iat"] - time.time()) < 60


def test_nobody_is_led_elsewhere(inside: Inside) -> None:
    """Followed, a redirection would turn the webhook into a GET without it, and nobody would see."""
    with listening(301, Location="https://elsewhere.example/voice/event\x1b[2J".replace("\x1b", "%1b")) as listener:
        code, out, err = inside.run("replay", "-", "--to", listener.url, typed=lines_of({"nothing": "known"}))
    assert (code, out) == (1, "")
    assert "301" in err
    assert "https://elsewhere.example/" in err
    assert len(listener.asked) == 1


def test_what_a_server_says_does_not_steer_the_terminal(inside: Inside) -> None:
    for body in (b"\x1b[2J\x1b]0;owned\x07" * 50, b'{"detail": "\\u001b[2J"}', b"\xff\xfe", b""):
        with listening(500, body) as listener:
            code, _, err = inside.run("replay", "-", "--to", listener.url, typed=lines_of({"nothing": "known"}))
        assert code == 1
        assert "500" in err
        assert all(line.isprintable() for line in err.split("\n"))
