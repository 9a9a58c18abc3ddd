"""What still waits when the server stops, as lines of the log: for a disk that ends with its instance."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, TextIO

from app.spool.coding import Seal
from app.spool.errors import SpoolUnavailable
from app.spool.file import SpoolFile

AT_ONCE: Final = 1000


def write_last_lines(folder: Path, most_mb: int, secret: str, to: TextIO = sys.stdout) -> int:
    """Write what waits in *folder* to *to*, sealed with *secret*, a line for each, for `flask replay`.

    It stays on disk. Returns how many there are.
    """
    file, seal, number, last = SpoolFile(folder, most_mb), Seal(secret), 0, 0
    if not file.exists:
        return 0
    try:
        while rows := file.after(last, AT_ONCE):
            to.write("".join(f"{seal.line(row)}\n" for row in rows))
            number, last = number + len(rows), rows[-1].id
        if number:
            words = "events that Redis has not taken: {} lines like the above hold them; give them to `flask replay`"
            to.write(words.format(number) + "\n")
    except SpoolUnavailable as error:
        print(f"{error}: what waits there is not in the log", file=sys.stderr)
    finally:
        to.flush()
        file.close()
    return number
