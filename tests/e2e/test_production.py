"""The server as a platform runs it: the Procfile, settings from the environment, a Redis with a password."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from tests.engines import REDIS, VALKEY, Node, free_ports, wait_until
from tests.serving import ROOT, Reply, Server
from vonage_simulator.delivery.signing import sign
from vonage_simulator.ledger import Application

KEY, SECRET = "a1b2c3d4", "signature-secret-of-32-bytes-or-more"
APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
PASSWORD = "password-of-the-redis"
VIEWER, OPERATOR = "viewers-token-of-32-characters-xx", "operators-token-of-32-characters-x"
COOKIES = "secret-key-of-the-cookies-32-long"
SECRETS = (SECRET, PASSWORD, VIEWER, OPERATOR, COOKIES)
CONVERSATION = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
EVENT: dict[str, Any] = {
    "from": "441234567890",
    "to": "442038297050",
    "uuid": "0779a56d002f1c7f47f82ef5fe84ab79",
    "conversation_uuid": CONVERSATION,
    "status": "ringing",
    "timestamp": "2021-03-29T21:20:05.582Z",
}

Start = Callable[..., Server]


@pytest.fixture
def redis_url() -> Iterator[str]:
    """Debian's Redis where there is one, else Valkey; over TCP."""
    (port,) = free_ports(1)
    node = Node(REDIS or VALKEY, port=port, options=["--requirepass", PASSWORD])
    node.client.close()
    url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    node.client = Redis.from_url(url)
    try:
        node.start()
        node.ready()
        yield url
    finally:
        node.remove()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Runs the Procfile's command with the given environment."""
    processes = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert processes["release"] == "flask flows check", "no file with a fault is released"
    command = processes["web"]
    servers: list[Server] = []

    def start(**environ: Any) -> Server:
        known = {
            "APP_ENV": "production",
            "HOST": "127.0.0.1",
            "ACCESS_TOKENS": None,
            "WEB_CONCURRENCY": "1",
        }
        servers.append(Server(tmp_path, command=["/bin/sh", "-c", f"exec {command}"], **known | environ))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def all_settings(redis_url: str) -> dict[str, str]:
    return {
        "REDIS_URL": redis_url,
        "SECRET_KEY": COOKIES,
        "PUBLIC_URL": "https://calls.example.com",
        "ACCESS_TOKENS": f"viewer:{VIEWER},operator:{OPERATOR}",
        "VONAGE_SIGNATURE_SECRETS": f"{KEY}:{SECRET}",
        "VONAGE_APPLICATION_ID": APPLICATION,
    }


def signed(body: bytes, secret: str = SECRET) -> str:
    application = Application(id=APPLICATION, api_key=KEY, signature_secret=secret)
    return "Bearer " + sign(application, body, now=time.time(), jti=str(uuid4()))


def post(server: Server, path: str, body: dict[str, Any]) -> Reply:
    text = json.dumps(body, separators=(",", ":")).encode()
    return server.ask("POST", path, text, Authorization=signed(text))


def conversation(server: Server, token: str = OPERATOR) -> Any:
    reply = server.ask("GET", f"/api/v1/conversations/{CONVERSATION}", Authorization=f"Bearer {token}")
    assert reply.status == 200, reply
    return reply.json


def test_it_does_not_start_and_names_every_missing_setting(start: Start, tmp_path: Path):
    server = start(SECRET_KEY="short-secret", VONAGE_APPLICATION_ID="no-uuid")
    assert server.ended() != 0
    lines = server.said.strip().splitlines()
    assert lines[0] == "Switchhook cannot start; wrong or missing in the environment:"
    named = [line.split(":")[0].strip() for line in lines[1:]]
    assert named == [
        "ACCESS_TOKENS",
        "PUBLIC_URL",
        "REDIS_URL",
        "SECRET_KEY",
        "VONAGE_APPLICATION_ID",
        "VONAGE_SIGNATURE_SECRETS",
    ]
    assert "short-secret" not in server.said
    assert not (tmp_path / "var").exists()


