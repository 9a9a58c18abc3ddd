"""Every way in which one thing in a JSON value can be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# What the carrier cannot know: when webhooks were received, how an answer was made, where an input's audio was saved,
# and the cause of an error.
NEVER_COMPARED = {
    *("first_heard_at", "last_heard_at", "took_ms", "flow", "step", "version", "fault", "fallback_reason"),
    *("speech_recording_url", "answer"),
}


def other_values(value: Any) -> Iterator[Any]:
    """Values that are not *value*."""
    if isinstance(value, bool):
        yield from (not value, int(value), None)
    elif isinstance(value, str):
        yield from (f"{value}x", f"{value} ", "", None, {})
    elif isinstance(value, int | float):
        yield from (value + 1, value + 0.001, str(value), None, [])
    else:
        yield from ("something", 0, False, [], {})


def mutations(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every way to change one thing in *value*, JSON: the name of the change, and the changed value."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in NEVER_COMPARED or (name == "at" and path.startswith("answers")):
                continue
            here = f"{path}.{name}".lstrip(".")
            yield f"{here} gone", {key: other for key, other in value.items() if key != name}
            yield from ((step, value | {name: changed}) for step, changed in mutations(item, here))
            if isinstance(item, dict):
                yield f"{here} null", value | {name: None}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield f"{path}[{index}] gone", value[:index] + value[index + 1 :]
            yield f"{path}[{index}] twice", [*value, item]
            yield f"{path}[{index}] no object", [*value[:index], "something", *value[index + 1 :]]
            yield from (
                (step, [*value[:index], changed, *value[index + 1 :]])
                for step, changed in mutations(item, f"{path}[{index}]")
            )
        yield f"{path} null", None
        yield f"{path} no list", {}
    else:
        yield from ((f"{path} {other!r}", other) for other in other_values(value))
