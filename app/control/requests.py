"""What Vonage is sent for each verb. https://developer.vonage.com/en/api/voice"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from app.control.vonage_client import Method


class VonageRequest(NamedTuple):
    """A request, without its host."""

    method: Method
    path: str
    body: Mapping[str, Any]


ACTIONS: Final = ("hangup", "mute", "unmute", "earmuff", "unearmuff")  # of `PUT /v1/calls/{uuid}`, without more
CREATING: Final = ("create", "ring")  # there is a new leg
MOVING: Final = ("hold", "resume", "transfer", "move")  # the leg gets another NCCO
# Verb -> what it is of a leg's address, and its arguments by the names of the API.
PLAYING: Final[dict[str, tuple[Method, str]]] = {
    "talk": ("PUT", "talk"),
    "stop_talk": ("DELETE", "talk"),
    "stream": ("PUT", "stream"),
    "stop_stream": ("DELETE", "stream"),
    "dtmf": ("PUT", "dtmf"),
    "listen": ("PUT", "input/dtmf"),
    "stop_listen": ("DELETE", "input/dtmf"),
}
# Pausing does not exist: a recording is stopped, and a new one begun (seen in Vonage's API description; beta).
RECORDS: Final = {
    "record_start": "start",
    "record_resume": "start",
    "record_pause": "stop",
    "record_stop": "stop",
}


def request_of(verb: str, leg: str | None, conversation: str | None, arguments: Mapping[str, Any]) -> VonageRequest:
    """The request for *verb*, on *leg* or on *conversation*. Of a stream `url` is a text, for Vonage it is a list."""
    if verb in CREATING:
        body = {name: value for name, value in arguments.items() if name != "region"}
        if not body.get("from"):
            body = {name: value for name, value in body.items() if name != "from"} | {"random_from_number": True}
        return VonageRequest("POST", "/v1/calls", body)
    if verb in RECORDS:
        path = f"/v1/conversations/{quote(conversation or '', safe='')}/record"
        return VonageRequest("PUT", path, {"action": RECORDS[verb], **arguments})
    path = f"/v1/calls/{quote(leg or '', safe='')}"
    if verb in ACTIONS:
        return VonageRequest("PUT", path, {"action": verb})
    if verb in MOVING:
        script = {"url": [arguments["url"]]} if "url" in arguments else {"ncco": arguments["ncco"]}
        destination = {"type": "ncco", **script}
        return VonageRequest("PUT", path, {"action": "transfer", "destination": destination})
    method, tail = PLAYING[verb]
    body = {name: value for name, value in arguments.items() if name != "url"}
    if "url" in arguments:
        body["stream_url" if verb == "stream" else "event_url"] = [arguments["url"]]
    if "level" in body:  # a number here, a text in the API
        body["level"] = str(body["level"])
    return VonageRequest(method, f"{path}/{tail}", body if method == "PUT" else {})


def lookup_of(leg: str) -> VonageRequest:
    """The request for what Vonage knows of *leg*."""
    return VonageRequest("GET", f"/v1/calls/{quote(leg, safe='')}", {})


def calls_since(moment: datetime) -> VonageRequest:
    """The request for the calls that began at *moment* or later, the latest first."""
    start = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return VonageRequest("GET", "/v1/calls", {"date_start": start, "order": "desc", "page_size": 100})
