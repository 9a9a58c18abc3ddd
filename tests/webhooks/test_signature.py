"""Only what Vonage signed, for this request, now, passes."""

import base64
import hashlib
import hmac
import json
import string
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, quote

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.signature import (
    CLOCK_LEEWAY,
    REFUSALS,
    SignatureFault,
    SignatureMissing,
    SignatureRefused,
    Signatures,
    _merged_form,
)
from vonage_simulator.delivery.signing import sign
from vonage_simulator.ledger import Application

NOW = 1_617_052_805.5
MAX_AGE = 300
KEY, SECRET = "a1b2c3d4", "k7Qm2vX9sT4bL8wR1nZ6cY3pH5dJ0fGa"
OTHER_KEY, OTHER_SECRET = "e5f6a7b8", "short-secret-16b"
APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
BODY = b'{"from":"441234567890","status":"ringing","uuid":"aaaaaaaa-bbbb-cccc-dddd-0123456789ab"}'
QUERY = "from=441234567890&to=442038297050&text=Zo%C3%AB+%26+co"

ours = Signatures([(KEY, SECRET)], application_id=APPLICATION, max_age=MAX_AGE, verify_get_hash=False)
strict = Signatures([(KEY, SECRET)], application_id=APPLICATION, max_age=MAX_AGE, verify_get_hash=True)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def sha256(data: bytes | str) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def claims_of(body: bytes | None = BODY) -> dict[str, Any]:
    claims = {
        "iat": int(NOW),
        "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5",
        "iss": "Vonage",
        "payload_hash": sha256(body or b""),
        "api_key": KEY,
        "application_id": APPLICATION,
    }
    if body is None:
        del claims["payload_hash"]
    return claims


def token_by_hand(claims: object, secret: str = SECRET, header: object = None) -> str:
    """Return a token made with nothing but hmac and base64, so that PyJWT does not answer for itself."""
    header = {"alg": "HS256", "typ": "JWT"} if header is None else header
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    return signed + "." + base64url(hmac.digest(secret.encode(), signed.encode(), "sha256"))


def signed(body: bytes, *, application_id: str = APPLICATION, api_key: str = KEY, secret: str = SECRET) -> str:
    """The simulated carrier's token."""
    application = Application(id=application_id, api_key=api_key, signature_secret=secret)
    return sign(application, body, now=NOW, jti="c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5")


def check(
    token: str, *, by: Signatures = ours, method: str = "POST", body: bytes = BODY, query: str | bytes = ""
) -> tuple[str, ...]:
    return by.check(authorization=f"Bearer {token}", method=method, body=body, query=query, now=NOW)


def fault_of(token: str, **request: Any) -> str:
    with pytest.raises(SignatureRefused) as caught:
        check(token, **request)
    assert str(caught.value) == REFUSALS[caught.value.fault]
    return caught.value.fault


def get(query: str | bytes, hashed: bytes | str | None, by: Signatures = ours) -> tuple[str, ...]:
    claims = claims_of(None)
    if hashed is not None:
        claims["payload_hash"] = sha256(hashed)
    return check(token_by_hand(claims), by=by, method="GET", body=b"", query=query)


# genuine requests


def test_a_genuine_request_passes_without_notes() -> None:
    assert check(token_by_hand(claims_of())) == ()


def test_a_token_written_down_once_still_passes() -> None:
    """Made with openssl, so that nothing here computes what the product computes."""
    token = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
        "eyJpYXQiOjE2MTcwNTI4MDUsImlzcyI6IlZvbmFnZSIsInBheWxvYWRfaGFzaCI6IjQ0MTM2ZmEzNTViMzY3OGExMTQ2YWQx"
        "NmY3ZTg2NDllOTRmYjRmYzIxZmU3N2U4MzEwYzA2MGY2MWNhYWZmOGEiLCJhcGlfa2V5IjoiYTFiMmMzZDQifQ."
        "jKL9CAU-ATTrqZoOPOxpdiCzCmgispF5g7RZrwE-gHs"
    )
    by = Signatures([(KEY, SECRET)], application_id=None, max_age=MAX_AGE, verify_get_hash=False)
    assert check(token, by=by, body=b"{}") == ()


def test_what_the_simulated_carrier_signs_passes_and_looks_like_vonages() -> None:
    token = signed(BODY)
    assert check(token) == ()
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    assert header == {"alg": "HS256", "typ": "JWT"}
    assert claims.keys() == claims_of().keys()
    assert claims | {"jti": ""} == claims_of() | {"jti": ""}


def test_a_token_that_names_no_application_is_noted() -> None:
    assert check(signed(BODY, application_id="")) == ("no_application_id",)


