"""Addresses in an NCCO: URLs that every program reads the same way.

https://www.rfc-editor.org/rfc/rfc3986#appendix-A
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address
from typing import Any, Final
from urllib.parse import quote

from vonage_simulator import json_shape
from vonage_simulator.json_shape import Found, Kind
from vonage_simulator.yaml_source import HALF_A_CHARACTER

NO_ADDRESS: Final = re.compile(r'[^!-~]|["<>{}|\\^`]')
LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")  # of a host


def address(scheme: str, own: str = "", *, or_scheme: str = "") -> Kind:
    """A URL of that *scheme*, or one of this server's: those begin with *own*, as set, without "/" at its end.

    *or_scheme* is taken, too, but it should be the other.
    """

    def is_own(url: str) -> bool:
        return bool(own) and f"{url}/".startswith(f"{own}/")

    def fits(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        begin = value.partition("://")[0].lower() if "://" in value else ""
        return begin in {scheme, or_scheme} - {""} or is_own(value)

    def faults(url: str) -> Iterator[Found]:
        if HALF_A_CHARACTER.search(url):  # a fault of its own
            return
        if is_own(url):
            words = _url_fault(url[len(own) :])
        else:
            host, path = re.fullmatch(r"(?s)[a-zA-Z]+://([^/?#]*)(.*)", url).groups()  # type: ignore[union-attr]
            words = _host_fault(host) or _url_fault(path)
        if words:
            yield (), words

    words = " or ".join(f"{name}://" for name in (or_scheme, scheme) if name)
    should = address(scheme) if or_scheme else None
    return Kind(wanted=f"a URL that begins with {words}", fits=fits, rules=(faults,), should=should)


def _url_fault(text: str) -> str | None:
    if (found := NO_ADDRESS.search(text)) is None:
        return None
    return f"It has {_character(found[0])} in it, which no URL has; it must be written {quote(found[0], safe='')}."


def _host_fault(host: str) -> str | None:
    """What is wrong with *host*, which may have a user before it and a port after it."""
    if host.count("@") > 1:
        return "It has more than one @ before its host; those of a user or a password must be written %40."
    user, _, host = host.rpartition("@")
    if words := _url_fault(user):
        return words
    name, port = re.fullmatch(r"(?s)(\[[^]]*\]|[^:]*)(.*)", host).groups()  # type: ignore[union-attr]  # fits any text
    if not name:
        return "It has no host."
    if port not in ("", ":") and not (re.fullmatch(r":[0-9]{1,5}", port) and 1 <= int(port[1:]) <= 65535):
        return f"Its host is followed by {json_shape.shown(port)}, but must be by a port from 1 to 65535, / or nothing."
    if not (_is_ipv6(name[1:-1]) if name[0] == "[" else all(map(LABEL.fullmatch, name.removesuffix(".").split(".")))):
        words = "must have letters, digits, -, _ and . only, with a letter or a digit at both ends"
        return f"Its host is {json_shape.shown(name)}, but {words}; others are written as xn--…."
    return None


def _is_ipv6(text: str) -> bool:
    try:
        return "%" not in text and bool(IPv6Address(text))
    except AddressValueError:
        return False


def _character(character: str) -> str:
    if character == " ":
        return "a blank"
    return f'"{character}"' if character.isprintable() else f"U+{ord(character):04X}"
