"""The bodies of Vonage's webhooks: every field, null and key order as in its published logs.

Logs: the phone-to-app tutorial (phone-to-app.events.jsonl) and its sisters app-to-phone and app-to-app,
https://developer.vonage.com/en/vonage-client-sdk/tutorials. Anything that no log shows is marked as a guess.
Fields: https://developer.vonage.com/en/voice/voice-api/webhook-reference#event-webhook
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from vonage_simulator.ledger import Application, Leg, Recording
from vonage_simulator.ncco import bare_text
from vonage_simulator.scenario import Region

Body = dict[str, Any]

# https://developer.vonage.com/en/voice/voice-api/concepts/regions
REGION_HOSTS: dict[Region, str] = {
    "na-east": "https://api-us-3.vonage.com",
    "na-west": "https://api-us-4.vonage.com",
    "eu-west": "https://api-eu-3.vonage.com",
    "eu-east": "https://api-eu-4.vonage.com",
    "apac-sng": "https://api-ap-3.vonage.com",
    "apac-australia": "https://api-ap-4.vonage.com",
}
CHARACTER_SECONDS = 0.07  # of speech, about 14 a second: ours


def timestamp(moment: datetime) -> str:
    """2021-03-29T21:20:05.582Z"""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def spoken_seconds(text: str) -> float:
    """How long it takes to speak *text*."""
    return max(0.5, round(len(bare_text(text)) * CHARACTER_SECONDS, 3))


def answer(leg: Leg, application: Application, *, today: bool) -> Body:
    """The answer webhook. An app caller has `from_user`, never `from`. *today*: with the fields since 2021."""
    body: Body = {"to": _dialled(leg)}
    if today:
        body["endpoint_type"] = leg.endpoint
    body |= {"from_user": leg.from_user} if leg.from_user else {"from": leg.from_}
    if leg.custom_data:
        body["custom_data"] = dict(leg.custom_data)
    body |= {"conversation_uuid": leg.conversation.uuid, "uuid": leg.uuid}
    if today:
        body["region_url"] = application.region_urls.get(leg.region) or REGION_HOSTS[leg.region]
    if leg.direction == "inbound" and leg.endpoint == "sip":
        body |= {f"SipHeader_{name}": value for name, value in leg.headers.items() if _forwarded(name)}
    return body


def status(leg: Leg, name: str, at: datetime, *, today: bool) -> Body:
    """A status event. *today*: with the fields that came after 2021."""
    if name in ("human", "machine", "disconnected"):
        return _after_answer(leg, name, at)
    body: Body = {}
    bill = leg.bill if name == "completed" else None
    if name == "answered":
        body["start_time"] = None
    if not (name == "started" and leg.endpoint == "app"):  # the logs' `started` of app legs has none
        body["headers"] = dict(leg.headers)
    if name == "answered":
        body["rate"] = None
    if bill:
        # No log shows a leg that was never answered: null times and no seconds are a guess.
        body |= {
            "end_time": timestamp(bill.end_time) if bill.end_time else None,
            "uuid": leg.uuid,
            "network": bill.network,
            "duration": str(bill.duration),
            "start_time": timestamp(bill.start_time) if bill.start_time else None,
            "rate": bill.rate,
            "price": bill.price,
        }
    body |= {"from": _from(leg, name, today=today), "to": leg.to}
    body |= {} if bill else {"uuid": leg.uuid}
    body |= {"conversation_uuid": leg.conversation.uuid, "status": name, "direction": leg.direction}
    if name == "answered":
        body["network"] = None
    body["timestamp"] = timestamp(at)
    if leg.detail and name == leg.failure:
        body["detail"] = leg.detail
    if today and leg.sip_code and name in (leg.failure, "completed"):
        body["sip_code"] = leg.sip_code
    if today and leg.disconnected_by and name == "completed":
        body["disconnected_by"] = leg.disconnected_by
    return body


def _forwarded(name: str) -> bool:
    """Whether the application gets a SIP header: custom ones, but not Vonage's."""
    known = name.lower()
    return known == "user-to-user" or (known.startswith("x-") and not known.startswith("x-nexmo"))


def _dialled(leg: Leg) -> str:
    return leg.dialled if leg.from_user else leg.to


def _from(leg: Leg, name: str, *, today: bool) -> str | None:
    """As in the logs: an app caller's is null; a user's name is `Unknown` in a telephone's `completed`."""
    if leg.from_user:
        return None
    if name == "completed" and leg.endpoint == "phone" and leg.from_:
        if not leg.from_.isdigit():
            return "Unknown"
        if leg.direction == "inbound" and not today:
            return f" {leg.from_}"  # with the space: phone-to-app.events.jsonl
    return leg.from_


def _after_answer(leg: Leg, name: str, at: datetime) -> Body:
    """A detection, or a websocket's end: https://developer.vonage.com/en/voice/voice-api/concepts/websockets"""
    body: Body = {
        "from": leg.from_,
        "to": leg.to,
        "uuid" if name == "disconnected" else "call_uuid": leg.uuid,
        "conversation_uuid": leg.conversation.uuid,
        "status": name,
        "timestamp": timestamp(at),
    }
    if name == "disconnected":
        body["headers"] = dict(leg.headers)
    elif leg.machine in ("beep_start", "beep_timeout"):
        body["sub_state"] = leg.machine
    return body


def transfer(leg: Leg, left: str, joined: str, at: datetime) -> Body:
    return {
        "conversation_uuid_from": left,
        "type": "transfer",
        "uuid": leg.uuid,
        "conversation_uuid_to": joined,
        "timestamp": timestamp(at),
    }


def input_result(leg: Leg, *, dtmf: Body, speech: Body, at: datetime) -> Body:
    return {
        "speech": speech,
        "dtmf": dtmf,
        "from": leg.from_user or leg.from_,
        "to": _dialled(leg),
        "uuid": leg.uuid,
        "conversation_uuid": leg.conversation.uuid,
        "timestamp": timestamp(at),
    }


def record(recording: Recording, conversation: str) -> Body:
    """A recording is ready. It names the conversation, but no leg or number."""
    return {
        "start_time": _seconds(recording.started),
        "recording_url": recording.url,
        "size": len(recording.audio),
        "recording_uuid": recording.recording_uuid,
        "end_time": _seconds(recording.ended),
        "conversation_uuid": conversation,
        "timestamp": timestamp(recording.at),
    }


def transcribed(recording: Recording, conversation: str, url: str) -> Body:
    """A transcript is ready. It has no timestamp."""
    return {
        "conversation_uuid": conversation,
        "recording_uuid": recording.recording_uuid,
        "status": "transcribed",
        "transcription_url": url,
        "type": "record",
    }


def notify(conversation: str, payload: Mapping[str, Any], at: datetime) -> Body:
    return {"payload": dict(payload), "conversation_uuid": conversation, "timestamp": timestamp(at)}


def error(conversation: str, reason: str, at: datetime) -> Body:
    """The application requested something that cannot be done."""
    return {"reason": reason, "conversation_uuid": conversation, "timestamp": timestamp(at)}


def fallback(body: Mapping[str, Any], *, reason: str, url: str, kind: str) -> Body:
    """The request for the fallback URL, after *url* failed.

    https://developer.vonage.com/en/voice/voice-api/webhook-reference#fallback-url
    """
    return dict(body) | {"reason": reason, "original_request": {"url": url, "type": kind}}


def _seconds(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
