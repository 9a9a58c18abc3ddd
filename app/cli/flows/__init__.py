"""`flask flows`: what is wrong with a flows file, and what callers get by it. One file per command."""

from __future__ import annotations

import click

from app.cli.flows.check import check
from app.cli.flows.diff import diff
from app.cli.flows.show import show
from app.cli.flows.try_ import try_


@click.group("flows", commands=[check, diff, show, try_])
def flows() -> None:
    """The call flows: what callers hear."""
