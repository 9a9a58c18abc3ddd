"""Connections to Vonage: what they cost a worker, which answers callers, and whom they trust."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from app.control.vonage_client import NotSent, VonageClient
from tests.control.world import World
from vonage_simulator.certificate import make


def test_certificates_are_read_once_and_not_for_each_connection(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    leg, client, read = world.caller(), world.services.control.client, []
    assert client.credentials is not None
    other = VonageClient(client.credentials, client.hosts)
    other.prepare()
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *args, **_: read.append(args))
    for _ in range(3):
        other._idle.get_nowait()  # so that the next request makes a new one
        assert other.send(client.hosts[0], "GET", f"/v1/calls/{leg.uuid}", {}).status == 200
    assert read == []


def test_who_shows_a_certificate_of_nobody_known_gets_no_token(world: World, tmp_path: Path) -> None:
    certificate = make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    got: list[bytes] = []

    def listen() -> None:
        try:
            connection, _ = listening.accept()
            with context.wrap_socket(connection, server_side=True) as secure:
                got.append(secure.recv(1000))
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=listen, daemon=True).start()
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        client = VonageClient(world.services.control.client.credentials, (host,))
        with pytest.raises(NotSent, match="certificate"):
            client.send(host, "GET", "/v1/calls", {})
    assert not any(got)


def test_an_operation_that_waits_for_a_thread_does_not_wait_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due is looked for each second: with Vonage away for a while, that would gather."""
    driver, release, begun = world.services.control.driver, threading.Event(), []

    def go_on(operation: str) -> None:
        begun.append(operation)
        release.wait(60)

    monkeypatch.setattr(driver, "go_on", go_on)
    busy = [f"busy {number}" for number in range(driver._pool._max_workers)]
    driver.wake(busy)
    world.until(lambda: len(begun) == len(busy))
    for _ in range(50):
        driver.wake(["waits"])
    release.set()
    world.until(lambda: "waits" in begun)
    driver.wake(["last"])
    world.until(lambda: "last" in begun)
    assert begun.count("waits") == 1
    driver.wake(["waits"])
    world.until(lambda: begun.count("waits") == 2)
    world.until(lambda: not _waiting(driver))


def _waiting(driver: Any) -> Any:
    return driver._waiting
