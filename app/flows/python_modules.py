"""Modules of call flows written in Python: found by name, imported in their time, read anew when they change."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
import time
import traceback
from contextlib import suppress
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Final

from app.flows.python_flows import Function, PythonFlowFault, PythonFlows, line_of, told
from app.flows.request import Request
from vonage_simulator.yaml_source import nearest

IMPORT_SECONDS: Final = 10.0  # so long callers of a server that starts hear the last resort
IMPORTING: Final = Path(importlib.__file__).parent
STARTED: Final = time.time()

_hung: dict[str, int] = {}  # module's name -> when its file was written that did not come back
# Module's name -> what its file was when it was executed, and what came of it.
_read: dict[str, tuple[bytes, ModuleType]] = {}
_imports = PythonFlows(seconds=IMPORT_SECONDS)


def load(spec: str) -> tuple[Function, Path]:
    """The function that *spec*, `package.module:function`, names, and its module's file.

    A module whose file has changed since is executed anew. What others have of it, calls under way among them, goes on
    as it was; modules that it imports are not looked at. Raises ValueError, which says what is
    wrong, also that it takes too long to be imported.
    """
    module_name, colon, name = spec.partition(":")
    if not colon or not name.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
        raise ValueError(f"{spec} must be a module and a function, as in package.module:function")
    module, file = _imported(module_name)
    function = vars(module).get(name)
    if function is None:
        near = nearest(name, [known for known, value in vars(module).items() if callable(value)])
        meant = f"; did you mean {near}?" if near else ""
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
    words = f"module {name} cannot be imported: {told(error)}"
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{words.partition(' (')[0]} ({line_of(error.filename, error.lineno)})"
    for frame in traceback.extract_tb(error.__traceback__):  # from here by way of the import to the module's own line
        if not frame.filename.startswith(("<frozen ", str(IMPORTING))) and frame.filename != __file__:
            return f"{words} ({line_of(frame.filename, frame.lineno)})"
    return words
