"""Scenario files: YAML to Scenario, and back. The fields are those of the dataclasses in scenario.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from vonage_simulator import yaml_source
from vonage_simulator.scenario import Call, Command, FarEnd, Scenario
from vonage_simulator.yaml_source import NO_VALUE, Fault, Faults, Located, Reader, Steps, nearest

LIBRARY: Final = Path(__file__).parent / "library"
DAY: Final = 86400.0


# Options of a call, and of commands to one, as the carrier's methods have them.
# https://developer.vonage.com/en/api/voice
@dataclass(kw_only=True)
class Detection:
    """`advanced_machine_detection` of a call."""

    behavior: Literal["continue", "hangup"] = "continue"
    mode: Literal["default", "detect", "detect_beep"] = "detect"
    beep_timeout: float = 45.0


@dataclass(kw_only=True)
class Transfer:
    """One of the two."""

    ncco: tuple[Mapping[str, Any], ...] | None = None
    url: str | None = None


@dataclass(kw_only=True)
class Talk:
    text: str
    language: str = "en-US"
    style: int = 0
    premium: bool = False
    loop: int = 1
    level: Any = 0  # a text in the API, a number in an NCCO


@dataclass(kw_only=True)
class Stream:
    url: str
    loop: int = 1
    level: Any = 0


@dataclass(kw_only=True)
class Dtmf:
    digits: str


@dataclass(kw_only=True)
class Record:
    format: Literal["mp3", "wav", "ogg"] = "mp3"
    split: Literal["conversation"] | None = None
    channels: int | None = None
    transcription: Mapping[str, Any] | None = None


OPTIONS: Final = {"transfer": Transfer, "talk": Talk, "stream": Stream, "dtmf": Dtmf, "record": Record}

# Numbers are seconds from 0 to a day, except these.
RANGES: Final[Mapping[tuple[type, str], tuple[float, float]]] = {
    (FarEnd, "billing_offset"): (-DAY, DAY),
    (Scenario, "stream_seconds"): (0.1, DAY),  # with no length, looped for ever, time would stop
    (Call, "ringing_timer"): (1, 120),
    (Call, "length_timer"): (1, DAY),
    (Detection, "beep_timeout"): (30, 120),
    (Record, "channels"): (1, 32),
}


class NoSuchScenario(Exception):
    """No scenario has this name. The message suggests the nearest, and lists all."""


def names() -> list[str]:
    """The names of the built-in scenarios."""
    return [path.stem for path in _files(LIBRARY)]


def every(folder: Path = LIBRARY) -> dict[str, Scenario]:
    """All scenarios in *folder*, by name. Raises Faults, with those of all files."""
    found: dict[str, Scenario] = {}
    faults: list[Fault] = []
    for path in _files(folder):
        try:
            found[path.stem] = load(path)
        except Faults as error:
            faults += error.faults
    if faults:
        raise Faults(faults)
    return found


def find(name_or_path: str) -> Scenario:
    """The built-in scenario of this name, or the one in this file (with a slash, .yaml or .yml in its path).

    Raises NoSuchScenario and Faults.
    """
    path = Path(name_or_path)
    if len(path.parts) > 1 or "/" in name_or_path or path.suffix in (".yaml", ".yml"):
        return load(path)
    known = names()
    if name_or_path in known:
        return load(LIBRARY / f"{name_or_path}.yaml")
    near = nearest(name_or_path, known)
    raise NoSuchScenario(
        f"There is no scenario {name_or_path!r}{f'; did you mean {near}?' if near else '.'} There are: "
        f"{', '.join(known)}. A scenario of your own is named by its path, with .yaml at the end."
    )


def load(path: Path) -> Scenario:
    """The scenario in a file; its name is the file's, without the suffix. Raises Faults."""
    return _checked(yaml_source.load(path))


def read(text: str, file: str) -> Scenario:
    """The scenario that *text* describes, as if it were in *file*. Raises Faults."""
    return _checked(yaml_source.read(text, file))


def dump(scenario: Scenario, header: str = "") -> str:
    """*scenario* as YAML, without its name, which `read` turns back; *header* goes before it as a comment."""
    comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    comment = "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in comment)  # as YAML wants it
    plain = {key: value for key, value in _plain(scenario).items() if key != "name"}
    return comment + yaml_source.write(plain)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise Faults([Fault(str(folder), None, None, "", "there is no such folder")])
    visible = (path for path in folder.glob("*.yaml") if not path.name.startswith("."))  # editors leave others
    return sorted(visible, key=lambda path: path.stem)


def _checked(file: Located) -> Scenario:
    if file.value is None:
        raise Faults([file.fault((), "is empty: a scenario has `about` and `calls`")])
    check = _Check(file)
    scenario: Scenario = check.record(Scenario, file.value, (), name=Path(file.name).stem)
    if check.faults:
        raise Faults(check.faults)
    return scenario


_types = cache(get_type_hints)


