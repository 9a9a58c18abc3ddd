"""`flask flows diff`: in what the flows file here differs from the flows that run at a server."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from app.cli.client import SECONDS, address_of, detail, reached, token_of
from app.cli.flows import count, file_at, flows, without_fault
from app.services import services
from app.terminal import safe
from vonage_simulator.yaml_source import Fault

__all__ = ["flows"]  # with this command in it


@flows.command("diff")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--to", "url", metavar="URL", help="The server; default: the one `make run` starts.")
def diff(file: Path | None, url: str | None) -> None:
    """Show in what FILE differs from the flows that run at a server. Without FILE: the one at FLOWS_FILE.

    Asked with an operator's token of ACCESS_TOKENS, or the one made for development. Ends with 1 if they differ.
    """
    settings, file = services().settings, file_at(file)
    base = address_of(settings, url)
    runs = _running(base, token_of(settings))
    own = without_fault(file).reloader.flow_file
    assert own is not None  # noqa: S101 - it has no fault
    for line in _state(runs, base):
        click.echo(safe(line))
    before, after = dict(runs.flows), {name: flow.version for name, flow in own.flows.items()}
    if runs.text == own.text and before == after:
        click.echo("no difference")
        return
    for line in _summaries(before, after):
        click.echo(safe(line))
    texts = difflib.unified_diff(
        (runs.text or "").split("\n"), own.text.split("\n"), f"what runs at {base}", str(file), lineterm=""
    )
    for line in texts:
        click.echo(safe(line))
    raise click.exceptions.Exit(1)


@dataclass(frozen=True, slots=True)
class Running:
    """What a server says of its flows."""

    file: str
    version: str | None
    loaded: str | None
    text: str | None
    flows: list[tuple[str, str]]  # name and version
    faults: list[Fault]


def _running(base: str, token: str) -> Running:
    """The flows that run at *base*. Raises ClickException."""
    import requests

    address, headers = f"{base}/api/v1/flows", {"Authorization": f"Bearer {token}"}
    answer = reached(partial(requests.get, address, headers=headers, timeout=SECONDS, allow_redirects=False), base)
    if answer.status_code in (401, 403):
        why = "does not know this token" if answer.status_code == 401 else "takes an operator's token, and this is none"
        words = f"the server there {why}. Set ACCESS_TOKENS=operator:… as it has it, in this shell."
        raise click.ClickException(safe(f"{address} answers {answer.status_code}: {words}"))
    if answer.status_code != 200:
        raise click.ClickException(safe(f"{address} answers {answer.status_code}: {detail(answer)}"))
    try:
        told = answer.json()
        file = str(told["file"])
        return Running(
            file=file,
            version=told["version"],
            loaded=told["loaded_at"],
            text=None if told["text"] is None else str(told["text"]),
            flows=[(str(flow["name"]), str(flow["version"])) for flow in told["flows"]],
            faults=[Fault(file, one["line"], one["column"], one["field"], one["words"]) for one in told["faults"]],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"{base} answers, but is no Switchhook: --to names another.") from error


def _state(runs: Running, base: str) -> Iterator[str]:
    """What has to be said of a server that does not run what its own file says."""
    if runs.faults:
        yield f"At {base} the file has {count(len(runs.faults), 'fault')}:"
        yield from (f"  {fault}" for fault in runs.faults)
    if runs.version is None:
        yield f"At {base} no flows run: callers hear the last resort."
    elif runs.faults:
        yield f"What runs there is older: version {runs.version}, read {runs.loaded}."


def _summaries(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """A line for each flow that differs."""
    names = [*before, *(name for name in after if name not in before)]
    differing = [name for name in names if before.get(name) != after.get(name)]
    for name in differing:
        if name not in after:
            yield f"removed  {name} ({before[name]})"
        elif name not in before:
            yield f"added    {name} ({after[name]})"
        else:
            yield f"changed  {name} ({before[name]} → {after[name]})"
    if not differing:
        yield "no flow differs, but the file does"
