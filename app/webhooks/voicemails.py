"""Recordings that are messages for a user: what the address of their webhook says is kept beside the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from app.domain.events import Event, Recording, Voicemail
from app.webhooks.body import write_json, write_object
from app.webhooks.schemas import read_event


def kept_voicemail(text: bytes, left: Voicemail) -> bytes:
    """The record of a recording's webhook, whose JSON text is *text*, that is the voicemail *left*."""
    known = {name: value for name, value in asdict(left).items() if value is not None}
    return write_object({"webhook": text, "voicemail": write_json(known)})


def read_kept_voicemail(kept: Mapping[str, Any]) -> Event:
    """The recording in its record *kept*."""
    event = read_event(kept["webhook"])
    return replace(event, voicemail=Voicemail(**kept["voicemail"])) if isinstance(event, Recording) else event
