"""The pytest fixture `simulated_call`, for tests of call flows. pytest finds it where the package is installed.

In a checkout that is not installed, a conftest.py imports it: `from vonage_simulator.pytest_plugin import
simulated_call`. docs/simulator.md has examples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vonage_simulator.call_result import CallResult

Simulate = Callable[..., "CallResult"]


@pytest.fixture
def simulated_call() -> Simulate:
    """A function that places a call to a server and returns its CallResult: `simulated_call(app, digits=["1"])`.

    It is `vonage_simulator.harness.place`, which lists the arguments. It fails the test with `harness.CallTrouble`
    where the server is not reached, or answers what Vonage would refuse, unless called with `trouble=True`.
    """
    from vonage_simulator.harness import place  # slow to import, and pytest loads this plugin at every start

    return place
