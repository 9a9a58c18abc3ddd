"""Call flows written in Python: found by their names, and run so that none of them can hold up the other calls.

They run in native threads. In a greenlet, a flow that computes, or waits in C, would stop all requests of its worker;
and nobody can be made to come back: Python ends no thread from outside. So whoever takes too long is left behind, and
only so many of those are borne, for each that computes takes its share of the processor.

Where gevent has patched the standard library, sleeping, locks and connections work in such a thread: it gets a hub of
its own for them. A connection belongs to the hub it was opened under, and the next call may be in another thread: a
flow must not keep one, nor a session of them, for the next call. And of a patched lock that many threads take again and
again without a rest, as logging's may be, gevent 26.9 forgets to tell some who wait for it: those are left behind.
https://www.gevent.org/api/gevent.hub.html
"""

from __future__ import annotations

import _thread
import hashlib
import importlib
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from app.flows.book import MOST_ACTIONS
from app.flows.request import Request
from app.flows.sdk import plain

SECONDS: Final = 2.0  # Vonage waits a few for an answer, and the caller hears nothing meanwhile
IMPORT_SECONDS: Final = 10.0  # a worker that has not begun after 30 is replaced: config/gunicorn.py
MOST_LEFT_BEHIND: Final = 8
LONGEST: Final = 64 * 1024  # characters of what one gives
MOST_WORDS: Final = 500  # characters of what an error says
MOST_AT_ONCE: Final = 64  # threads, those left behind among them

IMPORTING: Final = Path(importlib.__file__).parent
STARTED: Final = time.time()

Function = Callable[[Request], Any]

_hung: dict[str, int] = {}  # module's name -> when its file was written that did not come back
_read: dict[
    str, tuple[bytes, ModuleType]
] = {}  # module's name -> what its file was when it was executed, and what came


class NoActions(Exception):
    """What a flow written in Python gave is no list of actions. The text says what it is."""


class PythonFlowFault(Exception):
    """A flow written in Python gave nothing. The text says why; the cause is what it raised, if it did."""


def load(spec: str) -> tuple[Function, Path]:
    """The function that *spec*, `package.module:function`, names, and its module's file.

    A module whose file has changed since is executed anew. What others have of it, calls under way among them, goes on
    as it was; modules that it imports are not looked at. Raises ValueError, which says what is wrong; that it takes too
    long, too, for while it is imported at the start nobody answers calls.
    """
    module_name, colon, name = spec.partition(":")
    if not colon or not name.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
        raise ValueError(f"{spec} must be a module and a function, as in package.module:function")
    module, file = _imported(module_name)
    function = vars(module).get(name)
    if function is None:
        near = get_close_matches(name, [known for known, value in vars(module).items() if callable(value)], n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"module {module_name} has no function {name}{meant}")
    if not callable(function):
        raise ValueError(f"{name} in module {module_name} is no function: nothing can call it")  # noqa: TRY004
    if any(
        is_one(one)
        for is_one in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        for one in (inspect.unwrap(function), getattr(function, "__call__", None))  # noqa: B004 - its own, to look at
    ):
        raise ValueError(
            f"{name} in module {module_name} is asynchronous: a flow is an ordinary function, without async"
        )
    try:
        inspect.signature(function).bind(Request())
    except TypeError as error:
        raise ValueError(f"{name} in module {module_name} cannot be called with a request: {error}") from error
    except ValueError:  # some built-in things have no signature
        pass
    return function, file


class PythonFlows:
    """Runs flows written in Python.

    Args:
        seconds: How long one may take.
        most_left_behind: So many may be at it still, after that time. Then none is run any more: only a restart ends
            those that never come back.
        most_at_once: So many may run at the same time, those left behind that still run among them.
    """

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        most_left_behind: int = MOST_LEFT_BEHIND,
        most_at_once: int = MOST_AT_ONCE,
    ) -> None:
        self._seconds = seconds
        self._most_left_behind = most_left_behind
        self._most_at_once = most_at_once
        self._begin()

    def _begin(self) -> None:
        self.left_behind = 0  # how many did not come back in time, and have not yet
        self._process = os.getpid()
        self._running = 0
        # They stay, and take the next: hubs and threads are not wholly forgotten when they end.
        self._idle: list[_Seat] = []
        self._count = _lock()

    @property
    def refuses(self) -> bool:
        """Whether flows are refused, for too many have not come back."""
        return self.left_behind >= self._most_left_behind

    def run(self, function: Function, request: Request, then: Callable[[Any], Any] = lambda given: given) -> Any:
        """What *then* makes of what *function* gives for *request*. Other requests of this worker go on.

        Both are done aside: what a flow gives may be the flow's own code as well. Raises PythonFlowFault.
        """
        if os.getpid() != self._process:  # a fork has none of the threads
            self._begin()
        with self._count:
            if self.refuses:
                words = f"{self.left_behind} threads of Python flows were left behind and have not come back"
                raise PythonFlowFault(f"refused: {words}; restart")
            if self._running >= self._most_at_once:
                raise PythonFlowFault(f"refused: too many at once: {self._running} Python flows are running")
            job = _Job(function, request, then)
            if self._idle:
                self._idle.pop().give(job)
            else:
                try:
                    _native("start_new_thread")(self._work, (job,))  # nobody waits for it at the end
                except RuntimeError as error:
                    raise PythonFlowFault(f"refused: {error}") from error
            self._running += 1
        job.wait(self._seconds)
        with self._count:
            job.late = not job.done
            self.left_behind += job.late
        if job.late:
            raise PythonFlowFault(f"it took longer than {self._seconds:g} s")
        if job.raised is not None:
            raise PythonFlowFault(f"it raised {job.words}") from job.raised
        return job.result

    def _work(self, job: _Job) -> None:
        """What a thread does, without end."""
        while True:
            job.work()
            seat = _Seat()
            with self._count:
                self._running -= 1
                self.left_behind -= job.late
                job.done = True
                self._idle.append(seat)
            with suppress(Exception):  # whoever asked is gone, and a hub with it
                job.tell()
            del job  # what it holds is not kept until the next one
            job = seat.take()


