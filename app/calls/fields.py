"""Field types of the JSON of the API. Every key is always present; null means not known."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from marshmallow import Schema, fields


def timestamp(moment: datetime | None) -> str | None:
    """UTC with milliseconds: 2021-03-29T21:20:05.582Z"""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def nullable(
    field: type[fields.Field[Any]], attribute: str | None = None, data_key: str | None = None, **metadata: Any
) -> fields.Field[Any]:
    """A field that is null if not known."""
    return field(required=True, allow_none=True, attribute=attribute, data_key=data_key, metadata=metadata)


def listed(item: type[Schema], **metadata: Any) -> fields.Field[Any]:
    """A list of objects."""
    return fields.List(fields.Nested(item), required=True, metadata=metadata)


class Timestamp(fields.String):
    """A moment, null if not known. See `timestamp`."""

    def __init__(self, description: str, attribute: str | None = None) -> None:
        metadata = {"description": description, "format": "date-time", "example": "2021-03-29T21:20:05.582Z"}
        super().__init__(required=True, allow_none=True, attribute=attribute, metadata=metadata)

    def _serialize(self, value: Any, *_args: Any, **_kwargs: Any) -> str | None:
        return timestamp(value)


class ExactNumber(fields.Float):
    """A number that keeps its type: 12 does not become 12.0."""

    def _serialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        return value


class Ncco(fields.Raw):
    """An NCCO, which events hold as JSON text."""

    def __init__(self) -> None:
        super().__init__(required=True, allow_none=True, metadata={"description": "a list of NCCO actions"})

    def _serialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        return json.loads(value) if value else None


class ObjectSchema(Schema):
    """Dumps an object: each field from the attribute of its name, or from the one given as `attribute`."""

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        return getattr(obj, attr, default)  # marshmallow's own method tries `obj[attr]` first, which takes longer
