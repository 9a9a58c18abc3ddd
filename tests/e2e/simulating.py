"""`flask simulate`, run as people run it, beside a real server that wants signatures."""

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
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


@contextlib.contextmanager
def serving(folder: Path, **more: Any) -> Iterator[Server]:
    """A server that wants signatures."""
    server = Server(folder, VONAGE_SIGNATURE_SECRETS=SECRETS, **more)
    try:
        yield server.ready()
    finally:
        server.kill()


def environ(server: Server, folder: Path, **more: str | None) -> dict[str, str]:
    """The environment of a command beside *server*, which keeps what it makes in *folder*; None takes one away."""
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
    """What came of `flask simulate` with *words*."""
    done = subprocess.run(
        command(*words), cwd=ROOT, env=environ(server, folder, **more), capture_output=True, text=True, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def unhurried(go: Callable[[int], Done]) -> Done:
    """What comes of *go* with so many calls a second; fewer where the machine is too busy for the server to keep up."""
    for rate in (80, 40, 20):
        done = go(rate)
        if "Went wrong by itself" not in done.out:
            break
    return done


def load(calls: int, rate: int) -> tuple[str, ...]:
    """The words for a load of so many calls, *rate* a second."""
    return ("load", "--rate", str(rate), "--seconds", str(calls / rate))
