"""`flask replay`: recorded webhooks, posted again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.api.site import OPERATOR, SAMPLE, status
from tests.cli.listening import listening
from tests.cli.shell import Inside, Shell
from tests.engines import Engine as ValkeyEngine
from tests.engines import free_ports
from tests.generated import BASE, Body, compact, iso
from tests.serving import Server

PUBLISHED = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
SECRETS = "a1b2c3d4:k7Qm2vX9sT4bL8wR1nZ6cY3pH5dJ0fGa"


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Shell]]:
    """Starts servers, one for all tests with the same settings; returns a shell for each."""
    started: dict[str, tuple[Server, Shell]] = {}

    def start(**environ: str) -> Shell:
        name = repr(environ)
        if name not in started:
            folder = tmp_path_factory.mktemp("served")
            settings: dict[str, Any] = {"ACCESS_TOKENS": None, "WEB_CONCURRENCY": "1", **environ}
            server = Server(folder, **settings)
            started[name] = server, Shell(folder / "var", PORT=str(server.port), **environ)
            server.ready()
        return started[name][1]

    yield start
    for server, shell in started.values():
        server.kill()
        assert not shell.engine.alive()


def inside_of(shell: Shell, **settings: Any) -> Inside:
    """Commands in this process on the server and the store of *shell*."""
    found = {"port": int(shell.environ["PORT"]), "access_tokens": (("operator", shell.token),)} | settings
    return Inside(shell.engine.url, **found)


def lines_of(*bodies: Body) -> str:
    """A file of webhooks."""
    return "".join(compact(body).decode() + "\n" for body in bodies)


def test_the_published_call_is_replayed_and_shown(serve: Callable[..., Shell]) -> None:
    shell = serve()
    inside = inside_of(shell)
    for run in (shell, inside):  # a repeat changes nothing, and is no error
        out = run.output("replay", str(SAMPLE))
        posted, _, shown = out.partition("\n\n")
        assert [line.split() for line in posted.splitlines()] == [
            [str(number), "200", word]
            for number, word in enumerate(
                ["ringing", "started", "answered", "started", "answered", "completed", "completed"], 1
            )
        ]
        assert shown.startswith(f"{PUBLISHED}  ended  11.992 s  0.00144000 EUR\n")
        assert "441234567890 → Alice" in shown
    inside.site.close()
    assert shell.output("call", PUBLISHED).endswith(shown), "the running server's store is the one that commands read"


def test_every_kind_of_webhook_can_be_replayed_also_from_a_pipe(serve: Callable[..., Shell]) -> None:
    request = {"from": "447700900123", "to": "442079460000", "uuid": "a", "conversation_uuid": "CON-asked"}
    move = {"type": "transfer", "uuid": "a", "conversation_uuid_from": "CON-asked", "conversation_uuid_to": "CON-moved"}
    about = {"conversation_uuid": "CON-moved", "timestamp": iso(BASE)}
    bodies = [
        request,
        status("\x1b[31mred", "CON-asked", "a"),
        move,
        about | {"dtmf": {"digits": "1"}, "uuid": "a"},
        about | {"recording_url": "https://r.example/1"},
        about | {"payload": {"to": "x"}},
        about | {"reason": "Oh."},
        {"nothing": "known"},
    ]
    out = serve().output("replay", "-", typed="\n" + "\n".join(lines_of(*bodies).splitlines(keepends=True)))
    posted, _, shown = out.partition("\n\n")
    words = ["answer", r"\x1b[31mred", "transfer", "input", "record", "notify", "error", "unknown"]
    assert [line.split()[1:] for line in posted.splitlines()] == [["200", word] for word in words]
    assert [line.split()[0] for line in posted.splitlines()] == [str(2 + 2 * index) for index in range(8)], (
        "as in the file"
    )
    assert "CON-asked" in shown
    assert any(line.startswith("  answered ") for line in shown.splitlines())
    assert "CON-moved" in shown
    assert all(line.isprintable() for line in out.split("\n"))


def test_a_call_whose_answer_is_recorded_a_moment_later_is_shown(
    serve: Callable[..., Shell],
) -> None:
    shell = serve()
    inside = inside_of(shell)
    for number in range(20):
        request = {"from": "447700900123", "to": "Alice", "uuid": "b", "conversation_uuid": f"CON-only-{number}"}
        assert f"CON-only-{number}  live" in inside.output("replay", "-", typed=lines_of(request))
    inside.site.close()


def test_a_server_that_requires_signatures_gets_them(serve: Callable[..., Shell]) -> None:
    application = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
    shell = serve(VONAGE_SIGNATURE_SECRETS=SECRETS, VONAGE_APPLICATION_ID=application)
    out = shell.output("replay", str(SAMPLE))
    assert out.count("  200  ") == 7
    assert PUBLISHED in out


@pytest.mark.parametrize(
    ("secrets", "code", "why"),
    [((), "503", "not signed"), ((("a1b2c3d4", "another-secret-of-the-same-key-xx"),), "401", "signature")],
)
def test_an_unsigned_or_wrongly_signed_replay_is_refused_line_by_line(
    serve: Callable[..., Shell], secrets: Any, code: str, why: str
) -> None:
    shell = serve(VONAGE_SIGNATURE_SECRETS=SECRETS, VONAGE_APPLICATION_ID="aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab")
    line = lines_of(status("ringing", f"CON-refused-{code}"))
    inside = inside_of(shell, signature_secrets=secrets)
    status_, out, err = inside.run("replay", "-", typed=line)
    inside.site.close()
    assert status_ == 1
    assert "200" not in out
    assert f"   1  {code}  ringing: " in err
    assert why in err
    assert "1 request was refused" in err


def test_a_token_that_the_server_does_not_know_is_said_to_be_that(serve: Callable[..., Shell]) -> None:
    inside = inside_of(serve(), access_tokens=(("operator", "x" * 32),))
    status_, out, err = inside.run("replay", "-", typed=lines_of(status("ringing", "CON-kept")))
    inside.site.close()
    assert (status_, out) == (1, "   1  200  ringing\n"), "it was kept"
    assert "CON-kept: 401 It does not know the token of this shell: set ACCESS_TOKENS, or DATA_DIR" in err


def test_a_server_that_does_not_run_is_named(valkey: ValkeyEngine) -> None:
    (port,) = free_ports(1)
    inside = Inside(valkey.address.url, port=port)
    for words in (("--to", f"http://127.0.0.1:{port}/"), ()):
        code, out, err = inside.run("replay", str(SAMPLE), *words)
        assert (code, out) == (1, "")
        assert f"No answer from http://127.0.0.1:{port} " in err
        assert "make run" in err
    inside.site.close()


@pytest.mark.parametrize("line", [b"no json", b"[]", b'"text"', b'{"a": NaN}', b'{"a": ', b"\xff", b"[" * 5000])
def test_a_line_that_is_no_webhook_is_named_with_its_number(inside: Inside, tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "webhooks.jsonl"
    file.write_bytes(compact(status("ringing", "CON-before")) + b"\n\n" + line + b"\n" + b"{}\n")
    with listening() as listener:
        code, out, err = inside.run("replay", str(file), "--to", listener.url)
    assert code == 1
    assert f"{file}, line 3: " in err
    assert out == "   1  200  ringing\n", "the lines before it were sent, those after it were not"
    assert len(listener.requests) == 1


@pytest.mark.parametrize("path", ["", "/", "/behind/a/prefix", "/behind/a/prefix//"])
def test_the_server_may_be_behind_a_path(inside: Inside, path: str) -> None:
    body = status("ringing", "CON/1 \n")
    with listening(body=b"[]") as listener:
        inside.run("replay", "-", "--to", f"{listener.url}{path}", typed=lines_of(body, {"to": "x", "uuid": "y"}))
    prefix = path.rstrip("/")
    assert [(method, to) for method, to, _, _ in listener.requests] == [
        ("POST", f"{prefix}/voice/event"),
        ("POST", f"{prefix}/voice/answer"),
        ("GET", f"{prefix}/api/v1/conversations/CON%2F1"),
    ]
    assert listener.requests[0][3] == compact(body), "byte for byte"
    assert listener.requests[0][2]["Content-Type"] == "application/json"
    assert "Authorization" not in listener.requests[0][2]
    assert listener.requests[2][2]["Authorization"] == f"Bearer {OPERATOR}"


@pytest.mark.parametrize("body", [b"", b"<!doctype html>", b"[]", b"{}", b'{"legs": 1}', b"null", b"\xff"])
def test_a_server_that_is_no_switchhook_is_named(inside: Inside, body: bytes) -> None:
    with listening(body=body) as listener:
        code, out, err = inside.run("replay", "-", "--to", listener.url, typed=lines_of(status("ringing", "CON-1")))
    assert (code, out) == (1, "   1  200  ringing\n")
    assert f"{listener.url} answers, but is no Switchhook" in err


def test_posted_webhooks_are_signed_like_vonages(valkey: ValkeyEngine) -> None:
    key, _, secret = SECRETS.partition(":")
    signing = Inside(valkey.address.url, signature_secrets=((key, secret),))
    with listening() as listener:
        signing.output("replay", "-", "--to", listener.url, typed=lines_of({"a": 1}))
    _, _, headers, _ = listener.requests[0]
    claims = jwt.decode(headers["Authorization"].removeprefix("Bearer "), secret, algorithms=["HS256"])
    assert claims["api_key"] == key
    assert abs(claims["iat"] - time.time()) < 60


def test_a_redirect_is_not_followed(inside: Inside) -> None:
    """A followed redirect would turn the POST into a GET without the webhook, unnoticed."""
    with listening(301, Location="https://elsewhere.example/voice/event\x1b[2J".replace("\x1b", "%1b")) as listener:
        code, out, err = inside.run("replay", "-", "--to", listener.url, typed=lines_of({"nothing": "known"}))
    assert (code, out) == (1, "")
    assert "301" in err
    assert "https://elsewhere.example/" in err
    assert len(listener.requests) == 1


def test_no_response_controls_the_terminal(inside: Inside) -> None:
    for body in (b"\x1b[2J\x1b]0;owned\x07" * 50, b'{"detail": "\\u001b[2J"}', b"\xff\xfe", b""):
        with listening(500, body) as listener:
            code, _, err = inside.run("replay", "-", "--to", listener.url, typed=lines_of({"nothing": "known"}))
        assert code == 1
        assert "500" in err
        assert all(line.isprintable() for line in err.split("\n"))