@pytest.mark.filterwarnings("error")
def test_a_short_secret_works_without_a_warning() -> None:
    by = Signatures([(OTHER_KEY, "x")], application_id=None, max_age=MAX_AGE, verify_get_hash=False)
    assert check(signed(BODY, api_key=OTHER_KEY, secret="x"), by=by) == ()


@pytest.mark.parametrize(
    "header",
    ["Bearer {}", "bearer {}", "BEARER {}", "  Bearer   {}  ", "Bearer\t{}"],
)
def test_the_schemes_case_and_white_space_do_not_matter(header: str) -> None:
    authorization = header.format(token_by_hand(claims_of()))
    assert ours.check(authorization=authorization, method="POST", body=BODY, query=b"", now=NOW) == ()


def test_the_query_of_a_post_is_ours_and_not_signed() -> None:
    """An event URL may carry parameters of its own; a POST is read from its body."""
    assert check(token_by_hand(claims_of()), by=strict, query="flow=main") == ()


def test_an_upper_case_hash_passes() -> None:
    assert check(token_by_hand(claims_of() | {"payload_hash": sha256(BODY).upper()})) == ()


# whose secret

accounts = Signatures(
    [(KEY, SECRET), (KEY, "the-secret-before"), (OTHER_KEY, OTHER_SECRET)],
    application_id=None,
    max_age=MAX_AGE,
    verify_get_hash=False,
)


@pytest.mark.parametrize(("api_key", "secret"), [(KEY, SECRET), (KEY, "the-secret-before"), (OTHER_KEY, OTHER_SECRET)])
def test_several_accounts_and_both_secrets_of_a_rotation_pass(api_key: str, secret: str) -> None:
    assert check(token_by_hand(claims_of() | {"api_key": api_key}, secret), by=accounts) == ()


@pytest.mark.parametrize("secret", [SECRET, "the-secret-before", OTHER_SECRET])
@pytest.mark.parametrize("absent", [{}, {"api_key": None}])
def test_without_api_key_any_of_our_secrets_will_do(secret: str, absent: dict[str, None]) -> None:
    claims = claims_of()
    del claims["api_key"]
    assert check(token_by_hand(claims | absent, secret), by=accounts) == ()
    assert fault_of(token_by_hand(claims | absent, "nobody's"), by=accounts) == "signature"


def test_one_accounts_secret_does_not_sign_for_another() -> None:
    assert fault_of(token_by_hand(claims_of() | {"api_key": OTHER_KEY}, SECRET), by=accounts) == "signature"
    assert fault_of(token_by_hand(claims_of(), OTHER_SECRET), by=accounts) == "signature"


@pytest.mark.parametrize("api_key", ["00000000", "", 7, True, [KEY], {KEY: KEY}])
def test_an_unknown_api_key_is_refused(api_key: object) -> None:
    assert fault_of(token_by_hand(claims_of() | {"api_key": api_key})) == "api_key"


def test_without_secrets_nothing_passes() -> None:
    by = Signatures([], application_id=None, max_age=MAX_AGE, verify_get_hash=False)
    assert fault_of(token_by_hand(claims_of()), by=by) == "api_key"
    assert fault_of(token_by_hand({"iss": "Vonage"}, ""), by=by) == "signature"


PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize("secret", ["", PUBLIC_KEY, "\udcff-not-utf-8"])
def test_a_secret_that_cannot_be_one_is_a_fault_at_start_that_does_not_show_it(secret: str) -> None:
    with pytest.raises(ValueError, match=KEY) as caught:
        Signatures([(KEY, secret)], application_id=None, max_age=MAX_AGE, verify_get_hash=False)
    assert not secret or secret not in str(caught.value)
    assert caught.value.__suppress_context__


# the header


@pytest.mark.parametrize("authorization", [None, "", "   ", "Bearer", "Bearer  "])
def test_no_token_is_missing_not_refused(authorization: str | None) -> None:
    """Vonage repeats an unsigned request, signed, after a 503."""
    with pytest.raises(SignatureMissing, match="not signed") as caught:
        ours.check(authorization=authorization, method="POST", body=BODY, query=b"", now=NOW)
    assert caught.value.fault == "missing"


@pytest.mark.parametrize(
    ("authorization", "fault"),
    [
        ("Basic dXNlcjpwYXNz", "not_bearer"),
        ("{token}", "not_bearer"),
        ("Bearer:{token}", "not_bearer"),
        ("Bearer {token} {token}", "malformed"),
        ("Bearer {token}, Bearer {token}", "malformed"),
        ("Bearer Bearer {token}", "malformed"),
        ("Bearer {token}.", "malformed"),
        ("Bearer {token}é", "malformed"),
        ("Bearer \udcff", "malformed"),
        ("Bearer x", "malformed"),
        ("Bearer ..", "malformed"),
        ("Bearer a.b.c", "malformed"),
    ],
)
def test_a_header_that_is_not_bearer_and_a_token_is_refused(authorization: str, fault: str) -> None:
    with pytest.raises(SignatureRefused) as caught:
        ours.check(
            authorization=authorization.replace("{token}", token_by_hand(claims_of())),
            method="POST",
            body=BODY,
            query=b"",
            now=NOW,
        )
    assert caught.value.fault == fault


