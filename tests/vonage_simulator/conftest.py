"""The fixture `simulated_call`, and a running Voice API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vonage_simulator.pytest_plugin import simulated_call

if TYPE_CHECKING:
    from tests.vonage_simulator.api_server import Server

__all__ = ["simulated_call"]


@pytest.fixture(scope="module")
def server(carrier_folder: Path) -> Iterator[Server]:
    """A server for tests that other calls do not disturb."""
    from tests.vonage_simulator.api_server import serving  # the SDK takes a while to import

    with serving(carrier_folder) as running:
        yield running
