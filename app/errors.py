"""The one place where an error becomes an answer: problem+json that says what is wrong and what to do (RFC 9457)."""

from __future__ import annotations

import json
import logging
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from app.store.errors import StoreUnavailable
from app.webhooks.body import BadBody
from app.webhooks.signature import SignatureMissing, SignatureRefused

log = logging.getLogger(__name__)

RETRY_AFTER = "1"  # seconds; Vonage tries again after about one: see `SignatureMissing` and docs on webhook retries

WHAT_TO_DO = {
    404: "Nothing is here. GET /openapi.json lists what there is.",
    405: "This address does not take that method; the Allow header names those it takes.",
    408: "The body did not arrive within 5 seconds. Send it again, whole.",
    413: "The body is larger than 64 KiB, more than any webhook has.",
    500: "That is a fault of this server; its log tells more. Sending it again will not help.",
}


class Problem(Exception):
    """An error with all that its answer says: status, title, and in `detail` what to do."""

    def __init__(
        self, status: int, title: str, detail: str, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
        self.headers, self.more = headers or {}, more


def install(app: Flask) -> None:
    """Make *app* answer every error as a problem."""
    app.register_error_handler(Problem, _of_problem)
    app.register_error_handler(StoreUnavailable, _of_store)
    app.register_error_handler(BadBody, lambda error: problem(400, "Bad body", str(error)))
    app.register_error_handler(SignatureMissing, _of_missing_signature)
    app.register_error_handler(SignatureRefused, _of_refused_signature)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _of_fault)


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """An answer in the form of RFC 9457."""
    body = {"title": title, "status": status, "detail": detail} | more
    return Response(json.dumps(body) + "\n", status, headers or {}, content_type="application/problem+json")


def _of_problem(error: Problem) -> Response:
    return problem(error.status, error.title, error.detail, error.headers, **error.more)


def _of_store(error: StoreUnavailable) -> Response:
    log.warning("%s", error)
    detail = f"Redis does not answer ({error.reason}). Nothing was lost here: send it again in a moment."
    return problem(503, "Store unavailable", detail, {"Retry-After": RETRY_AFTER}, part="redis")


def _of_missing_signature(error: SignatureMissing) -> Response:
    # 503, for Vonage itself now and then sends one unsigned, and repeats it signed:
    # https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks
    return problem(503, "Not signed", str(error), {"Retry-After": RETRY_AFTER}, fault=error.fault)


def _of_refused_signature(error: SignatureRefused) -> Response:
    return problem(401, "Signature refused", str(error), {"WWW-Authenticate": "Bearer"}, fault=error.fault)


def _of_http(error: HTTPException) -> Response:
    response = error.get_response(request.environ)
    kept = {
        name: value
        for name, value in response.headers
        if name in ("Allow", "Retry-After", "Location", "WWW-Authenticate")
    }
    if response.status_code < 400:  # a redirection is no error
        return Response(status=response.status_code, headers=kept)
    more = {}
    faults = getattr(error, "data", None) or {}  # webargs: which argument is wrong, and why
    if "messages" in faults:
        more["errors"] = {name: text for place in faults["messages"].values() for name, text in place.items()}
        detail = "Mend what `errors` names: " + ", ".join(sorted(map(str, more["errors"]))) + "."
    else:
        detail = WHAT_TO_DO.get(response.status_code, error.description or "")
    return problem(response.status_code, error.name, detail, kept, **more)


def _of_fault(error: Exception) -> Response:
    log.error("an error of ours: %s %s", request.method, request.url_rule, exc_info=error)
    return problem(500, "Internal error", WHAT_TO_DO[500])
