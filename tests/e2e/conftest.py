"""Servers of their own, which are gone when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Server

Serve = Callable[..., Server]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers; whatever is left of them in the end is killed."""
    servers: list[Server] = []

    def serve(**environ: Any) -> Server:
        servers.append(Server(tmp_path, **environ))
        return servers[-1].ready()

    yield serve
    for server in servers:
        server.kill()
