"""`flask flows show`: the route and the NCCO that a caller gets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.flows.flows_file import CLOSED, OPEN, Run, written
from vonage_simulator import yaml_source


def test_route_flow_step_and_ncco_are_shown(run: Run, file: Path) -> None:
    code, out, err = run("show", "+44 20 7946 0001", "--at", OPEN)
    assert (code, err) == (0, "")
    first, second, empty, *rest = out.splitlines()
    assert first == f"{file}, line 5: to 442079460001 gets flow menu"
    assert second.startswith("Step choice, version ")
    assert empty == ""
    talk, question = yaml_source.read("\n".join(rest), "out").value
    assert talk == {"action": "talk", "text": "For sales press 1."}
    assert question["eventUrl"] == ["http://127.0.0.1:8080/voice/flows/menu/choice?state=…"]


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


def test_the_caller_decides_the_flow(run: Run) -> None:
    assert "line 7: from-user *, to number gets flow out" in run("show", "447700900301", "--from-user", "Bob")[1]
    assert run("show", "447700900301", "--from", "447700900123")[0] == 1


def test_another_step_can_be_shown(run: Run) -> None:
    code, out, _ = run("show", "442079460001", "--at", OPEN, "--step", "nobody")
    assert code == 0
    assert "Step nobody, version " in out
    assert "Nobody is there." in out
    code, _, err = run("show", "442079460001", "--at", OPEN, "--step", "noboby")
    assert code == 2
    assert "flow menu has no step noboby; it has choice, sales, nobody, sorry" in err


def test_a_step_of_a_flow_in_python_cannot_be_shown(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


CALLER_IN_TEXTS = """\
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
    ("words", "texts"),
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
def test_headers_and_custom_data_are_used(run: Run, tmp_path: Path, words: tuple[str, ...], texts: list[str]) -> None:
    file = str(written(tmp_path / "told.yaml", CALLER_IN_TEXTS))
    code, out, err = run("show", "442079460000", "--file", file, "--json", *words)
    assert (code, err) == (0, "")
    assert [action["text"] for action in json.loads(out)["ncco"]] == texts
    code, out, err = run("try", "442079460000", "--file", file, *words)
    assert (code, err) == (0, "")
    assert [line.partition("hears ")[2] for line in out.splitlines() if "hears " in line] == [f"“{it}”" for it in texts]


def test_json_is_one_object(run: Run) -> None:
    code, out, _ = run("show", "442079460001", "--at", OPEN, "--json", public_url="https://calls.example.com")
    assert code == 0
    shown = json.loads(out)
    assert list(shown) == ["route", "flow", "step", "version", "ncco"]
    assert shown["route"]["line"] == 5
    assert [action["action"] for action in shown["ncco"]] == ["talk", "input"]
    assert shown["ncco"][1]["eventUrl"] == ["https://calls.example.com/voice/flows/menu/choice?state=…"]


def test_a_call_that_no_route_fits_gets_the_last_resort(run: Run) -> None:
    code, out, err = run("show", "442079460002")
    assert (code, out) == (1, "")
    assert "the last resort is served: no route" in err


def test_a_flow_that_cannot_be_rendered_gets_the_last_resort(run: Run) -> None:
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
        (("show", " "), "give a number or a name"),
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
def test_a_wrong_option_is_named(run: Run, words: tuple[str, ...], named: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert named in err
