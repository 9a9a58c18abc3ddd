"""The fixture that users have for tests of their flows."""

from app.cli.pytest_plugin import flow_call

__all__ = ["flow_call"]
