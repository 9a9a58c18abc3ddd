"""Servers for one test each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Server

Serve = Callable[..., Server]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers, which are killed at the end of the test."""
    servers: list[Server] = []

    def serve(**environ: Any) -> Server:
        servers.append(Server(tmp_path, **environ))
        return servers[-1].ready()

    yield serve
    for server in servers:
        server.kill()
