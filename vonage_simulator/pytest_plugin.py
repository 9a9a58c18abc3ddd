"""A fixture for tests of call flows: it calls your server as Vonage would, and tells what was heard.

In your conftest.py: `from vonage_simulator.pytest_plugin import simulated_call`. docs/simulator.md has an example.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vonage_simulator.call_result import CallResult
from vonage_simulator.harness import CallTrouble, place

__all__ = ["CallTrouble", "Simulate", "simulated_call"]

Simulate = Callable[..., CallResult]


@pytest.fixture
def simulated_call() -> Simulate:
    """A function that places a call and returns what was heard: `simulated_call(app, digits=["1"])`.

    It is `vonage_simulator.harness.place`, which has the arguments. It fails the test with CallTrouble where something
    went wrong between the carrier and your server, unless it is called with `trouble=True`.
    """
    return place
