"""`make demo` for tests of pages in a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.engines import free_ports, wait_until
from tests.serving import Server

START: Final = 120.0  # seconds: an engine, a worker, keys and a certificate, on a busy machine


@contextmanager
def running_demo(folder: Path, *, every: str, **environ: Any) -> Iterator[Server]:
    """What `make demo` starts, with a call *every* so many seconds."""
    command = (sys.executable, "-u", "-m", "flask", "simulate", "demo", "--every", every)
    (port,) = free_ports(1)
    running = Server(folder, command=command, PORT=str(port), WEB_CONCURRENCY="1", **environ)
    wait_until(lambda: "Ctrl-C stops it." in running.said, "the demo runs", START)
    yield running
    running.process.terminate()
    running.process.wait(60)
