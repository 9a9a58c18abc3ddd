"""Checks that a webhook was signed by Vonage, with the body and query it arrives with.

Vonage signs each request with a JSON Web Token: HS256, made with the signature secret of the account that the claim
``api_key`` names, and with the hash of what is sent.
Source: https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks
"""

import hashlib
import hmac
import json
import math
import re
from base64 import urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn, TypeGuard
from urllib.parse import parse_qsl

from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from app.webhooks.schemas import NAMES

LARGEST_EXACT = 2**53  # JavaScript's numbers are not exact beyond
CLOCK_LEEWAY = 10  # seconds granted to `exp` and `nbf`, which Vonage does not document; `iat` has max_age
INDEX = re.compile("0|[1-9][0-9]{0,8}")  # a name that JavaScript puts first in an object

REFUSALS = {
    "not_bearer": "The Authorization header must be 'Bearer' and a token; this one has another scheme.",
    "malformed": "The bearer token is no JSON Web Token; pass the Authorization header on as Vonage sent it.",
    "algorithm": "The token must be signed with HS256, as Vonage does; no other algorithm is accepted.",
    "api_key": "The token names an API key without a secret here; if it is yours, add it to VONAGE_SIGNATURE_SECRETS.",
    "signature": "No secret known here made this signature; compare VONAGE_SIGNATURE_SECRETS with the"
    " signature secret (not the API secret) in the Vonage dashboard.",
    "issuer": "The token's 'iss' claim must be 'Vonage'; send only what Vonage signed.",
    "application": "The token is for another Vonage application; compare the one whose webhooks come here"
    " with VONAGE_APPLICATION_ID.",
    "issued_at": "The token's 'iat' claim, the time of signing, is missing or no number.",
    "too_old": "The token was signed longer ago than SIGNATURE_MAX_AGE; sign anew, or check the clocks.",
    "too_new": "The token was signed in the future by more than SIGNATURE_MAX_AGE; check the clocks.",
    "expired": "The token's 'exp' claim is past or no number; sign anew, or check the clocks.",
    "not_yet": "The token's 'nbf' claim is in the future or no number; check the clocks.",
    "payload_hash": "The token was not made for this body and query; send them exactly as signed.",
}


class SignatureFault(Exception):
    """A webhook without proof that it is Vonage's; ``fault`` is the word it is counted under."""

    fault: str


class SignatureMissing(SignatureFault):
    """No token at all. Vonage itself sometimes sends such a request, and repeats it signed after a 5xx."""

    fault = "missing"

    def __init__(self) -> None:
        super().__init__("The request is not signed; send the Authorization header with Vonage's token.")


class SignatureRefused(SignatureFault):
    """A token that is no proof for its request; ``fault`` is one of `REFUSALS`."""

    def __init__(self, fault: str) -> None:
        super().__init__(REFUSALS[fault])
        self.fault = fault


