"""Reads requests with marshmallow, and builds the fields and links that the APIs share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from vonage_simulator.voice_api.errors import ApiFault, Invalid
from vonage_simulator.yaml_source import scalar


async def read(request: web.Request, schema: Schema, *, needed: bool = True) -> dict[str, Any]:
    """The body of *request* as *schema* loads it; unless *needed* it may be empty. Raises ApiFault, also Invalid."""
    raw = await request.read()
    try:
        body = json.loads(raw) if raw or needed else {}
    except (ValueError, RecursionError) as error:
        raise ApiFault("the body is no JSON") from error
    if not isinstance(body, dict):
        raise ApiFault("the body is no object")
    return load(schema, body)


def load(schema: Schema, values: Any) -> dict[str, Any]:
    """*values* as *schema* loads them. Raises Invalid."""
    try:
        found: dict[str, Any] = schema.load(values)
    except ValidationError as error:
        raise Invalid(list(_parameters(error.messages))) from error
    except (OverflowError, RecursionError) as error:  # a date before the first year, headers a thousand levels deep
        raise Invalid([("", "Nothing that could be read.")]) from error
    return found


def _parameters(messages: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """marshmallow's messages as (name, reason): `to[0].number`, "Not 7 to 15 digits"."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            name = f"{at}[{key}]" if isinstance(key, int) else f"{at}.{key}".strip(".")
            yield from _parameters(inner, at if key == "_schema" else name)
        return
    reasons = messages if isinstance(messages, list) else [messages]
    for inner in reasons:
        if isinstance(inner, dict):  # from a validator of a nested value
            yield from _parameters(inner, at)
    if words := " ".join(str(reason) for reason in reasons if not isinstance(reason, dict)):
        yield at, words


def _web_address(value: str) -> None:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ValidationError("Not a URL that begins with http:// or https://.")


def url(**more: Any) -> fields.String:
    """A field: a URL."""
    return fields.String(validate=_web_address, **more)


def one_url(**more: Any) -> fields.List[Any]:
    """A field: an array of one URL, as everywhere in the Voice API."""
    return fields.List(url(), validate=validate.Length(equal=1), **more)


def method(**more: Any) -> fields.String:
    """A field: the method of a webhook."""
    return fields.String(validate=validate.OneOf(("GET", "POST")), **more)


class _OrText(fields.Integer):
    """A whole number, which may be text: see vonage_simulator/ncco.py."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **more: Any) -> int:
        return super()._deserialize(scalar(value) if isinstance(value, str) else value, attr, data, **more)


def whole(least: int, most: int | None = None, **more: Any) -> fields.Integer:
    """A field: a whole number, also as text."""
    return _OrText(strict=True, validate=validate.Range(least, most), **more)


def flag(**more: Any) -> fields.Boolean:
    """A field: true or false, also as text."""
    return fields.Boolean(truthy={True, "true", "True"}, falsy={False, "false", "False"}, **more)


class Body(Schema):
    """Ignores unknown fields."""

    class Meta:
        unknown = EXCLUDE


def links(hrefs: Mapping[str, str]) -> dict[str, Any]:
    """The `_links` of a page."""
    return {"_links": {name: {"href": href} for name, href in hrefs.items()}}
