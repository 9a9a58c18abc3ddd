"""`flask capture`: a scenario of the simulator, made of a call that is kept."""

from __future__ import annotations

from pathlib import Path

import click

from app.calls.captured import captured
from app.cli.store import whole_call, with_store
from app.services import services


@click.command("capture")
@click.argument("id_", metavar="ID")
@click.option("--to", "file", type=click.Path(dir_okay=False, path_type=Path), help="The new file; default: print it.")
@click.option("--keep-numbers", is_flag=True, help="Leave telephone numbers as they are.")
@with_store
def capture(id_: str, file: Path | None, keep_numbers: bool) -> None:
    """Turn a call that is kept into a scenario, which `flask simulate call --scenario FILE` plays again.

    ID is that of the call, or of one of its conversations, legs or recordings. Telephone numbers in it are replaced by
    unassigned ones.
    """
    text = captured(services().call_queries, whole_call(id_), "operator", keep_numbers=keep_numbers)
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    click.echo(f"Written. Play it: .venv/bin/flask simulate call --scenario {file}")
