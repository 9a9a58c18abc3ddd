"""`flask flows try`: a simulated call to a flows file."""

from __future__ import annotations

import logging
from inspect import signature
from pathlib import Path

import pytest

from app import cli, create_app
from app.cli.flows.flow_call import _NoStore
from app.store.store import Store
from app.web.logs import LOGGERS
from config.settings import Settings
from tests.cli.flows.flows_file import CLOSED, FLOWS, OPEN, Run, flask, written
from tests.engines import free_ports


def test_a_call_is_placed_without_a_server_and_its_transcript_shown(run: Run) -> None:
    code, out, err = run("try", "+44 2079 460001", "--at", OPEN, "--digits", "1", "--busy", "+447700900301")
    assert (code, err) == (0, "")
    for words in (
        "447700900123    calls 442079460001\n",
        "hears “For sales press 1.”\n",
        "presses 1\n",
        "/voice/flows/menu/choice?state=… (input)\n",
        "calls 447700900301 (phone)\n",
        "447700900301    busy\n",
        "hears “Nobody is there.”\n",
        "\n\nServed: menu/choice → menu/sales → menu/nobody\n",
    ):
        assert words in out
    assert "200" not in out, "the output has no log line of the server"


def test_other_keys_and_callees_lead_to_other_steps(run: Run) -> None:
    assert "hears “You said 7.”" in run("try", "442079460001", "--at", OPEN, "--digits", "7")[1]
    out = run("try", "442079460001", "--at", OPEN, "--digits", "1", "--never-answers", "447700900301")[1]
    assert "447700900301    timeout\n" in out
    assert "hears “Nobody is there.”" in out
    out = run("try", "442079460001", "--at", OPEN, "--digits", "1")[1]
    assert "447700900301    answered\n" in out
    assert "Nobody is there." not in out


def test_words_are_said_at_inputs_with_speech(run: Run, tmp_path: Path) -> None:
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


def test_the_given_time_is_the_flows_time(run: Run) -> None:
    out = run("try", "442079460001", "--at", CLOSED)[1]
    assert "hears “We are closed.”" in out
    assert "Served: closed/start\n" in out


def test_a_caller_may_hang_up_and_callees_never_rung_are_named(run: Run) -> None:
    words = ("--hang-up-after", "1", "--busy", "447700900302", "--never-answers", "Carol")
    code, out, _ = run("try", "442079460001", "--at", OPEN, *words)
    assert code == 0
    assert "hangs up" in out
    assert "Never rung: 447700900302, Carol\n" in out


@pytest.mark.parametrize(("number", "why"), [("442079460002", "no route"), ("442079460009", "Account")])
def test_the_last_resort_is_an_error_with_its_reason(run: Run, number: str, why: str) -> None:
    code, out, err = run("try", number)
    assert code == 1
    assert "hears “Sorry, we cannot take your call" in out
    assert "Served: last-resort\n" in out
    assert "the last resort was served: " in err
    assert why in err


def test_the_last_resort_later_in_the_call_is_an_error_too(run: Run, file: Path) -> None:
    text = FLOWS.replace("You said {{ inputs.choice.digits }}.", "{{ custom_data.name }}")
    written(file, text)
    code, out, err = run("try", "442079460001", "--at", OPEN, "--digits", "7")
    assert code == 1
    assert "Served: menu/choice → last-resort\n" in out
    assert "flow menu, step sorry" in err


def test_odd_numbers_and_names_do_no_harm(run: Run) -> None:
    for name in ("\x1b[2J", "a\nb", "Zoë 李", "\udcff", "-", "💥", "\u202e", "sip:alice@example.com", "*", "~", "null"):
        code, out, err = run("try", "--from-user", name, "--at", OPEN, "--", "442079460001")
        assert code in (0, 2)
        assert all(line.isprintable() for line in (out + err).split("\n"))


def test_it_does_not_change_the_log(run: Run) -> None:
    run("check")
    loggers = [logging.getLogger(name) for name in LOGGERS]
    handlers = [logger.handlers[:] for logger in loggers]
    app = create_app(Settings(secret_key="k" * 32))
    cli.install(app)
    mine = [logger.handlers[:] for logger in loggers]
    assert mine != handlers
    with app.app_context():
        app.test_cli_runner().invoke(args=["flows", "try", "442079460002"])
    assert [logger.handlers[:] for logger in loggers] == mine


def test_neither_pytest_nor_redis_nor_a_signature_is_needed(tmp_path: Path, file: Path) -> None:
    """The server's own requirements are enough for it."""
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
    assert sorted(made.name for made in (tmp_path / "var").iterdir()) == ["operator_token", "secret_key", "user_token"]


def test_the_store_that_keeps_nothing_has_the_signatures_of_the_real_one() -> None:
    """A call that only the substitute refuses would fail unnoticed."""
    for name in ("record", "record_later", "unfile", "unfile_later", "count"):
        wanted = list(signature(getattr(Store, name)).parameters.values())[1:]
        by_position = [parameter.name for parameter in wanted if parameter.kind is not parameter.KEYWORD_ONLY]
        by_name = {parameter.name: None for parameter in wanted if parameter.kind is parameter.KEYWORD_ONLY}
        signature(getattr(_NoStore(), name)).bind(*by_position, **by_name)
