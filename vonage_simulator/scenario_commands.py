"""The Voice API commands that a scenario has for a call while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_control import CallControl
from vonage_simulator.ledger import ANSWER_SECONDS, Target
from vonage_simulator.refusals import NoSuchConversation, NoSuchLeg, NotActive, TooEarly
from vonage_simulator.scenario import Act, Command
from vonage_simulator.scenario_ncco import scenario_ncco


async def run(control: CallControl, active: ActiveLeg, commands: Sequence[Command]) -> None:
    """Run *commands*, timed from the answer of the call's leg. Those that are refused are traced."""
    await active.picked_up.wait()
    seconds = 0.0
    for command in sorted(commands, key=lambda command: command.at):
        await active.context.clock.sleep(command.at - seconds)
        seconds = command.at
        try:
            _run(control, _find(active, command.to), command.do, command.options)
        except (NoSuchLeg, NotActive, TooEarly, NoSuchConversation) as error:
            active.context.trace(active.leg, "trouble", words=f"{command.do} of {command.to}: {error.__doc__}")


def _find(active: ActiveLeg, name: str) -> ActiveLeg:
    """The call's own leg, or the one that it rang. Raises NoSuchLeg."""
    if name == "call":
        return active
    for other in active.active_legs.values():
        if other.run == active.run and other.leg.to == name and other.leg.direction == "outbound":
            return other
    raise NoSuchLeg


def _run(control: CallControl, active: ActiveLeg, do: Act, options: Mapping[str, Any]) -> None:
    uuid = active.leg.uuid
    match do:
        case "mute" | "unmute":
            control.mute(uuid, do == "mute")
        case "earmuff" | "unearmuff":
            control.earmuff(uuid, do == "earmuff")
        case "hangup":
            control.hang_up(uuid)
        case "transfer":
            _transfer(control, active, options)
        case "talk":
            control.talk(uuid, options.get("text", ""), loop=options.get("loop", 1))
        case "stop_talk":
            control.stop_talk(uuid)
        case "stream":
            control.stream(uuid, options.get("url", ""), loop=options.get("loop", 1))
        case "stop_stream":
            control.stop_stream(uuid)
        case "dtmf":
            control.dtmf(uuid, options.get("digits", ""))
        case "record":
            control.record(active.leg.conversation.uuid, options)
        case "stop_record":
            control.stop_record(active.leg.conversation.uuid)


def _transfer(control: CallControl, active: ActiveLeg, options: Mapping[str, Any]) -> None:
    if url := options.get("url"):
        control.transfer(active.leg.uuid, url=Target(url, "GET", socket_timeout=ANSWER_SECONDS))
    elif (own := scenario_ncco(active, options.get("ncco", ()))) is not None:
        control.transfer(active.leg.uuid, ncco=own)
