"""The flows file as it was last found right, read anew when it changes: in every worker, without a restart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import time_ns
from typing import Any, Final

from app.flows import loading
from app.flows.model import FlowFile
from app.flows.python_flows import is_patched
from vonage_simulator.yaml_source import Fault, Faults

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 1.0  # seconds
FIRST_LOOK: Final = 3.0  # seconds that a worker waits for it
MOST_LOGGED: Final = 20  # faults

Stamp = tuple[tuple[str, int, int, int] | tuple[str], ...]


class FlowReloader:
    """Holds the book of *file*. *settings*: what expressions have under `settings`.

    `faults` is what is wrong with the file as it is now, and why `flow_file` may be older; `looked` is when it was
    read last.
    """

    def __init__(self, file: Path, settings: Mapping[str, Any]) -> None:
        self.file = file
        self._book: FlowFile | None = None
        self.faults: tuple[Fault, ...] = ()
        self.looked: datetime | None = None
        self._settings = settings
        self._stamp: Stamp | None = None
        self._watched: tuple[Path, ...] = (file,)
        self._stop, self._first = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="flows", daemon=True)

    @property
    def flow_file(self) -> FlowFile | None:
        """What calls get: the last book without a fault, None if there never was one."""
        if self.looked is None and not self._thread.is_alive():
            self.look()
        return self._book

    def look(self) -> bool:
        """Read the file if it has changed since; whether it was. What is wrong with it is logged, and in `faults`."""
        stamp = _stamp(self._watched)
        if stamp == self._stamp:
            return False
        self._read(stamp)
        return True

    def start(self) -> None:
        """Look now and every second, in a thread of its own; return once it has, or after a while.

        What takes longer, as a module of Python that does not come back, keeps no caller waiting: they hear the last
        resort.
        """
        self._thread.start()
        self._first.wait(FIRST_LOOK)

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _read(self, stamp: Stamp) -> None:
        self._stamp, self.looked, watched, begun = stamp, datetime.now(UTC), self._watched, time_ns()
        try:
            flow_file = _aside(lambda: loading.load(self.file, self._settings))
        except Faults as wrong:
            self._watched = getattr(wrong, "watched", (self.file,))
            self._tell(wrong.faults)
        except Exception as error:  # whatever it is, calls are answered
            log.exception("the flows file cannot be read")
            self.faults = (Fault(str(self.file), None, None, "", f"cannot be read: {type(error).__name__}: {error}"),)
        else:
            if self._book is not None and self._book.version != flow_file.version:
                log.info("the flows file has changed: version %s from now on", flow_file.version)
            self._book, self.faults, self._watched = flow_file, (), flow_file.watched
        if self._watched != watched:
            now = _stamp(self._watched)
            # Whoever mends one of them while they are read, and a module may take its time, is not overlooked.
            self._stamp = None if any(len(one) > 1 and one[2] >= begun for one in now) else now

    def _tell(self, faults: tuple[Fault, ...]) -> None:
        if faults != self.faults:
            kept = "the last good flows stay" if self._book else "callers hear the last resort until it is mended"
            told = "\n  ".join(map(str, faults[:MOST_LOGGED]))
            many = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
            log.error("%s in the flows file, %s:\n  %s", many, kept, told)
        self.faults = faults

    def _watch(self) -> None:
        self.look()
        self._first.set()
        before = None
        while not self._stop.wait(LOOK_EVERY):
            now = _stamp(self._watched)
            if now == before and now != self._stamp:  # not while somebody may be writing it
                self._read(now)
            before = now


def _aside(work: Callable[[], FlowFile]) -> FlowFile:
    """What *work* gives, done beside everything else: a large file takes more than a second, and calls come in."""
    if not is_patched():
        return work()
    from gevent import get_hub

    def tried() -> FlowFile | Faults:
        try:
            return work()
        except Faults as wrong:  # what is raised in there gevent would write to the terminal, with its traceback
            return wrong

    made: FlowFile | Faults = get_hub().threadpool.apply(tried)
    if isinstance(made, Faults):
        raise made
    return made


def _stamp(files: Iterable[Path]) -> Stamp:
    """What tells whether one of *files* has changed: which file it is, when it was written, how long it is."""
    return tuple(_of(file) for file in files)


def _of(file: Path) -> tuple[str, int, int, int] | tuple[str]:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return (str(file),)
    return str(file), found.st_ino, found.st_mtime_ns, found.st_size
