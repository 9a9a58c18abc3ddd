"""The commands of `flask`: one file per command, but one for all that act on calls."""

from __future__ import annotations

from flask import Flask


def install(app: Flask) -> None:
    """Add the commands to *app*."""
    from app.cli.acting import COMMANDS
    from app.cli.audit import audit
    from app.cli.call import call
    from app.cli.calls import calls
    from app.cli.capture import capture
    from app.cli.doctor import doctor
    from app.cli.flows import flows
    from app.cli.forget import forget
    from app.cli.moving import export, import_
    from app.cli.operations import conferences, transfers
    from app.cli.replay import replay
    from app.cli.simulate import simulate
    from app.cli.unfiled import unfiled
    from app.cli.voicemails import voicemails

    for command in (replay, calls, call, unfiled, audit, forget, flows, doctor, capture, simulate, *COMMANDS):
        app.cli.add_command(command)
    for command in (transfers, conferences, voicemails, export, import_):
        app.cli.add_command(command)
