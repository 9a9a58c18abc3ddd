"""`flask flows show`: the route and the NCCO that a caller gets."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.api.flows import RouteSchema
from app.cli.conversation_text import to_json
from app.cli.flows.caller import Caller, plain, who_calls
from app.cli.flows.flows_file import file_at, without_fault
from app.cli.flows.output import unlogged, without_state
from app.flows.model import RenderFault
from app.flows.reply import LAST_RESORT
from app.flows.request import Request
from vonage_simulator import yaml_source
from vonage_simulator.cli.options import NAME
from vonage_simulator.printable import safe
from vonage_simulator.webhook_bodies import REGION_HOSTS

if TYPE_CHECKING:
    from app.flows.flows import Flows

# Vonage always sends these two, and a region; these are nobody's.
LEG, CONVERSATION = "0" * 32, "CON-00000000-0000-4000-8000-000000000000"


@click.command("show")
@click.argument("number", type=NAME)
@who_calls
@click.option("--step", metavar="NAME", help="Show this step of the flow; default: the one a call begins with.")
@click.option("--json", "as_json", is_flag=True, help="For programs: all of it as one JSON object.")
def show(number: str, caller: Caller, at: datetime | None, file: Path | None, step: str | None, as_json: bool) -> None:
    """Show what a caller gets who dials NUMBER: which route is taken, and the NCCO.

    NUMBER may be a name, too: whom an app user calls. The state that a call carries from step to step is left out of
    the URLs. Ends with 1 if the caller would hear the last resort.
    """
    to, file = plain(number), file_at(file)
    flows = without_fault(file)
    with unlogged():
        at = at or datetime.now(UTC)
        is_app = caller.endpoint == "app"
        request = Request(
            from_=None if is_app else caller.name,
            from_user=caller.name if is_app else None,
            to=to,
            uuid=LEG,
            conversation_uuid=CONVERSATION,
            endpoint_type=caller.endpoint,
            region_url=REGION_HOSTS["eu-west"],
            custom_data=caller.custom_data or {},
            headers=caller.headers,
        )
        try:
            route: dict[str, Any] = RouteSchema().dump(flows.route(request, at))
        except RenderFault as fault:
            raise _last_resort(str(fault)) from fault
        if step is None:
            served = flows.answer(request, at)
        else:
            _check_step(step, flows, route["flow"])
            served = flows.enter(route["flow"], step, None, request) or LAST_RESORT
    if not as_json:
        click.echo(safe(f"{file}, line {route['line']}: {_conditions(route)} gets flow {route['flow']}"))
    if served.fault is not None:
        raise _last_resort(served.fault)
    ncco = json.loads(without_state(served.body.decode()))
    if as_json:
        served_by = {"flow": served.flow, "step": served.step, "version": served.version}
        click.echo(to_json({"route": route, **served_by, "ncco": ncco}))
        return
    click.echo(safe(f"Step {served.step}, version {served.version}:") + "\n")
    click.echo(yaml_source.write(ncco), nl=False)


def _check_step(step: str, flows: Flows, name: str) -> None:
    """Raise BadParameter if the flow *name* has no such step, or none that can be shown."""
    flow = flows.flow_file.flows[name] if flows.flow_file else None
    if flow and flow.python:
        words = "is written in Python: `show` has nothing that came back to give it. `flask flows try` goes through it"
        raise click.BadParameter(safe(f"flow {name} {words}"), param_hint="--step")
    if flow and step not in flow.steps:
        raise click.BadParameter(
            safe(f"flow {name} has no step {step}; it has {', '.join(flow.steps)}"), param_hint="--step"
        )


def _conditions(route: dict[str, Any]) -> str:
    """Which calls a route is for, as in the file."""
    given = [f"{name.replace('_', '-')} {route[name]}" for name in ("from", "from_user", "to", "when") if route[name]]
    return ", ".join(given) or "any call"


def _last_resort(why: str) -> click.ClickException:
    return click.ClickException(safe(f"the last resort is served: {why}"))
