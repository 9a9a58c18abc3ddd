"""What conferences are tested with: the calls before, what is wanted, and who is left alone."""

from __future__ import annotations

from app.domain.conferences import Conference, Order
from tests.domain.operation_model import Carrier, Workers

HOST = "host"


def order(participants: list[str], **changes: object) -> dict[str, object]:
    chosen = {
        "host": HOST,
        "participants": participants,
        "room": "adhoc",
        "music_url": "https://example.com/music.mp3",
        "homes": {leg: f"call-{leg}" for leg in participants},
        "discard": {f"{HOST}-{leg}": leg for leg in participants[1:]},
    }
    return Order(**(chosen | changes))._asdict()  # type: ignore[arg-type]


def calls(carrier: Carrier, participants: list[str]) -> None:
    """The host talks to the first participant; each other one talks to a leg of the host's own."""
    carrier.begin(HOST, f"CON-call-{participants[0]}")
    for leg in participants:
        carrier.begin(leg, f"CON-call-{leg}")
    for leg in participants[1:]:
        carrier.begin(f"{HOST}-{leg}", f"CON-call-{leg}")


def left_alone(workers: Workers) -> list[str]:
    """Who is alone in silence, and nobody will come."""
    state: Conference = workers.state()
    found = []
    failed = state.finished and state.ending == "failed"
    for party in workers.carrier.alive():
        if workers.carrier.company(party.uuid):
            continue
        others = [leg for leg, member in state.members.items() if member.held != (party.hears == "music")]
        if not state.finished and any(not workers.carrier.parties[leg].over for leg in others):
            continue  # one is on hold, and the other will come back
        if party.uuid in state.detached and not workers.carrier.parties[state.detached[party.uuid]].over:
            continue  # on hold for the host, who is there, or the host in the room of such a one
        if failed or (party.conversation.startswith("CON-call-") and party.uuid not in state.members):
            continue  # nothing has changed for it: the call looks after it
        found.append(f"{party} {state.members} {state.ending}")
    return found
