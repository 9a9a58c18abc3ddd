"""Errors become problem+json here, and only here, or a page: what is wrong and what to do about it (RFC 9457)."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from app.pages.html import small_page
from app.services import services
from app.spool.errors import SpoolUnavailable
from app.store.errors import KeptNowhere, StoreUnavailable, TooManyOperations, TooMuchAtOnce
from app.webhooks.body import BadBody
from app.webhooks.signature import SignatureFault, SignatureMissing

log = logging.getLogger(__name__)

RETRY_AFTER = {"Retry-After": "1"}  # seconds; Vonage repeats a request after about one
KEPT_HEADERS = ("Allow", "Retry-After", "Location", "WWW-Authenticate")
NOT_KEPT = "Nothing was lost here: send it again in a moment."
WHAT_TO_DO = {
    404: "Nothing is here. GET /openapi.json lists what there is.",
    405: "This address does not accept that method; the Allow header names those it does.",
    408: "The body did not arrive within 5 seconds. Send it again, whole.",
    413: "The body is larger than 64 KiB, more than any webhook has.",
    500: "That is a fault of this server; its log has the details. Sending it again will not help.",
}


class Problem(Exception):
    """An error with all that its response says: status, title, and in *detail* what to do."""

    def __init__(
        self, status: int, title: str, detail: str, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.headers = status, headers or {}
        self.body = {"title": title, "status": status, "detail": detail} | more

    def response(self) -> Response:
        """The error in the form of RFC 9457; for people, as a page."""
        if _for_a_person():
            response = small_page("error.html", self.status, problem=self.body)
            response.headers.extend(self.headers)
            return response
        text = json.dumps(self.body) + "\n"
        return Response(text, self.status, self.headers, content_type="application/problem+json")


def _for_a_person() -> bool:
    """Whether a browser shows the response to somebody: it prefers a page to JSON. Vonage never gets one."""
    accepted = request.accept_mimetypes
    return accepted["text/html"] > accepted["application/json"] and not request.path.startswith("/voice/")


def install(app: Flask) -> None:
    """Let *app* respond to every error with a problem."""
    app.register_error_handler(Problem, Problem.response)
    app.register_error_handler(StoreUnavailable, without_store)
    app.register_error_handler(TooMuchAtOnce, _of_readers)
    app.register_error_handler(TooManyOperations, _of_operations)
    app.register_error_handler(RecursionError, _of_nesting)
    app.register_error_handler(BadBody, lambda error: Problem(400, "Bad body", str(error)).response())
    app.register_error_handler(SignatureFault, _of_signature)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _of_fault)


def without_store(error: StoreUnavailable, **known: Any) -> Response:
    """The response while Redis is away, with what is *known* all the same."""
    log.warning("%s", error)
    if _for_a_person():
        response = small_page("away.html", 503, reason=error.reason, **_waiting())
        response.headers.extend(RETRY_AFTER)
        return response
    reads = request.method in ("GET", "HEAD") and not request.path.startswith("/voice/")
    what_to_do = "See that it runs and that REDIS_URL is right." if reads else NOT_KEPT
    disk = f", and the disk does not take it meanwhile ({error.spool})" if isinstance(error, KeptNowhere) else ""
    detail = f"Redis does not answer ({error.reason}){disk}. {what_to_do}"
    return Problem(503, "Store unavailable", detail, RETRY_AFTER, part="redis", **known).response()


def _waiting() -> dict[str, Any]:
    """How many events wait on disk, and since when the oldest does."""
    with suppress(SpoolUnavailable):
        depth = services().spool.depth()
        return {"waiting": depth.rows, "since": depth.since_text}
    return {"waiting": 0}


def _of_nesting(error: RecursionError) -> Response:
    log.warning("%s", error)
    return Problem(400, "Bad body", "The JSON of the request is nested too deeply.").response()


def _of_operations(error: TooManyOperations) -> Response:
    log.warning("%s", error)
    return Problem(503, "Too many operations", f"Nothing was done: {error}.", RETRY_AFTER).response()


def _of_readers(error: TooMuchAtOnce) -> Response:
    log.warning("%s", error)
    detail = "Too much is being read at once. Read less in a request (limit), fewer at a time, or again in a moment."
    return Problem(503, "Too much at once", detail, RETRY_AFTER).response()


def _of_signature(error: SignatureFault) -> Response:
    if isinstance(error, SignatureMissing):
        # 503, for Vonage itself sometimes sends a webhook unsigned, and repeats it signed:
        # https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks
        return Problem(503, "Not signed", str(error), RETRY_AFTER, fault=error.fault).response()
    headers = {"WWW-Authenticate": "Bearer"}
    return Problem(401, "Signature refused", str(error), headers, fault=error.fault).response()


def _of_http(error: HTTPException) -> Response:
    response = error.get_response(request.environ)
    headers = {name: value for name, value in response.headers if name in KEPT_HEADERS}
    if response.status_code < 400:  # a redirection is no error
        return Response(status=response.status_code, headers=headers)
    detail = WHAT_TO_DO.get(response.status_code, error.description or "")
    more: dict[str, Any] = {}
    faults = getattr(error, "data", None) or {}  # webargs: which argument is wrong, and why
    if "messages" in faults:
        more["errors"] = {}
        for place, texts in faults["messages"].items():  # a body that is no JSON has no names
            more["errors"] |= texts if isinstance(texts, dict) else {place: texts}
        detail = f"Correct what `errors` names: {', '.join(sorted(map(str, more['errors'])))}."
    return Problem(response.status_code, error.name, detail, headers, **more).response()


def _of_fault(error: Exception) -> Response:
    log.error("an error of ours: %s %s", request.method, request.url_rule, exc_info=error)
    return Problem(500, "Internal error", WHAT_TO_DO[500]).response()
