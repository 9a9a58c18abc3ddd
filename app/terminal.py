"""A conversation for the terminal, made of what the API says of it."""

from __future__ import annotations

import json
from typing import Any, Final

Told = dict[str, Any]

WIDTH: Final = 110  # characters of a line that shows an action


def list_line(call: Told) -> str:
    """One line: when, how it stands, who with whom, what it cost."""
    legs = ", ".join(f"{_pair(leg)} {leg['outcome'] or leg['state']}" for leg in call["legs"]) or "no leg known yet"
    lasted = f"{call['duration_seconds']:.1f} s" if call["duration_seconds"] is not None else "-"
    state = call["state"].replace("_", " ")
    return safe(f"{_clock(call['first_heard_at'])}  {state:14}  {lasted:>10}  {call['conversation_uuid']}  {legs}")


def call_lines(call: Told) -> list[str]:
    """The whole conversation: its legs, what was answered, keyed, recorded, and what went wrong."""
    price = f"{call['price']} {call['currency']}" if call["price"] is not None else "no price yet"
    lasted = f"{call['duration_seconds']} s" if call["duration_seconds"] is not None else "not over"
    lines = [f"{call['conversation_uuid']}  {call['state'].replace('_', ' ')}  {lasted}  {price}"]
    for leg in call["legs"]:
        lines.append(f"  leg {leg['uuid']}  {leg['direction'] or 'direction unknown'}  {_pair(leg)}")
        told = [leg["outcome"] or leg["state"]]
        told += [f"{name} {_clock(at)[11:]}" for name, at in leg["times"].items() if at]
        told += [f"{word} {leg[key]} s" for word, key in _SECONDS if leg[key] is not None]
        told += [f"{leg['price']} {call['currency']}"] if leg["price"] is not None else []
        told += [
            f"{key} {leg[key]}" for key in ("detail", "sip_code", "machine", "disconnected_by") if leg[key] is not None
        ]
        told += [f"came from {leg['moved_from']['conversation_uuid']}"] if leg["moved_from"] else []
        told += [f"went to {leg['moved_to']['conversation_uuid']}"] if leg["moved_to"] else []
        lines.append("      " + ", ".join(told))
    for answer in call["answers"]:
        actions = " → ".join(action.get("action", "?") for action in answer["ncco"] or [])
        lines.append(f"  answered {_served(answer)} in {answer['took_ms']} ms: {actions}")
        lines += [f"      the last resort: {answer['fault']}"] if answer["fault"] else []
    for one in call["inputs"]:
        said = ", ".join(guess["text"] or "" for guess in one["speech"])
        lines.append(f"  input {_clock(one['at'])[11:]}  keys {one['digits'] or '-'}  speech {said or '-'}")
    lines += [
        f"  recording {_clock(one['at'])[11:]}  {one['recording_url'] or 'no address'}" for one in call["recordings"]
    ]
    for one in call["errors"]:
        wrong, cause = f"  {one['kind']} {_clock(one['at'])[11:]}  {one['reason'] or 'no reason'}", one["answer"]
        lines.append(f"{wrong}  in what was answered {_served(cause)}:" if cause else wrong)
        lines += [_action_line(action) for action in cause["ncco"] or []] if cause else []
    return [safe(line) for line in lines]


def safe(line: str) -> str:
    """*line* without what would steer the terminal: names and ids are whatever somebody sent."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


_SECONDS = (("rang", "ring_seconds"), ("talked", "talk_seconds"), ("billed", "duration_seconds"))


def _served(answer: Told) -> str:
    """When, and by which flow, step and version of it."""
    step = f"/{answer['step']}" if answer["step"] else ""
    version = f" ({answer['version']})" if answer["version"] else ""
    return f"{_clock(answer['at'])[11:]} by {answer['flow']}{step}{version}"


def _action_line(action: Any) -> str:
    """An action as JSON, cut where it would make more than a line."""
    line = safe("      " + json.dumps(action, separators=(",", ":"), ensure_ascii=False))
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _pair(leg: Told) -> str:
    return f"{leg['from'] or 'unknown'} → {leg['to'] or 'unknown'}"


def _clock(time: str | None) -> str:
    return time.replace("T", " ").rstrip("Z") if time else "-"
