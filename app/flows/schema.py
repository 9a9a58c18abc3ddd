"""What we let out as an NCCO: what Vonage runs (vonage_simulator/ncco.py), with stricter rules on top.

Vonage ignores unknown options without a word: here they are faults, for nearly all are misspelt, unless their author
means them (app/flows/meant.py). What Vonage runs though it is not documented is served, with advice. An option whose
value is a placeholder is checked once it is filled.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from app.flows.addresses import address
from app.flows.ssml import speech_faults
from vonage_simulator import json_shape, ncco
from vonage_simulator.json_shape import Found, Kind, Rule
from vonage_simulator.yaml_source import HALF_A_CHARACTER, Steps

DEEPEST: Final = 30  # levels of one action: with the list, and the record it is kept in, they can be read again
HEADER_NAME: Final = re.compile(r"[!-9;-~]+")  # https://www.rfc-editor.org/rfc/rfc3261#section-25.1


def faults(actions: Any, *, own: str = "", meant: Collection[Steps] = ()) -> list[Found]:
    """Why Vonage would not run the NCCO *actions*, or not as intended: everything wrong with it, in order.

    The order of actions is checked elsewhere: see `sequence`. URLs must be https; those that begin with *own*, the
    address of this server, may be http: in development. What is at *meant*, and in it, need only be JSON.
    """
    if json_shape.later(actions):
        return []
    if not isinstance(actions, list):
        return [((), f"It is {json_shape.shown(actions)}, but must be an array of actions.")]
    if not actions:
        return [((), "It says nothing: the call would end at once. There must be one action at least.")]
    kind = _action(own.rstrip("/"))
    found: list[Found] = []
    for index, action in enumerate(actions):
        found += json_shape.within(index, _all(kind, action, {path[1:] for path in meant if path[0] == index}))
    return found


def advices(actions: list[Any], *, own: str = "") -> list[Found]:
    """What Vonage runs of *actions*, which have no fault, though it is not documented."""
    kind = _action(own.rstrip("/"))
    return [found for index, action in enumerate(actions) for found in json_shape.within(index, kind.advices(action))]


def is_meant(path: Steps, meant: Collection[Steps]) -> bool:
    """Whether *path* is one of *meant*, or in one."""
    return any(path[:length] in meant for length in range(1, len(path) + 1))


def _all(kind: Kind, action: Any, meant: Collection[Steps]) -> list[Found]:
    """The faults of *action*, and what of it no JSON can hold; one fault for each thing."""
    found = [(path, words) for path, words in kind.faults(action) if not is_meant(path, meant)]
    faulty = {path for path, _ in found}
    for path, words in json_shape.not_json(action, DEEPEST):
        if not any(path[:length] in faulty for length in range(len(path) + 1)):
            found.append((path, words))
    return found


@lru_cache(maxsize=8)
def _action(own: str) -> Kind:
    """The table of actions; *own* is the beginning of this server's own URLs, without "/" at its end."""
    url = address("https", own)
    house = {
        "text": ncco.NAME,  # an empty text says nothing, or is an expression that came out empty
        "spoken": Kind(wanted=ncco.NAME.wanted, fits=ncco.NAME.fits, rules=(speech_faults,)),
        "url": url,
        "one url": json_shape.array("an array of one URL that begins with https://", url, 1, 1),
        "websocket url": address("wss", or_scheme="ws"),
        # Beyond the ends Vonage takes the nearer one; an author who writes 0 or 10000 means something else.
        "wait seconds": json_shape.number(0.1, 7200),
        "beep_timeout": json_shape.whole(45, 120),  # in range for both of Vonage's pages
        "uui": json_shape.text("text that is not empty, 256 characters at most", r"(?s)(?=.{1,256}\Z).*\S.*"),
        "sip headers": json_shape.mapping(None, _header_names),
        "a sip endpoint": _advised(_uri_alone),
        "authorization": json_shape.mapping(None, _value_if_custom),
        "input": _advised(_settings_of_its_types),
    }
    return json_shape.narrowed(ncco.ACTION, house)


def _advised(rule: Rule) -> Kind:
    return replace(json_shape.mapping(), advice=(rule,))


def _header_names(headers: Mapping[str, Any]) -> Iterator[Found]:
    words = "It is no name of a SIP header: those have letters, digits and signs of ASCII, no blanks and no colon."
    for name in headers:
        if isinstance(name, str) and not HALF_A_CHARACTER.search(name) and not HEADER_NAME.fullmatch(name):
            yield (name,), words


def _uri_alone(sip: Mapping[str, Any]) -> Iterator[Found]:
    if "uri" in sip and not json_shape.later(sip["uri"]):
        for option in ("domain", "user"):
            if option in sip:
                yield (option,), "It is not used beside a uri; there should be a uri, or a domain and a user, not both."


def _value_if_custom(authorization: Mapping[str, Any]) -> Iterator[Found]:
    if authorization.get("type") == "custom" and "value" not in authorization:
        yield ("value",), 'It is missing; there must be one where type is "custom": it is what is sent.'


def _settings_of_its_types(action: Mapping[str, Any]) -> Iterator[Found]:
    """Which input is read should be named, once; settings for another are not used."""
    types = action.get("type")
    if "type" not in action:
        yield ("type",), f"It is missing; it should be {ncco.INPUT['type'].wanted}."
    if not isinstance(types, list) or any(not isinstance(name, str) for name in types):  # a fault already; unknown yet
        return
    for name in ("dtmf", "speech"):
        known = name == "dtmf" and action.get("mode") == "asynchronous"  # which has no settings, by Vonage's own rule
        if name not in types and isinstance(action.get(name), dict) and action[name] and not known:
            yield (name,), f'It has settings, but "{name}" is not in type; there should be both, or neither.'
        if types.count(name) > 1:
            yield ("type",), f'It has "{name}" in it {types.count(name)} times, but should have it once.'
