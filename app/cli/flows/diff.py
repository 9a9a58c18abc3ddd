"""`flask flows diff`: how the flows file here differs from the flows that run at a server."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from app.cli.client import Client, detail, to_option
from app.cli.flows.flows_file import file_at, without_fault
from vonage_simulator.printable import count, safe
from vonage_simulator.yaml_source import Fault


@click.command("diff")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@to_option
def diff(file: Path | None, url: str | None) -> None:
    """Show how FILE differs from the flows that run at a server. Without FILE: the one at FLOWS_FILE.

    Uses an operator's token of ACCESS_TOKENS, or the one made for development. Ends with 1 if they differ.
    """
    client, file = Client(url), file_at(file)
    base, running = client.base, _running(client)
    own = without_fault(file).flow_file
    assert own is not None  # noqa: S101 - it has no fault
    for line in _state(running, base):
        click.echo(safe(line))
    after = {name: flow.version for name, flow in own.flows.items()}
    if (running.text, running.flows) == (own.text, after):
        click.echo("no difference")
        return
    texts = difflib.unified_diff(
        (running.text or "").split("\n"), own.text.split("\n"), f"what runs at {base}", str(file), lineterm=""
    )
    for line in (*_summaries(running.flows, after), *texts):
        click.echo(safe(line))
    raise click.exceptions.Exit(1)


@dataclass(frozen=True, slots=True)
class Running:
    """The flows that run at a server."""

    version: str | None
    loaded: str | None
    text: str | None
    flows: dict[str, str]  # name -> version
    faults: list[Fault]


def _running(client: Client) -> Running:
    """The flows that run at the server. Raises ClickException."""
    response = client.get("/api/v1/flows")
    if response.status_code != 200:
        refusals = {401: "does not know this token", 403: "takes an operator's token, and this is none"}
        words = detail(response)
        if why := refusals.get(response.status_code):
            words = f"the server there {why}. Set ACCESS_TOKENS=operator:… as it has it, in this shell."
        raise click.ClickException(safe(f"{client.base}/api/v1/flows answers {response.status_code}: {words}"))
    try:
        body = response.json()
        return Running(
            version=body["version"],
            loaded=body["loaded_at"],
            text=None if body["text"] is None else str(body["text"]),
            flows={str(flow["name"]): str(flow["version"]) for flow in body["flows"]},
            faults=[
                Fault(str(body["file"]), fault["line"], fault["column"], fault["field"], fault["words"])
                for fault in body["faults"]
            ],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise client.no_switchhook() from error


def _state(running: Running, base: str) -> Iterator[str]:
    """What to say of a server that does not run what is in its own file."""
    if running.faults:
        yield f"At {base} the file has {count(len(running.faults), 'fault')}:"
        yield from (f"  {fault}" for fault in running.faults)
    if running.version is None:
        yield f"At {base} no flows run: callers hear the last resort."
    elif running.faults:
        yield f"What runs there is older: version {running.version}, read {running.loaded}."


def _summaries(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """A line for each flow that differs."""
    lines = []
    for name in before | after:
        if name not in after:
            lines.append(f"removed  {name} ({before[name]})")
        elif name not in before:
            lines.append(f"added    {name} ({after[name]})")
        elif before[name] != after[name]:
            lines.append(f"changed  {name} ({before[name]} → {after[name]})")
    return lines or ["no flow differs, but the file does"]