class Signatures:
    """Checks the signatures of webhooks.

    Args:
        secrets: Pairs of API key and signature secret. A key may come twice while its secret is rotated.
        application_id: Ours; a token for another application is refused. None: not checked.
        max_age: Seconds that a token's time of signing may lie before or after now.
        verify_get_hash: Refuse a GET whose hash is not of its query, rather than note it. Vonage does not document in
            every detail how a query is hashed, so this may refuse its own.

    Raises ValueError for a secret that cannot be one: empty, or a public key.
    """

    def __init__(
        self,
        secrets: Sequence[tuple[str, str]],
        *,
        application_id: str | None,
        max_age: int,
        verify_get_hash: bool,
    ) -> None:
        self._keys: dict[str, list[hmac.HMAC]] = {}  # nothing is in them yet
        hs256 = HMACAlgorithm(HMACAlgorithm.SHA256)
        for api_key, secret in secrets:
            try:
                key = hs256.prepare_key(secret)
            except (InvalidKeyError, UnicodeError):
                text = f"The signature secret of API key {api_key} is empty, or no secret but a public key."
                raise ValueError(text) from None  # a UnicodeError holds the secret
            self._keys.setdefault(api_key, []).append(hmac.new(key, digestmod="sha256"))
        self._all_keys = [key for keys in self._keys.values() for key in keys]
        self._application_id = application_id
        self._max_age = max_age
        self._verify_get_hash = verify_get_hash

    def check(
        self, *, authorization: str | None, method: str, body: bytes, query: str | bytes, now: float
    ) -> tuple[str, ...]:
        """Notes on a genuine request, mostly none: ``no_application_id``, ``no_payload_hash``, ``get_hash_mismatch``.

        *body* and *query* are raw; *now* is in seconds since 1970.
        Raises SignatureMissing if there is no token, SignatureRefused if there is a wrong one.
        """
        claims = self._verified_claims(_bearer_token(authorization))
        if claims.get("iss") != "Vonage":
            raise SignatureRefused("issuer")
        self._check_times(claims, now)
        notes = (self._note_on_application(claims), self._note_on_payload(claims, method, body, query))
        return tuple(note for note in notes if note is not None)

    def _verified_claims(self, token: str) -> dict[str, Any]:
        header, claims, signed, signature = _take_apart(token)
        if header.get("alg") != "HS256":
            raise SignatureRefused("algorithm")
        api_key = claims.get("api_key")  # whose secret; no other claim is used before the signature is verified
        if api_key is None:
            keys = self._all_keys
        elif isinstance(api_key, str) and api_key in self._keys:
            keys = self._keys[api_key]
        else:
            raise SignatureRefused("api_key")
        if not any(
            hmac.compare_digest(urlsafe_b64encode(_signed_with(key, signed)).rstrip(b"="), signature) for key in keys
        ):
            raise SignatureRefused("signature")
        return claims

    def _check_times(self, claims: dict[str, Any], now: float) -> None:
        issued_at = claims.get("iat")
        if not _is_moment(issued_at):
            raise SignatureRefused("issued_at")
        if issued_at < now - self._max_age:
            raise SignatureRefused("too_old")
        if issued_at > now + self._max_age:
            raise SignatureRefused("too_new")
        if "exp" in claims and not (_is_moment(claims["exp"]) and now < claims["exp"] + CLOCK_LEEWAY):
            raise SignatureRefused("expired")
        if "nbf" in claims and not (_is_moment(claims["nbf"]) and now >= claims["nbf"] - CLOCK_LEEWAY):
            raise SignatureRefused("not_yet")

    def _note_on_application(self, claims: dict[str, Any]) -> str | None:
        application_id = claims.get("application_id")
        if self._application_id in (None, application_id):
            return None
        if application_id is None:  # documented as optional
            return "no_application_id"
        raise SignatureRefused("application")

    def _note_on_payload(self, claims: dict[str, Any], method: str, body: bytes, query: str | bytes) -> str | None:
        claimed = claims.get("payload_hash")
        if body:
            if _is_hash_of((body,), claimed):
                if method == "POST" or not query:
                    return None
            elif method == "POST" and _is_hash_of(_merged_form(query, body), claimed):
                return None
            else:
                raise SignatureRefused("payload_hash")
            note = "get_hash_mismatch"  # a GET is read from its query, and that is not what was signed
        elif _is_hash_of(_query_forms(query), claimed):
            return None
        elif method == "POST":
            # Vonage sends no such thing. The query is what is read then: only if there is none, no hash is needed.
            if query or claimed is not None:
                raise SignatureRefused("payload_hash")
            return None
        else:
            note = "no_payload_hash" if claimed is None else "get_hash_mismatch"
        if self._verify_get_hash and (query or claimed is not None):
            raise SignatureRefused("payload_hash")
        return note


def _signed_with(key: hmac.HMAC, text: bytes) -> bytes:
    """The HMAC of *text*. To begin with *key* each time anew takes twice as long."""
    begun = key.copy()
    begun.update(text)
    return begun.digest()


def _bearer_token(authorization: str | None) -> str:
    """The token of an Authorization header; the scheme's case and extra white space do not matter."""
    scheme, *tokens = (authorization or "").split() or ["bearer"]
    if scheme.lower() != "bearer":
        raise SignatureRefused("not_bearer")
    if not tokens:
        raise SignatureMissing
    if len(tokens) > 1:
        raise SignatureRefused("malformed")
    return tokens[0]


