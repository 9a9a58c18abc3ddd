"""`flask` in a shell, as people run it; or inside this process, as a start takes half a second."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from app import cli
from config.embedded import Engine
from tests.api.site import Site
from tests.generated import BASE, Body

ROOT = Path(__file__).parents[2]


class Shell:
    """Runs `flask` with a DATA_DIR of its own."""

    def __init__(self, data_dir: Path, **environ: str) -> None:
        self.data_dir = data_dir
        self.environ = {"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir), **environ}
        self.engine = Engine(data_dir)

    def run(self, *words: str, typed: str | None = None, **environ: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error of `flask` with *words*."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", *words],
            cwd=ROOT,
            env=self.environ | environ,
            input=(typed or "").encode(),
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def output(self, *words: str, **more: Any) -> str:
        """The output of a command that must succeed."""
        code, out, err = self.run(*words, **more)
        assert (code, err) == (0, "")
        return out

    @property
    def token(self) -> str:
        """The operator's token in the DATA_DIR."""
        return (self.data_dir / "operator_token").read_text().strip()

    @contextmanager
    def site(self) -> Iterator[Site]:
        """The app over the store, while its engine runs."""
        site = Site(self.engine.url)
        try:
            yield site
        finally:
            site.close()

    def record(self, *bodies: Body, received: datetime = BASE) -> None:
        """Store *bodies* as received webhooks."""
        was_alive = self.engine.alive()
        if not was_alive:
            self.engine.start()
        with self.site() as site:
            site.record(*bodies, received=received)
        if not was_alive:
            self.engine.stop()


class Inside:
    """Runs commands in this process."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.site = Site(url, **settings)
        cli.install(self.site.app)

    def run(self, *words: str, typed: str | bytes = "") -> tuple[int, str, str]:
        """Exit status, standard output and standard error of `flask` with *words*."""
        with self.site.app.app_context():
            done = self.site.app.test_cli_runner().invoke(args=list(words), input=typed)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr

    def output(self, *words: str, **more: Any) -> str:
        """The output of a command that must succeed."""
        code, out, err = self.run(*words, **more)
        assert (code, err) == (0, "")
        return out
