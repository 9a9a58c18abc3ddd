"""A `next` that is a mapping, read from the file: which branches it may have depends on the action."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final, Literal

from app.flows import transitions
from app.flows.model import FAILED_STATUSES, MOST_ATTEMPTS, USUAL_ATTEMPTS, Next
from app.flows.reader import FlowReader
from vonage_simulator.yaml_source import Steps

MOST_COMPARED: Final = 500  # words: an author with more of them has not misspelt any
USUAL_DIGITS: Final = 4  # unless `maxDigits` says otherwise
KEYS: Final = re.compile(r"[0-9*#]{1,20}", re.ASCII)
COMMON: Final = ("else", "attempts", "exhausted")
BRANCHES: Final = {"input": ("keys", "words", "silence", *COMMON), "connect": (*FAILED_STATUSES, *COMMON)}
NO_FAILURES: Final = ("started", "ringing", "answered", "completed", "cancelled", "human", "machine")
EXPECTED: Final = {
    "keys": ("dtmf", "keys and steps, as in `1: sales`"),
    "words": ("speech", "words and steps, as in `sales: sales`"),
}

# Reads the name of a step, by the way that leads there, at a path.
LinkTo = Callable[[Any, Literal["expected", "otherwise", "exhausted"], Steps], str | None]


def read_branches(
    reader: FlowReader, value: Mapping[str, Any], path: Steps, kind: str, options: Mapping[str, Any], link: LinkTo
) -> Next:
    """The branches *value* of an action of this *kind* with these *options*."""
    _known(reader, value, path, kind)
    if not value.keys() - {"attempts", "exhausted"}:
        reader.wrong(path, "leads nowhere: say which step is next after which result, as in `else: step`")
    steps = {
        name: link(value[name], "exhausted" if name == "exhausted" else "otherwise", (*path, name))
        for name in ("silence", "else", "exhausted", *FAILED_STATUSES)
        if name in value and name in BRANCHES[kind]
    }
    attempts = _attempts(reader, value.get("attempts", USUAL_ATTEMPTS), (*path, "attempts"))
    if "attempts" in value and "exhausted" not in value:
        words = "says how often, but not what comes after: say with `exhausted` where it goes then"
        reader.wrong((*path, "attempts"), words)
    expected = {
        name: _expected(reader, value[name], name, (*path, name), options, link) if name in value else {}
        for name in (EXPECTED if kind == "input" else ())
    }
    return Next(
        keys=expected.get("keys", {}),
        words=expected.get("words", {}),
        silence=steps.get("silence"),
        statuses={name: step for name, step in steps.items() if step and name in FAILED_STATUSES},
        other=steps.get("else"),
        attempts=attempts,
        exhausted=steps.get("exhausted"),
    )


def _known(reader: FlowReader, value: Mapping[str, Any], path: Steps, kind: str) -> None:
    for name in value:
        if name in BRANCHES[kind]:
            continue
        if kind == "connect" and name in NO_FAILURES:
            words = f"{name} is no failure: its reply is not read by Vonage"
        elif owner := next((other for other, branches in BRANCHES.items() if name in branches), None):
            words = f"is a branch of {owner}, not of {kind}"
        else:
            words = f"is no branch of {kind}{reader.meant(name, BRANCHES[kind])}"
        reader.wrong((*path, name), words, key=True)


def _attempts(reader: FlowReader, value: Any, path: Steps) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ATTEMPTS:
        reader.wrong(path, f"must be a whole number from 1 to {MOST_ATTEMPTS}")
        return USUAL_ATTEMPTS
    return value


def _expected(
    reader: FlowReader, value: Any, name: str, path: Steps, options: Mapping[str, Any], link: LinkTo
) -> dict[str, str]:
    """The keys, or the words, that lead to a step of their own."""
    type_, wanted = EXPECTED[name]
    if (each := reader.mapping(value, path, wanted)) is None:
        return {}
    types = options.get("type")
    if isinstance(types, list) and all(isinstance(known, str) for known in types) and type_ not in types:
        reader.wrong(path, f"can never match: `type` has no {type_} in it", key=True)
    earlier: dict[str, str] = {}  # words as they are compared -> as they are in the file
    for key in each:
        if words := _key_fault(key, options) if name == "keys" else _words_fault(key, earlier):
            reader.wrong((*path, key), words, key=True)
    steps = {key: link(step, "expected", (*path, key)) for key, step in each.items()}
    return {key: step for key, step in steps.items() if step}


def _key_fault(key: str, options: Mapping[str, Any]) -> str | None:
    dtmf = options.get("dtmf", {})
    dtmf = dtmf if isinstance(dtmf, dict) else {"maxDigits": None}  # None: not known before a call
    most = dtmf.get("maxDigits", USUAL_DIGITS)
    if not KEYS.fullmatch(key):
        return "must be keys: 0 to 9, * and # only, 20 at most"
    if isinstance(most, int) and len(key) > most:
        return f"can never be pressed: it has {len(key)} keys, and `maxDigits` of `dtmf` is {most}"
    if dtmf.get("submitOnHash") is True and "#" in key:
        return "can never match: with `submitOnHash`, # ends what is pressed and is no part of it"
    return None


def _words_fault(words: str, earlier: dict[str, str]) -> str | None:
    plain = transitions.plain(words)
    if "{{" in words:
        return "is compared as it is written: an expression cannot be here"
    if not any(character.isalnum() for character in plain):
        return "must have a word in it"
    if plain in earlier:
        return f'is the same as "{earlier[plain]}": capitals do not matter'
    if first := next((known for known in islice(earlier, MOST_COMPARED) if transitions.within(known, plain)), None):
        return f'can never match: "{earlier[first]}", which is before it, is in it'
    earlier[plain] = words
    return None
