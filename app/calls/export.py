"""Calls as CSV or lines of JSON, page by page, however many there are."""

from __future__ import annotations

import csv
import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from errno import ECONNRESET
from functools import partial
from io import StringIO
from itertools import chain
from typing import Any, Final, TypeVar

from app.calls.call_queries import CallFilter, CallPosition, CallQueries
from app.domain.numbers import mask
from app.store import timeouts
from app.store.errors import StoreUnavailable
from app.store.reader import taking

log = logging.getLogger(__name__)

CALLS_A_PAGE: Final = 100
TRIES: Final = 10  # for each page but the first
PAUSE_SECONDS: Final = 0.5  # between two tries

TEXTS: Final = ("id", "state", "direction", "from", "to", "from_user", "users", "outcome", "missed")
TIMES: Final = ("first_heard_at", "started_at", "answered_at", "ended_at")
AMOUNTS: Final = ("duration_seconds", "wait_seconds", "talk_seconds", "hold_seconds", "price", "currency")
DETAILS: Final = ("flow", "step", "keys", "has_recording", "legs", "conversations", "linked")
COLUMNS: Final = (*TEXTS, *TIMES, *AMOUNTS, *DETAILS)
# What a spreadsheet may take for a formula, also behind quotes and blanks that it drops.
# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA: Final = re.compile(r"[\s\"']*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# https://support.microsoft.com/en-us/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
LONGEST_CELL: Final = 32_767  # characters

T = TypeVar("T")
Dumped = Mapping[str, Any]


class BrokenOff(ConnectionResetError):
    """The rest could not be read: the connection ends without the end of the response, and the client sees that."""

    def __init__(self) -> None:
        super().__init__(ECONNRESET, "the export broke off")


Write = Callable[[Sequence[Dumped]], bytes]


def exported(calls: CallQueries, wanted: CallFilter, role: str | None, *, as_csv: bool) -> Iterator[bytes]:
    """The calls that are *wanted*, page by page. The first page is read at once; raises StoreUnavailable.

    Of the others each is tried for some seconds: the iterator raises BrokenOff.
    """
    read = partial(_read, calls, wanted, role, rows=as_csv)
    write: Write = partial(_csv, mask_numbers=calls.reader.masks_for(role)) if as_csv else _ndjson
    first, position = read(None)

    def rest(position: CallPosition | None) -> Iterator[bytes]:
        while position is not None:
            page, position = _patiently(partial(read, position))
            yield write(page)

    return chain([_lines([COLUMNS])] if as_csv else (), [write(first)], rest(position))


def _read(
    calls: CallQueries, wanted: CallFilter, role: str | None, after: CallPosition | None, *, rows: bool
) -> tuple[list[dict[str, Any]], CallPosition | None]:
    """The page after a position, dumped, and the position to go on at."""
    page = calls.page(wanted, limit=CALLS_A_PAGE, after=after)
    return calls.dump_all(page.calls, role, rows=rows), page.next


def _patiently(read: Callable[[], T]) -> T:
    """What *read* returns, tried again while the store is away or busy. Raises BrokenOff."""
    for _ in range(TRIES):
        try:
            with taking(timeouts.REQUEST_SECONDS):  # a page each time, as for a request
                return read()
        except StoreUnavailable as error:
            reason = str(error)
        time.sleep(PAUSE_SECONDS)
    log.warning("an export broke off: %s", reason)
    raise BrokenOff


def _ndjson(calls: Sequence[Dumped]) -> bytes:
    """Each call in full, a line of JSON each."""
    return b"".join(json.dumps(call, separators=(",", ":")).encode() + b"\n" for call in calls)


def _csv(calls: Sequence[Dumped], *, mask_numbers: bool) -> bytes:
    """The COLUMNS of each call, as RFC 4180 has it, in UTF-8; no cell is a formula to a spreadsheet, or too long."""
    return _lines([_row(call, mask_numbers) for call in calls])


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode(errors="replace")  # half a surrogate pair, which an id may have, is not in UTF-8


def _row(call: Dumped, mask_numbers: bool) -> list[str]:
    texts = {name: CELLS.get(name, str)(call[name]) if call[name] is not None else "" for name in COLUMNS}
    if mask_numbers:  # keys pressed one at a time are a number only when they are joined
        texts["keys"] = mask(texts["keys"])
    return [_cell(text) for text in texts.values()]


def _cell(text: str) -> str:
    cell = f"'{text}" if FORMULA.match(text) else text
    return cell if len(cell) <= LONGEST_CELL else cell[: LONGEST_CELL - 1] + "…"


def _several(names: Sequence[str]) -> str:
    return " ".join(names)


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


CELLS: Final[Mapping[str, Callable[[Any], str]]] = {
    **dict.fromkeys(("users", "keys", "conversations", "linked"), _several),
    **dict.fromkeys(("missed", "has_recording"), _yes_or_no),
    "legs": lambda legs: str(len(legs)),
}
