"""`flask flows try`: a simulated call to a flows file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import click

from app.cli.flows.caller import Caller, plain, who_calls
from app.cli.flows.flows_file import file_at, without_fault
from app.cli.flows.output import unlogged, without_state
from app.services import services
from vonage_simulator.cli.options import NAME, digits_option, hang_up_option, says_option
from vonage_simulator.printable import safe


@click.command("try")
@click.argument("number", type=NAME)
@who_calls
@digits_option
@says_option
@hang_up_option
@click.option("--busy", type=NAME, multiple=True, help="Who is busy when rung; anybody else answers.")
@click.option("--never-answers", type=NAME, multiple=True, help="Who does not pick up.")
def try_(
    number: str,
    caller: Caller,
    at: datetime | None,
    file: Path | None,
    digits: tuple[str, ...] | None,
    says: tuple[str, ...],
    hang_up_after: float | None,
    busy: tuple[str, ...],
    never_answers: tuple[str, ...],
) -> None:
    """Place a simulated call to NUMBER, and show how it goes. No server has to run, and nothing is kept.

    Time jumps, so that it is over at once. Ends with 1 if something went wrong, or the last resort was served.
    """
    from app.cli.flows.flow_call import place_flow_call
    from vonage_simulator.harness import CallTrouble
    from vonage_simulator.scenario import FarEnd
    from vonage_simulator.yaml_source import Faults

    def text(lines: Iterable[str]) -> str:
        return "\n".join(safe(without_state(line)) for line in lines)

    to, file = plain(number), file_at(file)
    callees = {plain(name): FarEnd(does="busy") for name in busy}
    for name in never_answers:
        if (callee := plain(name)) in callees:
            raise click.BadParameter(f"{safe(name)} is busy already", param_hint="--never-answers")
        callees[callee] = FarEnd(does="never_answers")
    without_fault(file)
    try:
        with unlogged():
            result = place_flow_call(
                services().settings,
                file,
                at=at,
                from_=caller.name,
                to=to,
                endpoint=caller.endpoint,
                headers=caller.headers,
                custom_data=caller.custom_data,
                digits=digits or (),
                says=says,
                hangs_up_after=hang_up_after,
                callees=callees,
            )
    except Faults as wrong:  # a value that no call can have, under the simulator's name for it
        raise click.UsageError("\n".join(safe(f"{fault.field}: {fault.words}") for fault in wrong.faults)) from wrong
    except CallTrouble as trouble:
        raise click.ClickException(text(str(trouble).splitlines())) from trouble
    click.echo(text(str(result).split("\n")))
    click.echo("\n" + safe(f"Served: {' → '.join(result.steps)}"))
    if never_rung := [name for name in callees if name not in result.rung]:
        click.echo(safe(f"Never rung: {', '.join(never_rung)}"))
    if result.troubles:
        raise click.ClickException(text(result.troubles))
