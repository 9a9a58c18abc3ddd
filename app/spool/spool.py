"""The spool of one process: what it puts there is on disk when `put` returns. All that come at once share a commit."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from time import monotonic, time
from typing import Final, NamedTuple, TypeVar

from app.spool.coding import as_row, from_row
from app.spool.errors import SpoolUnavailable
from app.spool.file import Depth, Row, SpoolFile, unreadable
from app.spool.native import NativeThread
from app.store.batches import next_batch
from app.store.spooled import Spill, Spooled, Write
from config.few_lines import FewLines

log = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 1000  # webhooks that share a commit
# That a webhook waits for the disk, which takes some milliseconds. A late 200 is better than a 503 where the machine
# stalls: Vonage waits for 10 s. https://developer.vonage.com/en/application/technical-details#webhook-timeouts
PUT_SECONDS: Final = 2.0
SPILL_SECONDS: Final = 0.25  # that the writer waits, for events wait for it; it comes again
FRESH_SECONDS: Final = 1.0  # how old a depth may be that is shown
PROBE_SECONDS: Final = 5.0  # how often `/readyz` writes to the disk, however often it is asked

T = TypeVar("T")


class _Job:
    """The rows of one webhook, and what became of them. *if_not*: is called if the disk does not take them."""

    __slots__ = ("done", "error", "given_up", "if_not", "rows")

    def __init__(self, rows: list[Row], if_not: Callable[[], None] | None = None) -> None:
        self.rows, self.if_not = rows, if_not
        self.done = threading.Event()
        self.error: SpoolUnavailable | None = None
        self.given_up = False  # nobody waits for it any more, and it goes elsewhere


class Waiting(NamedTuple):
    """A write that waits; in place of one that cannot be read, why it cannot."""

    id: int
    write: Write | Exception


class Spool(Spill):
    """The spool in *folder*, of *most_mb* at most. Its thread starts with the first webhook, after any fork."""

    name = "spool"

    def __init__(self, folder: Path, most_mb: int) -> None:
        self._folder, self._file, self._native = folder, SpoolFile(folder, most_mb), NativeThread()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._few_lines = FewLines(1)
        self._fault: str | None = None  # why the disk took nothing when it was last asked
        self._depth, self._depth_at, self._probed_at = Depth(), 0.0, 0.0
        self.filled = threading.Event()  # this process has put something there

    def start(self) -> None:
        """Nothing: it starts with the first webhook."""

    def stop(self) -> None:
        """Finish what is under way, and close the file."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(PUT_SECONDS)
        self._native.do(self._file.close)

    def ping(self) -> str | None:
        """None while nothing waits and the disk takes webhooks; else why not, in a few words."""
        with suppress(SpoolUnavailable):
            if monotonic() >= self._probed_at + PROBE_SECONDS:
                self._probed_at = monotonic()
                self._on_disk(self._file.probe)
            if rows := self.depth().rows:
                return f"{rows} waiting"
        if self._fault is None and unreadable(self._folder):
            return "an unreadable file was put aside"
        return self._fault

    @property
    def fault(self) -> str | None:
        """Why the disk took nothing when it was last asked; None: it did."""
        return self._fault

    @property
    def put_aside(self) -> list[str]:
        """The names of files that could not be read."""
        return unreadable(self._folder)

    def put(self, writes: Sequence[Write], seconds: float | None = None) -> None:
        """Keep *writes* on disk, within *seconds* (None: PUT_SECONDS).

        Raises SpoolUnavailable; then nothing is, or nobody knows.
        """
        job = _Job([as_row(each) for each in writes])
        self._enqueue(job)
        if not job.done.wait(PUT_SECONDS if seconds is None else seconds):
            job.given_up = True
            self._fault = "slow"
            raise SpoolUnavailable("slow")
        if job.error is not None:
            raise job.error

    def spill(self, writes: Sequence[Write]) -> bool:
        try:
            self.put(writes, SPILL_SECONDS)
        except SpoolUnavailable:
            return False
        return True

    def spill_soon(self, write: Spooled, if_not: Callable[[], None]) -> None:
        self._enqueue(_Job([as_row(write)], if_not))

    def first(self, most: int) -> list[Waiting]:
        """The oldest that are due. Raises SpoolUnavailable."""
        rows = self._on_disk(lambda: self._file.first(most, time())) if self._file.exists else []
        return [_waiting(row) for row in rows]

    def settle(self, done: Sequence[int], later: Sequence[tuple[float, bool, int]]) -> bool:
        """See `SpoolFile.settle`. Raises SpoolUnavailable."""
        return self._on_disk(lambda: self._file.settle(done, later))

    def lease(self) -> bool:
        """See `SpoolFile.lease`. Raises SpoolUnavailable."""
        return self._on_disk(self._file.lease)

    def depth(self) -> Depth:
        """What waits on this machine; at most FRESH_SECONDS old. Raises SpoolUnavailable."""
        if monotonic() >= self._depth_at + FRESH_SECONDS:
            self._depth = self._on_disk(self._file.depth) if self._file.exists else Depth()
            self._depth_at = monotonic()
        return self._depth

    def _on_disk(self, work: Callable[[], T]) -> T:
        try:
            done = self._native.do(work)
        except SpoolUnavailable as error:
            self._fault = error.reason
            if self._few_lines.one_more():
                log.warning("%s: an event that Redis does not take gets 503 until DATA_DIR can be written to", error)
            raise
        self._fault = None
        return done

    def _enqueue(self, job: _Job) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
                    self._thread.start()
        self._queue.put(job)

    def _run(self) -> None:
        closing = False
        while not closing:
            jobs, closing = next_batch(self._queue, MOST_AT_ONCE)
            self._write(jobs)

    def _write(self, all_jobs: Sequence[_Job]) -> None:
        jobs = [job for job in all_jobs if not job.given_up]
        rows = [row for job in jobs for row in job.rows]
        error: SpoolUnavailable | None = None
        try:
            self._on_disk(lambda: self._file.add(rows, time()))
            self.filled.set()
        except SpoolUnavailable as unavailable:
            error = unavailable
        except Exception:  # a bug: the next webhook must find a running thread all the same
            log.exception("an error of ours in the spool")
            error = SpoolUnavailable("fault")
        for job in jobs:
            job.error = error
            job.done.set()
            if error is not None and job.if_not is not None:
                job.if_not()


def _waiting(row: Row) -> Waiting:
    try:
        return Waiting(row.id, from_row(row))
    except Exception as error:  # noqa: BLE001 - it is handed on
        return Waiting(row.id, error)
