"""`flask capture`: a real call from the store, made a scenario of the simulator."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.calls import with_store
from app.services import services


@click.command("capture")
@click.argument("conversation_uuid")
@click.option(
    "--to", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write it there; default: print it."
)
@click.option("--keep-numbers", is_flag=True, help="Leave telephone numbers as they are.")
@with_store
def capture(conversation_uuid: str, file: Path | None, keep_numbers: bool) -> None:
    """Turn a call that is kept into a scenario, which `flask simulate call --scenario FILE` plays again.

    Telephone numbers in it become ones that are nobody's.
    """
    from vonage_simulator.capture.capture import scenario
    from vonage_simulator.scenarios import dump

    calls = services().calls
    found = calls.conversation(conversation_uuid)
    if found is None:
        raise click.ClickException("No such conversation is kept. `flask calls` lists those that are.")
    told = calls.dump(found, "operator")
    came_from = {leg["moved_from"]["conversation_uuid"] for leg in told["legs"] if leg["moved_from"]}
    conversations = (conversation_uuid, *sorted(came_from))
    events = [calls.dump(event, "operator") for home in conversations for event in calls.events(home)]
    header = "Captured from a real call."
    if not told["answers"]:
        header += " What it ran is not known here: whoever plays it asks the answer URL."
    text = dump(scenario(told, events, keep_numbers=keep_numbers), header)
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    click.echo(f"Written. Play it: .venv/bin/flask simulate call --scenario {file}")
