"""Starting what is measured: gunicorn under the production settings, and a store of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import requests

from config.embedded import binary

ROOT = Path(__file__).parent.parent
API_KEY, SECRET = "benchmark", "b" * 32  # made up
TOKEN = "t" * 32


class Server(NamedTuple):
    """A running server: its port, and its process id (gunicorn: the master's)."""

    port: int
    pid: int


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def store(program: str | None = None) -> Iterator[str]:
    """The embedded engine's binary, or *program*, as a server of its own, in memory only; yields its address."""
    port = free_port()
    command = [program or str(binary()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait(port)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def server(
    app: str,
    redis_url: str,
    *options: str,
    checkout: Path = ROOT,
    port: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run *app* of *checkout* under its config/gunicorn.py, as in production. *options* go to gunicorn.

    *port*: where it listens; None: anywhere.
    """
    port = port or free_port()
    environment = os.environ | {
        "APP_ENV": "production",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "REDIS_URL": redis_url,
        "SECRET_KEY": "k" * 32,
        "PUBLIC_URL": "https://calls.example.com",
        "ACCESS_TOKENS": f"operator:{TOKEN}",
        "VONAGE_SIGNATURE_SECRETS": f"{API_KEY}:{SECRET}",
        **(settings or {}),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each start compiles all modules
    python = sys.executable if checkout == ROOT else str(checkout / ".venv" / "bin" / "python")
    command = [python, "-m", "gunicorn", "-c", "config/gunicorn.py", *options, app]
    with tempfile.TemporaryDirectory() as data:
        environment.setdefault("DATA_DIR", data)
        with running(command, port, environment, checkout) as started:
            yield started


@contextmanager
def running(command: Sequence[str], port: int, environment: Mapping[str, str], folder: Path = ROOT) -> Iterator[Server]:
    """Run the server that *command* starts in *folder*, once it listens at *port*."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(port)
        yield Server(port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def get(port: int, path: str) -> bytes:
    """The body that a GET of *path* with the operator's token returns, which has to succeed."""
    answer = response(port, path)
    answer.raise_for_status()
    return answer.content


def response(port: int, path: str) -> requests.Response:
    """What a GET of *path* with the operator's token returns."""
    return requests.get(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
