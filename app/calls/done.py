"""What this server did to a call, in words: who requested it, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app.domain.leg_control import Done

# What people call them; app/pages/events.py translates them.
VERBS: Final = {
    "create": "place the call",
    "ring": "ring the user",
    "begin_conference": "merge into a conference",
    "hangup": "hang up",
    "transfer": "transfer the leg",
    "move": "move the leg",
    "unearmuff": "end earmuff",
    "talk": "say something",
    "stop_talk": "stop saying something",
    "stop_stream": "stop playing",
    "stream": "play",
    "dtmf": "send keys",
    "listen": "listen for keys",
    "stop_listen": "stop listening for keys",
    "record_start": "start recording",
    "record_pause": "pause recording",
    "record_resume": "resume recording",
    "record_stop": "stop recording",
}
STATES: Final = {
    "accepted": "accepted by Vonage",
    "refused": "refused by Vonage",
    "gone": "unknown at Vonage",
    "failed": "not done",
    "unknown": "no response from Vonage",
}

Say = Callable[[str], str]


def verb_of(done: Done, say: Say = str) -> str:
    """What was to be done: `hang up`. *say* puts a word into another language."""
    return say(VERBS.get(done.action.verb, done.action.verb))


def who_of(done: Done, say: Say = str) -> str:
    """Who requested it: `operator 1f3a2b`."""
    role, _, name = done.action.by.partition(" ")
    return f"{say(role)} {name}".strip()


def outcome_of(done: Done, say: Say = str) -> str:
    """What came of it, with Vonage's own words where it says what is wrong: `refused by Vonage (400: …)`."""
    word = say(STATES.get(done.state, done.state))
    if done.took_effect or done.state == "requested":
        return word
    said = ": ".join(str(each) for each in (done.status, done.detail) if each)
    return f"{word} ({said})" if said else word


def sentence_of(done: Done, say: Say = str) -> str:
    """All of it: `hold by operator 1f3a2b: confirmed`."""
    return f"{verb_of(done, say)} {say('by')} {who_of(done, say)}: {outcome_of(done, say)}"
