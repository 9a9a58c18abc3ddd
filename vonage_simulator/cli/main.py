"""`vonage-simulator`: calls to any server, named by its URLs."""

from __future__ import annotations

import click

from vonage_simulator.cli.call import call
from vonage_simulator.cli.list import list_
from vonage_simulator.cli.load import load
from vonage_simulator.cli.serve import serve

COMMANDS = (call, list_, load, serve)


@click.group(commands=COMMANDS)
@click.version_option(package_name="vonage-simulator")
def main() -> None:
    """A simulated Vonage: places calls to your server, runs its NCCO and sends its webhooks.

    No phone, no account, no internet. Your server is named by its URLs, in whatever language it is written.
    """
