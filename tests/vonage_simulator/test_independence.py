"""Simulator and server import nothing of each other: else both could be wrong in the same way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEVER = ("app", "config")
SHARED = ("json_shape", "yaml_source")  # what a JSON value can be, and where a value is in a YAML file
MODULES = [path for folder in ("app", "config", "vonage_simulator") for path in sorted((ROOT / folder).rglob("*.py"))]
MODULES.append(ROOT / "wsgi.py")


def name_of(path: Path) -> str:
    """vonage_simulator/__init__.py is vonage_simulator."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(path): path for path in MODULES}


def imported(source: str, name: str, *, package: bool) -> set[str]:
    """Every module of ours that *source*, the module *name*, imports anywhere in it, or names in a text.

    A module's packages are imported with it; that is left out, for `app` itself holds the server together.
    """
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
    return {module for module in found if module.split(".")[0] in ("app", "config", "vonage_simulator")} - {name}


@cache
def imports(name: str) -> frozenset[str]:
    """What one of our modules imports of our own."""
    path = FILES[name]
    return frozenset(imported(path.read_text(), name, package=path.name == "__init__.py"))


def chains(name: str) -> Iterator[list[str]]:
    """Every module that is imported with *name*, at the end of one way that leads there."""
    seen, ways = {name}, [[name]]
    while ways:
        way = ways.pop()
        for module in sorted(imports(way[-1]) if way[-1] in FILES else ()):
            if module not in seen:
                seen.add(module)
                ways.append([*way, module])
                yield ways[-1]


def within(module: str, packages: tuple[str, ...]) -> bool:
    """Whether *module* is one of *packages*, or in one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


SIMULATOR = [name for name in FILES if within(name, ("vonage_simulator",))]
OTHERS = [name for name in FILES if name not in SIMULATOR]


@pytest.mark.parametrize("name", SIMULATOR)
def test_no_part_of_the_simulator_imports_the_server(name: str):
    """Nor anything that does."""
    assert [way for way in chains(name) if within(way[-1], NEVER)] == []


def test_no_modules_of_the_simulator_import_each_other():
    """Not even for types, or late: `imports` sees both. CycleError names the circle."""
    inside = {name: {other for other in imports(name) if other in SIMULATOR} for name in SIMULATOR}
    assert len([*TopologicalSorter(inside).static_order()]) == len(SIMULATOR)


@pytest.mark.parametrize("name", OTHERS)
def test_only_commands_import_the_simulator(name: str):
    """So that the server starts without it."""
    if not within(name, ("app.cli",)):
        shared = tuple(f"vonage_simulator.{one}" for one in SHARED)
        found = [module for module in imports(name) if within(module, ("vonage_simulator",)) and module not in shared]
        assert found in ([], ["vonage_simulator"])


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from app.domain import legs", {"app.domain.legs"}),
        ("from app.domain.legs import Leg", {"app.domain.legs"}),
        ("import app.store.store as kept", {"app.store.store"}),
        ("def late():\n    from app.webhooks.schemas import read_event", {"app.webhooks.schemas"}),
        ("from .verify import check", {"vonage_simulator.verify.check"}),
        ("from .scenario import Call", {"vonage_simulator.scenario"}),
        ("import_module('app.flows.schema')", {"app.flows.schema"}),
        ("from app.store import keys", {"app.store.keys"}),
        ("import json", set()),
    ],
)
def test_every_way_to_import_is_seen(source: str, found: set[str]):
    """A test that sees nothing would pass, too."""
    assert imported(source, "vonage_simulator.carrier", package=False) == found


def test_there_is_something_to_look_at():
    """And the server itself would not pass."""
    assert {"vonage_simulator.verify.check", "vonage_simulator.delivery.webhook_sender"} <= set(SIMULATOR)
    assert any(within(way[-1], NEVER) for way in chains("app.calls.queries"))
    assert any(within(module, ("vonage_simulator",)) for name in OTHERS for module in imports(name)), "the commands do"
