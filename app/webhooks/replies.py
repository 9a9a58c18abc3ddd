"""What a webhook gets: an event is kept and gets 200, a question gets an NCCO.

The status code says whose fault it is and what the sender will do: Vonage repeats a request, once, on 429, 503, 504 and
time-outs, and on nothing else. https://developer.vonage.com/en/voice/voice-api/webhook-reference
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from time import monotonic, perf_counter

from app.calls.places import RECONCILE_SECONDS
from app.domain.events import Detection
from app.flows.reply import LAST_RESORT, Reply
from app.services import Services
from app.store.errors import KeptNowhere
from app.web import metrics
from app.web.logs import annotate, in_full
from app.webhooks import persist
from app.webhooks.body import BadBody
from app.webhooks.diversion import Caller, caller_by, diverted
from app.webhooks.guard import verify
from app.webhooks.intake import Webhook, read_webhook
from app.webhooks.room_calls import Rooms
from app.webhooks.to_flow import request_of, result_of
from vonage_simulator import tutorial_log

log = logging.getLogger(__name__)


def receive(
    method: str, authorization: str | None, body: bytes, query: bytes, part: Services, *, is_answer: bool
) -> Webhook:
    """Verify and read a webhook. *is_answer*: it came to the answer URL.

    Raises SignatureMissing, SignatureRefused and BadBody.
    """
    received = datetime.now(UTC)
    notes = verify(method, authorization, body, query, part)
    try:
        webhook = read_webhook(body, query, received, notes)
    except BadBody as bad:  # but signed
        annotate(outcome="unfiled:bad_body")
        metrics.unread("unfiled")
        part.keeper.unfile(body or query, f"bad body: {bad}", received)
        raise
    if part.settings.log_as == "pretty":
        in_full(tutorial_log.ncco_request(webhook.body) if is_answer else tutorial_log.event(webhook.body))
    return webhook


def take_event(webhook: Webhook, part: Services) -> bytes | None:
    """Keep an event of any kind; its reply, of which None is an empty one. A repeat gets it, too: it changes nothing.

    Raises KeptNowhere.
    """
    reply = None
    if isinstance(webhook.event, Detection) and (result := result_of(webhook)):
        # Who or what picked up a call of ours decides what it hears.
        reply = part.flows.detected(request_of(webhook), result, webhook.received)
    return keep_and_reply(webhook, reply, part)


def give_answer(webhook: Webhook, part: Services) -> bytes:
    """The NCCO for a call that asks for one. Never waits for the store: the record of it is written after."""
    try:
        reply = part.flows.answer(request_of(webhook), webhook.received)
    except Exception:  # after any error the caller still hears something
        log.exception("no call flow could answer: the last resort did")
        reply = LAST_RESORT
    return give(webhook, reply, part, to_event=False)


def keep_and_reply(
    webhook: Webhook,
    reply: Reply | None,
    part: Services,
    state: str | None = None,
    caller: Caller | None = None,
) -> bytes | None:
    """Keep the event, then reply; without *reply* with None: an empty body without content type, "no NCCO, go on".

    If neither Redis nor the disk takes it, an event with a reply is kept like an answer, when Redis is back: a caller
    who waits for the next step must not wait in silence. An event without one is for Vonage to send again.
    """
    try:
        persist.keep(webhook, part.keeper)
    except KeptNowhere:
        if reply is None:
            raise
        persist.keep_later(webhook, part.keeper)
    if reply is not None:
        return give(webhook, reply, part, to_event=True, state=state, caller=caller)
    return None


def give(
    webhook: Webhook,
    reply: Reply,
    part: Services,
    *,
    to_event: bool,
    state: str | None = None,
    caller: Caller | None = None,
) -> bytes:
    """The NCCO of *reply*; the record of it is written after.

    No user is in more calls in it than they may be; one who is called comes into a room, where that is possible.
    *state*: of the step that the webhook is for. *caller*: who runs it, if neither that nor the webhook says so.
    """
    about, until = request_of(webhook), monotonic() + RECONCILE_SECONDS
    try:
        caller = caller or caller_by(about, part.flows, state)
        reply = diverted(
            reply,
            about,
            webhook.received,
            part.flows,
            partial(part.places.availability, until=until),
            may_call=partial(part.places.may_call, until=until),
            caller=caller,
        )
        reply = Rooms(part.flows, part.room_calls).entered(reply, webhook, caller, state, to_event=to_event)
    except Exception:
        log.exception("whether a user is free is not known: the call is put through")
    body = reply.body
    took_ms = round((perf_counter() - webhook.began) * 1000, 3)
    try:
        persist.keep_answer(webhook, reply, took_ms, part.keeper, to_event=to_event)
        part.control.served(reply.ncco)
    except Exception:
        log.exception("an answer was given, but not recorded")
    return body
