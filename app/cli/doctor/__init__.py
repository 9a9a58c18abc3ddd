"""`flask doctor`: what is wrong with a deployment, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

import click

from app.cli.conversation_text import to_json
from app.cli.doctor.finding import Finding
from app.cli.doctor.fix import fix
from app.cli.doctor.redis_checks import redis_findings
from app.cli.doctor.server_checks import server_findings
from app.cli.doctor.vonage_checks import vonage_findings
from app.cli.store import NOT_RUNNING, store_running
from app.services import services
from vonage_simulator.printable import safe


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--fix", "fixes", is_flag=True, help="First set the application at Vonage; shows what, and asks.")
@click.option("--yes", "confirmed", is_flag=True, help="With --fix: do not ask.")
def doctor(as_json: bool, fixes: bool, confirmed: bool) -> None:
    """Check a deployment, and say what to do about each fault.

    Settings, data folder, call flows, public URL, Redis, and the application at Vonage. Ends with 1
    if there is a fault; advice is no fault.
    """
    settings = services().settings
    if fixes and as_json:
        raise click.UsageError("--fix and --json do not go together: what is changed is to be read.")
    failed = False
    if fixes:
        try:
            fix(settings, confirmed=confirmed)
        except click.ClickException as error:  # what the checks find may say why
            error.show()
            failed = True
    found = [*server_findings(settings), *_store_findings(), *vonage_findings(settings)]
    if as_json:
        click.echo(to_json({"findings": [finding.json for finding in found]}))
    else:
        for line in (line for finding in found for line in finding.lines):
            click.echo(safe(line))
    if failed or any(finding.level == "fault" for finding in found):
        raise click.exceptions.Exit(1)


def _store_findings() -> Iterator[Finding]:
    try:
        with store_running() as found:
            try:
                yield from redis_findings(found.store)
            finally:
                found.store.stop()
    except NOT_RUNNING as error:
        yield Finding("fault", "store", str(error), "See that Redis runs, and that REDIS_URL leads to it.")
