"""The tokens are as in Vonage's documentation, and its SDK accepts them."""

from __future__ import annotations

import hashlib
import time

import jwt
import pytest
from vonage_jwt.verify_jwt import verify_signature

from tests.vonage_simulator.receiver import APPLICATION, SECRET
from vonage_simulator.delivery.signing import sign
from vonage_simulator.delivery.wire import write
from vonage_simulator.ledger import Application, Target

JTI = "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5"
BODY = {"from": "447700900000", "text": "Zoë & co", "status": "ringing"}


def test_the_claims_are_those_documented_and_in_their_order() -> None:
    """These and no others; times are in whole seconds."""
    now = time.time()
    token = sign(APPLICATION, b"{}", now=now, jti=JTI)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert list(claims.items()) == [
        ("iat", int(now)),
        ("jti", JTI),
        ("iss", "Vonage"),
        ("payload_hash", hashlib.sha256(b"{}").hexdigest()),
        ("api_key", APPLICATION.api_key),
        ("application_id", APPLICATION.id),
    ]
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


def test_the_sdk_accepts_the_token_and_refuses_it_with_another_secret() -> None:
    """The check of an application that follows the guide."""
    payload = write(Target("http://127.0.0.1/"), BODY).hashed
    assert verify_signature(sign(APPLICATION, payload, now=time.time(), jti=JTI), SECRET)
    other = sign(APPLICATION, payload, now=time.time(), jti=JTI, secret="another secret of at least 32 bytes")
    assert not verify_signature(other, SECRET)


def test_a_short_secret_gives_no_warning() -> None:
    """Warnings are errors here; a simulation does not need 32 bytes."""
    short = Application(id="app", signature_secret="short")
    assert sign(short, b"{}", now=0, jti=JTI).count(".") == 2


def test_a_post_is_signed_over_its_bytes() -> None:
    """Compact JSON, with nothing escaped that need not be."""
    request = write(Target("http://127.0.0.1/"), BODY)
    assert request.content == request.hashed == '{"from":"447700900000","text":"Zoë & co","status":"ringing"}'.encode()


@pytest.mark.parametrize(
    ("url", "body", "query", "hashed"),
    [
        (
            "http://127.0.0.1/e",
            {"timestamp": "2020-01-01T12:00:00.000Z", "dtmf": {"digits": "1,2", "timed_out": True}, "size": 12222},
            "timestamp=2020-01-01T12:00:00.000Z&dtmf=%7B%22digits%22:%221,2%22,%22timed_out%22:true%7D&size=12222",
            r'{"timestamp":"2020-01-01T12:00:00.000Z","dtmf":"{\"digits\":\"1,2\",\"timed_out\":true}","size":"12222"}',
        ),
        ("http://127.0.0.1/e", {"rate": None, "to": "Zoë & co"}, "rate=&to=Zo%C3%AB%20%26%20co", None),
        ("http://127.0.0.1/e?mine=1&empty=", {"to": "b"}, "mine=1&empty=&to=b", '{"mine":"1","empty":"","to":"b"}'),
        ("http://127.0.0.1/e?to=a", {"to": "b"}, "to=a&to=b", '{"to":["a","b"]}'),
        ("http://127.0.0.1/e#here", {"text": "\ud83d"}, "text=%3F", '{"text":"?"}'),
        ("http://127.0.0.1/e?mine=1", {}, "mine=1", '{"mine":"1"}'),
    ],
)
def test_a_get_is_signed_over_its_parameters(url: str, body: dict[str, object], query: str, hashed: str | None) -> None:
    """As one compact object in their order, each value the text in the query."""
    request = write(Target(url, "GET"), body)
    assert request.url.raw_path_qs == f"/e?{query}"
    assert request.content == b""
    assert request.hashed.decode() == (hashed or '{"rate":"","to":"Zoë & co"}')


@pytest.mark.parametrize("url", ["", "voice/event", "ftp://127.0.0.1/", "http:///voice", "http://127.0.0.1:port/"])
def test_a_text_that_is_no_url_is_refused(url: str) -> None:
    """Else the webhook would go to a wrong address."""
    with pytest.raises(ValueError, match=r"."):
        write(Target(url), BODY)
