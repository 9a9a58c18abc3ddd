"""What a version of this server keeps outside Redis, or hands out: for `tests/stored.py`.

The file of the spool, lines of the log, an export, the state of a call in an address, the cookie of a login, the token
of a user.
"""

from __future__ import annotations

import gzip
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.auth.tokens import Origin, fingerprint, short_lived_token
from app.domain.events import Voicemail
from app.flows.call_state import CallState, StateCodec
from app.spool.coding import as_row
from app.spool.file import NAME, SpoolFile
from app.spool.last_lines import write_last_lines
from app.store.codec import ANSWER, EVENT, NOTES, VOICEMAIL, Record
from app.store.spooled import Counted, Spooled, Write
from app.store.tallies import Tallied, Tally
from app.webhooks.body import write_json
from app.webhooks.schemas import kept_answer
from app.webhooks.voicemails import kept_voicemail
from tests.api.site import OPERATOR, Site
from tests.cli.shell import Inside
from tests.generated import BASE

SECRET = "k" * 32  # of `Site`
LATER = datetime(2126, 11, 28, tzinfo=UTC)
SPOOL_MB = 1
COOKIE = "switchhook"
FIRST_PAGE = "/api/v1/conversations?limit=1"
STATE = CallState(
    known={"from": "447700900123", "to": "442079460000"},
    inputs={"ask": {"digits": "12", "timed_out": False}},
    visits={"menu/ask": 2},
    enter=True,
)
IDS = {"conversation_uuid": "CON-w", "uuid": "leg-w"}
LEFT = Voicemail("Alice", "447700900123", None, "leg-w")
RECORDING = IDS | {"recording_uuid": "REC-w", "recording_url": "https://api.nexmo.com/v1/files/1"}
SERVED = {"id": "a1", "flow": "menu", "step": "start", "ncco": [], "version": "1", "took_ms": 1.5}
WAITING: list[Write] = [
    Spooled(
        Record(EVENT, BASE + timedelta(microseconds=7891), write_json(IDS | {"status": "ringing"}), NOTES), Counted.YES
    ),
    Spooled(Record(EVENT, BASE, write_json(IDS | {"status": "answered"}), ()), Counted.LATER),
    Spooled(Record(ANSWER, BASE, write_json(kept_answer(IDS | {"to": "é"}, SERVED)), ()), Counted.LATER),
    Spooled(Record(VOICEMAIL, BASE, kept_voicemail(write_json(RECORDING), LEFT), ()), Counted.NO),
    Spooled(Record(EVENT, BASE, b"\xff no JSON", ()), Counted.AGAIN, "bad body: it is not UTF-8"),
    Tallied(b"process1", 7, {Tally(int(BASE.timestamp()) // 60, "refused:missing", "Rmissing"): 3}),
]


def of_spool() -> dict[str, Any]:
    """A file of the spool, the lines of the log that are made of it, and what both hold."""
    with TemporaryDirectory() as name:
        folder, lines = Path(name), StringIO()
        file = SpoolFile(folder, SPOOL_MB)
        file.add([as_row(each) for each in WAITING], BASE.timestamp())
        file.close()
        write_last_lines(folder, SPOOL_MB, SECRET, lines)
        packed = packed_text((folder / NAME).read_bytes())
    return {"spool": packed, "log": lines.getvalue(), "waiting": readable(WAITING)}


def readable(waiting: Sequence[Write]) -> list[Any]:
    """*waiting* as JSON has it."""
    return [_counts(each) if isinstance(each, Tallied) else _webhook(each) for each in waiting]


def _counts(tallied: Tallied) -> list[Any]:
    return [tallied.process.hex(), tallied.number, [[*tally, number] for tally, number in tallied.counts.items()]]


def _webhook(spooled: Spooled) -> list[Any]:
    record, counted, why = spooled
    body, received = record.body.decode("latin-1"), record.received.isoformat()
    return [record.sort.decode(), received, body, list(record.notes), int(counted), why]


def of_export(inside: Inside) -> dict[str, Any]:
    """What `flask export` prints."""
    code, out, _ = inside.run("export", "-")
    assert code == 0
    return {"export": packed_text(out.encode())}


def of_logins(site: Site) -> dict[str, Any]:
    """A browser that has logged in, a user's token, the state of a call, and where a list goes on."""
    browser = site.browser()
    assert browser.post("/login", data={"token": OPERATOR}).status_code == 302
    cookie = browser.get_cookie(COOKIE)
    assert cookie is not None
    with site.app.app_context():
        token = short_lived_token("Alice", LATER, Origin(fingerprint(OPERATOR)))
    state = StateCodec(SECRET).seal(STATE)
    at, cursor = datetime.now(UTC).timestamp(), site.read(FIRST_PAGE)["next"]
    return {"cookie": cookie.value, "at": at, "token": token, "state": state, "cursor": cursor}


def as_known(state: CallState) -> Mapping[str, Any]:
    """*state* field by field, so that one that came later may be missing."""
    return {name: getattr(state, name) for name in ("known", "inputs", "visits", "enter")}


def packed_text(raw: bytes) -> str:
    """*raw* as text for JSON."""
    return b64encode(gzip.compress(raw, mtime=0)).decode()


def unpacked(text: str) -> bytes:
    """What `packed_text` made *text* of."""
    return gzip.decompress(b64decode(text))
