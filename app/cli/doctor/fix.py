"""`flask doctor --fix`: sets the application at Vonage, after it has shown what it is going to change."""

from __future__ import annotations

import click

from app.cli.doctor.public_address import public_address
from app.cli.doctor.vonage_application import ApplicationApi, NotDone, differences, mended
from config.settings import Settings
from vonage_simulator.printable import safe


def fix(settings: Settings, *, confirmed: bool) -> None:
    """Show the differences, ask unless *confirmed*, read once more, write. Raises ClickException if it is not done."""
    if settings.public_url is None:
        raise click.ClickException("Set PUBLIC_URL first: Vonage cannot reach an address of this machine.")
    for finding in public_address(settings):
        if finding.level == "fault":
            raise click.ClickException(f"{finding.found}. {finding.do}")
    try:
        api = ApplicationApi(settings)
        shown, _ = api.read()
        changes = list(differences(shown, mended(shown, settings)))
        if not changes:
            click.echo("The application at Vonage needs no change.")
            return
        click.echo(f"To be changed at {api.host}:")
        for line in changes:
            click.echo(safe(f"  {line}"))
        if not (confirmed or click.confirm("Change it?")):
            click.echo("Nothing was changed.")
            return
        now, _ = api.read()
        if now != shown:
            raise click.ClickException("It was changed by somebody else meanwhile. Nothing was changed: repeat this.")
        api.write(mended(now, settings))
    except click.Abort as no_answer:  # Ctrl-C, or there is no terminal
        words = "There was no answer: nothing was changed. Where nobody can answer, add --yes."
        raise click.ClickException(words) from no_answer
    except NotDone as fault:
        raise click.ClickException(safe(f"The application at Vonage was not changed: {fault}. {fault.do}")) from fault
    click.echo("Changed.")
