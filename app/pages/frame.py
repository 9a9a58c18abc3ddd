"""What every page has around it: navigation, notices for whoever runs the server, login, language.

Templates get it as `frame`. A page of an error uses its role at most, so that it is shown without Redis, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import quote

from flask import Flask, current_app, request

from app.auth.access import current_role
from app.auth.sessions import csrf_token, session_access
from app.auth.tokens import Access, Role
from app.calls.fields import timestamp
from app.calls.names import Known
from app.pages import languages
from app.pages.languages import gettext, ngettext
from app.services import Services, services
from app.spool.errors import SpoolUnavailable
from app.spool.spool import Spool
from app.store.errors import StoreUnavailable
from vonage_simulator.yaml_source import Fault

FAULTS_SHOWN: Final = 3
NOTES_COOKIE: Final = "notes"  # what the notes were when somebody folded them away


class Notice(NamedTuple):
    """What whoever runs the server must know. An alarm stays in sight; notes can be folded away until they change."""

    kind: Literal["alarm", "note"]
    text: str
    details: tuple[str, ...] = ()


class Frame:
    """Of one request."""

    def read(self) -> None:
        """Read all that comes from the store now."""
        _ = self.access and (self.notices, self.names)

    @property
    def language(self) -> str:
        """`en`."""
        return languages.language()

    @property
    def locale(self) -> str:
        """`en-GB`."""
        return languages.locale()

    @property
    def other_languages(self) -> dict[str, str]:
        """Code -> name of the languages to switch to."""
        return {code: name for code, name in languages.NAMES.items() if code != self.language}

    @property
    def now(self) -> str:
        """For scripts: the reader's clock may be wrong."""
        return timestamp(datetime.now(UTC)) or ""

    @cached_property
    def access(self) -> Access | None:
        """What the login is good for; None without one, or while it cannot be read."""
        with suppress(StoreUnavailable):
            return session_access()
        return None

    @property
    def role(self) -> Role | None:
        """Of the login."""
        return self.access.role if self.access else None

    @property
    def user(self) -> str | None:
        """Who has logged in, if it is a user of the phone."""
        return self.access.user if self.access else None

    @property
    def csrf_token(self) -> str | None:
        """What a form or a script sends along, so that the cookie may act."""
        return csrf_token()

    @property
    def here(self) -> str:
        """The path of this page with its query, to come back to."""
        return f"{quote(request.path)}?{request.query_string.decode(errors='replace')}".removesuffix("?")

    @cached_property
    def paths(self) -> frozenset[str]:
        """The pages that there are."""
        return frozenset(rule.rule for rule in current_app.url_map.iter_rules())

    @cached_property
    def notices(self) -> list[Notice]:
        """Alarms first. None of them is for users."""
        if self.user is not None:
            return []
        return sorted(notices(services()), key=lambda notice: notice.kind)

    @cached_property
    def names(self) -> Known:
        """Of flows: `frame.names.flow(name)`. Those of numbers are with the calls: `from_name` and `to_name`."""
        return services().names.current()

    @property
    def alarms(self) -> list[Notice]:
        """What must be mended."""
        return [notice for notice in self.notices if notice.kind == "alarm"]

    @property
    def notes(self) -> list[Notice]:
        """What may stay as it is."""
        return [notice for notice in self.notices if notice.kind == "note"]

    @property
    def notes_hash(self) -> str:
        """Changes with the notes."""
        return sha256("\n".join(note.text for note in self.notes).encode()).hexdigest()[:12]

    @property
    def notes_folded(self) -> bool:
        """Whether the reader has folded just these notes away."""
        return request.cookies.get(NOTES_COOKIE) == self.notes_hash


def notices(parts: Services) -> list[Notice]:
    """All that whoever runs the server must know now."""
    found = [
        Notice("alarm" if note.alarm else "note", gettext(note.text) % note.values) for note in parts.settings.notes()
    ]
    found += _of_flows(parts)
    found += _of_spool(parts.spool)
    found += _of_names(parts)
    try:
        policy = parts.store.evicts()
    except StoreUnavailable as away:
        text = gettext("Redis is away (%(reason)s): events wait on disk, and no call is shown. Callers get answers.")
        found.append(Notice("alarm", text % {"reason": away.reason}))
    else:
        if policy:
            text = gettext(
                "Redis removes calls by itself when it is full (maxmemory-policy %(policy)s): set noeviction."
            )
            found.append(Notice("alarm", text % {"policy": policy}))
    return found


def state_of_notices(parts: Services) -> str:
    """Changes when the notices may, in any language and for any role. Raises StoreUnavailable."""
    parts.names.current()
    state = (
        parts.flows.alarm,
        parts.flows.faults,
        parts.names.faults,
        parts.store.evicts(),
        _state_of_spool(parts.spool),
    )
    return sha256(repr(state).encode()).hexdigest()[:12]


def _of_flows(parts: Services) -> list[Notice]:
    flows = parts.flows
    if flows.alarm:
        text = gettext("NO CALL FLOW CAN BE USED: every caller hears the last resort until the flows file is mended.")
    elif flows.faults:
        text = ngettext(
            "The flows file has %(number)d fault: the flows stay as they were before.",
            "The flows file has %(number)d faults: the flows stay as they were before.",
            len(flows.faults),
        ) % {"number": len(flows.faults)}
    else:
        return []
    return [Notice("alarm", text, _lines(flows.faults))]


def _of_spool(spool: Spool) -> list[Notice]:
    found = []
    with suppress(SpoolUnavailable):
        depth = spool.depth()
        if depth.rows:
            text = ngettext(
                "%(number)d event waits on disk until Redis has it, since %(since)s UTC: what is shown of its call may"
                " be old.",
                "%(number)d events wait on disk until Redis has them, the oldest since %(since)s UTC: what is shown of"
                " their calls may be old.",
                depth.rows,
            )
            found.append(Notice("alarm", text % {"number": depth.rows, "since": depth.since_text}))
    if spool.fault:
        text = gettext("The disk takes no events (%(reason)s): while Redis is away they get 503.")
        found.append(Notice("alarm", text % {"reason": spool.fault}))
    if spool.put_aside:
        text = gettext("Events that waited on disk could not be read; their file was put aside in DATA_DIR.")
        found.append(Notice("alarm", text, tuple(spool.put_aside)))
    return found


def _state_of_spool(spool: Spool) -> tuple[object, ...]:
    """Of the number that waits only how large it is, about: every board reads its banner again when this changes."""
    with suppress(SpoolUnavailable):
        return len(str(spool.depth().rows)), spool.depth().rows > 0, spool.put_aside
    return (spool.fault,)


def _of_names(parts: Services) -> list[Notice]:
    parts.names.current()
    if not parts.names.faults:
        return []
    text = gettext("The names file has faults: the names of numbers and flows stay as they were before.")
    return [Notice("alarm", text, _lines(parts.names.faults))]


def _lines(faults: Sequence[Fault]) -> tuple[str, ...]:
    """The first of *faults*. Viewers get only their places: their words may quote a PIN, or a number."""
    in_words = current_role() == "operator"
    shown = [fault._replace(name=Path(fault.name).name) for fault in faults[:FAULTS_SHOWN]]
    return tuple(str(fault if in_words else fault._replace(field="", words="")) for fault in shown)


def install(app: Flask, asset: Callable[[str], str]) -> None:
    """Let every template of *app* use the frame."""
    app.jinja_env.globals["asset"] = asset

    @app.context_processor
    def frame() -> dict[str, Frame]:
        return {"frame": Frame()}
