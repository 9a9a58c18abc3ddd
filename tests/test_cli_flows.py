"""`flask flows`: what people who write a flows file are told of it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app import create_app
from app.web.logs import LOGGERS
from config.settings import Settings
from tests.engines import free_ports, wait_until
from tests.serving import OPERATOR, ROOT, Server
from tests.test_cli import listening
from vonage_simulator import yaml_source

VIEWER = "viewers-token-of-32-characters-xx"
FLOWS = """\
routes:
  - to: "442079460001"
    when: not office
    flow: closed
  - to: "442079460001"
    flow: menu
  - from_user: "*"
    to: number
    flow: out
  - to: "442079460009"
    flow: broken
  - to: "442079460008"
    from: "*"
    flow: menu

hours:
  office:
    zone: Europe/London
    open: { mon-fri: "09:00-17:00" }

flows:
  closed:
    - { action: talk, text: We are closed. }

  menu:
    about: A choice of two
    steps:
      choice:
        - action: talk
          text: For sales press 1.
        - action: input
          type: [dtmf]
          dtmf: { maxDigits: 1 }
          next:
            keys: { 1: sales }
            else: sorry
      sales:
        - action: connect
          from: "442079460001"
          timeout: 20
          endpoint: [{ type: phone, number: "447700900301" }]
          next: nobody
      nobody:
        - { action: talk, text: Nobody is there. }
      sorry:
        - { action: talk, text: "You said {{ inputs.choice.digits }}." }

  out:
    - action: connect
      endpoint: [{ type: phone, number: "{{ to }}" }]

  broken:
    - { action: talk, text: "{{ headers.Account }}" }
"""
OPEN, CLOSED = "2026-11-20T12:00", "2026-11-20T18:00"  # a Friday

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A flows file without fault."""
    return written(tmp_path / "flows.yaml", FLOWS)


@pytest.fixture
def run(file: Path) -> Run:
    """Exit status, standard output and standard error of `flask flows`, run in here with that file."""

    def run(*words: str, **more: Any) -> tuple[int, str, str]:
        known: dict[str, Any] = {"secret_key": "k" * 32, "access_tokens": (("operator", OPERATOR),), "flows_file": file}
        app = create_app(Settings(**known | more))
        with app.app_context():
            done = app.test_cli_runner().invoke(args=["flows", *words])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr

    return run


def written(file: Path, text: str) -> Path:
    """*file*, once that *text* is in it."""
    file.write_text(text, encoding="utf-8")
    return file


# -- check ------------------------------------------------------------------------------------------------------------


def test_a_file_without_fault_is_summed_up_in_one_line(run: Run, file: Path) -> None:
    code, out, err = run("check")
    assert (code, err) == (0, "")
    version = out.split("version ")[1][:8]
    rest = "; calls that no route fits hear the last resort"
    assert out == f"{file}: 5 routes, 4 flows, version {version}: no fault{rest}\n"
    assert set(version) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("routes", "every"),
    [
        ('- { to: "44*", flow: a }\n  - { flow: a }', True),
        ("- { when: office, flow: a }\n  - { when: not office, flow: a }", True),
        ("- { when: not office, flow: a }", False),
        ("- { when: office, flow: a }\n  - { when: not shop, flow: a }", False),
        ('- { when: office, flow: a }\n  - { when: not office, from: "*", flow: a }', False),
        ('- { from: "*", flow: a }', False),
        ('- { from_user: "*", flow: a }\n  - { from: "44*", flow: a }', False),
    ],
)
def test_whether_a_route_fits_every_call_is_said(run: Run, tmp_path: Path, routes: str, every: bool) -> None:
    hours = "{ zone: Europe/London, open: { mon-fri: 09:00-17:00 } }"
    used = [name for name in ("office", "shop") if name in routes]
    text = f"routes:\n  {routes}\nflows: {{ a: [{{ action: talk, text: Hello. }}] }}\n"
    if used:
        text += f"hours: {{ {', '.join(f'{name}: {hours}' for name in used)} }}\n"
    code, out, _ = run("check", str(written(tmp_path / "routes.yaml", text)))
    assert code == 0, out
    assert out.endswith(": no fault\n" if every else ": no fault; calls that no route fits hear the last resort\n")


