"""Every /voice/* route: verify, read, keep, reply.

The status code says whose fault it is and what the sender will do: Vonage repeats a request, once, on 429, 503, 504 and
time-outs, and on nothing else. https://developer.vonage.com/en/voice/voice-api/webhook-reference
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter
from typing import cast
from urllib.parse import parse_qsl, urlsplit

from flask import Blueprint, Response, g, request
from flask.blueprints import BlueprintSetupState

from app.domain.events import Detection, Unknown
from app.domain.room_calls import FAILURE, FAILURES
from app.flows.model import USER_CALLS_AT, VOICEMAILS_AT, RenderFault
from app.flows.rendering import STATE, step_at
from app.flows.reply import LAST_RESORT, Reply
from app.flows.request import Result
from app.flows.user_calls import USER_CALL
from app.services import services
from app.store.errors import KeptNowhere, StoreUnavailable
from app.web import metrics
from app.web.empty import Empty
from app.web.logs import annotate, in_full
from app.webhooks import persist
from app.webhooks.body import BadBody
from app.webhooks.diversion import Caller, caller_by, diverted
from app.webhooks.guard import verify
from app.webhooks.intake import Webhook, read_webhook
from app.webhooks.room_calls import SORRY, Rooms
from app.webhooks.to_flow import request_of, result_of
from vonage_simulator import tutorial_log

log = logging.getLogger(__name__)

voice = Blueprint("voice", __name__, url_prefix="/voice")
METHODS = ["GET", "POST"]


@voice.before_request
def receive() -> None:
    """Verify and read the webhook. Here, so that no new route can forget it."""
    received, part = datetime.now(UTC), services()
    body, query = request.get_data(), request.query_string
    notes = verify(request, body, part)
    try:
        g.webhook = read_webhook(body, query, received, notes)
    except BadBody as bad:  # but signed
        annotate(outcome="unfiled:bad_body")
        metrics.unread("unfiled")
        part.keeper.unfile(body or query, f"bad body: {bad}", received)
        raise
    if part.settings.log_as == "pretty":
        is_answer = request.endpoint == "voice.answer"
        in_full(tutorial_log.ncco_request(g.webhook.body) if is_answer else tutorial_log.event(g.webhook.body))


@voice.route("/event", methods=METHODS, provide_automatic_options=False)
def event() -> Response:
    """Take one event of any kind. A repeat gets 200 too: it changes nothing."""
    webhook, reply = cast("Webhook", g.webhook), None
    if isinstance(webhook.event, Detection) and (result := result_of(webhook)):
        # Who or what picked up a call of ours decides what it hears.
        reply = services().flows.detected(request_of(webhook), result, webhook.received)
    return _keep_and_reply(webhook, reply)


@voice.route("/answer", methods=METHODS, provide_automatic_options=False)
def answer() -> Response:
    """Say what to do with a call. Never waits for the store: the record of it is written after."""
    webhook = cast("Webhook", g.webhook)
    try:
        reply = services().flows.answer(request_of(webhook), webhook.received)
    except Exception:  # after any error the caller still hears something
        log.exception("no call flow could answer: the last resort did")
        reply = LAST_RESORT
    return _reply(webhook, reply, to_event=False)


@voice.route("/flows/<flow>/<step>", methods=METHODS, provide_automatic_options=False)
def step(flow: str, step: str) -> Response:
    """Take what came back from an action of a flow's step, and say what comes next."""
    return _step(_without_state(), flow, step, _state(), request.args.get(FAILURE))


@voice.route("/voicemails", methods=METHODS, provide_automatic_options=False)
def voicemail() -> Response:
    """Take the recording of a message for a user."""
    return _voicemail(_without_state(), _state())


@voice.route("/calls", methods=METHODS, provide_automatic_options=False)
def user_call() -> Response:
    """Say what the leg of a user who began a call is to do, now that the user has answered."""
    return _user_call(_without_state(), _state())


@voice.route("/transfers/<transfer_id>", methods=METHODS, provide_automatic_options=False)
def transferred(transfer_id: str) -> Response:
    """Take what became of the `connect` of a transfer; if nobody was reached, say what the transferred leg runs."""
    result, reply, caller = result_of(g.webhook), None, None
    if result is not None and result.kind == "connect":
        with suppress(StoreUnavailable):  # then its script goes on, and is over
            if order := services().transfers.order(transfer_id):
                reply, caller = Reply("transfer", order.fallback_ncco), Caller(order.transferred, None)
    return _keep_and_reply(g.webhook, reply, caller=caller)


@voice.route("/fallback", methods=METHODS, provide_automatic_options=False)
def fallback() -> Response:
    """Do what the URL that failed would have done, and note why it was needed.

    https://developer.vonage.com/en/voice/voice-api/webhook-reference#fallback-url
    """
    body = g.webhook.body
    failed = body.get("original_request")
    kind, url = (failed.get("type"), failed.get("url")) if isinstance(failed, dict) else (None, None)
    if isinstance(url, str) and (of := step_at(url)):
        return _step(g.webhook, of.flow, of.step, of.parameters.get(STATE), of.parameters.get(FAILURE))
    if isinstance(url, str) and (state := _state_at(VOICEMAILS_AT, url)):
        return _voicemail(g.webhook, state)
    if isinstance(url, str) and (state := _state_at(USER_CALLS_AT, url)):
        return _user_call(g.webhook, state)
    return event() if kind == "event" or (kind != "answer" and body.get("status")) else answer()


