"""The file of the spool: an SQLite database that all workers of a machine share.

Every method blocks, so it is called in a native thread (`native.py`). When `add` returns, its rows are on disk:
SQLite's write-ahead log with `synchronous=FULL` is synced at each commit. With NORMAL they would survive the end of
every process, but not a power cut, and the embedded store promises that, too (`appendfsync always`). Commits are
shared, so that it costs one sync for all webhooks that wait. https://www.sqlite.org/pragma.html#pragma_synchronous

Each use of the file holds the lock of `spool.lock`, which ends with its process: SQLite's own lock is polled, so that a
busy worker could keep another from it for long. A file that cannot be read is put aside, and a new one begun; the lock
sees to it that nobody writes to the old one then. https://man7.org/linux/man-pages/man2/flock.2.html
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple, TypeVar, cast

from app.spool.errors import SpoolUnavailable

log = logging.getLogger(__name__)

NAME: Final = "spool.sqlite"
PARTS: Final = ("", "-wal", "-shm")  # https://www.sqlite.org/tempfiles.html
PAGE_BYTES: Final = 4096
BUSY_SECONDS: Final = 0.4  # that a commit waits for those of other workers
VERSION: Final = 1
TALLIED: Final = 5  # `counted` of a row that is a batch of counts; of others it is `Counted` (app/store/spooled.py)
# since, due: seconds since 1970. The index lets all rows, and those of a kind, be counted without reading them.
SCHEMA: Final = f"""
BEGIN;
CREATE TABLE waiting (
    id INTEGER PRIMARY KEY AUTOINCREMENT, since REAL NOT NULL, due REAL NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0, counted INTEGER NOT NULL, microseconds INTEGER NOT NULL,
    unfiled_for TEXT, record BLOB NOT NULL
);
CREATE INDEX kinds ON waiting (refused, counted);
CREATE TABLE probe (id INTEGER PRIMARY KEY, at REAL NOT NULL);
PRAGMA user_version = {VERSION};
COMMIT;
"""
COUNTS: Final = """
SELECT (SELECT count(*) FROM waiting),
    (SELECT count(*) FROM waiting WHERE refused IN (0, 1) AND counted = :tallied),
    (SELECT count(*) FROM waiting WHERE refused = 1 AND counted < :tallied)
