"""docs/flows.md and docs/flows/: what they say is there is there, and what they say happens does."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result as Ran

from app import cli, create_app
from app.flows import loading
from app.flows.expressions.filters import FILTERS
from app.flows.expressions.sandbox import METHODS
from app.flows.expressions.static_check import INPUT, NAMES, SETTINGS
from app.flows.model import DETECTIONS, FAILED_STATUSES
from app.flows.request import Request, Result
from config.settings import Settings
from tests.flows.ready.conftest import READY, Carrier, Serve
from tests.flows.sdk import DIFFERENCES
from tests.serving import ROOT
from vonage_simulator.harness import place

MANUAL = (ROOT / "docs" / "flows.md").read_text()
PAGES = {page.stem: page.read_text() for page in sorted((ROOT / "docs" / "flows").glob("*.md"))}
FLOWS = sorted(READY.glob("*.yaml"))
KNOWN = {"APP_USER": "Alice", "CALLER_NUMBER": None, "PUBLIC_URL": None}
FLASK = ".venv/bin/flask "
APP = create_app(Settings(secret_key="not checked here"))
cli.install(APP)


def blocks(text: str, kind: str) -> list[str]:
    """The blocks of that kind in *text*."""
    every = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for its, block in every if its == kind]


def commands() -> Iterator[tuple[str, str]]:
    """Page and command: each `flask flows` in a page of a ready flow."""
    for name, page in PAGES.items():
        for block in blocks(page, "sh"):
            for line in block.splitlines():
                if line.startswith(f"{FLASK}flows "):
                    yield name, line


def flask(*words: str) -> Ran:
    """The result of `flask` with *words*."""
    with APP.app_context():
        return APP.test_cli_runner().invoke(args=words)


def run(command: str, file: Path) -> Ran:
    """The result of `flask …` as written in a page, with *file* for FLOWS_FILE."""
    return flask(*shlex.split(command.removeprefix(FLASK), comments=True), "--file", str(file))


@pytest.mark.parametrize("file", FLOWS, ids=lambda file: file.stem)
def test_each_ready_flow_is_right_and_has_a_page_and_is_in_the_manual(file: Path) -> None:
    flow_file = loading.load(file, KNOWN)
    assert flow_file.flows
    assert f"[{file.stem}](flows/{file.stem}.md)" in MANUAL
    assert f"(../../config/ready/{file.name})" in PAGES[file.stem]


@pytest.mark.parametrize("file", FLOWS, ids=lambda file: file.stem)
def test_each_ready_flow_speaks_english_and_french(file: Path) -> None:
    flows = loading.load(file, KNOWN).flows
    for name, flow in flows.items():
        said = {
            action.options["language"]
            for step in flow.steps.values()
            for action in step.actions
            if hasattr(action, "options") and action.options["action"] == "talk"
        }
        assert said == {"fr-FR" if name.endswith("-fr") else "en-GB"}
        assert name.endswith("-fr") or f"{name}-fr" in flows
        if not name.endswith("-fr"):
            assert flow.steps.keys() == flows[f"{name}-fr"].steps.keys()


def test_there_are_no_pages_and_no_flows_beyond_those() -> None:
    names = {file.stem for file in FLOWS}
    assert PAGES.keys() == names
    assert set(re.findall(r"^\| \[([\w-]+)\]\(flows/", MANUAL, re.MULTILINE)) == names


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=lambda text: re.sub(" +#.*", "", text)[-40:])
def test_each_command_of_a_page_does_what_it_should(name: str, command: str) -> None:
    done = run(command, READY / f"{name}.yaml")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if "\nexport FLOWS_FILE" in page])
def test_the_transcript_of_a_page_is_what_its_first_command_gives(name: str) -> None:
    found = re.search(
        r"^export FLOWS_FILE=\S+\n([^\n]+)\n```\n\n```\n(.*?)^```$", PAGES[name], re.MULTILINE | re.DOTALL
    )
    if found is None:
        assert name == "notification", "it is called, and has no transcript of a caller"
        return
    given = run(found[1], READY / f"{name}.yaml").output.splitlines()
    shown = [line for line in found[2].splitlines() if line]
    assert len(shown) > 3
    assert [line for line in given if line in shown] == shown


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if blocks(page, "yaml")])
def test_the_scenario_of_a_page_can_be_played(name: str, serve: Serve, tmp_path: Path) -> None:
    carrier: Carrier = serve(READY / f"{name}.yaml")
    (text,) = blocks(PAGES[name], "yaml")
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(text)
    base = f"http://127.0.0.1:{carrier.server.port}"
    call = place(answer_url=f"{base}/voice/answer", event_url=f"{base}/voice/event", scenario=str(scenario))
    assert call.said
    if name == "notification":
        for line in re.findall(r"(?:hears|notifies) .*", blocks(PAGES[name], "")[0]):
            assert line.rstrip() in str(call)


# The manual.


def test_the_flow_in_ten_lines_is_right_and_goes_as_shown(tmp_path: Path) -> None:
    file = tmp_path / "hello.yaml"
    text = blocks(MANUAL, "yaml")[0]
    assert len(text.splitlines()) == 10
    file.write_text(text)
    assert flask("flows", "check", str(file)).exit_code == 0
    assert run("flows show 442079460000", file).exit_code == 0
    given = run("flows try 442079460000", file).output.splitlines()
    shown = [line for line in blocks(MANUAL, "")[0].splitlines() if line]
    assert [line for line in given if line in shown] == shown


def test_the_faults_shown_are_those_that_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hello.yaml").write_text(blocks(MANUAL, "yaml")[0].replace("text: Welcome", "txt: Welcome"))
    done = flask("flows", "check", "hello.yaml")
    assert done.exit_code == 1
    assert done.output in blocks(MANUAL, "")


def test_each_whole_file_in_the_manual_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks(MANUAL, "python")
    (tmp_path / "orders.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    whole = [text for text in blocks(MANUAL, "yaml") if "routes:" in text and "flows:" in text]
    assert len(whole) == 3
    for text in whole:
        assert loading.read(text, "flows.yaml", KNOWN).routes


def test_the_flow_in_python_reads_out_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks(MANUAL, "python")
    (tmp_path / "orders.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "flows.yaml"
    file.write_text(next(text for text in blocks(MANUAL, "yaml") if "python:" in text))
    for digits, texts in (
        ("1234", ["Your order is on its way."]),
        ("9999,5678", ["Sorry, we have no such order.", "Your order is delivered."]),
        ("1,2,3", ["Sorry, we have no such order."] * 2 + ["Please call us when we are open."]),
    ):
        done = run(f"flows try 442079460000 --digits {digits}", file)
        assert done.exit_code == 0, done.output
        assert re.findall("hears “(.*?)”", done.output)[1:] == texts


def test_every_word_of_the_language_is_in_the_manual() -> None:
    for word in (*(name for name in FILTERS if name.isalpha() and name not in ("d", "count")), *METHODS, *INPUT):
        assert re.search(rf"`[^`]*\b{word}\b[^`]*`", MANUAL), f"docs/flows.md lacks {word}"
    for name in NAMES:
        assert re.search(rf"^\| [^|]*`{name}\b", MANUAL, re.MULTILINE), f"docs/flows.md lacks {name}"
    for word in (*SETTINGS, *DETECTIONS, *FAILED_STATUSES, "attempts", "exhausted", "silence", "else", "keys", "words"):
        assert re.search(rf"\b{word}\b", MANUAL), f"docs/flows.md lacks {word}"


@pytest.mark.parametrize("cls", [Request, Result])
def test_every_attribute_that_a_python_flow_gets_is_in_the_manual(cls: type[Request] | type[Result]) -> None:
    section = MANUAL.partition("## Flows in Python")[2].partition("\n## ")[0]
    for name in cls.__slots__:
        assert re.search(rf"^\| [^|]*`{name}\b", section, re.MULTILINE), f"docs/flows.md lacks {cls.__name__}.{name}"


def test_the_table_of_the_sdk_has_every_difference_and_no_other() -> None:
    section = MANUAL.partition("## Where the SDK differs")[2].partition("\n## ")[0]
    rows = [row for row in section.splitlines() if row.startswith("| `")]
    assert len(rows) == len(DIFFERENCES)
    for difference, row in zip(DIFFERENCES, rows, strict=True):
        assert row.startswith(f"| `{difference.where}` | {difference.vonage} | {difference.sdk} |")
        assert f"({difference.source})" in row


@pytest.mark.parametrize("name", ["", *PAGES])
def test_links_lead_somewhere(name: str) -> None:
    text, folder = (PAGES[name], ROOT / "docs" / "flows") if name else (MANUAL, ROOT / "docs")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", text):
        page = folder / target if target else None
        assert page is None or page.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", page.read_text() if page else text, re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}, anchor