@voice.record_once
def take_no_head(state: BlueprintSetupState) -> None:
    """Flask adds HEAD to GET: nobody would read that answer."""
    for rule in state.app.url_map.iter_rules():
        if rule.endpoint.startswith("voice.") and rule.methods is not None:
            rule.methods.discard("HEAD")


def _state_at(path: str, url: str) -> str | None:
    """The state in *url*, if that is the address of ours with this *path*."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.path.endswith(path):
            return dict(parse_qsl(parts.query)).get(STATE)
    return None


def _state() -> str | None:
    """The state of the call in the address of this request."""
    return next(reversed(request.args.getlist(STATE)), None)


def _without_state() -> Webhook:
    """The webhook of this request. By GET the parameters of the address are among those of the event."""
    webhook = cast("Webhook", g.webhook)
    return webhook if request.get_data() else webhook.without(STATE).without(FAILURE)


def _voicemail(webhook: Webhook, state: str | None) -> Response:
    """Keep a recording with whose voicemail it is; any other event as it is."""
    try:
        left = services().flows.voicemail_of(state or "")
    except RenderFault as fault:  # the recording is one of the call all the same
        log.warning("a recording is in no list of voicemails: %s", fault)
        left = None
    return _keep_and_reply(replace(webhook, voicemail=left), None)


def _user_call(webhook: Webhook, state: str | None) -> Response:
    """Connect a user with whom the call is for."""
    user, leg = None, request_of(webhook).uuid
    try:
        user, connect, place = services().flows.user_call_of(state or "")
        reply = Reply(USER_CALL, [dict(connect)])
        if leg:  # it may ask before Vonage's response says which leg the call has
            services().store.engage(user, leg, [place], own=True)
    except RenderFault as fault:
        log.warning("the last resort was served: %s", fault)
        reply = replace(LAST_RESORT, fault=str(fault))
    return _reply(webhook, reply, to_event=False, state=state, caller=Caller(leg, user))


def _step(webhook: Webhook, flow: str, step: str, state: str | None, failure: str | None) -> Response:
    """*failure*: how a call into a room failed, after which the caller was sent here."""
    flows, reply = services().flows, None
    if isinstance(webhook.event, Unknown):  # a request as of an answer URL: `onAnswer`, a transfer, a call by API
        if failure in FAILURES:
            not_reached = Result(kind="connect", status=failure)
            reply = flows.follow(flow, step, state, request_of(webhook), not_reached, webhook.received)
            reply = reply or Reply(flow, [dict(SORRY)], step)  # a caller who was sent here must get something
        else:
            reply = flows.enter(flow, step, state, request_of(webhook), webhook.received)
        if reply is not None:
            return _reply(webhook, reply, to_event=False, state=state)
    elif result := result_of(webhook):
        reply = flows.follow(flow, step, state, request_of(webhook), result, webhook.received)
    return _keep_and_reply(webhook, reply, state)


def _keep_and_reply(
    webhook: Webhook, reply: Reply | None, state: str | None = None, caller: Caller | None = None
) -> Response:
    """Keep the event, then reply; without *reply* 200 with an empty body and no content type: "no NCCO, go on".

    If neither Redis nor the disk takes it, an event with a reply is kept like an answer, when Redis is back: a caller
    who waits for the next step must not wait in silence. An event without one is for Vonage to send again.
    """
    try:
        persist.keep(webhook, services().keeper)
    except KeptNowhere:
        if reply is None:
            raise
        persist.keep_later(webhook, services().keeper)
    if reply is not None:
        return _reply(webhook, reply, to_event=True, state=state, caller=caller)
    return Empty()


def _reply(
    webhook: Webhook, reply: Reply, *, to_event: bool, state: str | None = None, caller: Caller | None = None
) -> Response:
    """The NCCO of *reply*; the record of it is written after.

    No user is in more calls in it than they may be; one who is called comes into a room, where that is possible.
    *state*: of the step that the webhook is for. *caller*: who runs it, if neither that nor the webhook says so.
    """
    part = services()
    about = request_of(webhook)
    try:
        caller = caller or caller_by(about, part.flows, state)
        reply = diverted(
            reply,
            about,
            webhook.received,
            part.flows,
            part.places.availability,
            may_call=part.places.may_call,
            caller=caller,
        )
        reply = Rooms(part.flows, part.room_calls).entered(reply, webhook, caller, state, to_event=to_event)
    except Exception:
        log.exception("whether a user is free is not known: the call is put through")
    response = Response(reply.body, content_type="application/json")
    took_ms = round((perf_counter() - webhook.began) * 1000, 3)
    try:
        persist.keep_answer(webhook, reply, took_ms, services().keeper, to_event=to_event)
        services().control.served(reply.ncco)
    except Exception:
        log.exception("an answer was given, but not recorded")
    return response
