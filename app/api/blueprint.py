"""The blueprint of flask-smorest, without what only the description needs, and each start would wait for."""

from __future__ import annotations

from typing import Any

import flask_smorest


class Blueprint(flask_smorest.Blueprint):
    """Describes its routes; the description is made when it is first read (`app/api/describe.py`)."""

    def alt_response(self, status_code: int, *, schema: Any = None, **more: Any) -> Any:
        """As there, but a schema goes by its name. Of a class it would make an object, and copy that for each route.

        https://flask-smorest.readthedocs.io/en/latest/response.html#document-alternative-responses
        """
        if isinstance(schema, type):
            schema = f"{schema.__module__}.{schema.__qualname__}"  # as marshmallow's registry has it
        return super().alt_response(status_code, schema=schema, **more)
