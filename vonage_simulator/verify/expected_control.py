"""What a server's API should say of how legs are controlled and who is in a conference, computed from the ledger."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from vonage_simulator.holds import holds
from vonage_simulator.ledger import ApiRequest, Ledger, Leg
from vonage_simulator.verify.differences import Difference, OneOf

Json = dict[str, Any]

UNTOUCHED: Final[Json] = {"muted": False, "earmuffed": False, "hold": None}
EITHER: Final = OneOf((False, True))
CONTROLS: Final = ("mute", "unmute", "earmuff", "unearmuff", "transfer")


def expected_controls(ledger: Ledger) -> dict[str, Json]:
    """What `control` of each leg should say while nothing is being done, by the leg's uuid.

    Only requests to the Voice API are the server's doing: what a leg's own script does to it, or a scenario, is no
    control of the server's, and is not in the API.
    """
    requests: dict[str, list[ApiRequest]] = {}
    for request in ledger.requests:
        if request.about and request.verb in CONTROLS:
            requests.setdefault(request.about, []).append(request)
    return {uuid: _control(ledger, leg, requests.get(uuid, ())) for uuid, leg in ledger.legs.items()}


def _control(ledger: Ledger, leg: Leg, requests: Sequence[ApiRequest]) -> Json:
    if not requests:
        return UNTOUCHED
    hold = "held" if is_held(ledger, leg) else None
    # In a pair, where no leg can be moved to music, being muted and earmuffed may be meant as a hold: then it is none
    # of the leg's own, and is not what it will be when it comes back.
    if hold is None and leg.conversation.name is None and leg.muted and leg.earmuffed:
        return {"muted": EITHER, "earmuffed": EITHER, "hold": None if leg.over else OneOf((None, "weak"))}
    return {
        "muted": _state(ledger, leg, leg.muted, requests, ("mute", "unmute")),
        "earmuffed": _state(ledger, leg, leg.earmuffed, requests, ("earmuff", "unearmuff")),
        "hold": hold,
    }


def _state(ledger: Ledger, leg: Leg, on: bool, requests: Sequence[ApiRequest], verbs: Collection[str]) -> Any:
    """Whether it is so; either way if the server cannot know: its last request had no response.

    A leg that enters another conversation is neither, unless its script says so: from then on it is known again. One
    that ended on the way to a room never got there, and what it should have been there may be said as well; of one on
    hold, whom nobody hears, what it will be when it comes back.
    """
    own = [request for request in requests if request.verb in verbs]
    known = [*(request.at for request in own if request.status is not None), *(move.at for move in leg.moves)]
    unknown = any(request.status is None and request.at >= max(known, default=request.at) for request in own)
    on_the_way = bool(leg.moves) and leg.conversation.name is None and (leg.over or is_held(ledger, leg))
    return EITHER if unknown or on_the_way else on


def is_held(ledger: Ledger, leg: Leg) -> bool:
    """Whether it is on hold now."""
    return not leg.over and any(span.until is None for span in holds(ledger, leg))


def conference_differences(ledger: Ledger, view: Mapping[str, Any]) -> list[Difference]:
    """Where `GET /api/v1/conferences/<id>` differs, while nothing is being done, from who shares the room.

    Who has joined is in the room or on hold, and nobody else is in it.
    """
    name = f"conference {view['conference_id']}"
    status = {member["call_id"]: member["status"] for member in view["members"]}
    room = ledger.conversations.get(view["conversation_uuid"] or "")
    present = set(room.present) if room else set()
    found = []
    if view["finished"]:
        return [Difference(f"{name} finished", "nobody in its room", sorted(present))] if present else []
    for uuid in sorted({*status, *present}):
        leg = ledger.legs[uuid]
        says, joined = status.get(uuid, "no member"), status.get(uuid) == "joined"
        if uuid in present and not joined:
            found.append(Difference(f"{name} leg {uuid}", "joined", says))
        elif joined and uuid not in present and not is_held(ledger, leg):
            found.append(Difference(f"{name} leg {uuid}", "not in the room", says))
    return found


def early(ledger: Ledger, view: Mapping[str, Any], since: datetime) -> list[Difference]:
    """What a leg or a conference, as the API shows it, is said to be before it is.

    It holds at any moment, as nobody can know what has not happened yet, if *view* was fetched before this is called.
    *since*: by the carrier's clock, when the hold or the conference was requested.
    """
    if "members" in view:
        room = ledger.conversations.get(view["conversation_uuid"] or "")
        joined = [member["call_id"] for member in view["members"] if member["status"] == "joined"]
        return [
            Difference(f"conference {view['conference_id']} leg {uuid}", "not in the room yet", "joined")
            for uuid in joined
            if (uuid not in room.legs if room else not _has_moved(ledger.legs[uuid], since))
        ]
    held = view["control"]["hold"] == "held"
    if held and not _has_moved(ledger.legs[view["uuid"]], since):
        return [Difference(f"leg {view['uuid']} control.hold", "not there yet", "held")]
    return []


def _has_moved(leg: Leg, since: datetime) -> bool:
    return any(move.at >= since for move in leg.moves)
