"""Two servers on two hosts, whose clocks are half a minute apart, and Redis on a third: they share nothing else.

    unshare --user --map-root-user --net -- python -m tests.e2e.two_hosts FOLDER

Its own test runs this, see test_many_senders.py. Webhooks come over the network, and so does each reply of Redis.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from random import Random

from tests.e2e.test_many_senders import FIFTEEN, clocks_apart, every_view_is_right
from tests.engines import Node
from tests.hosts import Host, ip
from tests.serving import GUNICORN

REDIS_PORT, PORT = 6379, "8080"  # nobody else is on this network


def main() -> None:
    """Fails if the servers do not say the same."""
    (folder,) = map(Path, sys.argv[1:])
    ip("link", "set", "dev", "lo", "up")
    with ExitStack() as stack:
        hosts = [stack.enter_context(Host(number)) for number in (1, 2)]
        everywhere = ["--bind", *(host.gateway for host in hosts), "127.0.0.1", "--protected-mode", "no"]
        redis = Node(port=REDIS_PORT, options=everywhere)
        stack.callback(redis.remove)
        redis.start()
        redis.ready()
        settings = [
            {"command": host.on(*GUNICORN), "HOST": host.address, "PORT": PORT, "REDIS_URL": url_at(host.gateway)}
            for host in hosts
        ]
        servers = stack.enter_context(clocks_apart(folder, settings))
        every_view_is_right(servers, Random("hosts"), clocks=FIFTEEN)


def url_at(address: str) -> str:
    """The URL of Redis for a host that knows it by *address*."""
    return f"redis://{address}:{REDIS_PORT}"


if __name__ == "__main__":
    main()
