"""Commands on a store whose server runs, or does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shell import Inside, Shell
from tests.engines import Engine as ValkeyEngine


@pytest.fixture
def inside(valkey: ValkeyEngine) -> Iterator[Inside]:
    """Commands on an empty store."""
    valkey.flush()
    inside = Inside(valkey.address.url)
    yield inside
    inside.site.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell with an engine that no server runs: each command starts and stops it."""
    shell = Shell(tmp_path / "var")
    yield shell
    assert not shell.engine.alive(), "nothing is left running"


@pytest.fixture
def beside(shell: Shell) -> Iterator[Shell]:
    """A shell with an engine that a server runs."""
    shell.engine.start()
    yield shell
    assert shell.engine.alive(), "a command does not stop its server's engine"
    shell.engine.stop()


@pytest.fixture(params=["its server runs", "its server does not run"])
def either(request: pytest.FixtureRequest) -> Shell:
    """A shell in either case."""
    found: Shell = request.getfixturevalue("beside" if request.param == "its server runs" else "shell")
    return found