def test_signed_webhooks_are_accepted_and_only_token_holders_read_them(start: Start, redis_url: str):
    server = start(**all_settings(redis_url)).ready()
    for status in ("ringing", "answered", "completed"):
        reply = post(server, "/voice/event", EVENT | {"status": status})
        assert (reply.status, reply.body) == (200, b"")
    assert [action["action"] for action in post(server, "/voice/answer", EVENT).json] == ["talk", "connect"]
    wait_until(lambda: conversation(server)["answers"], "the answer is recorded")

    text = json.dumps(EVENT).encode()
    assert server.ask("POST", "/voice/event", text).status == 503
    assert server.ask("POST", "/voice/event", text, Authorization=signed(text, "another secret")).status == 401
    assert server.ask("POST", "/voice/event", text, Authorization=signed(b"{}")).status == 401

    assert conversation(server)["legs"][0]["from"] == "441234567890"
    assert conversation(server, VIEWER)["legs"][0]["from"] == "********7890"
    for headers in ({}, {"Authorization": "Bearer nobody"}, {"Authorization": f"Bearer {SECRET}"}):
        for path in ("/status", "/api/v1/conversations", f"/api/v1/conversations/{CONVERSATION}", "/openapi.json"):
            assert server.ask("GET", path, None, **headers).status == 401
    assert server.ask("GET", "/healthz").status == 200
    assert server.ask("GET", "/readyz").json == {"degraded": []}
    assert server.ask("GET", f"/?token={OPERATOR}").headers["Location"].endswith("/login"), "in development only"

    def shown() -> Any:
        return server.ask("GET", "/status", Authorization=f"Bearer {VIEWER}").json

    assert shown()["service"]["environment"] == "production"
    refused = {"missing": 1, "payload_hash": 1, "signature": 1}
    wait_until(lambda: shown()["webhooks"]["refused"] == refused, "refusals are counted")

    lines = [json.loads(line) for line in server.said.splitlines() if line.startswith("{")]
    assert len([line for line in lines if line.get("conversation") == CONVERSATION]) == 4
    assert len(lines) >= 20
    assert not any(secret in server.said for secret in SECRETS)
    assert "441234567890" not in server.said
    assert "curl" not in server.said, "no banner with a token"


def test_answers_are_stored_before_it_stops(start: Start, redis_url: str):
    """A platform restarts its processes every day."""
    server = start(**all_settings(redis_url)).ready()
    for _ in range(20):
        assert post(server, "/voice/answer", EVENT).status == 200
    server.process.send_signal(signal.SIGTERM)
    assert server.ended() == 0
    assert "Traceback" not in server.said
    assert len(conversation(start(**all_settings(redis_url)).ready())["answers"]) == 20


def test_the_procfile_runs_as_it_is(tmp_path: Path, redis_url: str):
    """With honcho, which reads it as platforms do: https://honcho.readthedocs.io/"""
    (port,) = free_ports(1)
    environ: dict[str, Any] = {"APP_ENV": "production", "HOST": "127.0.0.1", "PORT": str(port), "ACCESS_TOKENS": None}
    environ |= {"DATA_DIR": str(tmp_path / "data"), "WEB_CONCURRENCY": "2"} | all_settings(redis_url)
    honcho = [sys.executable, "-m", "honcho", "start"]
    release = Server(tmp_path, command=[*honcho, "release"], **environ)
    assert release.ended() == 0, release.said
    server = Server(tmp_path, command=[*honcho, "web"], **environ)
    try:
        server.ready()
        assert post(server, "/voice/event", EVENT).status == 200
        assert conversation(server)["legs"][0]["state"] == "ringing"
        server.process.send_signal(signal.SIGTERM)
        assert server.ended() == 128 + signal.SIGTERM, "by the signal that honcho got"
        assert "Shutting down: Master" in server.said
        assert "Traceback" not in server.said
    finally:
        server.kill()


def test_a_redis_that_refuses_the_password_is_named_without_it(start: Start, redis_url: str):
    wrong = redis_url.replace(PASSWORD, "not-" + PASSWORD)
    server = start(**all_settings(wrong)).ready()
    assert "redis" in server.ask("GET", "/readyz").json["degraded"]
    assert post(server, "/voice/event", EVENT).status == 200, "it waits on disk"
    assert post(server, "/voice/answer", EVENT).status == 200
    assert PASSWORD not in server.said


def test_the_encrypted_address_wins_over_the_plain_one(start: Start, redis_url: str):
    """Some platforms set both. This Redis speaks no TLS, so it is away."""
    server = start(**all_settings(redis_url), REDIS_TLS_URL=redis_url.replace("redis:", "rediss:")).ready()
    assert "redis" in server.ask("GET", "/readyz").json["degraded"]
    assert post(server, "/voice/answer", EVENT).status == 200
