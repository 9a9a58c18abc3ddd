"""The blueprints of the API that its description is of, and how ids are read from their addresses."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from werkzeug.routing import BaseConverter, PathConverter, UnicodeConverter

from app.api.blueprint import Blueprint
from app.domain.marks import LONGEST


class IdConverter(PathConverter):
    """An id in a URL. Ids are opaque: any slashes and line breaks belong to the id."""

    part_isolating = False
    regex = r"[\s\S]+?"

    def to_url(self, value: str) -> str:
        return quote(value, safe="", errors="surrogatepass")


class UserConverter(UnicodeConverter):
    """The name of a user in a URL."""


CONVERTERS: Final[dict[str, type[BaseConverter]]] = {"id": IdConverter, "user": UserConverter}
USER_NAME: Final = {"type": "string", "format": "name", "minLength": 1, "maxLength": LONGEST}


def described() -> tuple[Blueprint, ...]:
    """The blueprints, in the order of the description."""
    from app.api.acting import acting
    from app.api.audit import audit
    from app.api.calls import calls, exports
    from app.api.conferences import conferences
    from app.api.conversations import conversations
    from app.api.delivery import delivery
    from app.api.figures import figures
    from app.api.flows import flows
    from app.api.health import health
    from app.api.legs import legs
    from app.api.names import names
    from app.api.recordings import recordings
    from app.api.screen_sharing import screen_sharing
    from app.api.session_verbs import session_verbs
    from app.api.sessions import sessions
    from app.api.status import status
    from app.api.stream import stream
    from app.api.transfers import transfers
    from app.api.unfiled import unfiled
    from app.api.user_calls import user_calls
    from app.api.user_operations import user_operations
    from app.api.user_stream import user_stream
    from app.api.user_tokens import user_tokens
    from app.api.users import users
    from app.api.voicemails import voicemails

    first = (
        acting,
        transfers,
        conferences,
        calls,
        exports,
        conversations,
        legs,
        stream,
        users,
        user_tokens,
        sessions,
        session_verbs,
        user_stream,
        screen_sharing,
        user_calls,
        user_operations,
        voicemails,
    )
    then = (names, recordings, unfiled, audit, flows)
    return (*first, *then, figures, delivery, status, health)
