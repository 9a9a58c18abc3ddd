"""The commands of `flask`."""

from __future__ import annotations

from flask import Flask


def install(app: Flask) -> None:
    """Add the commands to *app*."""
    from app.cli.calls import call, calls, forget
    from app.cli.capture import capture
    from app.cli.demo import simulate
    from app.cli.flows_diff import flows
    from app.cli.replay import replay

    for command in (replay, calls, call, forget, flows, capture, simulate):
        app.cli.add_command(command)
