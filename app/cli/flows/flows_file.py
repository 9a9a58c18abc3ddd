"""The flows file that a command is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.flows.output import unlogged
from app.services import build, services
from vonage_simulator.printable import count, safe
from vonage_simulator.yaml_source import Fault

if TYPE_CHECKING:
    from app.flows.flows import Flows


def file_at(file: Path | None) -> Path:
    """*file*, or the one at FLOWS_FILE; relative to the current folder if it is below it."""
    found = file or services().settings.flows_file
    return found.relative_to(Path.cwd()) if found.is_absolute() and found.is_relative_to(Path.cwd()) else found


def read(file: Path) -> Flows:
    """The flows in *file*, with its faults."""
    found = build(replace(services().settings, flows_file=file)).flows
    with unlogged():
        found.reloader.refresh()
    return found


def without_fault(file: Path) -> Flows:
    """The flows in *file*. If there are faults, prints them and ends the command."""
    found = read(file)
    if found.faults:
        click.echo(faults_text(file, found.faults))
        raise click.exceptions.Exit(1)
    return found


def faults_text(file: Path, faults: Iterable[Fault]) -> str:
    """A line for each of *faults*, and one that counts them."""
    lines = [str(fault) for fault in faults]
    return "\n".join(map(safe, [*lines, f"{count(len(lines), 'fault')} in {file}"]))
