"""Files that webhooks link to: recordings and their transcripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vonage_simulator.ids import Ids

KEPT = 100  # files that `forget` leaves, for a carrier that runs for days


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    kind: Literal["mp3", "wav", "ogg", "json"]


class Files(dict[str, File]):
    """All files, by the last part of their URL; `url` is the part before it."""

    def __init__(self, url: str, ids: Ids) -> None:
        super().__init__()
        self.url = url
        self._ids = ids

    def add(self, file: File) -> str:
        """Keep *file* and return its URL."""
        name = self._ids.dashed()
        self[name] = file
        return f"{self.url}/{name}"

    def forget(self) -> None:
        """Drop all but the latest."""
        for name in list(self)[:-KEPT]:
            del self[name]
