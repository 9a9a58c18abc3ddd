"""What events, and marks of the ladder, are called."""

from __future__ import annotations

from typing import Final

from flask import Flask

from app.pages.languages import gettext, marked

WORDS: Final = {
    # kinds of events
    "answer": marked("answer"),
    "detection": marked("machine detection"),
    "disconnected": marked("websocket closed"),
    "error": marked("error"),
    "fallback": marked("fallback URL"),
    "input": marked("input"),
    "notify": marked("notify action"),
    "record": marked("recording"),
    "transcription": marked("transcription"),
    "transcription_failed": marked("transcription failed"),
    "transfer": marked("moved on"),
    "unknown": marked("of an unknown kind"),
    "action": marked("action"),
    "action_result": marked("what came of it"),
    # actions of this server: who, what, and what came of it (app/calls/done.py)
    "by": marked("by"),
    "operator": marked("operator"),
    "viewer": marked("viewer"),
    "flow": marked("flow"),
    "user": marked("user"),
    "hold": marked("hold"),
    "resume": marked("resume"),
    "mute": marked("mute"),
    "unmute": marked("unmute"),
    "earmuff": marked("earmuff"),
    "say something": marked("say something"),
    "place the call": marked("place the call"),
    "ring the user": marked("ring the user"),
    "merge into a conference": marked("merge into a conference"),
    "hang up": marked("hang up"),
    "transfer the leg": marked("transfer the leg"),
    "move the leg": marked("move the leg"),
    "end earmuff": marked("end earmuff"),
    "stop saying something": marked("stop saying something"),
    "stop playing": marked("stop playing"),
    "play": marked("play"),
    "send keys": marked("send keys"),
    "listen for keys": marked("listen for keys"),
    "stop listening for keys": marked("stop listening for keys"),
    "start recording": marked("start recording"),
    "pause recording": marked("pause recording"),
    "resume recording": marked("resume recording"),
    "stop recording": marked("stop recording"),
    "requested": marked("requested"),
    "accepted by Vonage": marked("accepted by Vonage"),
    "confirmed": marked("confirmed"),
    "refused by Vonage": marked("refused by Vonage"),
    "unknown at Vonage": marked("unknown at Vonage"),
    "not done": marked("not done"),
    "no response from Vonage": marked("no response from Vonage"),
    # what a caller did
    "keys": marked("keys"),
    "says": marked("says"),
    "no input": marked("no input"),
    "no reason": marked("no reason given"),
    "looked_up": marked("from Vonage's API, no webhook"),
    # what was odd about a webhook
    "no_timestamp": marked("no timestamp"),
    "unknown_status": marked("unknown status"),
    # what its signature lacked
    "unsigned": marked("unsigned"),
    "refused_signature": marked("wrong signature"),
    "capped": marked("too many webhooks: not all are kept"),
    "no_application_id": marked("signed without application"),
    "no_payload_hash": marked("signed without content"),
    "get_hash_mismatch": marked("signed with another query"),
}
UNREADABLE: Final = "unreadable_"  # flag: before the name of a field


def word(name: str) -> str:
    """*name* in the language of the request. One that is not known is shown as it is."""
    if name.startswith(UNREADABLE):
        return gettext("unreadable: %(field)s") % {"field": name.removeprefix(UNREADABLE)}
    return gettext(WORDS[name]) if name in WORDS else name


def install(app: Flask) -> None:
    """Let the templates of *app* use it."""
    app.jinja_env.filters["word"] = word
