"""`vonage-simulator list`: the scenarios that are built in, and the faults."""

from __future__ import annotations

import click


@click.command("list")
def list_() -> None:
    """List the scenarios, and the faults that a delivery may have, or the Voice API."""
    from vonage_simulator.delivery.fault_plan import LOSSLESS, LOSSY
    from vonage_simulator.scenarios import every
    from vonage_simulator.voice_api.faults import FAULTS

    click.echo("Scenarios, for --scenario:")
    for name, scenario in every().items():
        click.echo(f"  {name:29}{scenario.about}")
    for title, faults in (("that lose nothing (all of them: lossless)", LOSSLESS), ("that lose webhooks", LOSSY)):
        click.echo(f"\nFaults {title}, for --faults; name=0.3 is the share of webhooks that have it:")
        for name, words in faults.items():
            click.echo(f"  {name:29}{words}")
    click.echo("\nFaults of the Voice API, for --api-faults of serve; a request is")
    for fault, words in FAULTS.items():
        click.echo(f"  {fault:29}{words}")
