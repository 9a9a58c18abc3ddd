"""Which part may import which: the layers as a table, and no circles.

Every import counts: of a module, within a function, for types only, and by name in a string. A part's packages are
imported with it; that is left out, for `app` itself holds the server together.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What flows and simulator share: shapes of JSON values, positions in YAML files, and NCCO.
SHARED = "vonage_simulator.json_shape vonage_simulator.yaml_source vonage_simulator.ncco"
PARTS = (
    "config app.domain app.store app.spool app.flows app.webhooks app.web app.services app.auth app.calls "
    "app.calls.captured "
    "app.recordings app.control"
)
BELOW = f"{PARTS} app.pages.html app.errors"

# Part -> the parts it may import; from the lowest to the highest. A module is of the part with the longest name that
# it begins with.
LAYERS = {
    # Nothing of the server: both could have the same fault; and it is installed alone.
    "vonage_simulator.yaml_source": "",
    "vonage_simulator.json_shape": "vonage_simulator.yaml_source",
    "vonage_simulator.ncco": "vonage_simulator.json_shape vonage_simulator.yaml_source",
    "vonage_simulator.printable": "",
    "vonage_simulator.tutorial_log": "vonage_simulator.printable",
    "vonage_simulator": f"{SHARED} vonage_simulator.printable vonage_simulator.tutorial_log",
    "config": "",
    "app.domain": "",
    "app.store": "app.domain",
    "app.spool": "config app.domain app.store",
    "config.gunicorn": "config app.spool",
    "app.flows": f"app.domain {SHARED}",
    "app.web": "config app.domain app.store vonage_simulator.printable",
    "app.webhooks": "app.domain app.store app.flows app.web",
    "app.pages.html": "app.store",
    "app.calls": "app.domain app.store app.webhooks vonage_simulator.printable vonage_simulator.yaml_source",
    "app.calls.captured": "app.domain app.store app.calls vonage_simulator",
    "app.client": "",
    "app.vonage_hosts": "",
    "app.vonage_token": "",
    "app.recordings": "app.vonage_hosts app.vonage_token",
    "app.control": "app.domain app.store app.flows app.vonage_hosts app.vonage_token",
    "app.live": "app.domain app.store app.calls",
    "app.services": "config app.domain app.store app.spool app.flows app.web app.webhooks app.calls app.live "
    "app.recordings app.control app.vonage_token",
    "app.errors": "app.store app.spool app.services app.webhooks app.pages.html",
    "app.auth": "config app.domain app.store app.web app.errors app.services",
    # The routes of webhooks use the services; reading what is stored must not.
    "app.webhooks.guard": "config app.domain app.web app.webhooks app.services",
    "app.webhooks.replies": f"{BELOW} app.webhooks.guard vonage_simulator.tutorial_log",
    "app.webhooks.front": f"{BELOW} app.webhooks.replies",
    "app.webhooks.views": f"{BELOW} app.webhooks.replies",
    "app.api": f"{BELOW} app.live vonage_simulator.yaml_source",
    "app.pages": f"{BELOW} app.api app.live vonage_simulator.yaml_source",
    # Commands, and who captures a call, import all of the simulator; the server starts without it.
    "app": f"{BELOW} app.client app.webhooks.front app.webhooks.views app.api app.pages",
    "app.cli": f"{BELOW} config.gunicorn app.client app app.api {SHARED} vonage_simulator vonage_simulator.printable",
    "wsgi": "config app app.services app.cli",
}


def name_of(path: Path) -> str:
    """vonage_simulator/__init__.py is vonage_simulator."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FOLDERS = ("app", "config", "vonage_simulator")
FILES = {name_of(path): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}
FILES["wsgi"] = ROOT / "wsgi.py"


def imported(source: str, name: str, *, package: bool) -> set[str]:
    """Every module that *source*, the module *name*, imports, or names in a string if it is ours."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".")
            base = parts[: len(parts) - node.level + package] if node.level else []
            whole = ".".join([*base, *([node.module] if node.module else [])])
            found.update(f"{whole}.{alias.name}" if f"{whole}.{alias.name}" in FILES else whole for alias in node.names)
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value and node.value in FILES
        ):
            found.add(node.value)  # importlib.import_module("…")
    return found - {name}


@cache
def imports(name: str) -> frozenset[str]:
    """Every module that one of our modules imports."""
    path = FILES[name]
    return frozenset(imported(path.read_text(), name, package=path.name == "__init__.py"))


def own_imports(name: str) -> list[str]:
    """Our modules among them."""
    return sorted(module for module in imports(name) if module in FILES)


def part_of(module: str) -> str:
    """The part of the table that *module* belongs to."""
    return max((part for part in LAYERS if module == part or module.startswith(f"{part}.")), key=len)


def forbidden() -> Iterator[str]:
    """Every import that the table does not allow."""
    for name in FILES:
        allowed = {part_of(name), *LAYERS[part_of(name)].split()}
        for module in own_imports(name):
            if part_of(module) not in allowed:
                yield f"{name} imports {module}: {part_of(name)} must not import {part_of(module)}"


def way_back(name: str) -> list[str]:
    """A shortest way from *name* over imports back to it; empty if there is none."""
    seen: set[str] = set()
    ways = [[name]]
    for way in ways:
        for module in own_imports(way[-1]):
            if module == name:
                return [*way, name]
            if module not in seen:
                seen.add(module)
                ways.append([*way, module])
    return []


def test_no_part_imports_what_the_table_forbids():
    found = list(forbidden())
    assert not found, "\n".join(found)


def test_there_are_no_circles():
    circles = {frozenset(way): " -> ".join(way) for name in FILES if (way := way_back(name))}
    assert not circles, "\n".join(circles.values())


def test_the_table_has_no_circles():
    """Each part imports lower ones only."""
    parts = list(LAYERS)
    for index, part in enumerate(parts):
        assert set(LAYERS[part].split()) <= set(parts[:index]), part


def test_every_part_of_the_table_exists():
    assert {part_of(name) for name in FILES} == set(LAYERS)


def test_the_domain_imports_the_standard_library_only():
    domain = [name for name in FILES if part_of(name) == "app.domain"]
    assert {module.split(".")[0] for name in domain for module in imports(name)} - {"app"} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from app.domain import legs", {"app.domain.legs"}),
        ("from app.domain.legs import Leg", {"app.domain.legs"}),
        ("import app.store.store as kept", {"app.store.store"}),
        ("def late():\n    from app.webhooks.schemas import read_event", {"app.webhooks.schemas"}),
        ("if TYPE_CHECKING:\n    from app.store.store import Store", {"app.store.store"}),
        ("from .verify import check", {"vonage_simulator.verify.check"}),
        ("from .scenario import Call", {"vonage_simulator.scenario"}),
        ("import_module('app.flows.schema')", {"app.flows.schema"}),
        ("from app.store import keys", {"app.store.keys"}),
        ("import json", {"json"}),
    ],
)
def test_every_way_to_import_is_found(source: str, found: set[str]):
    """Without this, tests that find no import would pass, too."""
    assert imported(source, "vonage_simulator.carrier", package=False) == found


def test_real_imports_are_found():
    """The commands import the simulator, and it imports itself."""
    assert {"vonage_simulator.verify.check", "vonage_simulator.delivery.webhook_sender"} <= set(FILES)
    assert any(
        part_of(module) == "vonage_simulator"
        for name in FILES
        if part_of(name) == "app.cli"
        for module in own_imports(name)
    )
    assert part_of("app.webhooks.body") == "app.webhooks"
