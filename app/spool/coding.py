"""What waits in the spool, as a row of its file, and sealed as a line of the log."""

from __future__ import annotations

import json
import re
from base64 import b85decode, b85encode, urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256
from typing import Final

from cryptography.fernet import Fernet, InvalidToken

from app.spool.file import TALLIED, Row
from app.store import tallies
from app.store.codec import pack, unpack
from app.store.errors import UnreadableRecord
from app.store.spooled import Counted, Spooled, Write
from app.store.tallies import Tallied

# A line of the log, in any form and behind anything a platform puts in front of it.
SEALED: Final = re.compile(r'"spooled": "([\w=-]+)"')


class NotSealed(Exception):
    """A line was not sealed with this SECRET_KEY, or is not whole."""


def as_row(write: Write) -> Row:
    """*write* as it is kept on disk."""
    if isinstance(write, Tallied):
        return Row(0, TALLIED, 0, None, write.pack())
    record, counted, why = write
    # A packed record has the milliseconds of its receipt. By the rest it differs from a copy in the same millisecond.
    return Row(0, int(counted), record.received.microsecond % 1000, why, pack(record))


def from_row(row: Row) -> Write:
    """What `as_row` made *row* of. Raises UnreadableRecord, or ValueError."""
    if row.counted == TALLIED:
        return tallies.unpack(row.record)
    record = unpack(row.record)
    received = record.received + timedelta(microseconds=row.microseconds)
    return Spooled(record._replace(received=received), Counted(row.counted), row.unfiled_for)


class Seal:
    """Seals rows for the log, which must show no number. *secret*: SECRET_KEY.

    https://cryptography.io/en/latest/fernet/
    """

    def __init__(self, secret: str) -> None:
        self._fernet = Fernet(urlsafe_b64encode(sha256(b"spool: " + secret.encode()).digest()))

    def line(self, row: Row) -> str:
        """*row* as a line of the log."""
        text = json.dumps([row.counted, row.microseconds, row.unfiled_for, b85encode(row.record).decode()])
        return json.dumps({"spooled": self._fernet.encrypt(text.encode()).decode()})

    def read(self, sealed: str) -> Write:
        """What was sealed. Raises NotSealed."""
        try:
            counted, microseconds, why, record = json.loads(self._fernet.decrypt(sealed.encode()))
            # Redis may have taken it meanwhile, from the disk.
            counted = Counted.AGAIN if counted == Counted.LATER else counted
            return from_row(Row(0, counted, microseconds, why, b85decode(record)))
        except (InvalidToken, UnreadableRecord, ValueError, TypeError) as error:
            raise NotSealed from error
