"""Names for telephone numbers."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from app.api.blueprint import Blueprint
from app.auth.access import guard
from app.calls.names import LONGEST_NAME, MOST_NAMES, cleaned
from app.domain.numbers import digits
from app.errors import Problem
from app.services import services

names = Blueprint("names", __name__, url_prefix="/api/v1/names", description="Names for telephone numbers.")
names.before_request(guard(read="operator"))


class Name(fields.String):
    """Of a number."""

    def __init__(self) -> None:
        super().__init__(required=True, metadata={"description": f"1 to {LONGEST_NAME} printable characters"})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        name = cleaned(super()._deserialize(value, attr, data, **kwargs) or "")
        if name is None:
            raise ValidationError(f"Give a name of 1 to {LONGEST_NAME} printable characters.")
        return name


class NameArgs(Schema):
    """The name to give."""

    name = Name()


class NameSchema(Schema):
    """A number and its name."""

    number = fields.String(required=True, metadata={"example": "442079460000"})
    name = fields.String(required=True)
    source = fields.String(
        required=True, validate=validate.OneOf(("api", "file")), metadata={"description": "where it was given"}
    )


@names.get("/<number>")
@names.alt_response(200, schema=NameSchema)
def get_name(number: str) -> dict[str, str]:
    """Get the name of a telephone number."""
    key = _key(number)
    name, in_file = services().store.names().get(key), services().names.in_file(key)
    if name is None and in_file is None:
        raise Problem(404, "No name", "This number has no name. PUT one to this address, or add it to NAMES_FILE.")
    return {"number": key, "name": name or in_file or "", "source": "api" if name else "file"}


@names.put("/<number>")
@names.arguments(NameArgs, unknown=RAISE)
@names.alt_response(200, schema=NameSchema)
def put_name(args: dict[str, Any], number: str) -> dict[str, str]:
    """Give a telephone number a name, or another one. It is shown within seconds, and has priority over the file's."""
    key, parts = _key(number), services()
    known = parts.store.names()
    if key not in known and len(known) >= MOST_NAMES:
        raise Problem(409, "Too many names", f"{MOST_NAMES} numbers have names: remove some, or use NAMES_FILE.")
    parts.store.set_name(key, args["name"])
    parts.names.expire()
    return {"number": key, "name": args["name"], "source": "api"}


@names.delete("/<number>")
@names.response(204)
def delete_name(number: str) -> Response:
    """Remove the name that was given here. One in the file stays."""
    key, parts = _key(number), services()
    if not parts.store.remove_name(key):
        here = "Its name is in NAMES_FILE: remove it there." if parts.names.in_file(key) else "This number has no name."
        raise Problem(404, "No name", f"No name was given here. {here}")
    parts.names.expire()
    return Response(status=204)


def _key(number: str) -> str:
    found = digits(number)
    if found is None:
        raise Problem(422, "No telephone number", "Give a telephone number whole, with the country code.")
    return found