"""
OLDEST: Final = "SELECT since FROM waiting WHERE +counted < ? ORDER BY id LIMIT 1"
LEFT: Final = """
SELECT EXISTS (SELECT 1 FROM waiting), EXISTS (SELECT 1 FROM waiting WHERE refused = 0 AND counted < ?)
"""
# https://www.sqlite.org/rescode.html; the lowest byte of an extended code is its primary one.
UNREADABLE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
REASONS: Final = {
    sqlite3.SQLITE_FULL: "disk full",
    sqlite3.SQLITE_IOERR: "disk error",
    sqlite3.SQLITE_READONLY: "not writable",
    sqlite3.SQLITE_CANTOPEN: "not writable",
    sqlite3.SQLITE_BUSY: "busy",
}

T = TypeVar("T")


class Row(NamedTuple):
    """What is kept of one write; `coding.py` makes it. *id* is 0 before it is kept."""

    id: int
    counted: int
    microseconds: int
    unfiled_for: str | None
    record: bytes


class Depth(NamedTuple):
    """How many events wait, since when the oldest does (seconds since 1970; 0.0: none), and how many Redis refused."""

    rows: int = 0
    since: float = 0.0
    refused: int = 0

    def age(self, now: float) -> float | None:
        """Seconds that the oldest event has waited at the time *now* (seconds since 1970); None: there is none."""
        return max(0.0, now - self.since) if self.rows else None

    @property
    def since_text(self) -> str:
        """The time of day, in UTC, since which the oldest event has waited."""
        return f"{datetime.fromtimestamp(self.since, UTC):%H:%M:%S}"


class SpoolFile:
    """The file in *folder*, of *most_mb* at most. Not for two threads at once."""

    def __init__(self, folder: Path, most_mb: int) -> None:
        self.path = folder / NAME
        self._most_pages = most_mb * 1024 * 1024 // PAGE_BYTES
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None  # of the file that is open
        self._lock: int | None = None
        self._lease: int | None = None

    @property
    def exists(self) -> bool:
        """Whether there is one. It is made with the first row."""
        return self.path.exists()

    def add(self, rows: Iterable[Row], now: float) -> None:
        """Keep *rows*: all of them, or none. Raises SpoolUnavailable."""
        values = [(now, *row[1:]) for row in rows]
        statement = "INSERT INTO waiting (since, counted, microseconds, unfiled_for, record) VALUES (?, ?, ?, ?, ?)"
        self._use(lambda connection: connection.executemany(statement, values))

    def first(self, most: int, now: float) -> list[Row]:
        """The oldest rows that are due. Raises SpoolUnavailable."""
        return self._read("WHERE +due <= ? ORDER BY id LIMIT ?", now, most)

    def after(self, id_: int, most: int) -> list[Row]:
        """The rows behind the one with *id_*, due or not, oldest first. Raises SpoolUnavailable."""
        return self._read("WHERE id > ? ORDER BY id LIMIT ?", id_, most)

    def settle(self, done: Sequence[int], later: Sequence[tuple[float, bool, int]]) -> bool:
        """Take out the rows that are *done*; note of others when they are due, and whether Redis refused them.

        Returns whether an event is left that it did not refuse: to count them, each time, would take long if there are
        many. Raises SpoolUnavailable.
        """

        def write(connection: sqlite3.Connection) -> tuple[bool, bool]:
            connection.executemany("DELETE FROM waiting WHERE id = ?", [(each,) for each in done])
            connection.executemany("UPDATE waiting SET due = ?, refused = ? WHERE id = ?", later)
            rows, events = connection.execute(LEFT, (TALLIED,)).fetchone()
            return bool(rows), bool(events)

        rows, events = self._use(write)
        if done and not rows:
            self._use(_give_back, begin=None)
        return events

    def depth(self) -> Depth:
        """What waits. Raises SpoolUnavailable."""
        return self._use(_depth, begin="BEGIN")

    def probe(self) -> None:
        """Write something. Raises SpoolUnavailable if that does not work."""
        now = datetime.now(UTC).timestamp()
        self._use(lambda connection: connection.execute("REPLACE INTO probe (id, at) VALUES (1, ?)", (now,)))

    def lease(self) -> bool:
        """Whether this process may take rows out now: one of the machine does, until it gives it back or ends."""
        with _no_disk():
            if self._lease is None:
                self._lease = os.open(self.path.with_name("spool.lease"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def close(self) -> None:
        """Close it, and give back the lease."""
        self._disconnect()
        for number in (self._lock, self._lease):
            if number is not None:
                os.close(number)
        self._lock = self._lease = None

    def _read(self, where: str, *values: float) -> list[Row]:
        statement = f"SELECT id, counted, microseconds, unfiled_for, record FROM waiting {where}"  # noqa: S608 - ours
        return self._use(
            lambda connection: [Row(*found) for found in connection.execute(statement, values)], begin="BEGIN"
        )

    def _use(self, work: Callable[[sqlite3.Connection], T], *, begin: str | None = "BEGIN IMMEDIATE") -> T:
        """What *work* returns, done in the transaction that *begin* begins. A file that is unreadable is put aside."""
        for last in (False, True):
            try:
                with self._locked():
                    if not self._is_current():
                        self._connect()
                    return self._work(work, begin)
            except sqlite3.DatabaseError as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if code not in UNREADABLE or last:
                    self._disconnect()  # after an error of the disk nothing is known of the connection
                    raise SpoolUnavailable(REASONS.get(code, str(error))) from error
                self._put_aside(str(error))
        raise AssertionError  # the second round returns or raises

    def _work(self, work: Callable[[sqlite3.Connection], T], begin: str | None) -> T:
        connection = cast("sqlite3.Connection", self._connection)
        if begin is None:
            return work(connection)
        connection.execute(begin)
        try:
            done = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite may have done so by itself
                connection.execute("ROLLBACK")
            raise
        return done

    def _connect(self) -> None:
        self._disconnect()
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self.path.chmod(0o600)  # it has telephone numbers
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise SpoolUnavailable(f"{NAME} is of another version")
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # has an effect before the first table only
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA max_page_count = {self._most_pages}")
            if version == 0:
                connection.executescript(SCHEMA)
        except BaseException:
            connection.close()
            raise
        self._connection, self._identity = connection, _identity(self.path)

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = self._identity = None

    def _is_current(self) -> bool:
        """Whether the file that is open is still the one at its path: another worker may have put it aside."""
        return self._connection is not None and self._identity == _identity(self.path)

    def _put_aside(self, error: str) -> None:
        with self._locked(), _no_disk():
            seen = self._identity or _identity(self.path)
            self._disconnect()
            if seen != _identity(self.path):
                return  # another worker did
            name = f"spool-unreadable-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.sqlite"
            for part in PARTS:
                with suppress(FileNotFoundError):
                    Path(f"{self.path}{part}").rename(f"{self.path.with_name(name)}{part}")
        log.error("the spool cannot be read (%s): it is put aside as %s, with all that waited in it", error, name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with _no_disk():
            if self._lock is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._lock = os.open(self.path.with_name("spool.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)


def unreadable(folder: Path) -> list[str]:
    """The names of files that were put aside."""
    return sorted(path.name for path in folder.glob("spool-unreadable-*.sqlite"))


def _depth(connection: sqlite3.Connection) -> Depth:
    rows, tallies, refused = connection.execute(COUNTS, {"tallied": TALLIED}).fetchone()
    oldest = connection.execute(OLDEST, (TALLIED,)).fetchone()
    return Depth(rows - tallies, oldest[0] if oldest else 0.0, refused)


def _give_back(connection: sqlite3.Connection) -> None:
    """Give the room of what was taken out back to the file system."""
    # `execute` would do one step of it, which is one page.
    connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(FileNotFoundError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


@contextmanager
def _no_disk() -> Iterator[None]:
    """An error of the file system as one of ours."""
    try:
        yield
    except OSError as error:
        raise SpoolUnavailable(error.strerror or str(error)) from error
