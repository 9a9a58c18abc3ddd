"""YAML files that people write, with the line and column of each value: faults name file, line, column and field.

Values are those of YAML 1.2, not of PyYAML: `no` and `on` are texts, so are 0441234567890, +44…, 12:30 and dates, and
keys are always texts. Aliases are refused: a few lines of them can mean billions of values.
https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

MOST_BYTES: Final = 256 * 1024
DEEPEST: Final = 32

INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
DECIMAL: Final = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
HALF_A_CHARACTER: Final = re.compile("[\ud800-\udfff]")  # "\ud83d" in quotes gives one; no JSON text can hold it
FIELDS: Final = "fields with values, as in `name: value`"
NO_VALUE: Final = "has no value: give it one, or leave it out"
MOST_LISTED: Final = 20  # names, in a fault
MOST_GUESSES: Final = 40  # of one file: there can be thousands of misspelt names
MOST_NAMES, LONGEST_NAME = 1_000, 64  # compared with a misspelt one; characters of one
PLAIN_KEY: Final = re.compile(r"[\w-]+")
PLAIN_TEXT: Final = re.compile(r"[A-Za-z](?:[\w .,+/-]*[\w.])?", re.ASCII)
TEXT: Final = "tag:yaml.org,2002:str"

Steps = tuple[str | int, ...]  # the path to a value: ("calls", 0, "from")
Place = tuple[int, int]  # line and column, both from 1


class Fault(NamedTuple):
    """One thing that is wrong. `field` is empty if it is not about one; `line` is None if it is not about a line."""

    name: str
    line: int | None
    column: int | None
    field: str
    words: str

    def __str__(self) -> str:
        """`name:line:column: field: words`."""
        place = self.name if self.line is None else f"{self.name}:{self.line}:{self.column}"
        return ": ".join(part for part in (place, self.field, self.words) if part)


class Faults(Exception):
    """Everything wrong in a file, or in several, in the order of the lines. The text has a line for each fault."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.name, fault.line or 0, fault.column or 0)))
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class Located:
    """The content of a file as JSON values (`value`), and where each part of it is."""

    name: str
    value: Any
    places: Mapping[Steps, tuple[Place, Place]]  # the value's, and its key's

    def at(self, path: Steps, *, key: bool = False) -> Place:
        """Line and column of the value at *path*, or of its key; of what it would belong to if it is missing."""
        while path not in self.places:
            path, key = path[:-1], False
        return self.places[path][key]

    def fault(self, path: Steps, words: str, *, key: bool = False) -> Fault:
        """A fault of the value at *path*, or of its key."""
        return Fault(self.name, *self.at(path, key=key), field(path), words)


def field(path: Steps) -> str:
    """*path* as people read it: `calls[0].from`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The name in *known* that is spelt most like *word*, in capitals or not; None if none is.

    Bounded, for one pair of names takes up to 0.1 ms: only the first 1,000 names are compared, and no long ones.
    """
    if len(word) > LONGEST_NAME:
        return None
    folded = {name.casefold(): name for name in islice(known, MOST_NAMES) if len(name) <= LONGEST_NAME}
    near = get_close_matches(word.casefold(), folded, n=1, cutoff=0.65)
    return folded[near[0]] if near else None


