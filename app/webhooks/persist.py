"""Keeping webhooks and answers: with their conversation or, if they name none, in the store's list of unfiled ones."""

from __future__ import annotations

from secrets import token_hex
from time import monotonic, perf_counter

from app.domain.events import Answer, Event
from app.flows.reply import LAST_RESORT_COUNTER, Reply
from app.store import timeouts
from app.store.codes import lag_ms
from app.store.contract import EventWriter
from app.web import metrics
from app.web.logs import annotate
from app.webhooks.body import write_object
from app.webhooks.intake import Webhook
from app.webhooks.schemas import answered, kept_answer


def keep(webhook: Webhook, store: EventWriter) -> None:
    """Keep the event in *webhook*, in Redis or on disk, before it is acknowledged. Raises KeptNowhere.

    All its events together have as long as one: the sender waits for all of them.
    """
    until = monotonic() + timeouts.WRITE_SECONDS
    for event, text, counted in webhook.events():
        outcome, waited = "unavailable", None
        try:
            if event.conversations:
                began = perf_counter()
                new = store.record(event, text, webhook.received, webhook.notes, counted=counted, until=until)
                waited = perf_counter() - began
                store.waited(waited * 1000)
                outcome = "spooled" if new is None else "kept" if new else "repeat"
            else:
                new = store.unfile(text, _no_conversation(event), webhook.received, until=until)
                outcome = "spooled" if new is None else "unfiled"
        finally:
            annotate(event=event, outcome=outcome)
            lag = lag_ms(event, webhook.received) if outcome == "kept" else None
            metrics.kept(event, outcome, lag_ms=lag, waited_seconds=waited)


def keep_later(webhook: Webhook, store: EventWriter) -> None:
    """Keep the event in *webhook* once Redis is back. It is counted then, unless it has been."""
    for event, text, counted in webhook.events():
        _later(store, webhook, event, text, counted=counted)
        annotate(event=event, outcome="later")
        metrics.kept(event, "later")


def keep_answer(webhook: Webhook, reply: Reply, took_ms: float, store: EventWriter, *, to_event: bool) -> None:
    """Hand the record of an answer to the writer: nobody waits for it.

    Its id is made here: an answer URL requested twice gives two records. *to_event*: what was answered is an event,
    kept and counted by itself, so the record names its conversation and leg alone.
    """
    if to_event:
        asked = Answer(canonical=b"", conversation=webhook.event.conversation, leg=webhook.event.leg)
        named = {"conversation_uuid": asked.conversation, "uuid": asked.leg}
        request = {name: value for name, value in named.items() if value is not None}
    else:
        asked, request = webhook.caller, webhook.body
    ncco = reply.body
    served = {"flow": reply.flow, "ncco": ncco, "step": reply.step, "version": reply.version, "fault": reply.fault}
    users = {"diverted": list(reply.diverted) or None, "unclaimed": list(reply.unclaimed) or None}
    more = {"room_for": reply.room_for, "id": token_hex(8), "took_ms": took_ms}
    record = kept_answer(request, served | users | more)
    text = write_object(record)
    answer = answered(asked, record, text, ncco)
    annotate(event=answer, outcome=f"answered:{'/'.join(filter(None, (reply.flow, reply.step)))}")
    metrics.kept(answer, "answered")
    if reply.fault is not None:
        metrics.LAST_RESORT.inc()
        store.count(LAST_RESORT_COUNTER)
    _later(store, webhook, answer, text, counted=not to_event)


def _later(store: EventWriter, webhook: Webhook, event: Event, text: bytes, *, counted: bool) -> None:
    if event.conversations:
        store.record_later(event, text, webhook.received, webhook.notes, counted=counted)
    else:
        store.unfile_later(text, _no_conversation(event), webhook.received)


def _no_conversation(event: Event) -> str:
    return f"{event.kind} without a conversation"
