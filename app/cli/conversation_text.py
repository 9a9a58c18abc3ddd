"""Calls and conversations for the terminal, from their JSON in the API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from app.calls.done import sentence_of
from app.calls.fields import timestamp
from app.domain.leg_control import Done
from vonage_simulator.printable import safe

Json = dict[str, Any]

WIDTH: Final = 110  # characters of a line that shows an action


def to_json(value: Json) -> str:
    """*value* as JSON that is safe to print: DEL is the one control character that JSON does not escape."""
    return json.dumps(value, indent=2).replace("\x7f", r"\u007f")


def list_line(call: Json) -> str:
    """One line: when, what goes on or became of it, duration, id, who calls whom and each other leg's outcome."""
    legs = ", ".join(f"{leg['to'] or 'unknown'} {leg['outcome'] or leg['state']}" for leg in call["legs"][1:])
    parties = f"{_pair(call)}{f' ({legs})' if legs else ''}" if call["legs"] else "no leg known yet"
    lasted = f"{call['duration_seconds']:.1f} s" if call["duration_seconds"] is not None else "-"
    return safe(f"{clock(call['first_heard_at'])}  {_became(call):20}  {lasted:>10}  {call['id']}  {parties}")


def head_lines(call: Json) -> list[str]:
    """A call in some lines: who, what became of it, for how long, how it went through the flow."""
    lines = [f"call {call['id']}  {_became(call)}  {_lasted(call)}  {_price(call)}"]
    facts = [f"{call['direction'] or 'direction unknown'}  {_pair(call)}"]
    facts += [f"{word} {call[key]} s" for word, key in _CALL_SECONDS if call[key] is not None]
    lines.append("  " + ", ".join(facts))
    if call["flow"]:
        keys = f", keys {' '.join(call['keys'])}" if call["keys"] else ""
        lines.append(f"  flow {'/'.join(filter(None, (call['flow'], call['step'])))}{keys}")
    return [safe(line) for line in lines]


def action_lines(actions: Sequence[Done]) -> list[str]:
    """What this server did to a call: when, what, to which leg, who requested it, what came of it."""
    lines = []
    for done in actions:
        of = f"leg {done.action.leg}" if done.action.leg else f"conversation {done.action.conversation}"
        lines.append(safe(f"  {clock(timestamp(done.at))}  {sentence_of(done)}  ({of})"))
    return ["done to the call:", *lines] if lines else []


def _price(call: Json) -> str:
    """What a call or conversation cost; nothing may be known of one that has ended, as its leg went to another."""
    if call["price"] is not None:
        return f"{call['price']} {call['currency']}"
    return "no price yet" if call["state"] == "live" else "no price"


def _lasted(call: Json) -> str:
    """How long a call or conversation was."""
    if call["duration_seconds"] is not None:
        return f"{call['duration_seconds']} s"
    return "not over" if call["state"] == "live" else "no duration"


def _became(call: Json) -> str:
    """What goes on in a call, or became of it."""
    words: str = call["outcome"] or call["phase"] or call["state"]
    return ("missed, " if call["missed"] else "") + words.replace("_", " ")


_CALL_SECONDS = (("waited", "wait_seconds"), ("talked", "talk_seconds"), ("on hold", "hold_seconds"))


def conversation_lines(call: Json) -> list[str]:
    """The whole conversation: legs, answers, inputs, recordings, errors."""
    lines = [f"{call['conversation_uuid']}  {call['state'].replace('_', ' ')}  {_lasted(call)}  {_price(call)}"]
    for leg in call["legs"]:
        lines.append(f"  leg {leg['uuid']}  {leg['direction'] or 'direction unknown'}  {_pair(leg)}")
        facts = [leg["outcome"] or leg["state"]]
        facts += _times(leg["times"])
        facts += [f"{word} {leg[key]} s" for word, key in _SECONDS if leg[key] is not None]
        facts += [f"{leg['price']} {call['currency']}"] if leg["price"] is not None else []
        facts += [f"{key} {leg[key]}" for key in _DETAILS if leg[key] is not None]
        facts += _control(leg["control"])
        facts += [f"came from {leg['moved_from']['conversation_uuid']}"] if leg["moved_from"] else []
        facts += [f"went to {leg['moved_to']['conversation_uuid']}"] if leg["moved_to"] else []
        lines.append("      " + ", ".join(facts))
    for answer in call["answers"]:
        actions = " → ".join(action.get("action", "?") for action in answer["ncco"] or [])
        lines.append(f"  answered {_served(answer)} in {answer['took_ms']} ms: {actions}")
        lines += [f"      the last resort: {answer['fault']}"] if answer["fault"] else []
    for entry in call["inputs"]:
        speech = ", ".join(guess["text"] or "" for guess in entry["speech"])
        lines.append(f"  input {clock(entry['at'])}  keys {entry['digits'] or '-'}  speech {speech or '-'}")
    for recording in call["recordings"]:
        lines.append(f"  recording {clock(recording['at'])}  {recording['recording_url'] or 'no address'}")
        failed = recording["transcription_error"]
        lines += [f"      its transcription failed: {failed}"] if failed is not None else []
    for error in call["errors"]:
        line, cause = f"  {error['kind']} {clock(error['at'])}  {error['reason'] or 'no reason'}", error["answer"]
        lines.append(f"{line}  in what was answered {_served(cause)}:" if cause else line)
        lines += [_action_line(action) for action in cause["ncco"] or []] if cause else []
    return [safe(line) for line in lines]


_HOLD = {
    "holding": "being put on hold",
    "held": "on hold",
    "resuming": "being resumed",
    "weak": "on hold without music",
}


def _control(control: Json) -> list[str]:
    """How a leg is controlled, in words."""
    facts = [_HOLD[control["hold"]]] if control["hold"] else []
    if control["hold"] != "weak":
        facts += [word for word, key in (("muted", "muted"), ("hears nobody", "earmuffed")) if control[key]]
    return facts


_SECONDS = (("rang", "ring_seconds"), ("talked", "talk_seconds"), ("billed", "duration_seconds"))
_DETAILS = ("detail", "sip_code", "machine", "disconnected_by")


def _served(answer: Json) -> str:
    """When, and by which flow, step and version of it."""
    step = f"/{answer['step']}" if answer["step"] else ""
    version = f" ({answer['version']})" if answer["version"] else ""
    return f"{clock(answer['at'])} by {answer['flow']}{step}{version}"


def _action_line(action: Any) -> str:
    """An action as JSON, cut to one line."""
    line = safe("      " + json.dumps(action, separators=(",", ":"), ensure_ascii=False))
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _pair(leg: Json) -> str:
    return f"{leg['from'] or 'unknown'} → {leg['to'] or 'unknown'}"


def clock(at: str | None) -> str:
    """Date and time."""
    return at.replace("T", " ").rstrip("Z") if at else "-"


def _times(times: dict[str, str | None]) -> Iterator[str]:
    """Each name with its time; the date where it is another than before."""
    day = ""
    for name, at in times.items():
        if at:
            yield f"{name} {clock(at)[len(day) :]}" if at.startswith(day) else f"{name} {clock(at)}"
            day = at[:11]