class _Seat:
    """Where an idle thread waits for its next job. In its hub, if it has one: whoever waits for a lock that it had is
    told from there, and would not be while it sleeps otherwise.
    """

    def __init__(self) -> None:
        self._job: _Job | None = None
        self._ring, self._wait = _bell()

    def give(self, job: _Job) -> None:
        self._job = job
        self._ring()

    def take(self) -> _Job:
        while (job := self._job) is None:
            self._wait(60.0)  # not without end: gevent takes that for a mistake where nothing else is under way
        return job


class _Job:
    """One call of a flow: `work` is done in a thread, then `tell`; whoever wants to know is in `wait`."""

    def __init__(self, function: Function, request: Request, then: Callable[[Any], Any]) -> None:
        self.done = self.late = False
        self.result: Any = None
        self.raised: BaseException | None = None
        self.words = ""  # what it says of itself, and where: found out here, for it is the flow's own code that says it
        self._function, self._request, self._then = function, request, then
        self.tell, self.wait = _bell()

    def work(self) -> None:
        try:
            self.result = self._then(self._function(self._request))
        except BaseException as error:  # noqa: BLE001 - SystemExit and GreenletExit too: the caller must hear something
            self.raised, self.words = error, f"{_told(error)}{_where(self._function, error)}"


def _bell() -> tuple[Callable[[], object], Callable[[float], object]]:
    """What to do in another thread once it is done, and how to wait for that in this one, at most so many seconds."""
    if not is_patched():
        lock = _lock()
        lock.acquire()
        return lock.release, lambda seconds: lock.acquire(timeout=seconds)
    import gevent
    from gevent.event import Event

    # Of all that gevent has, only this may be called from another thread without a hub in that one.
    # https://www.gevent.org/api/gevent.hub.html
    rung, loop = Event(), gevent.get_hub().loop
    return lambda: loop.run_callback_threadsafe(rung.set), rung.wait


def is_patched() -> bool:
    """Whether threads are greenlets here: in gunicorn's workers, not in `flask` commands."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _native(name: str) -> Any:
    """What `_thread` has under *name*, as it is without gevent."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey.get_original("_thread", name) if monkey is not None else getattr(_thread, name)


def _lock() -> _thread.LockType:
    """A native lock: the threads take it without a hub of theirs."""
    lock: _thread.LockType = _native("allocate_lock")()
    return lock


def _told(error: BaseException) -> str:
    """The error's kind, and what it says of itself."""
    try:
        words = str(error)[:MOST_WORDS]
    except BaseException:  # noqa: BLE001 - it is the flow's own
        words = ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def actions_in(given: Any) -> list[dict[str, Any]] | None:
    """The actions that a flow gave, as JSON has them; None if it gave None. Raises NoActions."""
    if given is None:
        return None
    if not isinstance(given, list | tuple):
        raise NoActions(f"it gave {type(given).__name__}, but must give a list of actions")
    if len(given) > MOST_ACTIONS:
        raise NoActions(f"it gave {len(given)} actions, but must give {MOST_ACTIONS} at most")
    try:
        text = json.dumps([plain(action) for action in given], allow_nan=False)
        if len(text) > LONGEST:
            raise NoActions(f"it gave {len(text):,} characters of JSON, but must give {LONGEST:,} at most")
        made: list[dict[str, Any]] = json.loads(text)
    except (TypeError, ValueError, RecursionError) as wrong:
        raise NoActions(f"it gave what is no action: {wrong}") from wrong
    return made