@pytest.mark.parametrize("claims", [[], "Vonage", 7, None])
def test_claims_that_are_no_object_are_malformed(claims: object) -> None:
    assert fault_of(token_by_hand(claims)) == "malformed"


@pytest.mark.parametrize("part", [b"not json", b"\xff\xfe", b"[" * 100_000, b"9" * 5_000, b'{"iat":'])
def test_parts_that_do_not_parse_are_malformed(part: bytes) -> None:
    header, claims, made = token_by_hand(claims_of()).split(".")
    for signed in (f"{header}.{base64url(part)}", f"{base64url(part)}.{claims}"):
        proper = base64url(hmac.digest(SECRET.encode(), signed.encode(), "sha256"))
        assert fault_of(f"{signed}.{proper}") == "malformed"
        assert fault_of(f"{signed}.{made}") == "malformed"


# the algorithm


LONG_SECRET = SECRET * 2


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "none"])
def test_tokens_of_other_algorithms_are_refused(algorithm: str) -> None:
    by = Signatures([(KEY, LONG_SECRET)], application_id=APPLICATION, max_age=MAX_AGE, verify_get_hash=False)
    token = jwt.encode(claims_of(), "" if algorithm == "none" else LONG_SECRET, algorithm)
    assert fault_of(token, by=by) == "algorithm"
    assert check(jwt.encode(claims_of(), LONG_SECRET, "HS256"), by=by) == ()


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"typ": "JWT"},
        *({"alg": alg} for alg in ("none", "None", "hs256", "HS512", "RS256", "", None, 1, ["HS256"])),
    ],
)
def test_the_headers_word_for_another_algorithm_is_refused_even_with_our_signature(header: object) -> None:
    assert fault_of(token_by_hand(claims_of(), header=header)) == "algorithm"


@pytest.mark.parametrize("made", ["", base64url(b"x" * 32), base64url(b"x")])
def test_alg_none_passes_with_no_signature_whatever(made: str) -> None:
    header, claims, _ = token_by_hand(claims_of(), header={"alg": "none"}).split(".")
    assert fault_of(f"{header}.{claims}.{made}") == "algorithm"
    header, claims, _ = token_by_hand(claims_of()).split(".")
    assert fault_of(f"{header}.{claims}.{made}") == "signature"


def test_a_key_that_the_token_brings_along_does_not_matter() -> None:
    theirs = "secret of the sender's own choice"
    header = {
        "alg": "HS256",
        "kid": "x",
        "jku": "https://example.com",
        "jwk": {"kty": "oct", "k": base64url(theirs.encode())},
    }
    assert fault_of(token_by_hand(claims_of(), theirs, header)) == "signature"
    assert check(token_by_hand(claims_of(), SECRET, header)) == ()


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"crit": "b64"},
        {"b64": False},
        {"b64": False, "crit": ["b64"]},
    ],
)
def test_headers_that_change_what_is_signed_or_must_be_understood_are_refused(extra: dict[str, Any]) -> None:
    assert fault_of(token_by_hand(claims_of(), header={"alg": "HS256"} | extra)) == "malformed"


# the claims


def without(name: str) -> dict[str, Any]:
    return {claim: value for claim, value in claims_of().items() if claim != name}


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        (without("iss"), "issuer"),
        *((claims_of() | {"iss": iss}, "issuer") for iss in ("vonage", "Vonage ", "Nexmo", "", None, ["Vonage"])),
        *((claims_of() | {"application_id": i}, "application") for i in ("another", "", 7, [APPLICATION], False)),
        (without("iat"), "issued_at"),
        *(
            (claims_of() | {"iat": iat}, "issued_at")
            for iat in (None, True, "1617052805", [NOW], float("nan"), float("inf"), -float("inf"))
        ),
        (claims_of() | {"iat": NOW - MAX_AGE - 1}, "too_old"),
        *((claims_of() | {"iat": iat}, "too_old") for iat in (0, -1, -(10**400), -1e308)),
        (claims_of() | {"iat": NOW + MAX_AGE + 1}, "too_new"),
        *((claims_of() | {"iat": iat}, "too_new") for iat in (int(NOW * 1000), 10**400, 1e308)),
        (claims_of() | {"exp": NOW - CLOCK_LEEWAY}, "expired"),
        *((claims_of() | {"exp": exp}, "expired") for exp in (0, None, "never", True, float("nan"), float("inf"))),
        (claims_of() | {"nbf": NOW + CLOCK_LEEWAY + 1}, "not_yet"),
        *((claims_of() | {"nbf": nbf}, "not_yet") for nbf in (10**400, None, "0", False, float("nan"))),
        (without("payload_hash"), "payload_hash"),
        *(
            (claims_of() | {"payload_hash": claimed}, "payload_hash")
            for claimed in (
                None,
                "",
                sha256(b""),
                sha256(BODY)[:-1],
                sha256(BODY) + " ",
                7,
                True,
                [sha256(BODY)],
            )
        ),
        *(
            (claims_of() | {"payload_hash": claimed}, "payload_hash")
            for claimed in (
                "é" * 64,
                "\ud800",
                sha256(BODY)[:-1] + "\u0661",
                base64url(hashlib.sha256(BODY).digest()),
            )
        ),
    ],
)
def test_each_wrong_claim_is_refused_by_name(claims: dict[str, Any], fault: str) -> None:
    assert fault_of(token_by_hand(claims)) == fault


