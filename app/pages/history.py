"""The history: calls by what is known of them, and the webhooks that belong to no call. All that is chosen is in the
address.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from flask import Blueprint, request, url_for
from marshmallow import RAISE, ValidationError
from werkzeug.wrappers import Response

from app.api import calls, unfiled
from app.api.schemas import CallFilterArgs, CallsArgs, PageArgs
from app.auth.access import require
from app.errors import Problem
from app.pages.html import page
from app.pages.languages import gettext, marked

history = Blueprint("history", __name__)
FILTERS: Final = tuple(CallFilterArgs().fields)
FIELDS: Final = frozenset(FILTERS) - {"sort"}  # of the form; the order is chosen by a link
MOMENTS: Final = ("since", "until")
# What is wrong with each, in the words of the page; the API's are for programs.
WRONG: Final = {
    "number": marked("Give a number whole, or its last 4 digits."),
    **dict.fromkeys(MOMENTS, marked("Give a day and a time, from 1970 on.")),
    **dict.fromkeys(("state", "outcome", "missed", "has_recording", "sort"), marked("This is none of the choices.")),
    "limit": marked("Give 1 to 500."),
    "cursor": marked("This address is that of another list: search again."),
}
WITHOUT_ZONE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?", re.ASCII)


@history.get("/calls")
def show_history() -> Response:
    """The calls that were searched for. A field that is wrong is named; then there is no list."""
    require("viewer")
    given = _given()
    try:
        args = CallsArgs(unknown=RAISE).load(given)
        rows, following = calls.page_of(args)
        wrong: dict[str, str] = {}
    except ValidationError as error:
        rows, following = [], None
        wrong = {name: _wrong(name) for name in _faults(error)}
    except Problem:  # a cursor of another list
        rows, following = [], None
        wrong = {"cursor": _wrong("cursor")}
    chosen: dict[str, Any] = {name: given[name] for name in FILTERS if given.get(name)}
    listed = chosen | ({"limit": given["limit"]} if "limit" in given else {})
    turned = None if chosen.get("sort") == "oldest" else "oldest"
    response = page(
        "history.html",
        calls=rows,
        chosen=chosen,
        local={name: _in_utc(chosen.get(name, "")) for name in MOMENTS},
        wrong=wrong,
        unnamed=[f"{name}: {text}" for name, text in wrong.items() if name not in FIELDS],
        searched=not FIELDS.isdisjoint(chosen),
        turned=url_for("history.show_history", **listed | {"sort": turned}),
        first=url_for("history.show_history", **listed) if given.get("cursor") else None,
        next=url_for("history.show_history", **listed, cursor=following) if following else None,
        csv=url_for("exports.export_csv", **chosen),
        ndjson=url_for("exports.export_ndjson", **chosen),
    )
    if wrong:
        response.status_code = 422
    return response


@history.get("/unfiled")
def show_unfiled() -> Response:
    """The signed webhooks that belong to no conversation; for operators, as nobody knows where in them numbers are."""
    require("operator")
    args = PageArgs(unknown=RAISE)
    try:
        found = unfiled.page_of(args.load(request.args.to_dict()))
    except ValidationError as error:
        raise Problem(
            422,
            "Unprocessable Entity",
            "Correct the address.",
            errors={name: [text] for name, text in _faults(error).items()},
        ) from None
    following = url_for("history.show_unfiled", cursor=found["next"]) if found["next"] else None
    first = url_for("history.show_unfiled") if request.args.get("cursor") else None
    return page("unfiled.html", webhooks=found["items"], first=first, next=following)


def _wrong(name: str) -> str:
    return gettext(WRONG[name]) if name in WRONG else gettext("There is no such field.")


def _faults(error: ValidationError) -> dict[str, str]:
    """What is wrong with each argument."""
    faults = error.messages if isinstance(error.messages, dict) else {"": error.messages}
    return {name: " ".join(map(str, texts)) for name, texts in faults.items()}


def _given() -> dict[str, str]:
    """The parameters of the address, but for empty ones: forms send them.

    A moment without a zone, as the form sends it without scripts, is in UTC.
    """
    given: dict[str, str] = {name: text for name, value in request.args.items() if (text := value.strip())}
    for name in MOMENTS:
        if WITHOUT_ZONE.fullmatch(given.get(name, "")):
            given[name] += "Z"
    return given


def _in_utc(moment: str) -> dict[str, Any] | None:
    """A moment as <input type=datetime-local> takes it, in UTC, and as scripts do; None unless it is one."""
    try:
        when = datetime.fromisoformat(moment).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return {"value": when.strftime("%Y-%m-%dT%H:%M:%S"), "at": when.strftime("%Y-%m-%dT%H:%M:%SZ")}