def files_of(spec: str) -> list[Path]:
    """The file of the module that *spec* names; if it cannot be found, all that a change in could mend that."""
    name = spec.partition(":")[0]
    if file := _file_of(name):
        return [file]
    parts = name.split(".")
    ways = ["/".join(parts[: place + 1]) for place in range(len(parts))]
    return [Path(base) / f"{way}{end}" for base in sys.path for way in ways for end in (".py", "/__init__.py")]


def _file_of(name: str) -> Path | None:
    with suppress(Exception):
        found = find_spec(name)
        if found is not None and isinstance(found.loader, SourceFileLoader):
            return Path(found.loader.path)
    return None


def _imported(name: str) -> tuple[ModuleType, Path]:
    """The module *name* and its file, imported in a thread that is not waited for without end. Raises ValueError."""
    file = _file_of(name)
    stamp = file.stat().st_mtime_ns if file is not None and file.exists() else 0
    if stamp and _hung.get(name) == stamp:
        raise ValueError(f"module {name} cannot be imported: it took longer than {IMPORT_SECONDS:g} s")
    try:
        found: tuple[ModuleType, Path] = _imports.run(lambda _: _module(name), Request())
    except PythonFlowFault as fault:
        if isinstance(wrong := fault.__cause__, ValueError):
            raise wrong from wrong.__cause__
        if fault.__cause__ is None:  # it did not come back
            _hung[name] = stamp
        raise ValueError(f"module {name} cannot be imported: {fault}") from fault
    return found


def _where(function: Function, error: BaseException) -> str:
    """The line of the flow's own file from which *error* came; else of whatever raised it."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename != __file__]
    own = getattr(getattr(function, "__code__", None), "co_filename", None)
    last = next((one for one in reversed(frames) if one.filename == own), frames[-1] if frames else None)
    return f" ({_line(last.filename, last.lineno)})" if last else ""


def _module(name: str) -> tuple[ModuleType, Path]:
    """The module *name* as its file is now, and that file. Raises ValueError."""
    importlib.invalidate_caches()  # its file may be newer than the last look into the folder
    try:
        spec = find_spec(name)  # imports the packages it is in
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ValueError(_failed(name, error)) from error
        spec = None
    except ValueError:  # a module that was made otherwise has none
        spec = None
    except (Exception, SystemExit) as error:
        raise ValueError(_failed(name, error)) from error
    if spec is None or spec.name != name:  # __main__ may have that of what was run
        raise ValueError(
            f"there is no module {name}: it is looked for beside the app, and where packages are installed"
        )
    if not isinstance(spec.loader, SourceFileLoader):
        raise ValueError(f"module {name} has no file of Python source")  # noqa: TRY004
    file = Path(spec.loader.path)
    try:
        written, source = file.stat().st_mtime, file.read_bytes()
    except OSError as error:
        raise ValueError(f"module {name} cannot be read: {error.strerror}") from error
    state = hashlib.sha256(source).digest()
    if name not in _read and name in sys.modules and written < STARTED:  # others have imported it, as it is
        _read[name] = state, sys.modules[name]
    elif name not in _read or _read[name][0] != state:
        _read[name] = state, _executed(spec, spec.loader, source)
    return _read[name][1], file


def _executed(spec: ModuleSpec, loader: SourceFileLoader, source: bytes) -> ModuleType:
    """A new module of *source*. Not by way of the compiled file, which is told from another by whole seconds only."""
    name, module = spec.name, module_from_spec(spec)
    above, _, own = name.rpartition(".")
    before = sys.modules.get(name)
    for known, inner in list(sys.modules.items()):  # a package's modules stay: importing them again does not set them
        if known.rpartition(".")[0] == name:
            setattr(module, known.rpartition(".")[2], inner)
    sys.modules[name] = module  # before: dataclasses look themselves up there
    try:
        exec(loader.source_to_code(source, loader.path), vars(module))  # noqa: S102 - whoever runs this server wrote it
    except (Exception, SystemExit) as error:
        raise ValueError(_failed(name, error)) from error
    else:
        before = module
        if above:
            setattr(sys.modules[above], own, module)
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
    return module


def _failed(name: str, error: BaseException) -> str:
    """What went wrong as module *name* was imported, and in which line of it, or of a package it is in."""
    words = f"module {name} cannot be imported: {_told(error)}"
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{words.partition(' (')[0]} ({_line(error.filename, error.lineno)})"
    for frame in traceback.extract_tb(error.__traceback__):  # from here by way of the import to the module's own line
        if not frame.filename.startswith(("<frozen ", str(IMPORTING))) and frame.filename != __file__:
            return f"{words} ({_line(frame.filename, frame.lineno)})"
    return words


def _line(file: str | None, number: int | None) -> str:
    return f"line {number} of {Path(file or '?').name}"


_imports = PythonFlows(seconds=IMPORT_SECONDS)