@pytest.mark.parametrize(
    "claims",
    [
        {"iat": NOW},
        {"iat": NOW - MAX_AGE},
        {"iat": NOW + MAX_AGE},
        {"exp": NOW + 1},
        {"exp": NOW - CLOCK_LEEWAY + 1},
        {"exp": 10**400},
        {"nbf": NOW - 1},
        {"nbf": NOW + CLOCK_LEEWAY},
        {"aud": "anybody", "sub": 7, "jti": None},
    ],
)
def test_times_within_the_limits_and_claims_we_do_not_know_pass(claims: dict[str, Any]) -> None:
    assert check(token_by_hand(claims_of() | claims)) == ()


def test_a_wrong_signature_is_reported_before_any_claim_is_checked() -> None:
    assert fault_of(token_by_hand({"iss": "nobody", "api_key": KEY}, "wrong")) == "signature"


@pytest.mark.parametrize("absent", [without("application_id"), claims_of() | {"application_id": None}])
def test_a_missing_application_is_noted_and_not_checked_when_ours_is_unknown(absent: dict[str, Any]) -> None:
    anybody = Signatures([(KEY, SECRET)], application_id=None, max_age=MAX_AGE, verify_get_hash=False)
    assert check(token_by_hand(absent)) == ("no_application_id",)
    assert check(token_by_hand(absent), by=anybody) == ()
    assert check(token_by_hand(claims_of() | {"application_id": "another"}), by=anybody) == ()


# what is signed


@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
def test_a_body_needs_its_own_hash_whatever_the_method(method: str) -> None:
    assert check(token_by_hand(claims_of()), method=method) == ()
    assert fault_of(token_by_hand(claims_of(None)), method=method) == "payload_hash"
    assert fault_of(token_by_hand(claims_of(b"{}")), method=method) == "payload_hash"


def test_a_token_lifted_from_a_post_does_not_carry_a_query() -> None:
    token = token_by_hand(claims_of())
    for body in (BODY, b""):
        assert check(token, method="GET", body=body, query=QUERY) == ("get_hash_mismatch",)
        assert fault_of(token, by=strict, method="GET", body=body, query=QUERY) == "payload_hash"


def test_a_token_lifted_from_a_get_does_not_carry_a_body() -> None:
    claims = claims_of(json.dumps({"a": "1"}, separators=(",", ":")).encode())
    assert check(token_by_hand(claims), by=strict, method="GET", body=b"", query="a=1") == ()
    assert fault_of(token_by_hand(claims), body=BODY, query="a=1") == "payload_hash"


def test_a_post_of_nothing_needs_no_hash_but_takes_no_foreign_one() -> None:
    assert check(token_by_hand(claims_of(None)), by=strict, body=b"", query="") == ()
    assert check(token_by_hand(claims_of(b"")), by=strict, body=b"", query="") == ()
    assert fault_of(token_by_hand(claims_of(BODY)), body=b"", query="") == "payload_hash"
    assert fault_of(token_by_hand(claims_of(None) | {"payload_hash": 7}), body=b"", query="") == "payload_hash"


def test_a_post_without_a_body_takes_no_query_that_was_not_signed() -> None:
    """The query is what is read then: a token of another request must not carry it in, however lenient we are."""
    assert check(token_by_hand(claims_of(b'{"a":"1"}')), by=strict, body=b"", query="a=1") == ()
    for claims in (claims_of(None), claims_of(b""), claims_of(BODY), claims_of(None) | {"payload_hash": 7}):
        assert fault_of(token_by_hand(claims), body=b"", query="a=1") == "payload_hash"


