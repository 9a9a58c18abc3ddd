"""`flask flows check`: what is wrong with a flows file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from app.cli.flows.flows_file import faults_text, file_at, read
from app.flows.model import Route
from vonage_simulator.printable import count, safe


@click.command("check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
def check(files: tuple[Path, ...]) -> None:
    """Print every fault in FILE, one a line. Without FILE: in the one at FLOWS_FILE.

    Ends with 1 if there is any fault. Without faults it prints advice: what is served, but should be otherwise.
    """
    wrong = False
    for file in files or (file_at(None),):
        found = read(file)
        if found.faults:
            wrong = True
            click.echo(faults_text(file, found.faults))
        elif flow_file := found.flow_file:
            summary = f"{count(len(flow_file.routes), 'route')}, {count(len(flow_file.flows), 'flow')}"
            for advice in flow_file.advices:
                click.echo(safe(str(advice._replace(words=f"advice: {advice.words}"))))
            rest = "" if _fit_every_call(flow_file.routes) else "; calls that no route fits hear the last resort"
            click.echo(safe(f"{file}: {summary}, version {flow_file.version}: no fault{rest}"))
    if wrong:
        raise click.exceptions.Exit(1)


def _fit_every_call(routes: Iterable[Route]) -> bool:
    """Whether there is a route for every call: one without conditions, or one for some hours and one for the rest."""
    always = {
        (route.when and route.when.name, route.closed)
        for route in routes
        if not any((route.to, route.from_, route.from_user))
    }
    return any(hours is None or (hours, not closed) in always for hours, closed in always)
