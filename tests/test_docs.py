"""The README leaves nothing out and promises nothing that is not there."""

import re
from dataclasses import fields
from pathlib import Path
from typing import cast, get_args

import click
import pytest

from app import create_app
from app.flows.loading import read as read_flows
from config.settings import SETTINGS, Settings
from vonage_simulator import scenario as scenarios
from vonage_simulator.call_result import CallResult
from vonage_simulator.delivery.fault_plan import FAULTS
from vonage_simulator.scenarios import every

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
APP = create_app(Settings(secret_key="not looked at here"))


def test_every_setting_stands_in_the_readme_as_the_code_has_it() -> None:
    for setting in SETTINGS:
        row = f"| `{setting.variable}` | {setting.type} | {setting.default} | {setting.meaning} |"
        assert row in README, f"README.md lacks: {row}"


def test_the_readme_names_no_setting_that_is_not_there() -> None:
    table = re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE)
    assert sorted(table) == sorted(setting.variable for setting in SETTINGS)


def test_every_route_stands_in_the_readme() -> None:
    for rule in APP.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", rule.rule)
        methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if path.startswith("/voice/"):
            assert f"`{path}`" in README, path
        else:
            for method in methods:
                assert f"`{method} {path}`" in README, f"README.md lacks `{method} {path}`"


def test_the_readme_names_no_route_that_is_not_there() -> None:
    known = {re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", rule.rule) for rule in APP.url_map.iter_rules()}
    named = re.findall(r"`(?:GET|POST|DELETE|PUT) (/\S*?)`", README)
    assert named
    assert set(named) <= known


def test_every_command_of_flask_stands_in_the_readme_and_the_other_way_round() -> None:
    own = {name for name in APP.cli.commands if name != "openapi"}  # flask-smorest brings that one
    assert set(re.findall(r"^\| `flask (\w+)", README, re.MULTILINE)) == own
    assert set(re.findall(r"\bflask (replay|calls|call|forget|flows|simulate|capture)\b", README)) == own


@pytest.mark.parametrize("name", ["flows", "simulate"])
def test_every_subcommand_stands_in_the_readme_and_the_other_way_round(name: str) -> None:
    group = cast("click.Group", APP.cli.commands[name])
    assert set(re.findall(rf"^\| `flask {name} (\w+)", README, re.MULTILINE)) == set(group.commands)


def test_every_target_of_make_stands_in_the_readme_and_the_other_way_round() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake (demo|run|help|test|bench|lock|clean)\b", README)) == targets


def test_the_flows_in_the_readme_have_no_fault() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert examples
    for text in examples:
        assert read_flows(text, "README.md", {"APP_USER": "Alice", "CALLER_NUMBER": None, "PUBLIC_URL": None}).flows


def test_links_to_files_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_folders_it_lists_are_there() -> None:
    for folder in re.findall(r"^(\w+(?:/\w+)*/) ", README, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder


SIMULATOR = (ROOT / "docs" / "simulator.md").read_text()


def test_every_scenario_stands_in_the_docs_with_what_it_is_about() -> None:
    stories = every()
    assert stories
    for name, story in stories.items():
        assert f"| `{name}` | {story.about} |" in SIMULATOR, f"docs/simulator.md lacks {name}"


def test_every_fault_stands_in_the_docs() -> None:
    for name, words in FAULTS.items():
        assert f"| `{name}` | {words} |" in SIMULATOR, f"docs/simulator.md lacks {name}"


@pytest.mark.parametrize("cls", [scenarios.Scenario, scenarios.Call, scenarios.FarEnd, scenarios.Command])
def test_every_field_of_a_scenario_stands_in_the_docs(cls: type) -> None:
    for name in {field.name.rstrip("_") for field in fields(cls)} - {"name"}:  # the name is the file's
        assert f"`{name}`" in SIMULATOR, f"docs/simulator.md lacks {cls.__name__}.{name}"


def test_every_word_that_a_scenario_may_use_stands_in_the_docs() -> None:
    for word in (*get_args(scenarios.Endpoint), *get_args(scenarios.Does), *get_args(scenarios.Act)):
        assert f"`{word}`" in SIMULATOR, f"docs/simulator.md lacks {word}"


def test_all_that_is_heard_of_a_call_stands_in_the_docs() -> None:
    told = {name for name, value in vars(CallResult).items() if isinstance(value, property)} | {"legs", "events"}
    for name in told:
        assert f"`{name}`" in SIMULATOR, f"docs/simulator.md lacks {name}"


def test_the_example_in_the_docs_is_the_one_that_is_run() -> None:
    assert (ROOT / "tests" / "simulator" / "test_your_flow.py").read_text().strip() in SIMULATOR


@pytest.mark.parametrize("name", ["dentist.yaml", "test_dentist.py"])
def test_the_example_of_a_flow_in_the_docs_is_the_one_that_is_run(name: str) -> None:
    example = (ROOT / "tests" / "flows" / "example" / name).read_text()
    assert f"\n{example}```\n" in (ROOT / "docs" / "flows.md").read_text()


def test_links_in_the_docs_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", SIMULATOR):
        assert (ROOT / "docs" / target).exists(), target
