"""`flask simulate` as a subprocess, and the server it calls, which requires signatures."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.serving import OPERATOR, ROOT, Server

API_KEY, SECRET = "a1b2c3d4", "k7Qm2vX9sT4bL8wR1nZ6cY3pH5dJ0fGa"
SECRETS = f"{API_KEY}:{SECRET}"


class Done(NamedTuple):
    """Exit status and output of a command."""

    status: int
    out: str
    err: str


@contextlib.contextmanager
def serving(folder: Path, **more: Any) -> Iterator[Server]:
    """A running server that requires signatures."""
    server = Server(folder, VONAGE_SIGNATURE_SECRETS=SECRETS, **more)
    try:
        yield server.ready().with_busy_users()
    finally:
        server.kill()


def environ(server: Server, folder: Path, **more: str | None) -> dict[str, str]:
    """The environment of a command that calls *server* and writes to *folder*; None removes a variable."""
    known: dict[str, str | None] = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(folder / "commands"),
        "PORT": str(server.port),
        "ACCESS_TOKENS": f"operator:{OPERATOR}",
        "VONAGE_SIGNATURE_SECRETS": SECRETS,
    }
    return {name: value for name, value in (known | more).items() if value is not None}


def command(*words: str) -> list[str]:
    """`flask simulate` with *words*."""
    return [sys.executable, "-m", "flask", "simulate", *words]


def simulate(server: Server, folder: Path, *words: str, **more: str | None) -> Done:
    """Run `flask simulate` with *words* to its end."""
    done = subprocess.run(
        command(*words), cwd=ROOT, env=environ(server, folder, **more), capture_output=True, text=True, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def at_lower_rates(go: Callable[[int], Done]) -> Done:
    """Run *go* with a rate of calls per second; again with lower ones while the machine is too busy for the server."""
    for rate in (20, 10):
        done = go(rate)
        if done.status == 0 or ("Went wrong by itself" not in done.out and "answers 503" not in done.err):
            break
    return done


def load(calls: int, rate: int) -> tuple[str, ...]:
    """Arguments for a load of so many *calls*, *rate* per second."""
    return ("load", "--rate", str(rate), "--seconds", str(calls / rate))
