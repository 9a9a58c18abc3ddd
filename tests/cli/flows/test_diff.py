"""`flask flows diff`: how the local flows file differs from the flows that a server runs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.flows.flows_file import FLOWS, Run, written
from tests.cli.listening import listening
from tests.engines import free_ports, wait_until
from tests.serving import OPERATOR, Server

VIEWER = "viewers-token-of-32-characters-xx"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server, and its flows file."""
    folder = tmp_path_factory.mktemp("running")
    theirs = written(folder / "flows.yaml", FLOWS)
    tokens = f"operator:{OPERATOR},viewer:{VIEWER}"
    server = Server(folder, FLOWS_FILE=str(theirs), WEB_CONCURRENCY="1", ACCESS_TOKENS=tokens)
    try:
        yield server.ready(), theirs
    finally:
        server.kill()


@contextlib.contextmanager
def server_file(server: Server, theirs: Path, text: str) -> Iterator[None]:
    """Within it the server's flows file has *text*, and the server has read it."""

    def last_read() -> Any:
        return server.api("/api/v1/flows").json["looked_at"]

    for now, last in ((text, False), (FLOWS, True)):
        before = last_read()
        written(theirs, now)
        wait_until(lambda before=before: last_read() != before, "the server has read its file")  # type: ignore[misc]
        if not last:
            yield


def test_the_same_file_makes_no_difference(run: Run, running: tuple[Server, Path]) -> None:
    server, _ = running
    for words in ((), ("--to", f"http://127.0.0.1:{server.port}/")):
        assert run("diff", *words, port=server.port) == (0, "no difference\n", "")


def test_differences_are_summarised_and_shown_line_by_line(run: Run, running: tuple[Server, Path], file: Path) -> None:
    server, _ = running
    text = FLOWS.replace("We are closed.", "We are\u202e closed. Call again.").replace("flow: out", "flow: outwards")
    text = text.replace("  out:\n", "  outwards:\n")
    written(file, text)
    code, out, err = run("diff", port=server.port)
    assert (code, err) == (1, "")
    changed, removed, added, *lines = out.splitlines()
    assert changed.startswith("changed  closed (")
    assert " → " in changed
    assert removed.startswith("removed  out (")
    assert added.startswith("added    outwards (")
    assert lines[:2] == [f"--- what runs at http://127.0.0.1:{server.port}", f"+++ {file}"]
    assert "-    - { action: talk, text: We are closed. }" in lines
    assert r"+    - { action: talk, text: We are\u202e closed. Call again. }" in lines
    assert all(line.isprintable() for line in out.split("\n"))
    assert run("diff", str(running[1]), port=server.port)[0] == 0, "the file may be named"


def test_a_changed_comment_is_no_changed_flow(run: Run, running: tuple[Server, Path], file: Path) -> None:
    written(file, f"# Ours.\n{FLOWS}")
    code, out, _ = run("diff", port=running[0].port)
    assert code == 1
    assert out.startswith("no flow differs, but the file does\n")
    assert "\n+# Ours.\n" in out


def test_a_server_that_runs_an_older_version_is_reported(run: Run, running: tuple[Server, Path], file: Path) -> None:
    server, theirs = running
    with server_file(server, theirs, FLOWS.replace("flow: out", "flow: oout")):
        code, out, _ = run("diff", port=server.port)
        assert code == 0
        first, fault, older, last = out.splitlines()
        assert first.startswith(f"At http://127.0.0.1:{server.port} the file has ")
        assert fault.startswith(f"  {theirs}:9:11: routes[2].flow: ")
        assert older.startswith("What runs there is older: version ")
        assert last == "no difference"
        written(file, f"{FLOWS}\n")
        code, out, _ = run("diff", port=server.port)
        assert code == 1
        assert out.startswith(first)
    assert run("diff", str(theirs), port=server.port) == (0, "no difference\n", "")


def test_a_fault_in_the_local_file_ends_the_command(run: Run, running: tuple[Server, Path], file: Path) -> None:
    written(file, "routes: []\nflows: {}\n")
    code, out, _ = run("diff", port=running[0].port)
    assert code == 1
    assert "routes: is empty" in out
    assert "---" not in out


def test_a_server_without_flows_is_reported(run: Run) -> None:
    body: dict[str, Any] = {"file": "f", "version": None, "loaded_at": None, "text": None, "flows": [], "faults": []}
    fault = {"line": None, "column": None, "field": "", "words": "there is no such file"}
    with listening(body=json.dumps(body | {"faults": [fault]}).encode()) as listener:
        code, out, _ = run("diff", "--to", listener.url)
    assert code == 1
    assert out.startswith(
        f"At {listener.url} the file has 1 fault:\n  f: there is no such file\n"
        f"At {listener.url} no flows run: callers hear the last resort.\nadded    closed ("
    )
    assert listener.requests[0][1] == "/api/v1/flows"


def test_a_server_that_does_not_run_is_named(run: Run) -> None:
    (port,) = free_ports(1)
    code, out, err = run("diff", port=port)
    assert (code, out) == (1, "")
    assert f"No answer from http://127.0.0.1:{port} " in err
    assert "make run" in err


def test_an_operators_token_is_needed(run: Run, running: tuple[Server, Path]) -> None:
    for tokens, status, words in (
        ((("viewer", VIEWER),), 403, "the server there takes an operator's token, and this is none"),
        ((("operator", "x" * 32),), 401, "the server there does not know this token"),
    ):
        code, out, err = run("diff", port=running[0].port, access_tokens=tokens)
        assert (code, out) == (1, "")
        todo = "Set ACCESS_TOKENS=operator:… as it has it, in this shell."
        assert f"/api/v1/flows answers {status}: {words}. {todo}\n" in err


@pytest.mark.parametrize("body", [b"", b"<!doctype html>", b"[]", b"{}", b'{"flows": 1}', b"null", b"\xff"])
def test_a_server_that_is_no_switchhook_is_named(run: Run, body: bytes) -> None:
    with listening(body=body) as listener:
        code, out, err = run("diff", "--to", listener.url)
    assert (code, out) == (1, "")
    assert f"{listener.url} answers, but is no Switchhook" in err


def test_the_token_is_not_sent_to_where_a_redirect_leads(run: Run) -> None:
    with listening(301, Location="https://elsewhere.example/api/v1/flows") as listener:
        code, _, err = run("diff", "--to", listener.url)
    assert code == 1
    assert "https://elsewhere.example/" in err
