"""Modules of call flows written in Python: found by name, imported with a time limit, and again when they change."""

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

from app.flows.python_flows import Function, PythonFlowFault, PythonFlows, described, line_of
from app.flows.request import Request
from vonage_simulator.yaml_source import nearest

IMPORT_SECONDS: Final = 10.0  # callers of a server that starts hear the last resort for so long
IMPORTING: Final = Path(importlib.__file__).parent
STARTED: Final = time.time()

_hung: dict[str, int] = {}  # module's name -> when its file was written, whose import did not return
# Module's name -> digest of its file when it was executed, and the module.
_read: dict[str, tuple[bytes, ModuleType]] = {}
_imports = PythonFlows(seconds=IMPORT_SECONDS)


def load(spec: str) -> tuple[Function, Path]:
    """The function that *spec*, `package.module:function`, names, and its module's file.

    A module whose file has changed is executed again; other users of it, such as calls in progress, keep the old one.
    Modules that it imports are not checked. Raises ValueError with what is wrong, also if the import takes too long.
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
        is_async(code)
        for is_async in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        for code in (inspect.unwrap(function), getattr(function, "__call__", None))  # noqa: B004 - to inspect it
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
    """The file of the module that *spec* names; if it is not found, all files in which it could be."""
    name = spec.partition(":")[0]
    if file := _file_of(name):
        return [file]
    parts = name.split(".")
    names = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    return [Path(base) / f"{part}{end}" for base in sys.path for part in names for end in (".py", "/__init__.py")]


def _file_of(name: str) -> Path | None:
    with suppress(Exception):
        found = find_spec(name)
        if found is not None and isinstance(found.loader, SourceFileLoader):
            return Path(found.loader.path)
    return None


def _imported(name: str) -> tuple[ModuleType, Path]:
    """The module *name* and its file, imported in a thread, with a time limit. Raises ValueError."""
    file = _file_of(name)
    stamp = file.stat().st_mtime_ns if file is not None and file.exists() else 0
    if stamp and _hung.get(name) == stamp:
        raise ValueError(f"module {name} cannot be imported: it took longer than {IMPORT_SECONDS:g} s")
    try:
        found: tuple[ModuleType, Path] = _imports.run(lambda _: _module(name), Request())
    except PythonFlowFault as fault:
        if isinstance(wrong := fault.__cause__, ValueError):
            raise wrong from wrong.__cause__
        if fault.__cause__ is None:  # it did not return
            _hung[name] = stamp
        raise ValueError(f"module {name} cannot be imported: {fault}") from fault
    return found


def _module(name: str) -> tuple[ModuleType, Path]:
    """The module *name*, from its file as it is now, and that file. Raises ValueError."""
    importlib.invalidate_caches()  # its file may be newer than the listing of its folder
    try:
        spec = find_spec(name)  # imports the packages it is in
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ValueError(_failed(name, error)) from error
        spec = None
    except ValueError:  # a module that has no spec
        spec = None
    except (Exception, SystemExit) as error:
        raise ValueError(_failed(name, error)) from error
    if spec is None or spec.name != name:  # __main__ may have that of what was run
        raise ValueError(f"there is no module {name}: it is searched beside the app, and where packages are installed")
    if not isinstance(spec.loader, SourceFileLoader):
        raise ValueError(f"module {name} has no file of Python source")  # noqa: TRY004
    file = Path(spec.loader.path)
    try:
        written, source = file.stat().st_mtime, file.read_bytes()
    except OSError as error:
        raise ValueError(f"module {name} cannot be read: {error.strerror}") from error
    state = hashlib.sha256(source).digest()
    if name not in _read and name in sys.modules and written < STARTED:  # others have imported it
        _read[name] = state, sys.modules[name]
    elif name not in _read or _read[name][0] != state:
        _read[name] = state, _executed(spec, spec.loader, source)
    return _read[name][1], file


def _executed(spec: ModuleSpec, loader: SourceFileLoader, source: bytes) -> ModuleType:
    """A new module of *source*. Not from the compiled file: that is compared by whole seconds only."""
    name, module = spec.name, module_from_spec(spec)
    above, _, own = name.rpartition(".")
    before = sys.modules.get(name)
    for known, inner in sys.modules.copy().items():  # a package's modules stay: importing them again does not set them
        if known.rpartition(".")[0] == name:
            setattr(module, known.rpartition(".")[2], inner)
    sys.modules[name] = module  # before: dataclasses look themselves up there
    try:
        exec(loader.source_to_code(source, loader.path), vars(module))  # noqa: S102 - the operator of this server wrote it
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
    """What went wrong in the import of module *name*, and in which line of it, or of its package."""
    words = f"module {name} cannot be imported: {described(error)}"
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{words.partition(' (')[0]} ({line_of(error.filename, error.lineno)})"
    for frame in traceback.extract_tb(error.__traceback__):  # from here by way of the import to the module's own line
        if not frame.filename.startswith(("<frozen ", str(IMPORTING))) and frame.filename != __file__:
            return f"{words} ({line_of(frame.filename, frame.lineno)})"
    return words
