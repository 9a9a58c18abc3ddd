"""What hostile peers cost a worker: its processor time for each connection or request, and its memory.

`python -m benchmarks.hostile`. The same attacks are in tests, beside honest senders.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Final

from benchmarks import servers
from benchmarks.cpu import only_child, used_by
from benchmarks.webhooks import calls, request

IDLE: Final = 10_000  # connections, as far as this process may open files
SLOW: Final = 1200  # more than a worker has places
HUGE: Final = 300  # connections, each with 240 kB of headers
FLOOD: Final = 1000  # requests
HOST: Final = b"Host: localhost\r\n"


def opened(port: int, count: int, first: bytes, then: Callable[[socket.socket], object] | None = None) -> ExitStack:
    """So many connections that have sent *first*; closed with what is returned."""
    stack = ExitStack()
    for _ in range(count):
        peer = stack.enter_context(socket.socket())
        peer.settimeout(10)
        peer.connect(("127.0.0.1", port))
        with suppress(OSError):  # the server has closed it for another
            peer.sendall(first)
            if then:
                then(peer)
    return stack


def idle(port: int) -> ExitStack:
    return opened(port, IDLE, b"")


def slow_headers(port: int) -> ExitStack:
    return opened(port, SLOW, b"POST /voice/event HTTP/1.1\r\n" + HOST + b"X-Slow: ")


def slow_bodies(port: int) -> ExitStack:
    return opened(port, SLOW, b"POST /voice/event HTTP/1.1\r\n" + HOST + b"Content-Length: 60000\r\n\r\n{")


def half_closed(port: int) -> ExitStack:
    return opened(port, SLOW, b"POST /voice/event HTTP/1.1\r\n" + HOST, lambda peer: peer.shutdown(socket.SHUT_WR))


def huge_headers(port: int) -> ExitStack:
    """More than the server holds of one request."""
    return opened(port, HUGE, b"GET /voice/event HTTP/1.1\r\n" + (b"X-Huge: " + b"x" * 4000 + b"\r\n") * 60)


def chunked_lies(port: int) -> ExitStack:
    head = b"POST /voice/event HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    return opened(port, SLOW, head + b"fffffff\r\n" + b"x" * 5000)


def pipelined_garbage(port: int) -> ExitStack:
    ask = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    return opened(port, FLOOD // 10, (ask * 10 + b"\x00\xff garbage\r\n\r\n") * 10)


def forged(signed: bytes) -> bytes:
    """*signed* with another signature, which is the third part of a token."""
    token = signed.partition(b"Bearer ")[2].partition(b"\r\n")[0]
    head, _, signature = token.rpartition(b".")
    return signed.replace(token, head + b"." + (b"B" if signature.startswith(b"A") else b"A") + signature[1:])


def bad_signatures(port: int) -> ExitStack:
    """A flood over a few connections, which are kept; each request has a token that another secret signed."""
    body = forged(request("/voice/event", next(calls())[1][0]))
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
            for _ in range(FLOOD // 10):
                peer.sendall(body)
                reply = HTTPResponse(peer)
                reply.begin()
                reply.read()
                if reply.status != 401:
                    raise ValueError(f"a wrong signature got {reply.status}")
                reply.close()
    return ExitStack()


# Each attack, and how many connections or, of a flood, requests it is.
ATTACKS: Final[Mapping[Callable[[int], ExitStack], int]] = {
    idle: IDLE,
    slow_headers: SLOW,
    slow_bodies: SLOW,
    half_closed: SLOW,
    huge_headers: HUGE,
    chunked_lies: SLOW,
    pipelined_garbage: FLOOD // 10,
    bad_signatures: FLOOD,
}


def resident_mb(pid: int) -> float:
    """The memory of a process. https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html"""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


def main() -> int:
    """Print a table."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    print(f"{'attack':20}{'number':>8}{'µs each':>10}{'MB more':>10}")
    for attack, number in ATTACKS.items():  # a server for each: memory that was used once stays with the process
        with servers.store() as url, servers.server("wsgi:app", url, "--workers", "1") as server:
            servers.get(server.port, "/status")
            worker = only_child(server.pid)
            cpu, memory = used_by(worker), resident_mb(worker)
            with attack(server.port):
                servers.get(server.port, "/status")  # after all that came before
                cost, more = used_by(worker) - cpu, resident_mb(worker) - memory
        print(f"{attack.__name__:20}{number:8}{cost / number * 1e6:10.0f}{more:10.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
