"""What transfers are tested with: who takes part, what is wanted, and who is left alone."""

from __future__ import annotations

from app.domain.transfers import Order, Transfer
from tests.domain.operation_model import Workers

A, L = "agent", "customer"
RING_SECONDS = 30


def order(**changes: object) -> dict[str, object]:
    chosen = {
        "initiator": A,
        "transferred": L,
        "to": {"type": "phone", "number": "447700900123"},
        "from_": {"type": "phone", "number": "442079460000"},
        "home_room": "home",
        "consult_room": "consult",
        "music_url": "https://example.com/music.mp3",
        "ringback_url": "https://example.com/ringing.mp3",
        "fallback_ncco": [{"action": "talk", "text": "Sorry"}],
        "ring_seconds": RING_SECONDS,
        "event_url": "https://example.com/voice/event",
    }
    return Order(**(chosen | changes))._asdict()  # type: ignore[arg-type]


def left_alone(workers: Workers) -> list[str]:
    """Who is alone in silence, and nobody will come."""
    state: Transfer = workers.state()
    carrier = workers.carrier
    found = []
    for party in carrier.alive():
        ended = state.status == "ended"
        if carrier.company(party.uuid) and party.played and not workers.faults:
            found.append(f"{party} hears ringing")
        if party.hears == "script" or carrier.company(party.uuid):
            continue
        if party.hears == "music" and state.status == "answered":
            continue  # the initiator, who talks with the other one, will come back
        if party.conversation == "CON-adhoc":
            continue  # the conference looks after it
        if ended and state.history[-2] == "cancelled" and party.conversation == "CON-home":
            continue  # the call looks after it: its partner left after all was as before
        found.append(f"{party} in {state.history}")
    return found