SPEECH = '{"timeout_reason":"end_on_silence_timeout","results":[{"text":"Zoë","confidence":"0.9"}]}'


@pytest.mark.parametrize(
    ("query", "hashed"),
    [
        pytest.param(QUERY, '{"from":"441234567890","to":"442038297050","text":"Zoë & co"}', id="as documented"),
        pytest.param(QUERY.encode(), '{"from":"441234567890","to":"442038297050","text":"Zoë & co"}', id="bytes"),
        pytest.param(QUERY, '{"from":"441234567890","text":"Zoë & co","to":"442038297050"}', id="sorted"),
        pytest.param(QUERY, '{"from":"441234567890","to":"442038297050","text":"Zo%C3%AB+%26+co"}', id="undecoded"),
        pytest.param(QUERY, QUERY, id="the query itself"),
        pytest.param("b=&10=x&2=y&a", '{"2":"y","10":"x","b":"","a":""}', id="order of JavaScript"),
        pytest.param("a=%41&b=&c", '{"a":"A","b":"","c":""}', id="values left empty"),
        pytest.param("b=&10=x&2=y&a", '{"b":"","10":"x","2":"y","a":""}', id="order as sent"),
        pytest.param("01=x&1=y&-1=z", '{"1":"y","01":"x","-1":"z"}', id="not every number is an index"),
        pytest.param("a=1&b=2&a=3", '{"a":["1","3"],"b":"2"}', id="repeated name"),
        pytest.param(
            "speech=" + quote(SPEECH),
            json.dumps({"speech": SPEECH}, ensure_ascii=False).replace(": ", ":", 1),
            id="JSON as text",
        ),
        pytest.param("speech=" + quote(SPEECH), f'{{"speech":{SPEECH}}}', id="JSON as object"),
        pytest.param("d=%5B1, 2%5D&n=12&x=%7Bno", '{"d":[1,2],"n":"12","x":"{no"}', id="only objects and arrays"),
        pytest.param("t=%E2%80%A8%0A%01%7F%22%5C/", '{"t":"\u2028\\n\\u0001\x7f\\"\\\\/"}', id="escapes of JavaScript"),
        pytest.param('t={"x":"%5Cud800"}', '{"t":{"x":"\\ud800"}}', id="lone surrogate"),
        pytest.param("__proto__=1&a=2", '{"__proto__":"1","a":"2"}', id="__proto__"),
        pytest.param(b"t=\xff", '{"t":"\ufffd"}', id="not UTF-8"),
        pytest.param("", "{}", id="empty object"),
        pytest.param("", "", id="empty"),
    ],
)
def test_a_get_may_be_hashed_in_any_plausible_form(query: str | bytes, hashed: str) -> None:
    assert get(query, hashed, by=strict) == ()


@pytest.mark.parametrize(
    ("query", "hashed"),
    [
        pytest.param("a=1", "", id="a hash of nothing does not cover a query"),
        pytest.param("a=1", "{}", id="nor does that of no parameters"),
        pytest.param("a=2", '{"a":"1"}', id="another value"),
        pytest.param("a=1&b=2", '{"a":"1"}', id="one more"),
        pytest.param("a=1&a=2", '{"a":"1"}', id="one more of the same name, behind"),
        pytest.param("a=2&a=1", '{"a":"1"}', id="one more of the same name, in front"),
        pytest.param("a=1", '{"a": "1"}', id="not compact"),
        pytest.param("", '{"a":"1"}', id="none left"),
        pytest.param("a=" + "%5B" * 2000, "x", id="nested too deep to read"),
        pytest.param("a=" + "%5B" * 960 + "%5D" * 960, "x", id="nested nearly too deep"),
        pytest.param("a=%5B" + "9" * 5000 + "%5D", "x", id="a number too long to read"),
        pytest.param("a=\ud800", "x", id="a surrogate"),
    ],
)
def test_a_get_whose_query_is_not_the_one_signed_is_noted_or_refused(query: str, hashed: str) -> None:
    assert get(query, hashed) == ("get_hash_mismatch",)
    with pytest.raises(SignatureRefused, match="body and query"):
        get(query, hashed, by=strict)


def test_a_get_without_a_hash_is_noted_and_in_strict_mode_carries_no_query() -> None:
    assert get(QUERY, None) == get("", None) == get("", None, by=strict) == ("no_payload_hash",)
    with pytest.raises(SignatureRefused, match="body and query"):
        get(QUERY, None, by=strict)


def test_notes_add_up() -> None:
    token = token_by_hand(without("application_id"))
    assert check(token, method="GET", body=b"", query="a=1") == ("no_application_id", "get_hash_mismatch")


# the published form of query and body together


STEP = "state=gAAA-_x%3D%3D&n=1"
MERGED = '{"state":"gAAA-_x==","n":"1",' + BODY.decode()[1:]


