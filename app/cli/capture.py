"""`flask capture`: a scenario of the simulator, made of a call that is kept."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.store import conversation, with_store
from app.services import services


@click.command("capture")
@click.argument("conversation_uuid")
@click.option("--to", "file", type=click.Path(dir_okay=False, path_type=Path), help="The new file; default: print it.")
@click.option("--keep-numbers", is_flag=True, help="Leave telephone numbers as they are.")
@with_store
def capture(conversation_uuid: str, file: Path | None, keep_numbers: bool) -> None:
    """Turn a call that is kept into a scenario, which `flask simulate call --scenario FILE` plays again.

    Telephone numbers in it are replaced by unassigned ones.
    """
    from vonage_simulator.capture.capture import scenario
    from vonage_simulator.scenarios import dump

    found = conversation(conversation_uuid)
    came_from = {leg["moved_from"]["conversation_uuid"] for leg in found["legs"] if leg["moved_from"]}
    uuids = (conversation_uuid, *sorted(came_from))
    calls = services().calls
    events = [calls.dump(event, "operator") for uuid in uuids for event in calls.events(uuid)]
    header = "Captured from a real call."
    if not found["answers"]:
        header += " Its NCCO is not known: when it is played, the answer URL is requested."
    text = dump(scenario(found, events, keep_numbers=keep_numbers), header)
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    click.echo(f"Written. Play it: .venv/bin/flask simulate call --scenario {file}")
