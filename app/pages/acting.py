"""What pages need to act on calls: which verbs each leg has now, and the words for what comes of them.

The buttons are in templates/call.html and board.html; static/acting.js sends what they say to the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Flask

from app.pages.languages import gettext, marked
from app.services import Services

# What a button did, for the line that says what came of it.
VERBS: Final = {
    "hold": marked("Hold"),
    "resume": marked("Resume"),
    "mute": marked("Mute"),
    "unmute": marked("Unmute"),
    "hangup": marked("Hang up"),
    "dtmf": marked("Send keys"),
    "talk": marked("Say"),
    "talk/stop": marked("Stop saying"),
    "transfer": marked("Transfer"),
    "record_start": marked("Start recording"),
    "record_pause": marked("Pause recording"),
    "record_resume": marked("Resume recording"),
    "record_stop": marked("Stop recording"),
    "transfer_call": marked("Transfer"),
    "complete": marked("Complete"),
    "cancel": marked("Cancel"),
    "swap": marked("Swap"),
    "merge": marked("Merge"),
    "conference": marked("Conference"),
    "add": marked("Add"),
    "remove": marked("Remove"),
    "detach": marked("Detach"),
    "end": marked("End for all"),
}
# What came of it: states of an action (app/domain/leg_control.py) that are no fault.
STATES: Final = {
    "requested": marked("requested, and waits for its turn"),
    "accepted": marked("accepted by Vonage, which is yet to confirm it"),
    "confirmed": marked("done"),
    # Of a transfer or a conference, which takes several steps.
    "begun": marked("under way: what comes of it is shown here"),
}
# What came of a transfer: its status, or its outcome (app/domain/transfers.py).
TRANSFERS: Final = {
    "answered": marked("answered: complete it, swap or merge"),
    "completed": marked("completed"),
    "cancelled": marked("cancelled, and back as it was"),
    "unreached": marked("cancelled, and back as it was: nobody was reached, or they hung up"),
    "abandoned": marked("abandoned: the transferred leg hung up"),
    "merged": marked("merged"),
}
# What came of members of a conference (app/domain/conferences.py), if they have not joined.
CONFERENCES: Final = {"left": marked("did not join, or left again")}
# Why it was not done: states of an action, and titles of problems of app/api/acting_errors.py.
FAULTS: Final = {
    "refused": marked("refused by Vonage: the leg is not in a state for it, or something in it is wrong"),
    "gone": marked("not done: Vonage knows no such leg any more"),
    "failed": marked("not done: Vonage could not be reached, or had no room for it. Try again"),
    "unknown": marked("Vonage did not respond in time: it may have been done"),
    "Vonage refuses the key": marked("not done: VONAGE_PRIVATE_KEY is not the key of VONAGE_APPLICATION_ID"),
    "Leg ended": marked("not done: the leg has ended"),
    "Unknown leg": marked("not done: the leg is not stored, or was deleted"),
    "Unknown conversation": marked("not done: the conversation is not stored, or was deleted"),
    "Being moved already": marked("not done: the leg is being moved already. Try again in a few seconds"),
    "Part of a transfer or conference": marked(
        "not done: the leg is part of a transfer or a conference. Act on that, or wait for its end"
    ),
    "Unknown transfer or conference": marked("not done: there is no such transfer or conference any more"),
    "Conference not possible": marked("not done"),
    "Not in a state for it": marked("not done: that does not fit what the leg does now"),
    "NCCO refused": marked("not done: Vonage would refuse the NCCO"),
    "Store unavailable": marked("not done: Redis is away. Try again in a moment"),
    "Not allowed": marked("not done: this needs the token of an operator"),
    "CSRF token missing or wrong": marked("not done: the login has ended or changed. Reload the page"),
    "Not logged in": marked("not done: the login has ended or changed. Reload the page"),
    "offline": marked("not known: the server could not be reached"),
    "wrong": marked("not done: something in it is wrong"),
    "else": marked("not done"),
}
# Reasons that app/control gives; others, as what Vonage says is wrong, are shown as they are.
REASONS: Final = (
    marked("The leg is on hold already."),
    marked("The leg is not on hold."),
    marked("The leg is in no room and has no other side: there is nothing to come back to."),
    marked("It is not known which room the leg was in."),
    marked("It is paused: resume it."),
    marked("It is not being recorded."),
    marked("The initiator talks to nobody."),
    marked("The legs initiator_call and transferred_call do not talk to each other."),
    marked("The legs are a pair that a connect joined (connect_pair): only a blind transfer works there."),
    marked("The leg has not joined the conference, or is on hold already, or is not."),
    marked("The host's leg is not live, or not yours."),
    marked("The host talks to nobody."),
    marked("The host is in a conference already, or talks to several."),
    marked("It is the host: hang it up, or end the conference."),
    marked("A participant must be live and talk to one leg of the host, or be on hold for it."),
    marked("The participant is in a conference already."),
)


NOT_KNOWN: Final = marked("No user %(who)s is known here. Once more, and it is called all the same.")


def missing(parts: Services) -> list[str]:
    """The settings without which nothing can be done to calls, and that are not set."""
    settings = parts.settings
    needed = {"VONAGE_APPLICATION_ID": settings.application_id, "VONAGE_PRIVATE_KEY": settings.private_key}
    return [] if parts.control.client.credentials else [name for name, value in needed.items() if not value]


def words() -> dict[str, Any]:
    """All that static/acting.js says, in the language of the request."""
    return {
        "verbs": {name: gettext(text) for name, text in VERBS.items()},
        "states": {name: gettext(text) for name, text in STATES.items()},
        "transfers": {name: gettext(text) for name, text in TRANSFERS.items()},
        "conferences": {name: gettext(text) for name, text in CONFERENCES.items()},
        "faults": {name: gettext(text) for name, text in FAULTS.items()},
        "reasons": {text: gettext(text) for text in REASONS},
        "vonage": gettext("Vonage says:"),
        "nobody": gettext("Choose who joins."),
        "not_known": gettext(NOT_KNOWN),
        "line": gettext("%(verb)s, %(who)s: %(came)s"),
    }


def flows_of(parts: Services) -> list[tuple[str, str, list[str]]]:
    """The call flows to which a leg can be transferred: name, what people call it, its steps, the first one first."""
    found = parts.flows.flow_file.flows.values() if parts.flows.flow_file else ()
    names = parts.names.current()
    return [
        (flow.name, names.flow(flow.name), sorted(flow.steps, key=lambda step: step != flow.start)) for flow in found
    ]


def controls(control: Mapping[str, Any]) -> list[str]:
    """How a leg is controlled (`ControlSchema`), as states that states.py has the looks of."""
    hold = control["hold"]
    found = [hold] if hold else []
    found += ["moving"] if control["moving"] and not hold else []
    if hold != "weak":  # that is both of these
        found += [name for name in ("muted", "earmuffed") if control[name]]
    return found + (["hanging_up"] if control["hangup_requested"] else [])


def hold_verb(leg: Mapping[str, Any]) -> str | None:
    """Whether a leg can be put on hold now, or be taken off it, as far as is known."""
    if leg["state"] != "answered" or leg["control"]["hold"] == "resuming":
        return None
    return "resume" if leg["control"]["hold"] else "hold"


def install(app: Flask) -> None:
    """Let the templates of *app* use them."""
    app.jinja_env.filters["controls"] = controls
    app.jinja_env.globals["hold_verb"] = hold_verb
    app.jinja_env.globals["acting_words"] = words
