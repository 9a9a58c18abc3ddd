"""Keeps the flows file loaded, and loads it again when it changes: in every worker, without a restart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import time_ns
from typing import Any, Final

from app.flows import loading
from app.flows.model import FlowFile
from app.flows.python_flows import is_patched
from app.flows.reader import FlowFileFaults
from vonage_simulator.yaml_source import Fault

log = logging.getLogger(__name__)

CHECK_EVERY: Final = 1.0  # seconds
FIRST_READ: Final = 3.0  # seconds that a worker waits for it
MOST_LOGGED: Final = 20  # faults
NO_FLOWS: Final = "NO CALL FLOW CAN BE USED: every caller hears the last resort until the flows file is mended"

Stamp = tuple[tuple[str, int, int, int] | tuple[str], ...]


class FlowReloader:
    """Keeps *file* loaded. *settings*: what expressions have under `settings`.

    `faults` is what is wrong with the file as it is now, and why `flow_file` may be older; `read_at` is when it was
    last read.
    """

    def __init__(self, file: Path, settings: Mapping[str, Any]) -> None:
        self.file = file
        self.faults: tuple[Fault, ...] = ()
        self.read_at: datetime | None = None
        self._flow_file: FlowFile | None = None
        self._settings = settings
        self._stamp: Stamp | None = None
        self._watched: tuple[Path, ...] = (file,)
        self._stopped, self._first = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="flows", daemon=True)

    @property
    def flow_file(self) -> FlowFile | None:
        """The file as it was last without a fault; None if it never was."""
        if self.read_at is None and not self._thread.is_alive():
            self.refresh()
        return self._flow_file

    def refresh(self) -> bool:
        """Read the file if it has changed since; whether it was. Faults are logged, and in `faults`."""
        stamp = _stamp(self._watched)
        if stamp == self._stamp:
            return False
        self._read(stamp)
        return True

    def start(self) -> None:
        """Read the file now, and check it every second, in a thread; return once it was read, or after a while.

        What takes longer, such as a Python module that does not return, delays no caller: they get the last resort.
        """
        self._thread.start()
        self._first.wait(FIRST_READ)

    def stop(self) -> None:
        self._stopped.set()

    def _read(self, stamp: Stamp) -> None:
        self._stamp, watched, begun = stamp, self._watched, time_ns()
        try:
            found = self._found()
        except Exception as error:  # any at all: calls are answered
            log.exception("the flows file cannot be read")
            self.faults = (Fault(str(self.file), None, None, "", f"cannot be read: {type(error).__name__}: {error}"),)
        else:
            self._watched = found.watched
            if isinstance(found, FlowFileFaults):
                self._report(found.faults)
            else:
                if self._flow_file is not None and self._flow_file.version != found.version:
                    log.info("the flows file has changed: version %s from now on", found.version)
                self._flow_file, self.faults = found, ()
        if self._watched != watched:
            now = _stamp(self._watched)
            # A file that is mended while they are read, and a module may take its time, is read again.
            self._stamp = None if any(len(file) > 1 and file[2] >= begun for file in now) else now

    def _found(self) -> FlowFile | FlowFileFaults:
        try:
            return self._loaded_aside() if is_patched() else self._loaded()
        finally:
            self.read_at = datetime.now(UTC)  # after that was loaded, and before it is in use

    def _loaded(self) -> FlowFile | FlowFileFaults:
        try:
            return loading.load(self.file, self._settings)
        except FlowFileFaults as wrong:  # returned: gevent would write it to the terminal, with a traceback
            return wrong

    def _loaded_aside(self) -> FlowFile | FlowFileFaults:
        """The same, from a native thread: a large file takes over a second, and calls come in."""
        from gevent import get_hub

        found: FlowFile | FlowFileFaults = get_hub().threadpool.apply(self._loaded)
        return found

    def _report(self, faults: tuple[Fault, ...]) -> None:
        if faults != self.faults:
            lines = "\n  ".join(map(str, faults[:MOST_LOGGED]))
            many = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
            if self._flow_file:
                log.error("%s in the flows file, the last good flows stay:\n  %s", many, lines)
            else:
                log.critical("%s. %s in it:\n  %s", NO_FLOWS, many.capitalize(), lines)
        self.faults = faults

    def _watch(self) -> None:
        self.refresh()
        self._first.set()
        before = None
        while not self._stopped.wait(CHECK_EVERY):
            now = _stamp(self._watched)
            if now == before and now != self._stamp:  # not while somebody may be writing it
                self._read(now)
            before = now


def _stamp(files: Iterable[Path]) -> Stamp:
    """Equal as long as none of *files* has changed: inode, time of change and size of each."""
    return tuple(_stamp_of(file) for file in files)


def _stamp_of(file: Path) -> tuple[str, int, int, int] | tuple[str]:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return (str(file),)
    return str(file), found.st_ino, found.st_mtime_ns, found.st_size
