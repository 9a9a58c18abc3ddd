"""Keeping webhooks: in Redis or, while it does not take them, on disk. Either way they are acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from app.domain.events import Event
from app.spool.errors import SpoolUnavailable
from app.spool.spool import Spool
from app.store.codec import EVENT, Record
from app.store.contract import EventWriter
from app.store.errors import KeptNowhere, StoreUnavailable
from app.store.events import Events, sort_of
from app.store.spooled import Counted, Spooled
from config.few_lines import FewLines

log = logging.getLogger(__name__)


class Keeper(EventWriter):
    """*store* with *spool* behind it. Raises KeptNowhere if neither takes a webhook."""

    def __init__(self, store: Events, spool: Spool) -> None:
        self._store, self._spool, self._few_lines = store, spool, FewLines(1)
        store.spill_to(spool)

    def record(
        self,
        event: Event,
        body: bytes,
        received: datetime,
        notes: tuple[str, ...] = (),
        *,
        counted: bool = True,
        until: float | None = None,
    ) -> bool | None:
        write = partial(self._store.record, event, body, received, notes, counted=counted, until=until)
        return self._keep(write, Record(sort_of(event), received, body, notes), counted=counted)

    def unfile(self, body: bytes, why: str, received: datetime, *, until: float | None = None) -> bool | None:
        write = partial(self._store.unfile, body, why, received, until=until)
        return self._keep(write, Record(EVENT, received, body), why)

    def record_later(
        self, event: Event, body: bytes, received: datetime, notes: tuple[str, ...] = (), *, counted: bool = True
    ) -> None:
        self._store.record_later(event, body, received, notes, counted=counted)

    def unfile_later(self, body: bytes, why: str, received: datetime) -> None:
        self._store.unfile_later(body, why, received)

    def count(self, name: str) -> None:
        self._store.count(name)

    def waited(self, ms: float) -> None:
        self._store.waited(ms)

    def _keep(
        self, write: Callable[..., bool], record: Record, unfiled_for: str | None = None, *, counted: bool = True
    ) -> bool | None:
        """What *write* returns, a method of the store; None if *record* is on disk instead."""
        try:
            return write()
        except StoreUnavailable as error:
            away = error
        how = (Counted.AGAIN if away.sent else Counted.LATER) if counted else Counted.NO
        try:
            self._spool.put([Spooled(record, how, unfiled_for)])
        except SpoolUnavailable as error:
            full = error
        else:
            if self._few_lines.one_more():
                log.warning("%s: events wait on disk until it takes them", away)
            return None
        if away.reason == "timeout" and not away.sent:  # nobody asked Redis, for it did not reply a moment ago
            try:
                return write(brief=False)
            except StoreUnavailable as error:
                away = error
        raise KeptNowhere(away, full.reason) from full
