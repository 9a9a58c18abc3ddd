"""`flask flows` with a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app import cli, create_app
from config.settings import Settings
from tests.cli.flows.flows_file import FLOWS, Run, written
from tests.serving import OPERATOR


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A flows file without fault."""
    return written(tmp_path / "flows.yaml", FLOWS)


@pytest.fixture
def run(file: Path) -> Run:
    """Exit status, standard output and standard error of `flask flows`, run inside this process with that file."""

    def run(*words: str, **more: Any) -> tuple[int, str, str]:
        known: dict[str, Any] = {"secret_key": "k" * 32, "access_tokens": (("operator", OPERATOR),), "flows_file": file}
        app = create_app(Settings(**known | more))
        cli.install(app)
        with app.app_context():
            done = app.test_cli_runner().invoke(args=["flows", *words])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr

    return run