def _take_apart(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, what was signed, and the signature in its base64; none of it verified.

    PyJWT checks each character of a token in Python, which took two thirds of the whole check.
    Source: https://www.rfc-editor.org/rfc/rfc7515#section-5.2
    """
    try:
        signed, _, signature = token.encode("ascii").rpartition(b".")
        first, middle = signed.split(b".")
        header, claims = _header(first), json.loads(_unbase64(middle))
    except (ValueError, RecursionError):  # not ASCII, not base64, not JSON: all of them are ValueErrors
        raise SignatureRefused("malformed") from None
    # `crit` names extensions that a reader must support, `b64` is one of them: none is supported.
    if not isinstance(header, dict) or not isinstance(claims, dict) or header.keys() & {"crit", "b64"}:
        raise SignatureRefused("malformed")
    return header, claims, signed, signature


@lru_cache(maxsize=16)
def _header(first: bytes) -> Any:
    """The header of a token; Vonage's are all the same. Raises ValueError and RecursionError."""
    return json.loads(_unbase64(first))


_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")  # "!" is in no base64


def _unbase64(text: bytes) -> bytes:
    """The bytes encoded in *text*, base64 in its form for URLs without padding. Raises ValueError."""
    return a2b_base64(text.translate(_FROM_URL) + b"=" * (-len(text) % 4), strict_mode=True)


def _is_moment(value: object) -> TypeGuard[float]:
    """True for a number of seconds; JSON as Python reads it also has NaN, Infinity and booleans."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _is_hash_of(forms: Iterable[bytes], claimed: object) -> bool:
    """True if *claimed* is the SHA-256, in hex, of one of *forms*."""
    if not isinstance(claimed, str):
        return False
    expected = claimed.lower().encode("ascii", "replace")  # compare_digest raises TypeError on other strings
    try:
        return any(hmac.compare_digest(hashlib.sha256(form).hexdigest().encode(), expected) for form in forms)
    except RecursionError:  # JSON in a query, nested without end
        return False


def _query_forms(query: str | bytes) -> Iterator[bytes]:
    """What Vonage may have hashed for a query, likeliest first.

    Documented is a compact JSON object of the query parameters in their order. Not documented are values that are JSON
    themselves, repeated names, and decoding. Each form holds every parameter: a form with only the first or the last of
    a repeated name would pass a query to which anybody had added more.
    """
    raw = _raw(query)
    text = raw.decode("utf-8", "replace")
    decoded = parse_qsl(text, keep_blank_values=True)
    with_objects = ((name, _object_or_text(value)) for name, value in decoded)
    as_received = (piece.partition("=")[::2] for piece in text.split("&") if piece)
    for pairs in (decoded, with_objects, as_received):
        by_name: dict[str, list[Any]] = {}
        for name, value in pairs:
            by_name.setdefault(name, []).append(value)
        parameters = {name: values[0] if len(values) == 1 else values for name, values in by_name.items()}
        yield _compact_json(parameters)
        yield _compact_json({name: parameters[name] for name in _names_in_javascript(parameters)})
        yield _compact_json(parameters, sort_keys=True)
    yield raw


def _merged_form(query: str | bytes, body: bytes) -> Iterator[bytes]:
    """`JSON.stringify(Object.assign(query, body))`, which a published snippet of Vonage's hashes for a POST.

    Source: messages/signed-webhooks/verify-signed-webhook.js in github.com/Vonage/vonage-node-code-snippets; it is of
    the Messages API, so the query may not matter for calls. The steps of our flows have one.

    Nothing that is read of the request may be missing in the hash, and requests that are read differently must not
    share one. So there is no such form without a query, for a parameter that is repeated or is in the body too, or for
    numbers that JavaScript writes in another way than they are read here: 1.0 becomes 1, 2**53 + 1 becomes 2**53.
    The hash does not say where the query ends. So nothing in it may be named like a field of a webhook, and the body
    has to begin with one: what is moved from one to the other breaks this rule.
    """
    with suppress(ValueError):  # not UTF-8, not JSON, too many parameters: all of them are ValueErrors
        pairs = parse_qsl(_raw(query).decode(), keep_blank_values=True, errors="strict", max_num_fields=1000)
        parameters = dict(pairs)
        fields = json.loads(
            body.decode(), parse_int=_exact_integer, parse_float=_exact_float, parse_constant=_no_number
        )
        once = len(parameters) == len(pairs) and isinstance(fields, dict) and not parameters.keys() & fields.keys()
        ours = parameters and not any(name in NAMES or INDEX.fullmatch(name) for name in parameters)
        if once and ours and next(iter(fields), None) in NAMES:
            yield _stringify(parameters | fields).encode("utf-8", "backslashreplace")


def _stringify(value: Any) -> str:
    """*value* as JavaScript's JSON.stringify writes it."""
    if isinstance(value, dict):
        members = (f"{_stringify(name)}:{_stringify(value[name])}" for name in _names_in_javascript(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_stringify, value)) + "]"
    if isinstance(value, float):  # https://tc39.es/ecma262/#sec-numeric-types-number-tostring
        return repr(value).replace("e-0", "e-") if abs(value) < 1e-6 else format(Decimal(repr(value)), "f")
    return json.dumps(value, ensure_ascii=False)


def _names_in_javascript(parameters: dict[str, Any]) -> list[str]:
    """The names in the order of a JavaScript object: "2" before "10" before all others, those as first mentioned.

    https://tc39.es/ecma262/#sec-ordinaryownpropertykeys
    """
    return list(dict.fromkeys([*sorted(filter(INDEX.fullmatch, parameters), key=int), *parameters]))


def _exact_integer(digits: str) -> int:
    if len(digits) > 17 or abs(number := int(digits)) > LARGEST_EXACT:
        raise ValueError("JavaScript rounds it")
    return number


def _exact_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or number.is_integer():
        raise ValueError("JavaScript writes it as a whole number, or not at all")
    return number


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _raw(query: str | bytes) -> bytes:
    return query if isinstance(query, bytes) else query.encode("utf-8", "surrogatepass")


def _object_or_text(value: str) -> Any:
    with suppress(ValueError):
        return json.loads(value) if value.startswith(("{", "[")) else value
    return value


def _compact_json(value: Any, *, sort_keys: bool = False) -> bytes:
    """*value* as JavaScript's JSON.stringify writes it: no spaces, only lone surrogates escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    return text.encode("utf-8", "backslashreplace")