def test_one_of_a_thing_is_not_many(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "one.yaml", "routes: [{ flow: a }]\nflows: { a: [{ action: talk, text: Hello. }] }\n")
    assert ": 1 route, 1 flow, version " in run("check", str(file))[1]


def test_the_file_that_comes_with_the_app_has_no_fault_and_is_named_as_seen_from_here() -> None:
    done = flask("check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("config/flows.yaml: 3 routes, 3 flows, version ")


def test_every_fault_has_a_line_with_its_place_and_the_last_line_counts_them(run: Run, tmp_path: Path) -> None:
    text = FLOWS.replace("text: We are closed.", "texxt: We are closed.").replace("flow: out", "flow: oout")
    file = written(tmp_path / "bad.yaml", text)
    code, out, err = run("check", str(file))
    assert (code, err) == (1, "")
    *faults, last = out.splitlines()
    assert last == f"{len(faults)} faults in {file}"
    assert any(line.startswith(f"{file}:9:11: routes[2].flow: ") for line in faults)
    assert any(line.startswith(f"{file}:23:") and "texxt" in line for line in faults)


def test_several_files_are_checked_and_one_with_a_fault_is_enough(run: Run, file: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.yaml"
    code, out, _ = run("check", str(nowhere), str(file))
    assert code == 1
    first, second, third = out.splitlines()
    assert first == f"{nowhere}: there is no such file"
    assert second == f"1 fault in {nowhere}"
    assert ": no fault" in third


def test_nothing_in_a_file_steers_the_terminal(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "odd\x1b[2J.yaml", 'routes: [{ flow: "\\e]0;owned\\a" }]\n"\\e[31m\\u202e": 1\n')
    code, out, _ = run("check", str(file))
    assert code == 1
    assert r"\x1b" in out
    assert all(line.isprintable() for line in out.split("\n"))


# -- show -------------------------------------------------------------------------------------------------------------


def test_show_tells_the_route_the_flow_its_step_and_what_is_said(run: Run, file: Path) -> None:
    code, out, err = run("show", "+44 20 7946 0001", "--at", OPEN)
    assert (code, err) == (0, "")
    first, second, empty, *rest = out.splitlines()
    assert first == f"{file}, line 5: to 442079460001 gets flow menu"
    assert second.startswith("Step choice, version ")
    assert empty == ""
    talk, asked = yaml_source.read("\n".join(rest), "out").value
    assert talk == {"action": "talk", "text": "For sales press 1."}
    assert asked["eventUrl"] == ["http://127.0.0.1:8080/voice/flows/menu/choice?state=…"]


@pytest.mark.parametrize(
    ("at", "flow"),
    [
        (OPEN, "menu"),
        (CLOSED, "closed"),
        ("2026-11-20T16:59:59Z", "menu"),
        ("2026-11-20T17:30+01:00", "menu"),
        ("2026-07-01T16:30", "closed"),  # in London it is 17:30 then
        ("2026-11-21", "closed"),
    ],
)
def test_opening_hours_can_be_tried_and_a_time_without_a_zone_is_utc(run: Run, at: str, flow: str) -> None:
    assert f"gets flow {flow}\n" in run("show", "442079460001", "--at", at)[1]


def test_who_calls_makes_a_difference(run: Run) -> None:
    assert "line 7: from-user *, to number gets flow out" in run("show", "447700900301", "--from-user", "Bob")[1]
    assert run("show", "447700900301", "--from", "447700900123")[0] == 1


def test_another_step_can_be_looked_at(run: Run) -> None:
    code, out, _ = run("show", "442079460001", "--at", OPEN, "--step", "nobody")
    assert code == 0
    assert "Step nobody, version " in out
    assert "Nobody is there." in out
    code, _, err = run("show", "442079460001", "--at", OPEN, "--step", "noboby")
    assert code == 2
    assert "flow menu has choice, sales, nobody, sorry" in err


def test_a_step_of_a_flow_in_python_is_not_shown_and_it_says_why(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    written(
        tmp_path / "flow_that_is_shown.py", "def answer(request):\n    return [{'action': 'talk', 'text': 'Hello.'}]\n"
    )
    file = written(
        tmp_path / "python.yaml", "routes: [{ flow: p }]\nflows: { p: { python: flow_that_is_shown:answer } }\n"
    )
    assert "Hello." in run("show", "1", "--file", str(file))[1]
    code, out, err = run("show", "1", "--file", str(file), "--step", "found")
    assert (code, out) == (2, "")
    assert "flow p is written in Python: `show` has nothing that came back to give it." in " ".join(err.split())
    assert "`flask flows try` goes through it" in " ".join(err.split())


TOLD = """\
routes: [{ flow: told }]
flows:
  told:
    - action: talk
      text: >-
        {{ endpoint_type }} {{ headers['X-UserId'] | default('nobody') }} {{ headers['User-to-User'] | default('') }}
    - action: talk
      text: "{{ custom_data.order.number | default('no order') }}"
"""


@pytest.mark.parametrize(
    ("words", "heard"),
    [
        ((), ["phone nobody ", "no order"]),
        (("--header", "X-UserId=1938ND9"), ["sip 1938ND9 ", "no order"]),
        (
            (
                "--from",
                "sip:bob@pbx.example.com",
                "--header",
                "X-UserId=a=b",
                "--header",
                "User-to-User=12;encoding=hex",
            ),
            ["sip a=b 12;encoding=hex", "no order"],
        ),
        (("--from-user", "Bob", "--custom-data", '{"order": {"number": "4711"}}'), ["app nobody ", "4711"]),
        (("--from-user", "Bob", "--custom-data", "{}"), ["app nobody ", "no order"]),
    ],
)
def test_what_a_caller_sends_along_is_shown_and_heard(
    run: Run, tmp_path: Path, words: tuple[str, ...], heard: list[str]
) -> None:
    file = str(written(tmp_path / "told.yaml", TOLD))
    code, out, err = run("show", "442079460000", "--file", file, "--json", *words)
    assert (code, err) == (0, "")
    assert [action["text"] for action in json.loads(out)["ncco"]] == heard
    code, out, err = run("try", "442079460000", "--file", file, *words)
    assert (code, err) == (0, "")
    assert [line.partition("hears ")[2] for line in out.splitlines() if "hears " in line] == [f"“{it}”" for it in heard]


def test_programs_get_one_object(run: Run) -> None:
    code, out, _ = run("show", "442079460001", "--at", OPEN, "--json", public_url="https://calls.example.com")
    assert code == 0
    told = json.loads(out)
    assert list(told) == ["route", "flow", "step", "version", "ncco"]
    assert told["route"]["line"] == 5
    assert [action["action"] for action in told["ncco"]] == ["talk", "input"]
    assert told["ncco"][1]["eventUrl"] == ["https://calls.example.com/voice/flows/menu/choice?state=…"]


def test_where_nothing_fits_it_says_that_the_last_resort_is_served_and_why(run: Run) -> None:
    code, out, err = run("show", "442079460002")
    assert (code, out) == (1, "")
    assert "the last resort is served: no route" in err


def test_what_cannot_be_made_for_this_call_is_said_with_the_route(run: Run) -> None:
    code, out, err = run("show", "442079460009")
    assert code == 1
    assert "line 10: to 442079460009 gets flow broken\n" in out
    assert "the last resort is served: flow broken, step start: " in err
    assert "Account" in err


def test_a_file_with_faults_shows_them_and_no_call(run: Run, file: Path) -> None:
    written(file, "routes: []\nflows: {}\n")
    for words in (("show", "442079460001"), ("try", "442079460001")):
        code, out, err = run(*words)
        assert (code, err) == (1, "")
        assert f" in {file}\n" in out
        assert "routes: is empty" in out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("show",), "NUMBER"),
        (("show", " "), "nobody"),
        (("show", "1", "--at", "noon"), "2026-12-24T17:45"),
        (("show", "1", "--at", "0001-01-01"), "--at"),
        (("show", "1", "--at", "9999-12-31T23:59-05:00"), "--at"),
        (("show", "1", "--from", "1", "--from-user", "Bob"), "--from-user"),
        (("show", "1", "--from", ""), "--from"),
        (("show", "1", "--custom-data", "{}"), "--from-user"),
        (("show", "1", "--custom-data", "{}", "--header", "X-A=1"), "--header"),
        (("show", "1", "--from-user", "Bob", "--header", "X-A=1"), "--custom-data"),
        (("show", "1", "--from-user", "Bob", "--custom-data", "[1]"), "object"),
        (("show", "1", "--from-user", "Bob", "--custom-data", "{order: 1}"), "character 1"),
        (("show", "1", "--from-user", "Bob", "--custom-data", '{"a": NaN}'), "no JSON"),
        (("try", "1", "--from-user", "Bob", "--custom-data", '{"a": "\\ud83d"}'), "no JSON"),
        (("try", "1", "--from-user", "Bob", "--custom-data", "[" * 99999), "no JSON"),
        (("try", "442079460001", "--from-user", "Bob", "--custom-data", f'{{"a": {"[" * 40}{"]" * 40}}}'), "deep"),
        (("show", "1", "--header", "X-UserId"), "X-UserId=1938ND9"),
        (("show", "1", "--header", "X-UserId=a\nb"), "X-UserId=1938ND9"),
        (("show", "1", "--header", "=1"), "X-UserId=1938ND9"),
        (("show", "1", "--header", "Account=1"), "not Account"),
        (("show", "1", "--header", "X-Nexmo-A=1"), "not X-Nexmo-A"),
        (("try", "1", "--digits", "1;2"), "--digits"),
        (("try", "1", "--hang-up-after", "-1"), "--hang-up-after"),
        (("try", "1", "--busy", "447700900301", "--never-answers", "+447700900301"), "--never-answers"),
        (("diff", "--to", "127.0.0.1:8080"), "--to"),
    ],
)
def test_a_wrong_word_is_named(run: Run, words: tuple[str, ...], named: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert named in err


# -- try --------------------------------------------------------------------------------------------------------------


def test_a_call_is_tried_without_a_server_and_its_transcript_shown(run: Run) -> None:
    code, out, err = run("try", "+44 2079 460001", "--at", OPEN, "--digits", "1", "--busy", "+447700900301")
    assert (code, err) == (0, "")
    for told in (
        "447700900123    calls 442079460001\n",
        "hears “For sales press 1.”\n",
        "presses 1\n",
        "/voice/flows/menu/choice?state=… (input)\n",
        "has 447700900301 (phone) rung\n",
        "447700900301    busy\n",
        "hears “Nobody is there.”\n",
        "\n\nServed: menu/choice → menu/sales → menu/nobody\n",
    ):
        assert told in out
    assert "200" not in out, "no log line of the server is among it"


def test_what_else_may_come_back_leads_elsewhere(run: Run) -> None:
    assert "hears “You said 7.”" in run("try", "442079460001", "--at", OPEN, "--digits", "7")[1]
    out = run("try", "442079460001", "--at", OPEN, "--digits", "1", "--never-answers", "447700900301")[1]
    assert "447700900301    timeout\n" in out
    assert "hears “Nobody is there.”" in out
    out = run("try", "442079460001", "--at", OPEN, "--digits", "1")[1]
    assert "447700900301    answered\n" in out
    assert "Nobody is there." not in out


def test_words_are_said_where_it_listens(run: Run, tmp_path: Path) -> None:
    text = """\
routes: [{ flow: ask }]
flows:
  ask:
    steps:
      which:
        - { action: input, type: [speech], next: { words: { sales: sales }, else: which, exhausted: sales } }
      sales:
        - { action: talk, text: "Sales, {{ from_user }}." }
"""
    file = written(tmp_path / "words.yaml", text)
    words = ("try", "Support", "--from-user", "Bob", "--file", str(file), "--says", "well", "--says", "Sales, please")
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert "Bob             says “Sales, please”" in out
    assert "hears “Sales, Bob.”" in out
    assert "Served: ask/which → ask/which → ask/sales\n" in out


def test_the_time_is_the_servers_for_as_long_as_the_call_lasts(run: Run) -> None:
    out = run("try", "442079460001", "--at", CLOSED)[1]
    assert "hears “We are closed.”" in out
    assert "Served: closed/start\n" in out


def test_a_caller_may_hang_up_and_who_is_never_rung_is_named(run: Run) -> None:
    words = ("--hang-up-after", "1", "--busy", "447700900302", "--never-answers", "Carol")
    code, out, _ = run("try", "442079460001", "--at", OPEN, *words)
    assert code == 0
    assert "hangs up" in out
    assert "Never rung: 447700900302, Carol\n" in out


@pytest.mark.parametrize(("number", "why"), [("442079460002", "no route"), ("442079460009", "Account")])
def test_the_last_resort_is_heard_and_the_reason_said(run: Run, number: str, why: str) -> None:
    code, out, err = run("try", number)
    assert code == 1
    assert "hears “Sorry, we cannot take your call" in out
    assert "Served: last-resort\n" in out
    assert "the last resort was served: " in err
    assert why in err


def test_what_leads_to_the_last_resort_later_in_the_call_is_said_too(run: Run, file: Path) -> None:
    text = FLOWS.replace("You said {{ inputs.choice.digits }}.", "{{ custom_data.name }}")
    written(file, text)
    code, out, err = run("try", "442079460001", "--at", OPEN, "--digits", "7")
    assert code == 1
    assert "Served: menu/choice → last-resort\n" in out
    assert "flow menu, step sorry" in err


def test_odd_names_do_no_harm(run: Run) -> None:
    for name in ("\x1b[2J", "a\nb", "Zoë 李", "\udcff", "-", "💥", "\u202e", "sip:alice@example.com", "*", "~", "null"):
        code, out, err = run("try", "--from-user", name, "--at", OPEN, "--", "442079460001")
        assert code in (0, 2)
        assert all(line.isprintable() for line in (out + err).split("\n"))


def test_it_leaves_the_log_as_it_was(run: Run) -> None:
    run("check")
    loggers = [logging.getLogger(name) for name in LOGGERS]
    handlers = [logger.handlers[:] for logger in loggers]
    app = create_app(Settings(secret_key="k" * 32))
    mine = [logger.handlers[:] for logger in loggers]
    assert mine != handlers
    with app.app_context():
        app.test_cli_runner().invoke(args=["flows", "try", "442079460002"])
    assert [logger.handlers[:] for logger in loggers] == mine


def flask(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`flask flows`, run as people run it."""
    return subprocess.run(
        [sys.executable, "-m", "flask", "flows", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_it_needs_no_pytest_no_redis_and_no_signature_secret_of_vonages(tmp_path: Path, file: Path) -> None:
    """It is for whoever has only what the server needs."""
    written(tmp_path / "pytest.py", "raise ImportError('there is none')\n")
    done = flask(
        *("try", "442079460001", "--at", CLOSED, "--file", str(file)),
        PYTHONPATH=str(tmp_path),
        DATA_DIR=str(tmp_path / "var"),
        REDIS_URL=f"redis://127.0.0.1:{free_ports(1)[0]}",
        VONAGE_SIGNATURE_SECRETS=f"a1b2c3d4:{'s' * 32}",
        PUBLIC_URL="https://calls.example.com",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "hears “We are closed.”" in done.stdout
    assert sorted(made.name for made in (tmp_path / "var").iterdir()) == ["operator_token", "secret_key"]


# -- diff -------------------------------------------------------------------------------------------------------------


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
def saying(server: Server, theirs: Path, text: str) -> Iterator[None]:
    """Meanwhile the server's file has *text* in it, and the server has seen that."""

    def looked() -> Any:
        return server.api("/api/v1/flows").json["looked_at"]

    for now, last in ((text, False), (FLOWS, True)):
        before = looked()
        written(theirs, now)
        wait_until(lambda before=before: looked() != before, "the server has read its file")  # type: ignore[misc]
        if not last:
            yield


def test_what_runs_is_what_stands_here(run: Run, running: tuple[Server, Path]) -> None:
    server, _ = running
    for words in ((), ("--to", f"http://127.0.0.1:{server.port}/")):
        assert run("diff", *words, port=server.port) == (0, "no difference\n", "")


def test_what_differs_is_summed_up_and_shown_line_by_line(run: Run, running: tuple[Server, Path], file: Path) -> None:
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


def test_a_comment_is_a_difference_of_no_flow(run: Run, running: tuple[Server, Path], file: Path) -> None:
    written(file, f"# Ours.\n{FLOWS}")
    code, out, _ = run("diff", port=running[0].port)
    assert code == 1
    assert out.startswith("no flow differs, but the file does\n")
    assert "\n+# Ours.\n" in out


def test_a_server_that_runs_an_older_state_is_told_first(run: Run, running: tuple[Server, Path], file: Path) -> None:
    server, theirs = running
    with saying(server, theirs, FLOWS.replace("flow: out", "flow: oout")):
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


def test_a_fault_here_is_named_before_anything_is_compared(run: Run, running: tuple[Server, Path], file: Path) -> None:
    written(file, "routes: []\nflows: {}\n")
    code, out, _ = run("diff", port=running[0].port)
    assert code == 1
    assert "routes: is empty" in out
    assert "---" not in out


def test_a_server_without_flows_is_said_to_have_none(run: Run) -> None:
    told: dict[str, Any] = {"file": "f", "version": None, "loaded_at": None, "text": None, "flows": [], "faults": []}
    fault = {"line": None, "column": None, "field": "", "words": "there is no such file"}
    with listening(body=json.dumps(told | {"faults": [fault]}).encode()) as listener:
        code, out, _ = run("diff", "--to", listener.url)
    assert code == 1
    assert out.startswith(
        f"At {listener.url} the file has 1 fault:\n  f: there is no such file\n"
        f"At {listener.url} no flows run: callers hear the last resort.\nadded    closed ("
    )
    assert listener.asked[0][1] == "/api/v1/flows"


def test_a_server_that_is_not_there_is_named(run: Run) -> None:
    (port,) = free_ports(1)
    code, out, err = run("diff", port=port)
    assert (code, out) == (1, "")
    assert f"No answer from http://127.0.0.1:{port} " in err
    assert "make run" in err


def test_it_takes_an_operators_token(run: Run, running: tuple[Server, Path]) -> None:
    for tokens, status, words in (
        ((("viewer", VIEWER),), 403, "the server there takes an operator's token, and this is none"),
        ((("operator", "x" * 32),), 401, "the server there does not know this token"),
    ):
        code, out, err = run("diff", port=running[0].port, access_tokens=tokens)
        assert (code, out) == (1, "")
        todo = "Set ACCESS_TOKENS=operator:… as it has it, in this shell."
        assert f"/api/v1/flows answers {status}: {words}. {todo}\n" in err


@pytest.mark.parametrize("body", [b"", b"<!doctype html>", b"[]", b"{}", b'{"flows": 1}', b"null", b"\xff"])
def test_a_server_of_another_kind_is_told_from_ours(run: Run, body: bytes) -> None:
    with listening(body=body) as listener:
        code, out, err = run("diff", "--to", listener.url)
    assert (code, out) == (1, "")
    assert f"{listener.url} answers, but is no Switchhook" in err


def test_nobody_is_led_elsewhere_with_the_token(run: Run) -> None:
    with listening(301, Location="https://elsewhere.example/api/v1/flows") as listener:
        code, _, err = run("diff", "--to", listener.url)
    assert code == 1
    assert "https://elsewhere.example/" in err
