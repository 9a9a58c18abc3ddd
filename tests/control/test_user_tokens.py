"""Tokens with which a user's page logs in at Vonage, and the user there, over the simulated carrier."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import jwt
import pytest

from app.auth.tokens import short_lived_token
from app.vonage_token import ApplicationTokens
from config.settings import Settings
from tests.control.world import APPLICATION_ID, World
from vonage_simulator.certificate import application_keys
from vonage_simulator.voice_api.faults import FaultRule

TOKEN = "/users/{}/token"
Json = dict[str, Any]


@pytest.fixture(autouse=True)
def nobody_at_vonage(world: World) -> None:
    """Each test begins without users at Vonage, and with a worker that knows of none."""
    world.api.users._users.clear()
    world.services.app_users._known.clear()


def made(world: World, name: str, body: Json | None = None, **more: Any) -> Json:
    response = world.ask("POST", TOKEN.format(name), body, **more)
    assert response.status_code == 201, response.text
    found: Json = response.json
    return found


def claims(world: World, token: str) -> Json:
    """What a token says, once Vonage's way to check it was passed."""
    found: Json = jwt.decode(token, world.carrier.application.public_key, algorithms=["RS256"])
    return found


def test_the_token_is_of_the_application_for_the_user_and_says_the_least(world: World) -> None:
    before = int(datetime.now(UTC).timestamp())
    found = made(world, "Alice")
    said = claims(world, found["sdk_token"])
    assert (said["application_id"], said["sub"]) == (APPLICATION_ID, "Alice")
    assert jwt.get_unverified_header(found["sdk_token"])["alg"] == "RS256"
    paths = ("users", "conversations", "sessions", "knocking", "legs")
    assert said["acl"] == {"paths": {f"/*/{path}/**": {} for path in paths}}
    assert before <= said["iat"] <= before + 30
    assert before + 900 <= said["exp"] <= before + 930
    assert said["jti"] != claims(world, made(world, "Alice")["sdk_token"])["jti"]
    assert datetime.fromisoformat(found["sdk_expires_at"]) == datetime.fromtimestamp(said["exp"], UTC)
    assert (found["sdk_url"], found["sdk_hash"]) == (world.sdk_url, None)
    default = Settings(secret_key="k" * 32)
    assert default.client_sdk_url.startswith("https://cdn.jsdelivr.net/npm/@vonage/client-sdk@2.3.1/")
    assert (default.client_sdk_hash or "").startswith("sha384-")


def test_neither_token_outlives_the_one_that_made_them(world: World) -> None:
    with world.app.app_context():
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=100)
        short = short_lived_token("Alice", expires)
    found = made(world, "Alice", {"seconds": 3600}, token=short)
    assert datetime.fromisoformat(found["expires_at"]) == expires
    assert claims(world, found["sdk_token"])["exp"] == int(expires.timestamp())


def test_the_user_is_made_at_vonage_once(world: World) -> None:
    requests = world.requests_from_now()
    assert world.ask("PUT", "/users/Alice", {"display_name": "Alice Liddell"}).status_code == 200
    for _ in range(3):
        made(world, "Alice")
    made(world, "Zoë%20李")
    assert world.api.users.names() == {"Alice", "Zoë 李"}
    assert {user.get("display_name") for _, user in world.api.users._users.values()} == {"Alice Liddell", None}
    assert [request.verb for request in requests()] == ["create_user", "create_user"]


def test_a_user_that_exists_there_already_is_fine(world: World) -> None:
    made(world, "Alice")
    world.services.app_users._known.clear()  # another worker
    made(world, "Alice")
    assert world.api.users.names() == {"Alice"}


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("400", 422, "Input validation failure."),
        ("429", 503, "too many requests"),
        ("500", 502, "status 500"),
        ("cut", 502, "closed the connection"),
        ("lost", 502, "closed the connection"),
    ],
)
def test_what_vonage_says_is_wrong_comes_through(world: World, fault: Any, status: int, words: str) -> None:
    """Nothing is remembered of it: the next request is sent again, and "exists already" after a lost response."""
    with world.faults(FaultRule(fault=fault, count=1)):
        response = world.ask("POST", TOKEN.format("Alice"))
        assert (response.status_code, response.content_type) == (status, "application/problem+json")
        assert words in response.json["detail"]
        assert ("Retry-After" in response.headers) == (status == 503)
        made(world, "Alice")
    assert world.api.users.names() == {"Alice"}


def test_nobody_waits_longer_than_five_seconds(world: World) -> None:
    with world.faults(FaultRule(fault="late", seconds=30)):
        begun = monotonic()
        response = world.ask("POST", TOKEN.format("Alice"))
        assert (response.status_code, monotonic() - begun < 10) == (502, True)
    assert "in time" in response.json["detail"] or "within a few seconds" in response.json["detail"]


def test_a_key_that_vonage_refuses_is_named(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    another = ApplicationTokens(APPLICATION_ID, application_keys(tmp_path)[0].read_text())
    monkeypatch.setattr(world.services.control.client, "credentials", another)
    for kept in world.services.control.client._idle.queue:
        monkeypatch.setattr(kept.auth, "create_jwt_auth_string", lambda: f"Bearer {another.current()}")
    response = world.ask("POST", TOKEN.format("Alice"))
    assert (response.status_code, response.json["title"]) == (502, "Vonage refuses the key")
    assert "VONAGE_PRIVATE_KEY must be the key of VONAGE_APPLICATION_ID." in response.json["detail"]
