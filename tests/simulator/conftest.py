"""The fixture that users have for tests of their call flows."""

from app.simulator.pytest_plugin import simulated_call

__all__ = ["simulated_call"]
