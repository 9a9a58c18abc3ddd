"""What a request to the Voice API, or for a new user, wants, in one word: for its log, and for rules about some."""

from __future__ import annotations

import json
from typing import Any, Final

from aiohttp import web

_CALL, _RECORD = "/v1/calls/{uuid}", "/v1/conversations/{uuid}/record"
_IN_BODY: Final = {("PUT", _CALL), ("PUT", _RECORD)}  # the body names the action
_BY_ROUTE: Final = {
    ("POST", "/v1/calls"): "create",
    ("GET", "/v1/calls"): "list",
    ("GET", _CALL): "get",
    ("PUT", f"{_CALL}/stream"): "stream",
    ("DELETE", f"{_CALL}/stream"): "stop_stream",
    ("PUT", f"{_CALL}/talk"): "talk",
    ("DELETE", f"{_CALL}/talk"): "stop_talk",
    ("PUT", f"{_CALL}/dtmf"): "dtmf",
    ("PUT", f"{_CALL}/input/dtmf"): "listen",
    ("DELETE", f"{_CALL}/input/dtmf"): "stop_listening",
    ("POST", "/v1/users"): "create_user",
    ("GET", "/v1/files/{id}"): "download",
    ("GET", "/api.nexmo.com/v1/files/{id}"): "download",
}
_OF_CALLS = ("hangup", "mute", "unmute", "earmuff", "unearmuff", "transfer")
_OF_RECORDINGS = {"start": "record", "stop": "stop_record"}
OTHER = "other"  # a body that names no action: it will be refused
VERBS: Final = (*_BY_ROUTE.values(), *_OF_CALLS, *_OF_RECORDINGS.values(), OTHER)


async def verb_of(request: web.Request) -> str | None:
    """One of VERBS; None: the request is for none of that."""
    resource = request.match_info.route.resource
    route = (request.method, resource.canonical.rstrip("/") if resource else "")
    if route not in _IN_BODY:
        return _BY_ROUTE.get(route)
    action = _action(await request.read())
    if route[1] == _RECORD:
        return _OF_RECORDINGS.get(action, OTHER)
    return action if action in _OF_CALLS else OTHER


def _action(body: bytes) -> str:
    try:
        found: Any = json.loads(body)
        return str(found["action"])
    except (ValueError, RecursionError, TypeError, KeyError):
        return ""
