"""The Voice API commands that a scenario has for a call while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
            COMMANDS[command.do](control, _find(active, command.to), command.options)
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


def _transfer(control: CallControl, active: ActiveLeg, options: Mapping[str, Any]) -> None:
    if url := options.get("url"):
        control.transfer(active.leg.uuid, url=Target(url, "GET", socket_timeout=ANSWER_SECONDS))
    elif (own := scenario_ncco(active, options.get("ncco", ()))) is not None:
        control.transfer(active.leg.uuid, ncco=own)


COMMANDS: Mapping[Act, Callable[[CallControl, ActiveLeg, Mapping[str, Any]], None]] = {
    "hangup": lambda control, active, _: control.hang_up(active.leg.uuid),
    "mute": lambda control, active, _: control.mute(active.leg.uuid, True),
    "unmute": lambda control, active, _: control.mute(active.leg.uuid, False),
    "earmuff": lambda control, active, _: control.earmuff(active.leg.uuid, True),
    "unearmuff": lambda control, active, _: control.earmuff(active.leg.uuid, False),
    "transfer": _transfer,
    "talk": lambda control, active, given: control.talk(
        active.leg.uuid, given.get("text", ""), loop=given.get("loop", 1)
    ),
    "stop_talk": lambda control, active, _: control.stop_talk(active.leg.uuid),
    "stream": lambda control, active, given: control.stream(
        active.leg.uuid, given.get("url", ""), loop=given.get("loop", 1)
    ),
    "stop_stream": lambda control, active, _: control.stop_stream(active.leg.uuid),
    "dtmf": lambda control, active, given: control.dtmf(active.leg.uuid, given.get("digits", "")),
    "record": lambda control, active, given: control.record(active.leg.conversation.uuid, given),
    "stop_record": lambda control, active, _: control.stop_record(active.leg.conversation.uuid),
}
