"""Whether PUBLIC_URL is an address that Vonage can reach from the internet."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from app.cli.doctor.finding import Finding
from config.settings import LOOPBACK, Settings


def public_address(settings: Settings) -> Iterator[Finding]:
    """One finding; none where PUBLIC_URL is not set, or its name has no address."""
    host = urlsplit(settings.public_url or "").hostname
    if host is None or not (addresses := _addresses(host)):
        return
    about, found = "public address", ", ".join(addresses)
    if host in LOOPBACK and urlsplit(f"//{settings.api_hosts[0]}").hostname in LOOPBACK:
        yield Finding("ok", about, f"{found}, which the simulated Vonage on this machine reaches")
    elif any(ip_address(each).is_global for each in addresses):
        yield Finding("ok", about, found)
    elif addresses == [host] or host in LOOPBACK:
        do = "Set PUBLIC_URL to an address on the internet; while you develop, to that of a tunnel."
        yield Finding("fault", about, f"Vonage cannot reach {host}: it is an address of this machine or network", do)
    else:
        do = "See that the name has a public address outside this network; if it has, all is well."
        yield Finding("advice", about, f"{host} is {found} here, which Vonage cannot reach", do)


def _addresses(host: str) -> list[str]:
    try:
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError):  # UnicodeError: a label is too long
        return []