def merged(query: str | bytes, body: bytes | str, hashed: bytes | str, method: str = "POST") -> tuple[str, ...]:
    """The notes on a request signed with the hash of *hashed*, by every rule there is."""
    token = token_by_hand(claims_of(None) | {"payload_hash": sha256(hashed)})
    body = body.encode() if isinstance(body, str) else body
    assert check(token, method=method, body=body, query=query) == ()
    return check(token, by=strict, method=method, body=body, query=query)


def not_merged(query: str | bytes, body: bytes | str, hashed: bytes | str, method: str = "POST") -> None:
    token = token_by_hand(claims_of(None) | {"payload_hash": sha256(hashed)})
    body = body.encode() if isinstance(body, str) else body
    assert fault_of(token, method=method, body=body, query=query) == "payload_hash"


# On the right is what Node.js prints for JSON.stringify(Object.assign(query, body)).
@pytest.mark.parametrize(
    ("query", "body", "hashed"),
    [
        pytest.param(STEP, BODY, MERGED, id="a step of ours"),
        pytest.param(STEP.encode(), BODY, MERGED, id="query as bytes"),
        pytest.param("a=&b", '{"to":""}', '{"a":"","b":"","to":""}', id="values left empty"),
        pytest.param("a=Zo%C3%AB+%26", '{"to":"Zo\\u00eb"}', '{"a":"Zoë &","to":"Zoë"}', id="escapes"),
        pytest.param("a=1", '{ "to" : [ 1 , null,true ] }\n', '{"a":"1","to":[1,null,true]}', id="blanks of the body"),
        pytest.param("a=1", '{"to":"\\/\\u2028\\u007f\\u0001\\b"}', '{"a":"1","to":"/\u2028\x7f\\u0001\\b"}', id="all"),
        pytest.param("a=1", '{"to":"\\uD800 \\ud83d\\ude00"}', '{"a":"1","to":"\\ud800 😀"}', id="surrogates"),
        pytest.param("b=1", '{"to":{"b":1,"0":2},"10":2,"2":1}', '{"2":1,"10":2,"b":"1","to":{"0":2,"b":1}}', id="js"),
        pytest.param("a=1", '{"to":[0.50,1.5e-7,1e-6,12.5e-1,-0.1e-9]}',
                     '{"a":"1","to":[0.5,1.5e-7,0.000001,1.25,-1e-10]}', id="fractions"),
        pytest.param("a=1", '{"to":9007199254740991,"c":-0}', '{"a":"1","to":9007199254740991,"c":0}', id="integers"),
        pytest.param("a=1", '{"to":1,"c":2,"to":3}', '{"a":"1","to":3,"c":2}', id="doubled in the body"),
        pytest.param("a=1", '{"to":4.9e-324,"c":123456.789}', '{"a":"1","to":5e-324,"c":123456.789}', id="small"),
    ],
)  # fmt: skip
def test_a_post_may_be_hashed_with_the_query_of_its_address(query: str | bytes, body: bytes | str, hashed: str) -> None:
    assert merged(query, body, hashed) == ()
    for method in ("GET", "PUT"):
        not_merged(query, body, hashed, method)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        pytest.param("", BODY, id="removed"),
        pytest.param("?", BODY, id="nothing but a mark"),
        pytest.param("state=gAAA-_x%3D%3D", BODY, id="one removed"),
        pytest.param(STEP + "&b=2", BODY, id="added"),
        pytest.param("b=2&" + STEP, BODY, id="added in front"),
        pytest.param("state=gAAA-_y%3D%3D&n=1", BODY, id="changed"),
        pytest.param(STEP + "&n=1", BODY, id="doubled"),
        pytest.param(STEP + "&n=2", BODY, id="doubled with another value"),
        pytest.param(STEP + "&status=completed", BODY, id="added, and the body has it too"),
        pytest.param("n=1&state=gAAA-_x%3D%3D", BODY, id="another order"),
        pytest.param(STEP + "&%ff=1", BODY, id="added, no UTF-8"),
        pytest.param(STEP, BODY[:-1] + b',"x":1}', id="body: added"),
        pytest.param(STEP, b'{"from":"441234567890","status":"ringing"}', id="body: removed"),
        pytest.param(STEP, BODY.replace(b"ringing", b"busy"), id="body: changed"),
        pytest.param(STEP, BODY[:-1] + b',"status":"busy"}', id="body: doubled"),
        pytest.param(STEP, b'{"status":"ringing",' + BODY[1:].replace(b'"status":"ringing",', b""), id="body: order"),
        pytest.param(STEP, BODY.replace(b'"441234567890"', b"441234567890"), id="body: a number for a text"),
        pytest.param(STEP, BODY[:-1] + b',"n":"1"}', id="body: has a parameter too"),
        pytest.param("state=gAAA-_x%3D%3D", BODY[:-1] + b',"n":"1"}', id="a parameter moved into the body"),
        pytest.param(STEP + "&status=ringing", BODY.replace(b'"status":"ringing",', b""), id="and out of it"),
        pytest.param(STEP, b"[" + BODY + b"]", id="body: a list"),
        pytest.param(STEP, b'"x"', id="body: a text"),
        pytest.param(STEP, b"\xef\xbb\xbf" + BODY, id="body: a byte order mark"),
        pytest.param(STEP, BODY + b"x", id="body: no JSON"),
        pytest.param(STEP, b'{"a":' * 100_000, id="body: nested without end"),
        pytest.param(STEP, b'{"a":' * 900 + b"1" + b"}" * 900, id="body: nested deeply"),
    ],
)
def test_query_and_body_are_both_covered_whole(query: str, body: bytes) -> None:
    not_merged(query, body, MERGED)


