"""The docs name everything that exists, and nothing else."""

import re
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import cast, get_args

import click
import pytest
from marshmallow import Schema

from app import cli, create_app
from app.api.sessions import PhoneSchema, RemarksArgs
from app.api.users import ChangesArgs
from app.calls.session_schemas import SessionSchema, YeastarStatusSchema
from app.flows.loading import read as read_flows
from config.settings import SETTINGS, Settings
from tests.browser.screenshots import MOST_BYTES
from vonage_simulator import scenario as scenarios
from vonage_simulator.behaviour import Behaviour
from vonage_simulator.call_result import CallResult
from vonage_simulator.delivery.fault_plan import FAULTS
from vonage_simulator.scenarios import every
from vonage_simulator.voice_api.faults import FAULTS as API_FAULTS
from vonage_simulator.voice_api.verbs import VERBS

ROOT = Path(__file__).parent.parent
DOCS = {
    path.relative_to(ROOT).as_posix(): path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
}
README, API, COMMANDS = DOCS["README.md"], DOCS["docs/api.md"], DOCS["docs/commands.md"]
SETTINGS_PAGE, ARCHITECTURE = DOCS["docs/settings.md"], DOCS["docs/architecture.md"]
APP = create_app(Settings(secret_key="not checked here"))
cli.install(APP)
COMMAND = re.compile(r"(\S*/)?(python|flask|make|gunicorn|honcho|curl)\s|--")
FOLDER = re.compile(r"^((?:\w+/)+) ", re.MULTILINE)


def test_every_setting_is_documented_as_the_code_has_it() -> None:
    for setting in SETTINGS:
        row = f"| `{setting.variable}` | {setting.type} | {setting.default} | {setting.meaning} |"
        assert row in SETTINGS_PAGE, f"docs/settings.md lacks: {row}"


def test_no_setting_is_documented_that_does_not_exist() -> None:
    table = re.findall(r"^\| `([A-Z_]+)` \|", SETTINGS_PAGE, re.MULTILINE)
    assert sorted(table) == sorted(setting.variable for setting in SETTINGS)


def test_every_route_is_documented() -> None:
    for rule in APP.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", rule.rule)
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if path.startswith("/voice/"):
            assert f"`{path}`" in API, path
        else:
            for method in methods:
                assert f"`{method} {path}`" in API, f"docs/api.md lacks `{method} {path}`"


