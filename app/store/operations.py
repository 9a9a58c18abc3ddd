"""Operations on calls: their logs, and who goes on with which (`app/control/driver.py`).

The log of an operation only grows, and an entry is appended once. Who decides by a log appends by its length
(`append(expected=…)`): of two workers that decided by the same log, one alone has decided. While it goes on, an
operation is in the sorted set of its partition that says when somebody has to look at it, so none is forgotten if its
worker dies. All times there are by the clock of Redis.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from app.domain.events import CANONICAL
from app.domain.operations import Entry
from app.store import keys, scripts
from app.store.connected import Connected
from app.store.errors import StoreUnavailable, TooManyOperations
from app.store.link import Command
from app.store.writer import Late

FORGET_MOVE_SECONDS: Final = 60  # a move that was numbered and never kept
IDEMPOTENCY_SECONDS: Final = 24 * 3600
MOST_REPLIES, REPLIES_BYTES = 10_000, 4_000_000  # that are kept of one login
MOST_OPEN: Final = 2000  # operations of one partition that have not ended
MOST_CLOSED, CLOSED_BYTES = 1000, 500_000  # logs of one partition that are kept of those that have
RUNNING_SECONDS: Final = 30  # a request that takes longer than this has died
MOST_DUE: Final = 50  # operations of one partition that are looked at together


class Numbered(NamedTuple):
    """The number of an action; None if the move `pending` is not confirmed yet."""

    sequence: int | None
    pending: str | None


class OnceReply(NamedTuple):
    """What is known of an earlier request with the same Idempotency-Key: `status` None while it is under way."""

    digest: str
    status: int | None
    body: str


class Operations(Connected):
    """Logs, claims, numbers of actions, and the rates of requests to Vonage."""

    on_news: Callable[[Sequence[str]], None] | None = None  # is called with operations that wait for what was kept

    def wake(self, operations: bytes) -> None:
        """Let those go on that wait for news of a conversation: their ids, separated by blanks."""
        if operations and self.on_news is not None:
            self.on_news([keys.decode(name) for name in operations.split(b" ")])

    def append(
        self,
        operation: str,
        entries: Sequence[Entry],
        *,
        expected: int | None = None,
        due_in: float | None = None,
        later: bool = False,
        within: float | None = None,
    ) -> int | None:
        """Append those of *entries* that are not in the log of *operation*; returns its length.

        None: it has not the *expected* length, and nothing was appended. *due_in*: seconds until somebody has to look
        at it. *later*: nobody waits for it, and Redis may be away. *within*: seconds in which it has to be kept, less
        than usual. Raises StoreUnavailable, or TooManyOperations if a new one is to begin.
        """
        part, name = keys.of(operation), keys.encode(operation)
        texts = [CANONICAL.encode(_packed(entry)) for entry in entries]
        delay = "" if due_in is None else max(0, round(due_in * 1000))
        length = -1 if expected is None else expected
        args = (part.tag, self._ttl, name, length, delay, MOST_OPEN, len(entries), *map(_id_of, entries), *texts)
        command = Command(part.due, args, scripts.OPERATE, (part.operation(name), part.due))
        if later:
            self._writer.send_later(command)
            return None
        length, had = self._writer.send([command], within and time.monotonic() + within)[0]
        if had < 0:
            raise TooManyOperations
        return length if had else None

    def log_of(self, operation: str) -> list[Entry]:
        """The log of *operation*; empty if there is none. Raises StoreUnavailable."""
        part = keys.of(operation)
        key = part.operation(keys.encode(operation))
        (found,) = self._reader.fetch([Command(key, ("LRANGE", key, 0, -1))])
        return [_unpacked(*raw.split(b"\n", 1)) for raw in found]

    def claim(self, operation: str, holder: str, seconds: float) -> int | None:
        """Go on with *operation* for *seconds*. None: it has ended, or another holder does, who will look again.

        Returns what `release` needs. Raises StoreUnavailable.
        """
        part, name = keys.of(operation), keys.encode(operation)
        args = (part.tag, self._ttl, name, holder, round(seconds * 1000))
        (till,) = self._writer.send([Command(part.due, args, scripts.CLAIM, (part.due, part.claim(name)))])
        return till or None

    def renew(self, operation: str, holder: str, till: int, seconds: float) -> int | None:
        """Go on with *operation* for *seconds* more; *till* is what `claim`, or this, returned.

        None: another holder does already. Raises StoreUnavailable.
        """
        part, name = keys.of(operation), keys.encode(operation)
        args = (part.tag, self._ttl, name, holder, till, round(seconds * 1000))
        (renewed,) = self._writer.send([Command(part.due, args, scripts.RENEW, (part.due, part.claim(name)))])
        return renewed or None

    def release(self, operation: str, holder: str, till: int, due_in: float | None, *, later: bool = False) -> bool:
        """Let *operation* go; *due_in*: seconds until somebody has to look again, None: it has ended.

        Returns True if something has happened meanwhile: then it is due at once. *later*: nobody waits for it, and
        Redis may be away. Raises StoreUnavailable.
        """
        part, name = keys.of(operation), keys.encode(operation)
        delay = -1 if due_in is None else max(0, round(due_in * 1000))
        args = (part.tag, self._ttl, name, holder, till, delay, MOST_CLOSED, CLOSED_BYTES)
        named = (part.due, part.claim(name), part.operation(name), part.closed)
        command = Command(part.due, args, scripts.RELEASE, named)
        if later:
            self._writer.send_later(command)
            return True
        return bool(self._writer.send([command])[0])

    def due(self) -> list[str]:
        """The operations that somebody has to look at now; of partitions that are away, none. By Redis's clock."""
        missing: list[StoreUnavailable] = []
        commands = [Command(part.due, (part.tag, self._ttl, MOST_DUE), scripts.DUE, (part.due,)) for part in keys.ALL]
        return [keys.decode(name) for found in self._reader.fetch(commands, missing) for name in found]

    def watch(self, operation: str, conversations: Sequence[str]) -> list[str]:
        """Let *operation* be woken by what is kept in *conversations*; returns those of them that are there.

        Raises StoreUnavailable.
        """
        commands = []
        for name in conversations:
            part = keys.of(name)
            meta = part.meta(keys.encode(name))
            commands.append(Command(meta, (part.tag, self._ttl, keys.encode(operation)), scripts.WATCH, (meta,)))
        there = self._writer.send(commands) if commands else []
        return [name for name, found in zip(conversations, there, strict=True) if found]

    def number(self, name: str, *, move: str | None = None, ended: str | None = None) -> Numbered:
        """The number of the next action on the leg or conversation *name*.

        *move*: the action, if it is a move; *ended*: a move that is known to have ended. Raises StoreUnavailable.
        """
        part, raw = keys.of(name), keys.encode(name)
        key = part.control(raw)
        args = (part.tag, self._ttl, move or "", ended or "", FORGET_MOVE_SECONDS * 1000)
        ((number, pending),) = self._writer.send([Command(key, args, scripts.NUMBER, (key,))])
        return Numbered(number or None, keys.decode(pending) or None)

    def take(self, name: str, operation: str, seconds: float) -> bool:
        """Whether *operation* alone may move or mute the leg *name* now, or have the conversation of that name
        recorded, for *seconds* at most. Raises StoreUnavailable.
        """
        part = keys.of(name)
        key = part.switching(keys.encode(name))
        took = ("SET", key, keys.encode(operation), "NX", "PX", round(seconds * 1000))
        return self._writer.send([Command(key, took)])[0] is not None

    def give_back(self, name: str, operation: str) -> None:
        """Let others do so, if *operation* has it still. Raises StoreUnavailable."""
        part = keys.of(name)
        key = part.switching(keys.encode(name))
        self._writer.send([Command(key, (part.tag, self._ttl, keys.encode(operation)), scripts.GIVE_BACK, (key,))])

    def latest_move(self, name: str) -> tuple[str, float] | None:
        """The action by which the leg *name* was moved last, and how many seconds ago. Raises StoreUnavailable."""
        key = keys.of(name).control(keys.encode(name))
        (found,) = self._reader.fetch([Command(key, ("HGET", key, "m"))])
        if not found:
            return None
        since, _, action = found.partition(b" ")
        return keys.decode(action), _ago(since)

    def occupy(self, leg: str, operation: str, ended: str | None = None) -> str | None:
        """Let *operation* have *leg*, which no other one may have, but for one that has *ended*.

        Returns the other one; None: it has the leg now. An empty *operation*: none has it. Raises StoreUnavailable.
        """
        part = keys.of(leg)
        key = part.control(keys.encode(leg))
        args = (part.tag, self._ttl, keys.encode(operation), keys.encode(ended or ""))
        (other,) = self._writer.send([Command(key, args, scripts.OCCUPY, (key,))])
        return keys.decode(other) or None

    def operation_of(self, leg: str) -> tuple[str, float] | None:
        """The operation that had *leg* last, and how many seconds ago it got it; it may have ended.

        Raises StoreUnavailable.
        """
        key = keys.of(leg).control(keys.encode(leg))
        ((found, since),) = self._reader.fetch([Command(key, ("HMGET", key, "o", "b"))])
        return (keys.decode(found), _ago(since)) if found else None

    def operations_of(self, legs: Iterable[str]) -> set[str]:
        """The operations that had any of *legs* last; they may have ended. Raises StoreUnavailable."""
        controls = [keys.of(leg).control(keys.encode(leg)) for leg in legs]
        found = self._reader.fetch([Command(key, ("HGET", key, "o")) for key in controls])
        return {keys.decode(operation) for operation in found if operation}

    def is_open(self, operation: str) -> bool:
        """Whether *operation* has not ended. Raises StoreUnavailable."""
        part = keys.of(operation)
        (score,) = self._reader.fetch([Command(part.due, ("ZSCORE", part.due, keys.encode(operation)))])
        return score is not None

    def open_logs(self, known: Mapping[str, Sequence[Entry]] = MappingProxyType({})) -> dict[str, list[Entry]]:
        """The logs of the operations that have not ended, in two round trips.

        *known*: what was read of them before. A log only grows: of these only what is new is read. Raises
        StoreUnavailable.
        """
        found = self._reader.fetch([Command(part.due, ("ZRANGE", part.due, 0, -1)) for part in keys.ALL])
        return self._logs([keys.decode(name) for names in found for name in names], known)

    def logs_of_legs(self, legs: Iterable[str]) -> dict[str, list[Entry]]:
        """The logs of the operations that had *legs* last; they may have ended. Raises StoreUnavailable."""
        return self._logs(sorted(self.operations_of(legs)))

    def _logs(
        self, operations: Sequence[str], known: Mapping[str, Sequence[Entry]] = MappingProxyType({})
    ) -> dict[str, list[Entry]]:
        """The logs of *operations*; those that are there."""
        commands = []
        for name in operations:
            key = keys.of(name).operation(keys.encode(name))
            commands.append(Command(key, ("LRANGE", key, len(known.get(name, ())), -1)))
        logs = {
            name: [*known.get(name, ()), *(_unpacked(*raw.split(b"\n", 1)) for raw in new)]
            for name, new in zip(operations, self._reader.fetch(commands), strict=True)
        }
        return {name: log for name, log in logs.items() if log}

    def announce(self, conversations: Iterable[str]) -> None:
        """Announce later, to those who follow *conversations*, that an operation of their legs changed its state."""
        for name in conversations:
            part = keys.of(name)
            meta = part.meta(keys.encode(name))
            args = (part.tag, self._ttl, keys.encode(name))
            self._writer.send_later(Command(meta, args, scripts.ANNOUNCE, (meta, part.feed)))

    def take_turn(self, name: str, most: int, patience: float) -> float | None:
        """How many seconds a request of the kind *name*, of which there may be *most* a second, has to wait.

        None: longer than *patience*; then it has no turn. Raises StoreUnavailable.
        """
        key = keys.rate(name)
        args = ("", self._ttl, most, round(patience * 1000))
        (wait,) = self._writer.send([Command(key, args, scripts.RATE, (key,))])
        return None if wait < 0 else wait / 1000

    def took_turn(self, name: str, most: int) -> None:
        """Count, later, a request of the kind *name* that Vonage makes itself, as for a `connect`."""
        key = keys.rate(name)
        self._writer.send_later(Command(key, ("", self._ttl, most, -1), scripts.RATE, (key,)))

    def begin_once(self, principal: str, key: str, digest: str, claim: str) -> OnceReply | None:
        """Note that *principal* sends a request with the Idempotency-Key *key*; *digest* is of what it says.

        *claim* is another one for each request. Returns what is known of an earlier one; None: this is the first.
        Raises StoreUnavailable.
        """
        name = keys.idempotency(principal, key)
        running = ("SET", name, _running(digest, claim), "NX", "EX", RUNNING_SECONDS)
        try:
            (first,) = self._writer.send([Command(name, running)])
        except StoreUnavailable:  # it may be noted all the same, but is not done
            self.give_up_once(principal, key, digest, claim)
            raise
        if first is not None:
            return None
        (found,) = self._reader.fetch([Command(name, ("GET", name))])
        if found is None:  # it expired just now
            return OnceReply(digest, None, "")
        other, status, body = found.decode().split("\n", 2)
        return OnceReply(other, int(status) if status else None, body)

    def end_once(self, principal: str, key: str, digest: str, reply: tuple[int, str]) -> None:
        """Keep the *reply*, status and body, to the request."""
        name, latest = keys.idempotency(principal, key), keys.replies(principal)
        text = keys.encode(f"{digest}\n{reply[0]}\n{reply[1]}")
        self._writer.send_later(Command(name, ("SET", name, text, "EX", IDEMPOTENCY_SECONDS)))
        args = ("", self._ttl, name, len(text), IDEMPOTENCY_SECONDS, MOST_REPLIES, REPLIES_BYTES)
        self._writer.send_later(Command(latest, args, scripts.ONCE, (latest,)), _without)

    def give_up_once(self, principal: str, key: str, digest: str, claim: str) -> None:
        """Forget, once Redis can be reached, a request that was not done: a repeat of it does it."""
        name = keys.idempotency(principal, key)
        command = Command(name, (b"", self._ttl, _running(digest, claim)), scripts.GIVE_BACK, (name,))
        self._writer.send_unwatched(command)  # before a repeat that comes now
        self._writer.send_later(command)


def _without(gone: Sequence[bytes]) -> list[Late]:
    """What removes the keys *gone*."""
    return [Late(Command(name, ("DEL", name))) for name in gone]


def _running(digest: str, claim: str) -> str:
    """What is kept of a request that is under way."""
    return f"{digest}\n\n{claim}"


def _ago(milliseconds: bytes) -> float:
    """How many seconds ago that was, as far as the clocks of this server and of Redis agree."""
    return abs(time.time() - int(milliseconds) / 1000)


def _packed(entry: Entry) -> dict[str, Any]:
    known = {"at": entry.at.isoformat(), "kind": entry.kind, "name": entry.name, "data": dict(entry.data)}
    return {name: value for name, value in known.items() if value}


def _id_of(entry: Entry) -> bytes:
    """Its id, in one line; it may have the id of a leg in it, which a webhook has named."""
    return keys.encode(entry.id.replace("\n", "\\n"))


def _unpacked(id_: bytes, text: bytes) -> Entry:
    body = json.loads(text)
    at = datetime.fromisoformat(body["at"])
    return Entry(keys.decode(id_), at, body["kind"], body.get("name", ""), body.get("data", {}))
