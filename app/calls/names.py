"""Names for telephone numbers and flows: from a file, and, for numbers, from the API, which has priority.

The file is `numbers` and `flows`, each a mapping to names; docs/settings.md has an example. A file with faults changes
nothing: the names stay as they were, and `faults` says what is wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

from app.domain.numbers import ADDRESS, digits
from app.store.apart import apart
from app.store.errors import StoreUnavailable
from vonage_simulator import yaml_source
from vonage_simulator.yaml_source import Fault, Faults, Reader

log = logging.getLogger(__name__)

LONGEST_NAME: Final = 60  # characters
MOST_NAMES: Final = 5_000  # of numbers, by the API: pages read all of them
FRESH_SECONDS: Final = 2.0  # how long names that were read are used


@dataclass(frozen=True, slots=True)
class Known:
    """The names at one moment."""

    numbers: Mapping[str, str] = field(default_factory=dict)  # digits -> name
    flows: Mapping[str, str] = field(default_factory=dict)

    def of(self, party: str | None) -> str | None:
        """The name of a whole telephone number, also in a SIP or tel address; None if it has none."""
        if not party or not self.numbers:
            return None
        number = digits(ADDRESS.sub(r"\1", party) if ":" in party else party)
        return self.numbers.get(number) if number else None

    def flow(self, name: str) -> str:
        """What people call the flow *name*; the name itself if it has no other."""
        return self.flows.get(name, name)


NOBODY: Final = Known()


class NameStore(Protocol):
    """What names need of the store."""

    def names(self) -> dict[str, str]:
        """Number -> name. Raises StoreUnavailable."""


class Names:
    """The names in *file* (it need not exist) and in *store*, read again when they are used and not fresh."""

    def __init__(self, file: Path, store: NameStore) -> None:
        self.faults: tuple[Fault, ...] = ()
        self._file, self._store = file, store
        self._stamp: tuple[int, int] | None = None
        self._of_file, self._of_store = NOBODY, dict[str, str]()
        self._known = NOBODY
        self._fresh_until = 0.0

    def current(self) -> Known:
        """The names now. While Redis is away they stay as they were."""
        if monotonic() >= self._fresh_until:
            self._fresh_until = monotonic() + FRESH_SECONDS  # one request reads, others go on with what there is
            self._read_file()
            try:
                self._of_store = self._store.names()
            except StoreUnavailable as away:
                log.warning("the names of numbers were not read: %s", away)
            known = Known({**self._of_file.numbers, **self._of_store}, self._of_file.flows)
            if known != self._known:  # else the same object: rows that were dumped with it stay valid
                self._known = known
        return self._known

    def in_file(self, number: str) -> str | None:
        """The name that the file gives to *number* (digits)."""
        self.current()
        return self._of_file.numbers.get(number)

    def expire(self) -> None:
        """Read anew at the next use: a name was changed here."""
        self._fresh_until = 0.0

    def _read_file(self) -> None:
        try:
            found = self._file.stat()
            stamp = found.st_mtime_ns, found.st_size
        except OSError:  # there is none
            self._stamp, self._of_file, self.faults = None, NOBODY, ()
            return
        if stamp == self._stamp:
            return
        self._stamp = stamp
        outcome = apart(lambda: _read(self._file))
        if isinstance(outcome, Known):
            self._of_file, self.faults = outcome, ()
        else:
            self.faults = outcome
            log.error("the names file has faults, the names stay as they were:\n  %s", "\n  ".join(map(str, outcome)))


def cleaned(name: str) -> str | None:
    """*name* without blanks around it; None if it cannot be one: empty, too long, or with unprintable characters."""
    name = name.strip()
    return name if name and len(name) <= LONGEST_NAME and name.isprintable() else None


def _read(file: Path) -> Known | tuple[Fault, ...]:
    """The names in *file*, or all that is wrong with it."""
    try:
        located = yaml_source.load(file)
        if located.value is None:
            return NOBODY
        reader = Reader(located)
        content = reader.mapping(located.value, ()) or {}
        reader.fields(content, ("numbers", "flows"), ())
        numbers, flows = (_section(reader, content, name) for name in ("numbers", "flows"))
        known: dict[str, str] = {}
        for text, name in numbers.items():
            number = digits(text)
            if number is None:
                reader.wrong(("numbers", text), "is no telephone number: digits, with the country code", key=True)
            else:
                known[number] = name
        if reader.faults:
            raise Faults(reader.faults)
    except Faults as wrong:
        return wrong.faults
    return Known(known, flows)


def _section(reader: Reader, content: Mapping[str, object], section: str) -> dict[str, str]:
    """Key -> name; what is wrong is left out, and becomes a fault."""
    if content.get(section) is None:
        return {}
    names: dict[str, str] = {}
    for key, value in (reader.mapping(content[section], (section,), "names, as in `key: name`") or {}).items():
        text = reader.text(value, (section, key), "a name")
        if text is None:
            continue
        if (name := cleaned(text)) is None:
            reader.wrong((section, key), f"must have 1 to {LONGEST_NAME} printable characters")
        else:
            names[key] = name
    return names