@pytest.mark.parametrize(
    ("query", "body", "hashed"),
    [
        pytest.param("a=1&a=2", '{"to":3}', '{"a":["1","2"],"to":3}', id="repeated"),
        pytest.param("a=1&a=2", '{"to":3}', '{"a":"2","to":3}', id="the last of a repeated one"),
        pytest.param("a=1", '{"to":3, "a":"2"}', '{"a":"2","to":3}', id="hidden by the body"),
        pytest.param("a=1", '{"to":3, "a":"1"}', '{"a":"1","to":3}', id="the same in the body"),
        pytest.param("a=1&from=4", '{"to":3}', '{"a":"1","from":"4","to":3}', id="moved out of the body"),
        pytest.param("a=1", '{"b":"2","to":3}', '{"a":"1","b":"2","to":3}', id="moved into the body"),
        pytest.param("a=1&2=3", '{"to":3}', '{"2":"3","a":"1","to":3}', id="moved out of the body, by its order"),
        pytest.param("a=1", "{}", '{"a":"1"}', id="all moved out of the body"),
        pytest.param("", '{ "to": 1 }', '{"to":1}', id="without a query only the raw body counts"),
        pytest.param("&", '{ "to": 1 }', '{"to":1}', id="nor with an empty one"),
        pytest.param("a=%ff", '{"to":3}', '{"a":"\ufffd","to":3}', id="a query that is no UTF-8"),
        pytest.param("a=1", b'{"to":"\xff"}', '{"a":"1","to":"\ufffd"}', id="a body that is no UTF-8"),
        pytest.param("a=1", '{"to":3}'.encode("utf-16"), '{"a":"1","to":3}', id="a body in UTF-16"),
        pytest.param("a=1", '{"to":1.0}', '{"a":"1","to":1}', id="1.0, which is read apart from 1"),
        pytest.param("a=1", '{"to":-0.0}', '{"a":"1","to":0}', id="-0.0"),
        pytest.param("a=1", '{"to":1e21}', '{"a":"1","to":1e+21}', id="1e21"),
        pytest.param("a=1", '{"to":9007199254740993}', '{"a":"1","to":9007199254740992}', id="rounded by JavaScript"),
        pytest.param("a=1", '{"to":' + "9" * 5000 + "}", '{"a":"1","to":null}', id="a number without end"),
        pytest.param("a=1", '{"to":1e400}', '{"a":"1","to":null}', id="Infinity"),
        pytest.param("a=1", '{"to":NaN}', '{"a":"1","to":NaN}', id="NaN"),
        pytest.param("b=1&a=2", '{"to":3}', '{"a":"2","b":"1","to":3}', id="sorted"),
        pytest.param("a=1", '{"to":3}', '{"to":3,"a":"1"}', id="the query behind"),
        pytest.param("a=1", '{"to":3}', '{"a": "1", "to": 3}', id="not compact"),
        pytest.param("a=1", '{"to":"ë"}', '{"a":"1","to":"\\u00eb"}', id="escaped as Python does"),
        pytest.param("a=1", '{"to":3}', 'a=1{"to":3}', id="put together as text"),
        pytest.param("a=1", '{"to":3}', '{"a":"1"}', id="the query alone"),
        pytest.param("a=1", '{"to":3}', "a=1", id="the raw query alone"),
        pytest.param("a=1", '{"to":3}', "", id="nothing"),
    ],
)  # fmt: skip
def test_no_other_form_of_query_and_body_is_accepted(query: str, body: bytes | str, hashed: str) -> None:
    not_merged(query, body, hashed)


