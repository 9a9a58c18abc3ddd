"""The commands of `flask`."""

from __future__ import annotations

from flask import Flask


def install(app: Flask) -> None:
    """Add the commands to *app*."""
    from app.cli.calls import call, calls, forget
    from app.cli.replay import replay
    from app.cli.simulate import simulate

    for command in (replay, calls, call, forget, simulate):
        app.cli.add_command(command)
