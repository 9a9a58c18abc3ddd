"""When a leg was on hold, which Vonage has no command for: what was done to it makes it so."""

from __future__ import annotations

from vonage_simulator.ledger import Ledger, Leg
from vonage_simulator.spans import Span, overlap, without


def holds(ledger: Ledger, leg: Leg) -> list[Span[str]]:
    """When *leg* was alone in a conversation that it was transferred to, with an audio file in a loop: its URL."""
    found: list[Span[str]] = []
    joined = {move.joined for move in leg.moves}
    for stay in leg.stays:
        conversation = ledger.conversations.get(stay.value)
        if stay.value not in joined or conversation is None or conversation.name is not None:
            continue
        others = [
            span
            for other in conversation.legs.values()
            for span in other.stays
            if other is not leg and span.value == stay.value
        ]
        for played in leg.played:
            if played.value.kind == "stream" and played.value.endless and played.value.by == "script":
                common = overlap(Span(played.value.what, played.since, played.until), stay)
                found += without(common, others) if common else []
    return found