def test_no_route_is_documented_that_does_not_exist() -> None:
    known = {re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", rule.rule) for rule in APP.url_map.iter_rules()}
    named = set(re.findall(r"`(?:GET|POST|DELETE|PUT) (/\S*?)`", API))
    assert named
    assert named <= known


def test_every_flask_command_is_documented_and_no_other() -> None:
    own = {name for name in APP.cli.commands if name != "openapi"}  # flask-smorest brings that one
    assert set(re.findall(r"^\| `flask (\w+)", COMMANDS, re.MULTILINE)) == own
    for page, text in DOCS.items():
        assert set(re.findall(r"\.venv/bin/flask ([\w-]+)", text)) <= own, page


@pytest.mark.parametrize("name", ["flows", "simulate"])
def test_every_subcommand_is_documented_and_no_other(name: str) -> None:
    group = cast("click.Group", APP.cli.commands[name])
    assert set(re.findall(rf"^\| `flask {name} (\w+)", COMMANDS, re.MULTILINE)) == set(group.commands)
    for page, text in DOCS.items():
        assert set(re.findall(rf"\.venv/bin/flask {name} ([a-z-]+)", text)) <= set(group.commands), page


def test_every_make_target_is_documented_and_no_other() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^\| `make (\w+)`", COMMANDS, re.MULTILINE)) == targets
    for page, text in DOCS.items():
        assert set(re.findall(r"^make (\w+)", text, re.MULTILINE)) <= targets, page


def test_the_flows_in_the_readme_have_no_fault() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert examples
    for text in examples:
        assert read_flows(text, "README.md", {"APP_USER": "Alice", "CALLER_NUMBER": None, "PUBLIC_URL": None}).flows


@pytest.mark.parametrize("page", DOCS)
def test_links_to_files_exist(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", DOCS[page]):
        assert ((ROOT / page).parent / target).exists(), target


def test_every_page_is_linked_from_the_readme() -> None:
    pages = {path for path in DOCS if path.startswith("docs/") and path.count("/") == 1} - {"docs/store.md"}
    assert {path for path in pages if f"({path})" not in README} == set()
    assert "(store.md)" in ARCHITECTURE


@pytest.mark.parametrize("page", DOCS)
def test_commands_can_be_copied(page: str) -> None:
    """None is broken by the end of a line, and each module that one runs exists."""
    text = re.sub(r"^```.*?^```", "", DOCS[page], flags=re.DOTALL | re.MULTILINE)
    for code in re.findall(r"`([^`]+)`", text):
        if COMMAND.match(code):
            assert "\n" not in code
    for module in re.findall(r"python -m ((?:benchmarks|tests)[.\w]*)", DOCS[page]):
        assert find_spec(module), module


def test_the_architecture_lists_every_folder_and_no_other() -> None:
    listed = set(FOLDER.findall(ARCHITECTURE))
    packages = {f"{path.parent.relative_to(ROOT).as_posix()}/" for path in (ROOT / "app").glob("*/__init__.py")}
    assert packages <= listed
    for folder in listed:
        assert (ROOT / folder).is_dir(), folder


def test_the_files_that_the_docs_name_exist() -> None:
    for page in ("docs/architecture.md", "docs/store.md"):
        for path in re.findall(r"`((?:\w+/)+\w+\.(?:py|lua|yaml|md))`", DOCS[page]):
            assert any((ROOT / start / path).exists() for start in (".", "app", "app/store")), f"{page}: {path}"


def test_the_screenshots_are_small() -> None:
    found = list((ROOT / "docs" / "screenshots").iterdir())
    assert found
    assert {path.name: path.stat().st_size for path in found if path.stat().st_size > MOST_BYTES} == {}


@pytest.mark.parametrize("schema", [SessionSchema, YeastarStatusSchema, PhoneSchema, RemarksArgs, ChangesArgs])
def test_every_field_of_a_session_and_a_phone_is_documented(schema: type[Schema]) -> None:
    """Where each name of Wazo and Yeastar is found."""
    page = DOCS["docs/sessions.md"]
    named = set(re.findall(r"\w+", " ".join([*re.findall(r"`([^`\n]+)`", page), *re.findall(r'"(\w+)":', page)])))
    assert {field.data_key or name for name, field in schema().fields.items()} <= named


SIMULATOR = DOCS["docs/simulator.md"]


def test_every_scenario_is_documented() -> None:
    stories = every()
    assert stories
    for name, story in stories.items():
        assert f"| `{name}` | {story.about} |" in SIMULATOR, f"docs/simulator.md lacks {name}"


def test_every_fault_is_documented() -> None:
    for name, words in FAULTS.items():
        assert f"| `{name}` | {words} |" in SIMULATOR, f"docs/simulator.md lacks {name}"


def test_every_fault_of_the_voice_api_and_every_kind_of_request_is_documented() -> None:
    for name in (*API_FAULTS, *VERBS):
        assert f"`{name}`" in SIMULATOR, f"docs/simulator.md lacks {name}"


def test_every_setting_of_the_carriers_behaviour_is_documented() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| ([\w.]+) \|$", SIMULATOR, re.MULTILINE))
    for field in fields(Behaviour):
        default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default).lower()
        assert rows[field.name] == default


@pytest.mark.parametrize("cls", [scenarios.Scenario, scenarios.Call, scenarios.FarEnd, scenarios.Command])
def test_every_field_of_a_scenario_is_documented(cls: type) -> None:
    for name in {field.name.rstrip("_") for field in fields(cls)} - {"name"}:  # the name is the file's
        assert f"`{name}`" in SIMULATOR, f"docs/simulator.md lacks {cls.__name__}.{name}"


def test_every_word_of_a_scenario_is_documented() -> None:
    for word in (*get_args(scenarios.Endpoint), *get_args(scenarios.Does), *get_args(scenarios.Act)):
        assert f"`{word}`" in SIMULATOR, f"docs/simulator.md lacks {word}"


def test_every_field_of_a_call_result_is_documented() -> None:
    names = {name for name, value in vars(CallResult).items() if isinstance(value, property)} | {"legs", "events"}
    for name in names:
        assert f"`{name}`" in SIMULATOR, f"docs/simulator.md lacks {name}"


def test_the_simulator_example_in_the_docs_is_tested() -> None:
    assert (ROOT / "tests" / "vonage_simulator" / "test_your_flow.py").read_text().strip() in SIMULATOR


@pytest.mark.parametrize("name", ["dentist.yaml", "test_dentist.py"])
def test_the_flow_example_in_the_docs_is_tested(name: str) -> None:
    example = (ROOT / "tests" / "flows" / "example" / name).read_text()
    assert f"\n{example}```\n" in (ROOT / "docs" / "flows.md").read_text()
