"""What the scripts of the phone say (static/phone/), in the language of the request."""

from __future__ import annotations

from typing import Any, Final

from app.pages.acting import FAULTS, NOT_KNOWN, REASONS
from app.pages.languages import gettext, marked

# What a call does (static/phone/calls.js).
STATES: Final = {
    "incoming": marked("Calls you"),
    "waiting": marked("Connecting"),
    "calling": marked("Calling"),
    "system": marked("Announcement"),
    "talking": marked("Talking"),
    "held": marked("On hold"),
    "conference": marked("Conference"),
    "ignored": marked("Calls you, in silence"),
    "consulting": marked("Consulting"),
    "hanging_up": marked("Hanging up"),
}
# What is to be known of a call besides.
ABOUT: Final = {
    "answer_wanted": marked("Is answered as soon as it rings here."),
    "reject_wanted": marked("Is rejected as soon as it rings here."),
    "elsewhere": marked("The sound is in another window or on another device."),
    "unknown": marked("The server has not said anything about this call yet."),
    "reconnecting": marked("The sound is interrupted, and is being connected again."),
    "lost": marked("The sound is lost: nobody hears you, and you hear nobody."),
    "denied": marked("There is no microphone: nobody hears you."),
    "muted": marked("Your microphone is off."),
    "recording": marked("Recording"),
    "recording_paused": marked("Recording paused"),
    "transfer": marked("Transfer of %(who)s"),
    "transfer_rings": marked("Transfer of %(who)s: it rings"),
    "passing_on": marked("Is being transferred to %(who)s."),
    "held_by_transfer": marked("Waits for the end of the transfer"),
}
# How a call ended: causes of sessions (docs/sessions.md), and reasons of the SDK.
ENDINGS: Final = {
    "completed": marked("The call with %(who)s is over."),
    "answered_elsewhere": marked("The call of %(who)s was answered in another window or on another device."),
    "busy": marked("%(who)s is busy."),
    "rejected": marked("The call with %(who)s was rejected."),
    "cancelled": marked("%(who)s hung up before an answer."),
    "timeout": marked("Nobody answered: %(who)s"),
    "unanswered": marked("Nobody answered: %(who)s"),
    "failed": marked("The call with %(who)s failed."),
    "missed": marked("Missed call from %(who)s"),
    "passed_on": marked("%(who)s was transferred."),
    "not_passed_on": marked("%(who)s was not reached: the call is back."),
}
LINE: Final = {
    "ready": marked("Ready"),
    "connecting": marked("Connecting"),
    "reconnecting": marked("Connecting again"),
    "disconnected": marked("Not connected"),
    "disturbed": marked("Do not disturb"),
}
# What is wrong, above the calls.
TROUBLES: Final = {
    "server": marked("The server cannot be reached. What is shown may be old; the page tries again by itself."),
    "vonage": marked("There is no connection to Vonage: no call can come in or go out."),
    "login": marked("Your login has ended. Calls that go on here stay."),
    "refused": marked("The server refuses this page."),
    "sound": marked("Click anywhere on this page: until then the browser lets it play no ringing."),
    "microphone": marked("The browser may not use the microphone: nobody will hear you. Allow it for this page."),
    "no_microphone": marked("No microphone was found: nobody will hear you."),
    "else": marked("Something is wrong."),
}
VERBS: Final = {
    "answer": marked("Answer"),
    "reject": marked("Reject"),
    "ignore": marked("Ignore"),
    "hangup": marked("Hang up"),
    "mute": marked("Mute"),
    "unmute": marked("Unmute"),
    "hold": marked("Hold"),
    "unhold": marked("Resume"),
    "dtmf": marked("Send keys"),
    "record": marked("Record"),
    "transfer": marked("Transfer"),
    "complete": marked("Complete"),
    "cancel": marked("Cancel the transfer"),
    "swap": marked("Swap"),
    "merge": marked("Merge"),
    "join": marked("Conference"),
    "remove": marked("Remove"),
    "share": marked("Share the screen"),
    "unshare": marked("Stop sharing"),
    "call": marked("Call"),
    "disturb": marked("Do not disturb"),
    "voicemail": marked("Voicemail"),
}
QUALITY: Final = {
    "good": marked("The connection is good"),
    "fair": marked("The connection is fair"),
    "poor": marked("The connection is poor"),
}
NEWS: Final = {
    "incoming": marked("%(who)s calls. Enter answers, Escape rejects."),
    "title": marked("%(who)s calls"),
    "answered": marked("Connected with %(who)s"),
    "held": marked("%(who)s is on hold"),
    "resumed": marked("%(who)s is off hold"),
    "muted": marked("Your microphone is off."),
    "unmuted": marked("Your microphone is on."),
    "ready": marked("The phone is ready."),
    "offline": marked("The phone is not connected."),
}
OTHER: Final = {
    "unknown": marked("Unknown"),
    "conference": marked("Conference"),
    "nobody": marked("Type a number, a user or a SIP address."),
    "not_known": NOT_KNOWN,
    "line": marked("%(verb)s: %(came)s"),
    "standard": marked("As the system has it"),
    "device": marked("Device %(number)s"),
    "delete": marked("Delete this message?"),
    "deleted": marked("The message is deleted."),
    "missed": marked("Missed"),
    "called": marked("You called"),
    "was_called": marked("Called you"),
    "no_microphone": marked("The microphone cannot be used."),
    "pair": marked("not possible in a call that a connect alone has put through: transfer it at once, or hang up"),
    "offline": marked("The server could not be reached."),
    "no_line": marked("There is no connection to Vonage."),
    "loss": marked("%(loss)s %% lost, %(delay)s ms there and back"),
}
ALL: Final = {
    "states": STATES,
    "about": ABOUT,
    "endings": ENDINGS,
    "line": LINE,
    "troubles": TROUBLES,
    "verbs": VERBS,
    "quality": QUALITY,
    "news": NEWS,
    "faults": FAULTS,
    "other": OTHER,
}


def words() -> dict[str, Any]:
    """All of them, by kind and name."""
    said = {kind: {name: gettext(text) for name, text in texts.items()} for kind, texts in ALL.items()}
    return {**said, "reasons": {text: gettext(text) for text in REASONS}, "vonage": gettext("Vonage says:")}
