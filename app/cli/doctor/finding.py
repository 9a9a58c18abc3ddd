"""What `flask doctor` says of one thing that it looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["ok", "advice", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """*about* what it is, what was found, and, unless all is well, what to do. A fault makes the command end with 1."""

    level: Level
    about: str
    found: str
    do: str = ""

    @property
    def json(self) -> dict[str, Any]:
        """With the four fields; `do` is empty where there is nothing to do."""
        return asdict(self)

    @property
    def lines(self) -> list[str]:
        """What was found, which may be several lines, and one with what to do."""
        found = f"{self.level:<6}  {self.about}: {self.found}".splitlines()
        return [*found, f"        -> {self.do}"] if self.do else found