class _Check(Reader):
    """A file's values on their way into the dataclasses, by the types of their fields."""

    def record(self, cls: type, value: Any, path: Steps, **given: Any) -> Any:
        """A *cls* of the mapping *value*; None if it is no such. *given* are fields that are not in the file."""
        if self.mapping(value, path, empty=True) is None:
            return None
        begun = len(self.faults)
        known = {field.name.rstrip("_"): field for field in fields(cls) if field.name not in given}  # from_ is `from`
        self.fields(value, known, path)
        values = given
        for name, field in known.items():
            here = (*path, name)
            required = field.default is MISSING and field.default_factory is MISSING
            if name not in value:
                if required:
                    self.wrong(here, "is missing")
            elif required and value[name] in ("", []):
                self.wrong(here, "must not be empty")
            else:
                limits = RANGES.get((cls, field.name))
                values[field.name] = self._value(_types(cls)[field.name], value[name], here, limits)
                if (more := MORE.get((cls, field.name))) and values[field.name] is not None:
                    more(self, values[field.name], here)
        if cls is Command:
            self._options(value, path)
        return cls(**values) if len(self.faults) == begun else None

    # Rules that types cannot express, for MORE. An item that is None has its fault already.

    def about(self, text: str, path: Steps) -> None:
        if len(text.splitlines()) > 1 or text != text.strip():
            self.wrong(path, "must be one line, without blanks around it")

    def keys(self, texts: Iterable[str | None], path: Steps) -> None:
        for number, text in enumerate(texts):
            if text is not None and not re.fullmatch(r"[0-9*#]*", text):
                self.wrong((*path, number), "may have 0 to 9, * and # only")

    def rate(self, text: str, path: Steps) -> None:
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,8})?", text):
            self.wrong(path, 'must be an amount, as in "0.00720000"')

    def ncco(self, actions: Iterable[Mapping[str, Any] | None], path: Steps) -> None:
        """Other options of actions are checked when they run: they may be wrong on purpose."""
        for number, action in enumerate(actions):
            if action is not None and not isinstance(action.get("action"), str):
                words = "must be the name of an action" if "action" in action else "is missing"
                self.wrong((*path, number, "action"), words)

    def _options(self, command: Mapping[str, Any], path: Steps) -> None:
        do, options, here = command.get("do"), command.get("options", {}), (*path, "options")
        if not isinstance(do, str) or do not in get_args(_types(Command)["do"]) or not isinstance(options, dict):
            return  # has a fault already
        if do in OPTIONS:
            self.record(OPTIONS[do], options, here)
        else:
            self.fields(options, (), here)
        if do == "transfer" and len(options.keys() & {"ncco", "url"}) != 1:
            self.wrong(here, "must have ncco or url")

    def _value(self, kind: Any, value: Any, path: Steps, limits: tuple[float, float] | None = None) -> Any:
        """*value* as a *kind*; None, with a fault, if it is none."""
        origin, kinds = get_origin(kind), get_args(kind)
        if origin in (Union, UnionType):  # always of one type and None
            return None if value is None else self._value(kinds[0], value, path, limits)
        if kind is Any:
            return value
        if value is None:
            return self.wrong(path, NO_VALUE)
        if isinstance(kind, type) and is_dataclass(kind):
            return self.record(kind, value, path)
        if origin is tuple:
            if self.items(value, path) is None:
                return None
            return tuple(self._value(kinds[0], item, (*path, number)) for number, item in enumerate(value))
        if origin is Mapping:
            if self.mapping(value, path, empty=True) is None:
                return None
            return {key: self._value(kinds[1], item, (*path, key)) for key, item in value.items()}
        if kind is bool:
            return value if isinstance(value, bool) else self.wrong(path, "must be true or false")
        if kind in (int, float):
            number = self.number(value, path, *(limits or (0, DAY)), whole=kind is int)
            return None if number is None else kind(number)
        if self.text(value, path) is None:
            return None
        if origin is Literal and value not in kinds:
            return self.wrong(path, f"must be one of {', '.join(kinds)}{self.suggest(value, kinds)}")
        return value


# Rules that types cannot express, by field.
MORE: Final[Mapping[tuple[type, str], Callable[[_Check, Any, Steps], None]]] = {
    (Scenario, "about"): _Check.about,
    (FarEnd, "keys"): _Check.keys,
    (FarEnd, "rate"): _Check.rate,
    (Call, "ncco"): _Check.ncco,
    (Transfer, "ncco"): _Check.ncco,
    (Call, "advanced_machine_detection"): lambda check, value, path: check.record(Detection, value, path),
}


def _plain(value: Any) -> Any:
    """*value* as lists and mappings, without defaults."""
    if is_dataclass(value):
        return {
            field.name.rstrip("_"): _plain(item)
            for field in fields(value)
            if (item := getattr(value, field.name))
            != (field.default if field.default_factory is MISSING else field.default_factory())
        }
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # 2 reads better than 2.0
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 10**15 else value
