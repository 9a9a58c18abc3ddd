"""What is kept of a telephone number beside conversations: in operations, users' streams and repeated requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from app.domain.numbers import has_number
from app.store import keys
from app.store.connected import Connected
from app.store.link import Command

SCANNED: Final = 1000  # keys in one round trip, about
READ: Final = 100
FIRST: Final = b"-"
TAGS: Final = {part.tag: part for part in keys.ALL}
# The beginnings of keys, after the tag: operations' logs, users' streams, marks of sessions, remarks on sessions.
OPERATION, EVENTS, MARK, REMARKS = b"o:", b"ue:", b"uk:", b"us:"


class Traces(Connected):
    """Finds them by looking at every key: for a command, not for a request. All raise StoreUnavailable."""

    def forget_traces(self, nodes: Iterable[keys.Partition], number: str, sessions: Collection[str]) -> None:
        """Delete what has *number* (digits) in it or is of one of *sessions*; *nodes*: a partition of each node.

        The logs of operations that go on stay: the calls that they are of are live, and would be left alone.
        """
        for node in nodes:
            every = list(self._found(node))
            for named in (every[first : first + READ] for first in range(0, len(every), READ)):
                texts = self._reader.fetch([_read(key) for key in named])
                pairs = zip(named, texts, strict=True)
                commands = [command for key, read in pairs for command in self._due(key, read, number, sessions)]
                if commands:
                    self._writer.send(commands)

    def _found(self, node: keys.Partition) -> Iterator[bytes]:
        """The keys of *node* that may have a number in them."""
        cursor = b"0"
        while True:
            scan = ("SCAN", cursor, "COUNT", SCANNED)
            ((cursor, found),) = self._reader.fetch([Command(node.live, scan)])
            for key in found:
                if key.startswith(keys.ONCE) or _rest(key).startswith((OPERATION, EVENTS, MARK, REMARKS)):
                    yield key
            if cursor == b"0":
                return

    def _due(self, key: bytes, read: object, number: str, sessions: Collection[str]) -> Iterator[Command]:
        rest = _rest(key)
        if rest.startswith(EVENTS) and isinstance(read, list):
            gone = [id_ for id_, fields in read if _has(fields, number)]
            if gone:
                yield Command(key, ("XDEL", key, *gone))
        elif not (_has(read, number) or (rest.startswith((MARK, REMARKS)) and _session(rest) in sessions)):
            return
        elif key.startswith(keys.ONCE) and isinstance(read, bytes):  # it was done all the same, and is not done again
            digest, status, _ = read.split(b"\n", 2)
            yield Command(key, ("SET", key, b"\n".join([digest, status, b"{}"]), "KEEPTTL", "XX"))
        elif not (rest.startswith(OPERATION) and self._is_due(TAGS[key[: -len(rest)]], rest.removeprefix(OPERATION))):
            yield Command(key, ("DEL", key))

    def _is_due(self, part: keys.Partition, operation: bytes) -> bool:
        (score,) = self._reader.fetch([Command(part.due, ("ZSCORE", part.due, operation))])
        return score is not None


def _rest(key: bytes) -> bytes:
    """The key without the tag of its partition; empty if it has none."""
    tag, brace, rest = key.partition(b"}")
    return rest if tag + brace in TAGS else b""


def _read(key: bytes) -> Command:
    rest = _rest(key)
    if rest.startswith(OPERATION):
        return Command(key, ("LRANGE", key, 0, -1))
    if rest.startswith(EVENTS):
        return Command(key, ("XRANGE", key, FIRST, "+"))
    return Command(key, ("HVALS" if rest.startswith(REMARKS) else "GET", key))


def _session(rest: bytes) -> str:
    """The session in the key of a mark or of remarks, see `keys.Partition.remarks`."""
    length, _, named = keys.decode(rest).partition(":")[2].partition(":")
    return named[int(length) :]


def _has(read: object, number: str) -> bool:
    """Whether *number* is in what was read; it may be nested."""
    if isinstance(read, bytes):
        return has_number(read.decode(errors="replace"), number)
    return isinstance(read, list) and any(_has(each, number) for each in read)