class Reader:
    """The values of a file on their way into objects. Faults are gathered; a method returns None for a value with one.

    *wanted* says in words what the value at *path* must be.
    """

    def __init__(self, file: Located) -> None:
        self.file = file
        self.faults: list[Fault] = []
        self._guesses_left = MOST_GUESSES

    def wrong(self, path: Steps, words: str, *, key: bool = False) -> None:
        """Add a fault of the value at *path*, or of its key."""
        self.faults.append(self.file.fault(path, words, key=key))

    def mapping(self, value: Any, path: Steps, wanted: str = FIELDS, *, empty: bool = False) -> dict[str, Any] | None:
        """*value* if it is a mapping; *empty*: it may have nothing in it."""
        if isinstance(value, dict) and (value or empty):
            return value
        self.wrong(path, f"is empty: it must be {wanted}" if isinstance(value, dict) else f"must be {wanted}")
        return None

    def items(self, value: Any, path: Steps) -> list[Any] | None:
        if isinstance(value, list):
            return value
        self.wrong(path, "must be a list: [ ] around it, or a dash before each item")
        return None

    def text(self, value: Any, path: Steps, wanted: str = "a text") -> str | None:
        if isinstance(value, str):
            return value
        quotes = ": put it in quotes" if isinstance(value, bool | int | float) else ""
        self.wrong(path, NO_VALUE if value is None else f"must be {wanted}{quotes}")
        return None

    def number(self, value: Any, path: Steps, least: float, most: float, *, whole: bool = False) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(path, "must be a number" + (", without quotes" if isinstance(value, str) else ""))
            return None
        if not least <= value <= most:
            self.wrong(path, f"must be from {least:g} to {most:g}")
            return None
        if whole and value != int(value):
            self.wrong(path, "must be a whole number")
            return None
        return value

    def fields(self, names: Iterable[str], known: Iterable[str], path: Steps) -> None:
        """Add a fault for each of *names*, the keys of the mapping at *path*, that is not *known*."""
        for name in names:
            if name not in known:
                self.wrong((*path, name), f"is an unknown field{self.meant(name, known)}", key=True)

    def meant(self, word: str, known: Iterable[str]) -> str:
        """The name that is spelt like *word*, else all there are, as the end of a sentence."""
        known = list(known)
        there = f"{', '.join(known[:MOST_LISTED]) or 'none'}{' …' * (len(known) > MOST_LISTED)}"
        return self.suggest(word, known) or f"; there {'is' if len(known) == 1 else 'are'} {there}"

    def suggest(self, word: str, known: Iterable[str]) -> str:
        """The name that is spelt like *word*, as the end of a sentence."""
        near = self.nearest(word, known)
        return f"; did you mean {near}?" if near else ""

    def nearest(self, word: str, known: Iterable[str]) -> str | None:
        """The name that is spelt most like *word*; None if none is, or after too many of these."""
        self._guesses_left -= 1
        return nearest(word, known) if self._guesses_left >= 0 else None


def scalar(text: str) -> Any:
    """The value of *text* without quotes: None, a truth value, a number, or the text itself."""
    if text in WORDS:
        return WORDS[text]
    try:
        if INTEGER.fullmatch(text):
            return int(text)
        if DECIMAL.fullmatch(text) and math.isfinite(number := float(text)):
            return number
    except ValueError:  # more digits than Python will make a number of
        pass
    return text


def load(path: Path) -> Located:
    """Read the file at *path*, in UTF-8. Raises Faults, also if it cannot be read."""
    return read(text_of(path), str(path))


