"""The error responses of the simulated APIs. Each API of Vonage has a form of its own.

Sources: https://developer.vonage.com/en/api/voice, https://developer.vonage.com/en/api/users,
https://developer.vonage.com/en/api/application.v2, and reports of people who met them.
"""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from vonage_simulator.refusals import NoSuchConversation, NoSuchLeg, NotActive, NotRinging, TooEarly, TooFast

Body = dict[str, Any]


class ApiFault(Exception):
    """The request is refused; without a subclass: it cannot be read, or cannot be done now."""

    status = 400
    # In the Users API: code, title and detail.
    of_users = ("http:error:validation-fail", "Bad request.", "Input validation failure.")
    # In the Application API: the end of `type`, title and detail. None: by its status and text.
    of_applications: tuple[str, str, str] | None = None


class Invalid(ApiFault):
    """Some of its fields are wrong: `parameters` are their names and reasons."""

    of_applications = ("validation", "Bad Request", "The request failed due to validation errors")

    def __init__(self, parameters: list[tuple[str, str]]) -> None:
        super().__init__(", ".join(name for name, _ in parameters))
        self.parameters = parameters


class DuplicateName(ApiFault):
    """A user of that name exists already."""

    of_users = ("user:error:duplicate-name", "Bad request.", "User name already exists.")


class Unauthorized(ApiFault):
    """It has no valid credentials."""

    status = 401
    of_users = ("system:error:invalid-token", "Unauthorized", "The token is missing or invalid.")
    of_applications = ("unauthorized", "Invalid credentials supplied", "You did not provide correct credentials.")


class NotFound(ApiFault):
    """There is no such thing. The text is its id."""

    status = 404
    of_users = ("user:error:not-found", "Not found.", "User does not exist, or you do not have access.")
    of_applications = ("not-found", "Not Found", "ID '{id}' does not exist, or you do not have access")


class Throttled(ApiFault):
    """Too many requests in a second."""

    status = 429


class Refused(ApiFault):
    """It has a fault on purpose, of this status."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


# By what the carrier raises
REFUSALS = {
    NoSuchLeg: NotFound,
    NoSuchConversation: NotFound,
    TooFast: Throttled,
    NotActive: ApiFault,  # this and the next: https://github.com/Vonage/vonage-php-sdk-core/issues/103
    TooEarly: ApiFault,
    NotRinging: ApiFault,
}
EXPECTED: tuple[type[Exception], ...] = (ApiFault, web.HTTPError, *REFUSALS)


def fault_of(error: Exception) -> ApiFault:
    """The fault that is reported for *error*, which is one of EXPECTED."""
    if isinstance(error, ApiFault):
        return error
    if isinstance(error, web.HTTPError):  # no such address, a method it does not take, a body too large
        fault = ApiFault(error.reason)
        fault.status = error.status
        return fault
    return REFUSALS[type(error)]()


@web.middleware
async def error_responses(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn the exceptions of handlers and carrier into responses."""
    try:
        return await handler(request)
    except EXPECTED as error:
        fault = fault_of(error)
        of_aiohttp = error.headers.items() if isinstance(error, web.HTTPError) else ()
        headers = {name: value for name, value in of_aiohttp if name == "Allow"}
    if request.path.startswith("/v1/users"):
        body = _of_users(fault)
    elif request.path.startswith("/v2/"):
        body = _of_applications(fault)
    else:
        body = _of_voice(fault)
    if isinstance(fault, Invalid):
        body["invalid_parameters"] = [{"name": name, "reason": reason} for name, reason in fault.parameters]
    return web.json_response(body, status=fault.status, headers=headers)


def _of_voice(fault: ApiFault) -> Body:
    """The two forms that people met; for 404 and 429 none is published, they follow the second.

    First: https://github.com/Vonage/vonage-java-sdk/issues/63. Second: https://github.com/Vonage/vonage-ruby-sdk/issues/116.
    """
    title = HTTPStatus(fault.status).phrase
    if isinstance(fault, Invalid):
        return {"type": fault.status, "title": title}
    return {"type": title.upper().replace(" ", "_"), "error_title": title}


def _of_users(fault: ApiFault) -> Body:
    """`code` is not in the reference, but in every response that people met."""
    code, title, detail = fault.of_users
    body: Body = {"type": f"https://developer.vonage.com/api/conversation#{code}", "code": code}
    return body | {"title": title, "detail": detail, "instance": uuid.uuid4().hex}


def _of_applications(fault: ApiFault) -> Body:
    word, title, detail = fault.of_applications or ("bad-request", HTTPStatus(fault.status).phrase, str(fault))
    body: Body = {"type": f"https://developer.nexmo.com/api-errors#{word}", "title": title}
    return body | {"detail": detail.replace("{id}", str(fault)), "instance": uuid.uuid4().hex}
