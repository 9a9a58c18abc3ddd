"""Hosts of a network of our own: Linux network namespaces, each joined to ours by a cable. Needs no root.

A program that is started with OWN_NETWORK is in a network namespace without any other network, and may make more of
them. https://man7.org/linux/man-pages/man7/network_namespaces.7.html
"""

from __future__ import annotations

import subprocess
from types import TracebackType
from typing import Self

OWN_NETWORK = ("unshare", "--user", "--map-root-user", "--net", "--")
CABLE = "ip link set dev lo up && ip link add name here type veth peer name there"


def why_not() -> str | None:
    """Why there can be no network of our own; None: there can."""
    try:
        done = subprocess.run(
            [*OWN_NETWORK, "sh", "-c", CABLE], capture_output=True, text=True, timeout=20, check=False
        )
    except OSError as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip()


def ip(*words: str) -> None:
    """Run `ip` with *words*."""
    subprocess.run(["ip", *words], check=True)


class Host:
    """A host, and a cable from it to ours. `gateway` is our end, as the host sees us.

    The addresses are of a block that is for examples, 192.0.2.0/24: https://www.rfc-editor.org/rfc/rfc5737
    """

    def __init__(self, number: int) -> None:
        self.gateway, self.address = (f"192.0.2.{4 * number + last}" for last in (1, 2))
        hold = ["unshare", "--net", "--", "sh", "-c", "echo there && read -r _"]  # it ends with us
        self._holder = subprocess.Popen(hold, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        self._holder.stdout.readline()
        name, pid = f"host{number}", str(self._holder.pid)
        ip("link", "add", "name", name, "type", "veth", "peer", "name", "eth0", "netns", pid)
        ip("address", "add", f"{self.gateway}/30", "dev", name)
        ip("link", "set", "dev", name, "up")
        for words in (
            f"address add {self.address}/30 dev eth0",
            "link set dev eth0 up",
            "link set dev lo up",
        ):
            subprocess.run(self.on("ip", *words.split()), check=True)

    def on(self, *command: str) -> list[str]:
        """*command*, on this host."""
        return ["nsenter", "--target", str(self._holder.pid), "--net", "--", *command]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._holder.communicate()
