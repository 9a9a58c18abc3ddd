"""What a scenario has done to a call by the Voice API while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vonage_simulator import script
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.ledger import ANSWER_SECONDS, Target
from vonage_simulator.refusals import NoSuchConversation, NoSuchLeg, NotActive, TooEarly
from vonage_simulator.scenario import Act, Command

if TYPE_CHECKING:
    from vonage_simulator.call_context import CallContext
    from vonage_simulator.carrier import Carrier


async def control(carrier: Carrier, board: CallContext, line: ActiveLeg, commands: Sequence[Command]) -> None:
    """Do *commands* in their time, from when the call of *line* was answered. What cannot be done is said."""
    await line.picked_up.wait()
    gone = 0.0
    for command in sorted(commands, key=lambda command: command.at):
        await board.clock.sleep(command.at - gone)
        gone = command.at
        try:
            _do(carrier, _whom(board, line, command.to), command.do, command.options)
        except (NoSuchLeg, NotActive, TooEarly, NoSuchConversation) as error:
            board.note(line.leg, "trouble", words=f"{command.do} of {command.to}: {error.__doc__}")


def _whom(board: CallContext, line: ActiveLeg, name: str) -> ActiveLeg:
    """The call's own leg, or that of whom it rang. Raises NoSuchLeg."""
    if name == "call":
        return line
    for other in board.lines.values():
        if other.run == line.run and other.leg.to == name and other.leg.direction == "outbound":
            return other
    raise NoSuchLeg


def _do(carrier: Carrier, line: ActiveLeg, do: Act, options: Mapping[str, Any]) -> None:
    uuid = line.leg.uuid
    match do:
        case "mute" | "unmute":
            carrier.mute(uuid, do == "mute")
        case "earmuff" | "unearmuff":
            carrier.earmuff(uuid, do == "earmuff")
        case "hangup":
            carrier.hang_up(uuid)
        case "transfer":
            _transfer(carrier, line, options)
        case "talk":
            carrier.talk(uuid, options.get("text", ""), loop=options.get("loop", 1))
        case "stop_talk":
            carrier.stop_talk(uuid)
        case "stream":
            carrier.stream(uuid, options.get("url", ""), loop=options.get("loop", 1))
        case "stop_stream":
            carrier.stop_stream(uuid)
        case "dtmf":
            carrier.dtmf(uuid, options.get("digits", ""))
        case "record":
            carrier.record(line.leg.conversation.uuid, options)
        case "stop_record":
            carrier.stop_record(line.leg.conversation.uuid)


def _transfer(carrier: Carrier, line: ActiveLeg, options: Mapping[str, Any]) -> None:
    if url := options.get("url"):
        carrier.transfer(line.leg.uuid, url=Target(url, "GET", socket_timeout=ANSWER_SECONDS))
    elif (own := script.of_scenario(line, options.get("ncco", ()))) is not None:
        carrier.transfer(line.leg.uuid, ncco=own)
