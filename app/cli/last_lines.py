"""What a server that stopped wrote to its log, back into the store: for `flask replay`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from app.cli.store import with_store
from app.services import services
from app.spool.coding import SEALED, NotSealed, Seal
from app.store.spooled import Spooled
from vonage_simulator.printable import count


def sealed_lines(lines: Sequence[bytes]) -> list[str]:
    """What is sealed in *lines* of a log; a platform may put anything in front of it."""
    return [found[1] for line in lines if (found := SEALED.search(line.decode(errors="replace")))]


@with_store
def keep_sealed(sealed: Sequence[str]) -> None:
    """Put it into the store; what is there already stays as it is. Raises ClickException if some cannot be read."""
    seal, events, unreadable = Seal(services().settings.secret_key), 0, 0
    for each in sealed:
        try:
            write = seal.read(each)
        except NotSealed:
            unreadable += 1
        else:
            services().store.write(write)
            events += isinstance(write, Spooled)
    click.echo(f"{count(events, 'event')} of the log are in the store now, each once.")
    if unreadable:
        raise click.ClickException(
            f"{count(unreadable, 'line')} cannot be read: cut off, or sealed with another SECRET_KEY than this one."
        )
