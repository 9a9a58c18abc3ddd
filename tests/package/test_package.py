"""The simulator alone, installed into a fresh virtual environment: its command and its fixture, against two servers.

The servers, one in Python, one in JavaScript, and their tests are the examples of docs/simulator.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engines import free_ports, wait_until

ROOT = Path(__file__).parents[2]
EXAMPLES = Path(__file__).parent / "examples"
MENU = "hears “For sales press 1.”"

IMPORT_ALL = """
import importlib, importlib.util, pkgutil, vonage_simulator
for module in pkgutil.walk_packages(vonage_simulator.__path__, "vonage_simulator."):
    if module.name != "vonage_simulator.pytest_plugin":  # pytest is the project's own
        importlib.import_module(module.name)
print(vonage_simulator.__path__[0])
print(*(name for name in ("app", "config", "wsgi", "flask", "gunicorn", "redis") if importlib.util.find_spec(name)))
"""


def run(*command: str | Path, cwd: Path, status: int = 0) -> str:
    """The output of *command*, run outside this checkout and its virtual environment."""
    environ = {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh virtual environment into which the checkout was installed."""
    folder = tmp_path_factory.mktemp("project")
    run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=folder)
    programs = folder / "venv" / "bin"
    install(programs, ROOT)
    return programs


def install(programs: Path, *packages: str | Path) -> None:
    """Install *packages* with this environment's pip: another pip takes seconds to install."""
    pip = (sys.executable, "-m", "pip", "--python", programs / "python")
    run(*pip, "install", "--quiet", *packages, cwd=programs)


@pytest.fixture(scope="module")
def python(installed: Path) -> Path:
    """The same environment with what the examples need."""
    install(installed, "flask", "pytest")
    return installed


@pytest.fixture(scope="module", params=["flask", "express"])
def project(request: pytest.FixtureRequest, python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each of the examples, as a project of its own."""
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(EXAMPLES / request.param, folder, dirs_exist_ok=True)
    if request.param == "express":
        if not (shutil.which("node") and shutil.which("npm")):
            pytest.skip("no node and npm on the path")
        run("npm", "install", "--no-audit", "--no-fund", "express", cwd=folder)
    return folder


@contextmanager
def serving(project: Path, python: Path) -> Iterator[tuple[str, ...]]:
    """The options that name the example's server, while it runs."""
    (port,) = free_ports(1)
    flask = (python / "python", "-m", "flask", "--app", "server", "run", "--port", str(port))
    command = flask if (project / "server.py").exists() else ("node", "server.js")
    with (project / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=project, env=os.environ | {"PORT": str(port)}, stdout=log, stderr=log)
    try:
        wait_until(lambda: str(port) in (project / "log").read_text(), "the server is up", 60)
        yield "--answer-url", f"http://localhost:{port}/answer", "--event-url", f"http://localhost:{port}/event"
    finally:
        server.terminate()
        server.wait(30)


def test_nothing_else_of_the_checkout_is_installed(installed: Path, tmp_path: Path) -> None:
    path, others = run(installed / "python", "-c", IMPORT_ALL, cwd=tmp_path).splitlines()
    assert Path(path).is_relative_to(installed.parent)
    assert others == ""
    here, there = ROOT / "vonage_simulator", Path(path)
    known = [file.relative_to(here) for file in here.rglob("*") if file.is_file() and file.parent.name != "__pycache__"]
    assert [str(file) for file in known if not (there / file).exists()] == []


def test_the_command_has_help(installed: Path, tmp_path: Path) -> None:
    command = installed / "vonage-simulator"
    out = run(command, "--help", cwd=tmp_path)
    for name in ("call", "list", "load", "serve"):
        assert f"  {name}  " in out
    assert "ring-group" in run(command, "list", cwd=tmp_path)
    assert run(command, "--version", cwd=tmp_path).startswith("vonage-simulator, version ")


def test_a_call_and_a_load_to_a_server_in_any_language(project: Path, python: Path) -> None:
    command = python / "vonage-simulator"
    with serving(project, python) as urls:
        out = run(command, "call", *urls, "--digits", "1", "--speed", "max", cwd=project)
        assert MENU in out
        assert "calls 447700900301 (phone)" in out
        out = run(command, "load", *urls, "--rate", "20", "--seconds", "1", cwd=project)
        assert "20 calls: all went well" in out
    out = run(command, "call", *urls, "--speed", "max", cwd=project, status=1)
    assert "nothing listens at http://localhost:" in out


def test_the_fixture_is_found_without_import(project: Path, python: Path) -> None:
    assert "2 passed" in run(python / "pytest", "-W", "error", cwd=project)


def test_a_conftest_that_imports_the_fixture_does_no_harm(python: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "flask", tmp_path, dirs_exist_ok=True)
    (tmp_path / "conftest.py").write_text("from vonage_simulator.pytest_plugin import simulated_call\n")
    assert "2 passed" in run(python / "pytest", "-W", "error", cwd=tmp_path)


def test_the_examples_are_those_in_the_docs() -> None:
    docs = (ROOT / "docs" / "simulator.md").read_text()
    for example in EXAMPLES.glob("*/*.*"):
        assert f"\n{example.read_text()}```\n" in docs, example
