"""A real server for tests: gunicorn with config/gunicorn.py, in its own process group."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from tests.engines import free_ports, wait_until

ROOT = Path(__file__).resolve().parents[1]
GUNICORN = (sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app")
OPERATOR = "operators-token-of-32-characters-x"
SECONDS = 60.0  # for a response, or for a process to end


class Reply(NamedTuple):
    """A response, and after how many seconds it was complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


class Client:
    """One connection, kept open as a router keeps it; opened again if the server has closed it."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._connection = HTTPConnection(host, port, timeout=SECONDS)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """Send one request; `Content_Type=…` is a header."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        begun = time.monotonic()
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        text = response.read()
        return Reply(response.status, dict(response.getheaders()), text, time.monotonic() - begun)

    @property
    def socket(self) -> socket.socket | None:
        """The socket of the connection that is open now."""
        return self._connection.sock

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Server:
    """A server process and its output."""

    def __init__(
        self, folder: Path, *, command: Sequence[str] = GUNICORN, cwd: Path = ROOT, **environ: str | None
    ) -> None:
        """Start *command*. *environ* overrides the development settings; None removes a variable."""
        self.folder = folder
        self._embeds = "REDIS_URL" not in environ
        self.host = environ.get("HOST") or "127.0.0.1"
        self.port = int(environ.get("PORT") or free_ports(1)[0])
        known: dict[str, str | None] = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "DATA_DIR": str(folder / "var"),
            "PORT": str(self.port),
            "ACCESS_TOKENS": f"operator:{OPERATOR}",
        }
        self._log = folder / f"log-{time.monotonic_ns()}"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env={name: value for name, value in (known | environ).items() if value is not None},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """The output so far."""
        return self._log.read_text(errors="replace")

    def client(self) -> Client:
        """A new connection."""
        return Client(self.port, self.host)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """Send one request over a new connection."""
        with contextlib.closing(self.client()) as client:
            return client.ask(method, path, body, **headers)

    def post(self, path: str, body: Any) -> Reply:
        """Post *body* as JSON."""
        return self.ask("POST", path, json.dumps(body).encode())

    def api(self, path: str) -> Reply:
        """Get *path* as an operator."""
        return self.ask("GET", path, Authorization=f"Bearer {OPERATOR}")

    def answers(self) -> bool:
        """Whether it serves requests; fails if it has ended."""
        assert self.process.poll() is None, self.said
        with contextlib.suppress(OSError, HTTPException):
            return self.ask("GET", "/healthz").status == 200
        return False

    def ready(self) -> Server:
        """Itself, once it serves requests."""
        wait_until(self.answers, "the server serves requests")
        return self

    def with_busy_users(self) -> Server:
        """Itself, whose users take as many calls at once as a user may: else the third one would be diverted."""
        headers = {"Authorization": f"Bearer {OPERATOR}", "Content-Type": "application/json"}
        for user in ("Alice", "Bob"):
            assert self.ask("PUT", f"/api/v1/users/{user}", b'{"max_calls": 50}', **headers).status == 200
        return self

    @property
    def workers(self) -> list[int]:
        """The processes that gunicorn's master has started to serve requests."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children]

    def group(self, number: int) -> None:
        """Send a signal to all its processes, as a terminal does."""
        os.killpg(self.process.pid, number)

    def ended(self) -> int:
        """Its exit status, once all its processes have ended."""
        status = self.process.wait(SECONDS)
        wait_until(self.gone, "all processes have ended")
        return status

    def gone(self) -> bool:
        """Whether no process of its group is left; one whose parent was killed may stay a zombie for a while."""
        try:
            self.group(0)
        except ProcessLookupError:
            return True
        found = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True)
        processes = (line.split() for line in found.stdout.splitlines())
        return not any(int(group) == self.process.pid and state[0] != "Z" for group, state in processes)

    def kill(self) -> None:
        """End it: with SIGTERM at first if it has an embedded engine, which would go on without it."""
        if self._embeds and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(SECONDS)
        with contextlib.suppress(ProcessLookupError):
            self.group(signal.SIGKILL)
        self.process.wait(SECONDS)
        wait_until(self.gone, "all processes have ended")


@contextlib.contextmanager
def surviving(folder: Path, **environ: Any) -> Iterator[Server]:
    """A server whose only worker must survive all that is done to it."""
    server = Server(folder, WEB_CONCURRENCY="1", **environ)
    try:
        yield server.ready()
        assert server.said.count("Booting worker") == 1, "no worker was replaced"
        assert "Traceback" not in server.said
    finally:
        server.kill()