def text_of(path: Path) -> str:
    """The text of the file at *path*. Raises Faults."""

    def refused(words: str, line: int | None = None, column: int | None = None) -> Faults:
        return Faults([Fault(str(path), line, column, "", words)])

    try:
        if path.is_dir():
            raise refused("is a folder, not a file")
        if path.exists() and not path.is_file():  # a pipe could be waited for without end
            raise refused("is no ordinary file")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise refused("there is no such file") from None
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        raise refused(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > MOST_BYTES:
        raise refused(f"is larger than {MOST_BYTES // 1024} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()  # of *data* without its byte order mark, if it has one
        raise refused("is not UTF-8 from here on", *_place_after(before)) from error


def read(text: str, name: str) -> Located:
    """Read *text*; *name* is what faults call it. The value of an empty text is None. Raises Faults."""
    return _Parser(text, name).document()


def write(value: Any) -> str:
    """*value*, of JSON's types, as YAML that `read` turns into the same value; the order of keys is kept.

    Characters that no terminal should get (a change of direction, say) are escaped, in quotes.
    """
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return "".join(sign if sign.isprintable() or sign == "\n" else f"\\u{ord(sign):04X}" for sign in text)


def _place_after(text: str) -> Place:
    return text.count("\n") + 1, len(text) - text.rfind("\n")


class _Parser:
    """Parses one text.

    From PyYAML's events, not from its nodes: those are made by recursion, however deep the text goes.
    """

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._places: dict[Steps, tuple[Place, Place]] = {(): ((1, 1), (1, 1))}
        self._faults: list[Fault] = []

    def document(self) -> Located:
        try:
            self._loader = yaml.SafeLoader(self._text)  # Python's, not C's: that one words its errors otherwise
        except yaml.reader.ReaderError as error:
            place = _place_after(self._text[: error.position])
            words = f"has a character that no text has: U+{error.character:04X}"
            raise Faults([Fault(self._name, *place, "", words)]) from None
        try:
            value = self._document()
        except yaml.MarkedYAMLError as error:
            raise Faults([*self._faults, self._syntax(error)]) from None
        except (ValueError, OverflowError):  # PyYAML's own, from "\Uffffffff"
            place = self._loader.line + 1, self._loader.column + 1
            raise Faults([*self._faults, Fault(self._name, *place, "", "has a code that no character has")]) from None
        finally:
            self._loader.dispose()
        if self._faults:
            raise Faults(self._faults)
        return Located(self._name, value, self._places)

    def _document(self) -> Any:
        self._next()  # the stream's beginning
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        value = self._value(self._next(), ())
        self._next()  # the document's end
        if not isinstance(after := self._next(), yaml.StreamEndEvent):
            self._wrong(after, (), "another document begins: a file has one")
        return value

    def _value(self, event: Any, path: Steps, key: Any = None) -> Any:
        self._places[path] = _place(event), _place(key or event)
        if isinstance(event, yaml.AliasEvent):
            self._wrong(event, path, f"*{event.anchor} is an alias, and those are refused: write it out, or in quotes")
            return None
        if event.tag:
            self._wrong(event, path, "has a tag (!), and those are refused: a text that begins so needs quotes")
        if isinstance(event, yaml.ScalarEvent):
            return self._text_of(event, path) if event.style else scalar(event.value)
        if len(path) >= DEEPEST:
            raise Faults([*self._faults, Fault(self._name, *_place(event), "", f"goes deeper than {DEEPEST} levels")])
        return self._list(path) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(path)

    def _list(self, path: Steps) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Steps) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                words = "a name is expected here: one that begins with *, [ or { needs quotes"
                raise Faults([*self._faults, Fault(self._name, *_place(event), field(path), words)])
            name = self._text_of(event, path)
            here = (*path, name)
            if name in items:
                self._wrong(event, here, f"is in line {self._places[here][1][0]} already")
            items[name] = self._value(self._next(), here, event)
        return items

    def _text_of(self, event: Any, path: Steps) -> str:
        text: str = event.value
        if HALF_A_CHARACTER.search(text):
            self._wrong(event, path, "has half a character: a \\u code from D800 to DFFF")
        return text

    def _next(self) -> Any:
        return self._loader.get_event()  # type: ignore[no-untyped-call]

    def _wrong(self, event: Any, path: Steps, words: str) -> None:
        self._faults.append(Fault(self._name, *_place(event), field(path), words))

    def _syntax(self, error: yaml.MarkedYAMLError) -> Fault:
        mark = error.problem_mark or error.context_mark
        if error.context_mark and "end of stream" in str(error.problem):
            mark = error.context_mark  # where the quote was opened, not where the file ends
        words = f"is no YAML: {error.problem or error.context}"
        if error.problem and error.context:
            begun = f" that begins in line {error.context_mark.line + 1}" if error.context_mark else ""
            words += f" {error.context}{begun}"
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        return Fault(self._name, *place, "", words + self._advice(str(error.problem), mark))

    def _advice(self, problem: str, mark: Any) -> str:
        found = self._text[mark.index : mark.index + 1] if mark else ""
        if found == "\t":
            return "; indent with blanks, not with tabs"
        if problem.startswith("mapping values are not allowed"):
            return "; a text that has a colon and a blank needs quotes, and names of one level need one indentation"
        return (
            "; a text that begins so needs quotes" if "cannot start" in problem or "expected alpha" in problem else ""
        )


def _place(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


class _Dumper(yaml.SafeDumper):
    """Puts everything but plain words in quotes: telephone numbers, too, which would be read as numbers."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's own signature
        return True  # a mapping that is in two places is written twice: aliases would be refused

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)  # as people write lists

    def text(self, text: str) -> yaml.ScalarNode:
        word = PLAIN_TEXT.fullmatch(text) and self.resolve(yaml.ScalarNode, text, (True, False)) == TEXT  # type: ignore[no-untyped-call]
        return self.represent_scalar(TEXT, text, style=None if word and scalar(text) == text else '"')

    def list(self, items: list[Any]) -> yaml.SequenceNode:
        short = not any(isinstance(item, dict | list) for item in items)
        return self.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=short)


_Dumper.add_representer(str, _Dumper.text)
_Dumper.add_representer(list, _Dumper.list)
