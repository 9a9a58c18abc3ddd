"""Reading a flows file: its values, its settings, and all faults found so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from app.flows.model import Hours, Scope
from vonage_simulator.yaml_source import Fault, Faults, Located, Reader, Steps


class FlowFileFaults(Faults):
    """Everything wrong with a flows file. `watched`: the files in which it may be mended."""

    def __init__(self, faults: Iterable[Fault], watched: Iterable[Path]) -> None:
        super().__init__(faults)
        self.watched = tuple(dict.fromkeys(watched))


class FlowReader(Reader):
    """*settings*: what expressions have under `settings`."""

    def __init__(self, file: Located, settings: Mapping[str, Any]) -> None:
        super().__init__(file)
        self.advices: list[Fault] = []
        self.hours: dict[str, Hours | None] = {}  # None: with a fault
        self.hours_used: set[str] = set()
        self.hours_unclear = False  # hours are named that are not there: nobody knows which were meant
        self.own = str(settings.get("PUBLIC_URL") or "")
        self.scope = Scope({"settings": settings}, lambda step, _: step)

    def advise(self, path: Steps, words: str, *, key: bool = False) -> None:
        """Add what should be otherwise at *path*, though it is no fault."""
        self.advices.append(self.file.fault(path, words, key=key))

    def line(self, path: Steps) -> int:
        return self.file.at(path)[0]

    def written_out(self, value: Any, path: Steps, wanted: str = "a text") -> str | None:
        """*value* if it is a text that is not empty, without an expression."""
        if (text := self.text(value, path, wanted)) is None:
            return None
        if not text.strip():
            self.wrong(path, f"is empty: it must be {wanted}")
        elif "{{" in text:
            self.wrong(path, f"must be {wanted}, written out: an expression cannot be here")
        else:
            return text
        return None
