"""Users of the application: settings that operators gave them, and what they or their pages say.

Settings stay until they are removed. All keys of a user are in the partition of the name; one index lists all users.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from app.domain.marks import user_mark
from app.domain.session_events import STATE
from app.domain.sessions import Remarks
from app.domain.users import NOT_REGISTERED, Chosen, Registration, UserSettings
from app.store import keys
from app.store.codec import MILLISECOND, milliseconds, moment
from app.store.connected import Connected
from app.store.legs import entry_command, read_entry
from app.store.link import Command
from app.store.pages import Filter, Page, merge_pages
from app.store.queries import conversations_to_read
from app.store.user_events import read_mark

SETTINGS: Final = frozenset(field.name for field in fields(UserSettings))
# Conversations of a user that are looked at. A leg may have moved on into one that does not name the user, as into a
# room: then the one that it left has ended, though the call is live. So the newest are read in any state, those of
# calls that have a place of the user, and those of sessions whose end the user was not sent yet.
MOST_LIVE: Final = 100
NEWEST: Final = 20
CALL_MS: Final = 1000  # between two calls that a user begins, as at Yeastar
LONGEST_CALL: Final = timedelta(days=1)  # older ones are not looked through: a user may have had thousands


class User(NamedTuple):
    """What is kept of a user. `settings` is None for one without; `called`: whether any call names the user."""

    settings: UserSettings | None
    registration: Registration
    chosen: Chosen | None
    called: bool
    conversations: list[str]  # that may be of live calls


class Profile(NamedTuple):
    """What a list says of a user."""

    settings: UserSettings | None
    registration: Registration


class Users(Connected):
    """All raise StoreUnavailable."""

    def user(self, name: str, presumed_before: datetime) -> User:
        """What is kept of the user *name*, in two reads."""
        part, mark = keys.of(name), user_mark(name)
        live = Filter("live", since=presumed_before - LONGEST_CALL, presumed_before=presumed_before, mark=mark)
        pages = [live.command(part, self._ttl, None, MOST_LIVE) for part in keys.ALL]
        pages += [Filter(mark=mark).command(part, self._ttl, None, NEWEST) for part in keys.ALL]
        single = (part.chosen(name), part.published(name, STATE))
        own = [*_profile_commands(name), *(Command(key, ("GET", key)) for key in single)]
        own.append(Command(part.places(name), ("ZRANGE", part.places(name), 0, -1)))
        settings, registration, chosen, state, places, *found = self._reader.fetch([*own, *pages])
        going_on = merge_pages(found[: keys.PARTITIONS], MOST_LIVE)
        newest: Page = merge_pages(found[keys.PARTITIONS :], NEWEST)
        engaged = map(read_entry, self._reader.fetch([entry_command(keys.decode(leg)) for leg in places]))
        placed = [name for entry in engaged for name in conversations_to_read(*entry)]
        return User(
            _settings(settings),
            _registration(registration),
            _chosen(chosen),
            bool(newest.items),
            list(
                dict.fromkeys([*going_on.conversations, *newest.conversations, *placed, *dict(read_mark(state).read)])
            ),
        )

    def user_names(self, after: str, limit: int) -> list[str]:
        """The next users that have settings, by name; *after* one, or "" for the first."""
        start = b"(" + keys.encode(after) if after else "-"
        command = Command(keys.USERS, ("ZRANGEBYLEX", keys.USERS, start, "+", "LIMIT", 0, limit))
        return [keys.decode(name) for name in self._reader.fetch([command])[0]]

    def profiles(self, names: Sequence[str]) -> list[Profile]:
        """What is kept of each of *names*."""
        found = self._reader.fetch([command for name in names for command in _profile_commands(name)])
        return [
            Profile(_settings(settings), _registration(registration))
            for settings, registration in zip(found[::2], found[1::2], strict=True)
        ]

    def set_user(self, name: str, changes: Mapping[str, Any]) -> None:
        """Give the user *name* these settings (fields of UserSettings); others stay as they are."""
        part = keys.of(name)
        self._writer.send(
            [
                Command(keys.USERS, ("ZADD", keys.USERS, 0, keys.encode(name))),  # first: none is hidden
                Command(part.user(name), ("HSET", part.user(name), *_flat(changes))),
            ]
        )

    def remove_user(self, name: str) -> bool:
        """Remove the settings of the user *name*, and what the page reported. Returns False if there were none."""
        part = keys.of(name)
        own = (part.user(name), part.registration(name), part.chosen(name))
        commands = [Command(key, ("DEL", key)) for key in own]
        commands.append(Command(keys.USERS, ("ZREM", keys.USERS, keys.encode(name))))
        settings, *_, listed = self._writer.send(commands)
        return bool(settings or listed)

    def set_registration(self, name: str, registration: Registration, now: datetime) -> None:
        """Keep what the page reported until it expires."""
        key = keys.of(name).registration(name)
        expires = registration.expires
        kept = {"attempts": registration.attempts, "expires": milliseconds(expires) if expires else None}
        lifetime = max(1, (expires - now) // MILLISECOND) if expires else self._ttl
        self._writer.send([Command(key, ("SET", key, json.dumps(kept), "PX", lifetime))])

    def choose_session(self, name: str, chosen: Chosen) -> None:
        """Keep which session the user *name* chose."""
        key = keys.of(name).chosen(name)
        kept = json.dumps([chosen.session, milliseconds(chosen.at)])
        self._writer.send([Command(key, ("SET", key, kept, "PX", self._ttl))])

    def begins_call(self, name: str) -> bool:
        """Whether the user *name* may begin a call now: one in a second."""
        key = keys.of(name).calling(name)
        return self._writer.send([Command(key, ("SET", key, b"", "NX", "PX", CALL_MS))])[0] is not None

    def remarks(self, name: str, sessions: Iterable[str]) -> list[Remarks]:
        """What the user *name* says of each of *sessions*."""
        named = [keys.of(name).remarks(name, session) for session in sessions]
        found = self._reader.fetch([Command(key, ("HGETALL", key)) for key in named])
        return [Remarks(**_known(flat, Remarks._fields)) for flat in found]

    def set_remarks(self, name: str, session: str, changes: Mapping[str, Any]) -> None:
        """Keep *changes* (fields of Remarks) of a session as long as a call is kept; others stay as they are."""
        key = keys.of(name).remarks(name, session)
        self._writer.send([Command(key, ("HSET", key, *_flat(changes))), Command(key, ("PEXPIRE", key, self._ttl))])


def _profile_commands(name: str) -> list[Command]:
    part = keys.of(name)
    settings, registration = part.user(name), part.registration(name)
    return [Command(settings, ("HGETALL", settings)), Command(registration, ("GET", registration))]


def _flat(changes: Mapping[str, Any]) -> list[str]:
    """Fields and values in turn, as HSET takes them."""
    return [text for field, value in changes.items() for text in (field, json.dumps(value))]


def _known(flat: Sequence[bytes], wanted: Iterable[str]) -> dict[str, Any]:
    """The fields of a hash that are *wanted*: a later version may have added others."""
    pairs = {field.decode(): value for field, value in zip(flat[::2], flat[1::2], strict=True)}
    return {field: json.loads(pairs[field]) for field in wanted if field in pairs}


def _settings(flat: Sequence[bytes]) -> UserSettings | None:
    return UserSettings(**_known(flat, SETTINGS)) if flat else None


def _registration(raw: bytes | None) -> Registration:
    if raw is None:
        return NOT_REGISTERED
    kept = json.loads(raw)
    expires = moment(kept["expires"]) if kept["expires"] is not None else None
    registered = expires is not None and expires > datetime.now(UTC)  # Redis may expire it a moment later
    return Registration(registered, expires if registered else None, kept["attempts"])


def _chosen(raw: bytes | None) -> Chosen | None:
    if raw is None:
        return None
    session, at = json.loads(raw)
    return Chosen(session, moment(at))
