"""How states and outcomes look: colour, sign and word, so that none of these is needed alone."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from flask import Flask

from app.pages.languages import gettext, marked

Tone = Literal["", "good", "wait", "hold", "bad"]  # a class of style.css


class Look(NamedTuple):
    """Of a state."""

    tone: Tone
    icon: str  # of components.html
    word: str


LOOKS: Final = {
    # of conversations
    "live": Look("good", "phone", marked("live")),
    "ended": Look("", "minus", marked("ended")),
    "presumed_ended": Look("wait", "question", marked("presumed ended")),
    # of live calls; they may ring and talk as well
    "on_hold": Look("hold", "pause", marked("on hold")),
    "waiting": Look("wait", "clock", marked("waiting")),
    # of legs
    "started": Look("", "arrow", marked("started")),
    "ringing": Look("wait", "bell", marked("ringing")),
    "answered": Look("good", "check", marked("answered")),
    "talking": Look("good", "phone", marked("talking")),
    "held": Look("hold", "pause", marked("on hold")),
    "moved": Look("hold", "arrow", marked("moved on")),
    "completed": Look("", "minus", marked("completed")),
    # how legs and conversations are controlled
    "holding": Look("wait", "pause", marked("being put on hold…")),
    "resuming": Look("wait", "pause", marked("being resumed…")),
    "weak": Look("hold", "pause", marked("on hold, without music")),
    "moving": Look("wait", "arrow", marked("being moved…")),
    "muted": Look("wait", "mute", marked("muted")),
    "earmuffed": Look("wait", "mute", marked("hears nobody")),
    "hanging_up": Look("wait", "cross", marked("being hung up…")),
    "recording": Look("bad", "record", marked("recording")),
    "recording_paused": Look("wait", "record", marked("recording paused")),
    "not_recorded": Look("", "minus", marked("not recorded")),
    # of transfers and conferences, and of their members
    "preparing": Look("wait", "clock", marked("being prepared…")),
    "swapped": Look("hold", "pause", marked("answered, on hold")),
    "completing": Look("wait", "arrow", marked("being completed…")),
    "swapping": Look("wait", "swap", marked("being swapped…")),
    "merging": Look("wait", "people", marked("being merged…")),
    "cancelling": Look("wait", "cross", marked("being cancelled…")),
    "abandoned": Look("", "cross", marked("abandoned: the transferred leg hung up")),
    "conference": Look("good", "people", marked("conference")),
    "host": Look("", "person", marked("host")),
    "joining": Look("wait", "clock", marked("joining…")),
    "joined": Look("good", "check", marked("joined")),
    "leaving": Look("wait", "cross", marked("leaving…")),
    # of calls, and what their legs do
    "missed": Look("bad", "bell", marked("missed")),
    "talk": Look("good", "phone", marked("talking")),
    "hold": Look("hold", "pause", marked("on hold")),
    "wait": Look("wait", "clock", marked("waiting")),
    # outcomes
    "busy": Look("wait", "minus", marked("busy")),
    "cancelled": Look("", "cross", marked("cancelled")),
    "failed": Look("bad", "cross", marked("failed")),
    "rejected": Look("bad", "cross", marked("rejected")),
    "timeout": Look("wait", "clock", marked("timeout")),
    "unanswered": Look("wait", "bell", marked("unanswered")),
    # who answered, as machine detection says; what became of a websocket
    "human": Look("good", "person", marked("a person")),
    "machine": Look("wait", "clock", marked("a machine")),
    "disconnected": Look("", "cross", marked("disconnected")),
}


def look(state: str) -> Look:
    """Of *state*, its word in the language of the request. One that is not known is shown as it is."""
    known = LOOKS.get(state)
    return known._replace(word=gettext(known.word)) if known else Look("", "question", state)


def install(app: Flask) -> None:
    """Let the templates of *app* use it."""
    app.jinja_env.globals["look"] = look
