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

from vonage_simulator.refusals import NoSuchConversation, NoSuchLeg, NotActive, TooEarly, TooFast

Body = dict[str, Any]


class ApiFault(Exception):
    """The request is refused."""

    status = 400


class BadRequest(ApiFault):
    """It cannot be read, or cannot be done now."""


class Invalid(ApiFault):
    """Some of its fields are wrong: `parameters` are their names and reasons."""

    def __init__(self, parameters: list[tuple[str, str]]) -> None:
        super().__init__(", ".join(name for name, _ in parameters))
        self.parameters = parameters


class DuplicateName(ApiFault):
    """A user of that name exists already."""


class Unauthorized(ApiFault):
    """It has no valid credentials."""

    status = 401


class NotFound(ApiFault):
    """There is no such thing."""

    status = 404


class Throttled(ApiFault):
    """Too many requests in a second."""

    status = 429


@web.middleware
async def error_responses(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn the exceptions of handlers and carrier into responses."""
    headers = {}
    try:
        return await handler(request)
    except ApiFault as error:
        fault = error
    except (NoSuchLeg, NoSuchConversation) as error:
        fault = NotFound(str(error))
    except TooFast as error:
        fault = Throttled(str(error))
    except (NotActive, TooEarly) as error:  # https://github.com/Vonage/vonage-php-sdk-core/issues/103
        fault = BadRequest(str(error))
    except web.HTTPError as error:  # no such address, a method it does not take, a body too large
        fault = ApiFault(error.reason)
        fault.status = error.status
        headers = {name: value for name, value in error.headers.items() if name == "Allow"}
    if request.path.startswith("/v1/users"):
        body = _of_users(fault)
    elif request.path.startswith("/v2/"):
        body = _of_applications(fault)
    else:
        body = _of_voice(fault)
    return web.json_response(body, status=fault.status, headers=headers)


def _of_voice(fault: ApiFault) -> Body:
    """The two forms that people met; for 404 and 429 none is published, they follow the second.

    First: https://github.com/Vonage/vonage-java-sdk/issues/63. Second: https://github.com/Vonage/vonage-ruby-sdk/issues/116.
    """
    title = HTTPStatus(fault.status).phrase
    if isinstance(fault, Invalid):
        return {"type": fault.status, "title": title, "invalid_parameters": _parameters(fault)}
    return {"type": title.upper().replace(" ", "_"), "error_title": title}


def _of_users(fault: ApiFault) -> Body:
    """`code` is not in the reference, but in every response that people met."""
    match fault:
        case NotFound():
            code, title = "user:error:not-found", "Not found."
            detail = "User does not exist, or you do not have access."
        case DuplicateName():
            code, title, detail = "user:error:duplicate-name", "Bad request.", "User name already exists."
        case Unauthorized():
            code, title, detail = "system:error:invalid-token", "Unauthorized", "The token is missing or invalid."
        case _:
            code, title, detail = "http:error:validation-fail", "Bad request.", "Input validation failure."
    body: Body = {"type": f"https://developer.vonage.com/api/conversation#{code}", "code": code}
    body |= {"title": title, "detail": detail, "instance": uuid.uuid4().hex}
    if isinstance(fault, Invalid):
        body["invalid_parameters"] = _parameters(fault)
    return body


def _of_applications(fault: ApiFault) -> Body:
    match fault:
        case NotFound():
            word, title, detail = "not-found", "Not Found", f"ID '{fault}' does not exist, or you do not have access"
        case Unauthorized():
            word, title = "unauthorized", "Invalid credentials supplied"
            detail = "You did not provide correct credentials."
        case Invalid():
            word, title, detail = "validation", "Bad Request", "The request failed due to validation errors"
        case _:
            word, title, detail = "bad-request", HTTPStatus(fault.status).phrase, str(fault)
    body: Body = {"type": f"https://developer.nexmo.com/api-errors#{word}", "title": title, "detail": detail}
    body["instance"] = uuid.uuid4().hex
    if isinstance(fault, Invalid):
        body["invalid_parameters"] = _parameters(fault)
    return body


def _parameters(fault: Invalid) -> list[Body]:
    return [{"name": name, "reason": reason} for name, reason in fault.parameters]
