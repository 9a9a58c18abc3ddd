"""Exports of calls: CSV and lines of JSON, whatever their number and whatever is in them."""

from __future__ import annotations

import csv
import gc
import io
import json
import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls import export
from app.calls.call_queries import CallFilter
from app.calls.export import COLUMNS, BrokenOff, exported
from app.services import Services
from app.store.errors import StoreUnavailable
from app.webhooks import kept
from app.webhooks.schemas import kept_answer
from tests.api.site import OPERATOR, VIEWER, Site, status
from tests.generated import BASE, iso, webhooks_of

CSV, NDJSON = "/api/v1/calls.csv", "/api/v1/calls.ndjson"
HOSTILE = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    '"=1+1"',
    ' "=1+1',
    "'=1+1",
    "\uff1d1+1",
    '=HYPERLINK("http://x.example","a")',
    "<script>alert(1)</script>",
    'a","b',
    "a\r\nb",
    "a;b\x00",
    "Zoë 李",
]


def rows(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file, as RFC 4180 has it."""
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula_or_breaks_its_row(site: Site, text: str) -> None:
    """In every field that a stranger can fill."""
    site.record(
        status("ringing", f"CON{text}", f"{text}leg", from_=text, to=text, direction="inbound"),
        {"conversation_uuid": f"CON{text}", "uuid": f"{text}leg", "dtmf": {"digits": text}},
    )
    asked = {"conversation_uuid": f"CON{text}", "uuid": f"{text}leg", "from_user": text, "to": text}
    served = {"id": "a" * 16, "flow": text, "step": text, "took_ms": 1.5, "ncco": []}
    site.record_webhooks(webhooks_of(kept_answer(asked, served), BASE))
    response = site.get(CSV, token=OPERATOR)
    assert response.content_type == "text/csv; charset=utf-8; header=present"
    assert response.headers["Content-Disposition"] == 'attachment; filename="calls.csv"'
    (row,) = rows(response.data.decode())
    assert list(row) == list(COLUMNS)
    for name, cell in row.items():
        bare = cell.strip(" \t\r\n\"'")
        assert bare[:1] not in tuple("=+-@\uff1d") or cell.startswith("'"), name
    assert row["from"].removeprefix("'").strip() == text.strip()
    (line,) = site.get(NDJSON, token=OPERATOR).data.splitlines()
    assert json.loads(line)["from"] == text.strip()


@given(st.text())
def test_a_cell_is_read_as_it_was_written_but_for_a_quote_before_a_formula(text: str) -> None:
    written = export._cell(text)
    assert written in (text, f"'{text}")
    assert not written.lstrip(" \"'").startswith(("=", "+", "-", "@", "\t", "\r")) or written == f"'{text}"


def test_half_a_surrogate_pair_is_replaced_in_csv(site: Site) -> None:
    site.record(status("ringing", "CON-\ud800", "leg-\ud800"))
    (row,) = rows(site.get(CSV).data.decode())
    assert row["id"] == "leg-?"
    assert json.loads(site.get(NDJSON).data)["id"] == "leg-\ud800"


def test_a_number_pressed_key_by_key_is_masked_for_viewers(site: Site) -> None:
    number = "447700900123"
    site.record(status("answered", "CON-1", "leg", from_="Bob", direction="inbound"))
    for second, key in enumerate(number):
        moment = iso(BASE + timedelta(seconds=second))
        site.record({"conversation_uuid": "CON-1", "uuid": "leg", "dtmf": {"digits": key}, "timestamp": moment})
    (shown,), (whole,) = (rows(site.get(CSV, token=token).data.decode()) for token in (VIEWER, OPERATOR))
    assert shown["keys"] == "* * * * * * * * 0 1 2 3"
    assert whole["keys"] == " ".join(number)


def test_a_cell_is_no_longer_than_a_spreadsheet_takes(site: Site) -> None:
    site.record(status("answered", "CON-1", "leg", from_="Bob", direction="inbound"))
    for second in range(12):
        body = {"conversation_uuid": "CON-1", "uuid": "leg", "dtmf": {"digits": "#" * 3000}}
        site.record(body | {"timestamp": iso(BASE + timedelta(seconds=second))})
    (row,) = rows(site.get(CSV).data.decode())
    assert len(row["keys"]) == 32_767
    assert row["keys"].endswith("#…")
    assert export._cell("x" * 32_767) == "x" * 32_767
    assert len(export._cell("=" * 32_767)) == 32_767


def test_an_export_of_nothing_is_a_header_and_nothing(site: Site) -> None:
    assert site.get(CSV).data.decode() == ",".join(COLUMNS) + "\r\n"
    assert site.get(NDJSON).data == b""
    assert site.send("HEAD", CSV).status_code == 200


def many(site: Site, count: int) -> None:
    for number in range(count):
        body = status("completed", f"CON-{number}", f"leg-{number}", from_="447700900123", direction="inbound")
        site.record(body, received=BASE + timedelta(seconds=number))


def test_any_number_is_streamed_with_little_memory(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held at once is a page, however many pages there are."""
    monkeypatch.setattr(kept, "CACHED_BYTES", 0)  # the cache of events has a limit of its own
    monkeypatch.setattr(export, "CALLS_A_PAGE", 20)
    many(site, 200)
    queries = _services(site).call_queries
    peaks = []
    for wanted in (CallFilter(since=BASE + timedelta(seconds=120)), CallFilter()):
        tracemalloc.start()
        count = 0
        for piece in exported(queries, wanted, "viewer", as_csv=False):
            count += piece.count(b"\n")
            gc.collect()  # else it depends on chance how much of what is done with is counted
        peaks.append((count, tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()
    assert [count for count, _ in peaks] == [80, 200]
    assert peaks[1][1] < 1.5 * peaks[0][1]
    found = rows(site.get(CSV).data.decode())
    assert [row["id"] for row in found] == [f"leg-{number}" for number in reversed(range(200))]


def test_an_export_waits_for_a_busy_store_and_breaks_off_if_it_stays_away(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CALLS_A_PAGE", 5)
    monkeypatch.setattr(export, "PAUSE_SECONDS", 0.001)
    many(site, 60)
    queries = _services(site).call_queries
    failures = 0
    real = site.store.page

    def page(*args: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise StoreUnavailable("timeout")
        return real(*args)

    monkeypatch.setattr(site.store, "page", page)
    pieces = exported(queries, CallFilter(), None, as_csv=True)
    got = [next(pieces), next(pieces)]
    failures = export.TRIES - 1
    got.append(next(pieces))
    assert len(rows(b"".join(got).decode())) == 10, "it was tried again"
    failures = 10**6
    with pytest.raises(BrokenOff):
        list(pieces)


def test_the_first_page_that_cannot_be_read_is_503(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def page(*_: Any) -> Any:
        raise StoreUnavailable("timeout")

    monkeypatch.setattr(site.store, "page", page)
    for path in (CSV, NDJSON):
        assert site.get(path).status_code == 503


def _services(site: Site) -> Services:
    found: Services = site.app.extensions["switchhook"]
    return found