wire_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_requests_that_are_read_differently_never_share_a_hash(data: st.DataObject) -> None:
    """In the merged form, too, another query or body needs another token."""
    few = st.sampled_from([0, 1, 1.0, 0.5, "1", "a", -0.0, 2**53, True, None])
    bodies = st.dictionaries(st.sampled_from(["to", "from", "a", "b", "2"]), few | wire_values)
    queries = st.dictionaries(st.sampled_from(["a", "b", "from", "2"]), st.sampled_from(["1", "", "%31", "a"]))

    def drawn() -> tuple[str, bytes]:
        query = "&".join(f"{name}={value}" for name, value in data.draw(queries).items())
        return query, json.dumps({"to": "1"} | data.draw(bodies)).encode()

    first, second = drawn(), drawn()
    forms = [*_merged_form(*first)]
    if forms and forms == [*_merged_form(*second)]:
        assert typed(json.loads(first[1])) == typed(json.loads(second[1]))
        assert [*parse_qsl(first[0], keep_blank_values=True)] == [*parse_qsl(second[0], keep_blank_values=True)]


def test_a_boundary_that_is_moved_between_query_and_body_needs_another_token() -> None:
    fields = [("a", "1"), ("b", "2"), ("from", "3"), ("uuid", "4")]
    hashed = json.dumps(dict(fields), separators=(",", ":"))
    merged("a=1&b=2", json.dumps(dict(fields[2:])), hashed)
    for moved in (0, 1, 3, 4):
        query = "&".join(f"{name}={value}" for name, value in fields[:moved])
        not_merged(query, json.dumps(dict(fields[moved:])), hashed)


def typed(value: Any) -> Any:
    """*value* so that 1, 1.0 and true differ."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    return [*map(typed, value)] if isinstance(value, list) else (type(value), value)


# any input


@given(body=st.binary(min_size=1, max_size=200), data=st.data())
def test_a_change_of_any_byte_of_the_body_is_refused(body: bytes, data: st.DataObject) -> None:
    token = signed(body)
    assert check(token, body=body) == ()
    at = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != body[at]))
    assert fault_of(token, body=body[:at] + bytes([other]) + body[at + 1 :]) == "payload_hash"
    assert fault_of(token, body=body + bytes([other])) == "payload_hash"


@given(data=st.data())
def test_a_change_of_any_character_of_the_token_is_refused(data: st.DataObject) -> None:
    token = token_by_hand(claims_of())
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(max_codepoint=255).filter(lambda character: character != token[at]))
    with pytest.raises(SignatureRefused):
        check(token[:at] + other + token[at + 1 :])


def test_a_change_of_the_last_character_is_refused_though_base64_would_not_notice() -> None:
    token = token_by_hand(claims_of())
    for other in set(string.ascii_letters + string.digits + "-_=") - {token[-1]}:
        with pytest.raises(SignatureRefused):
            check(token[:-1] + other)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)
rubbish = st.one_of(
    st.none(),
    st.text(),
    st.text(st.characters(exclude_categories=[])).map("Bearer {}".format),
    st.lists(st.binary(max_size=60).map(base64url), max_size=5).map(lambda parts: "Bearer " + ".".join(parts)),
    st.builds(token_by_hand, json_values, header=json_values).map("Bearer {}".format),
)
claim_names = st.sampled_from([*claims_of(), "exp", "nbf"])
requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST"]),
        "body": st.binary(),
        "query": st.text(st.characters(exclude_categories=[])) | st.binary(),
    }
)


@given(rubbish, requests)
def test_an_invalid_token_is_a_signature_fault_only(authorization: str | None, request: dict[str, Any]) -> None:
    with pytest.raises(SignatureFault):
        ours.check(authorization=authorization, now=NOW, **request)


@given(st.dictionaries(claim_names, json_values), requests)
def test_a_signed_invalid_token_is_a_signature_fault_or_passes(claims: dict[str, Any], request: dict[str, Any]) -> None:
    """A carrier's secret in wrong hands, or a carrier that changes its mind, is no reason to fall over."""
    with suppress(SignatureFault):
        check(token_by_hand(claims_of(request["body"]) | claims), by=accounts, **request)


# secrets stay secret


def test_signature_and_hash_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return constant_time(a, b)

    constant_time = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    token = token_by_hand(claims_of())
    check(token)
    made = token.rpartition(".")[2].encode()
    assert compared == [(made, made), (sha256(BODY).encode(), sha256(BODY).encode())]


def test_a_fault_is_described_in_one_sentence_without_token_or_secret() -> None:
    for fault, text in REFUSALS.items():
        assert text == str(SignatureRefused(fault))
        assert text.endswith(".")
        assert ". " not in text
        assert len(text) < 200
    token = token_by_hand(claims_of(), "another")
    with pytest.raises(SignatureRefused) as caught:
        check(token)
    assert not any(part in repr(caught.value) for part in [SECRET, *token.split(".")])
