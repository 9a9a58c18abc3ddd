"""The server of `benchmarks/chaos.py`, which is started again whenever it has ended, and requests to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from benchmarks.chaos_faults import SPOOL_MB
from benchmarks.chaos_stores import Embedded, Store
from benchmarks.cpu import children
from benchmarks.servers import ROOT, TOKEN, free_port

RESPONSE_SECONDS: Final = 10.0  # as long as Vonage waits
START_SECONDS: Final = 60.0


class Spans:
    """When something was so: while the block of a `with` of it is being run."""

    def __init__(self) -> None:
        self._spans: list[list[float]] = []

    def __enter__(self) -> None:
        self._spans.append([time.monotonic()])

    def __exit__(self, *_: object) -> None:
        self._spans[-1].append(time.monotonic())

    def since(self, began: float) -> bool:
        """Whether it was so at some time since *began* (monotonic)."""
        return bool(self._spans) and (len(self._spans[-1]) == 1 or self._spans[-1][1] >= began)


class Supervised:
    """A server with two workers, started again whenever it has ended; without a *store* with the embedded one."""

    def __init__(self, folder: Path, store: Store | None = None) -> None:
        self.port, self.starts, self.data = free_port(), 0, folder / "var"
        self.store: Store = store or Embedded(self.data)
        self.full, self.nowhere = Spans(), Spans()  # when the disk took nothing; when the store did not, either
        self._folder = folder
        self._over = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._supervise)
        self._thread.start()

    @property
    def master(self) -> int:
        return self._process.pid

    @property
    def workers(self) -> list[int]:
        with suppress(OSError):
            store = self.store.pid
            return [child for child in children(self.master) if child != store]
        return []

    def stop(self) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(START_SECONDS)

    def end(self) -> None:
        """Stop it for good, and its store."""
        self._over.set()
        self._thread.join()
        self.stop()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.store.close()

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "VIRTUAL_ENV")}
        environ |= {"DATA_DIR": str(self.data), "PORT": str(self.port), "WEB_CONCURRENCY": "2"}
        environ |= {"ACCESS_TOKENS": f"operator:{TOKEN}", "SPOOL_MAX_MB": str(SPOOL_MB), **self.store.settings}
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"],
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _supervise(self) -> None:
        while not self._over.wait(0.1):
            if self._process.poll() is not None:  # while workers of the one before have its port, it does not start
                self._process = self._start()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of a response. Raises OSError, HTTPException."""
    connection = HTTPConnection("127.0.0.1", port, timeout=RESPONSE_SECONDS)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}"} if method == "GET" else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def patiently(port: int, path: str) -> Any:
    """The JSON at *path* of the API, once the server gives it."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError, HTTPException):
            status, body = ask(port, "GET", path)
            if status == 200:
                return json.loads(body)
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server does not give {path}")
        time.sleep(0.1)
