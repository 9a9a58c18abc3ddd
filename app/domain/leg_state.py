"""The state and outcome of a leg, computed from the statuses seen of it and nothing else.

Each status is a bit. Bits are only ever ORed, so neither order nor repetition matters. The store keeps the bits and
looks them up in `TABLE`, made here: the rules are in this file alone.
https://developer.vonage.com/en/voice/voice-api/webhook-reference#event-webhook
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

LegState = Literal["started", "ringing", "answered", "completed"]

STARTED, RINGING, ANSWERED, COMPLETED, BILLED = 1, 2, 4, 8, 16

# Vonage's statuses of a call that was never answered, most specific first: a leg with two is named for the first.
FAILURES: Final = ("rejected", "failed", "busy", "timeout", "cancelled", "unanswered")
OUTCOMES: Final = (*FAILURES, "answered")  # "unanswered" also names a leg that ended without any of these
STATES: Final[tuple[LegState, ...]] = ("started", "ringing", "answered", "completed")

BITS: Final[dict[str, int]] = {
    "started": STARTED,
    "ringing": RINGING,
    "answered": ANSWERED,
    "human": ANSWERED,
    "machine": ANSWERED,
    "disconnected": ANSWERED,  # a WebSocket has to be up before the application can close it
    "completed": COMPLETED,
} | {failure: 32 << index for index, failure in enumerate(FAILURES)}

FAILED: Final = sum(BITS[failure] for failure in FAILURES)
FINAL: Final = COMPLETED | FAILED
ALL: Final = STARTED | RINGING | ANSWERED | BILLED | FINAL


class StateAndOutcome(NamedTuple):
    """What a leg's bits mean. `outcome` is None until the leg has ended."""

    state: LegState
    outcome: str | None


def state_of(bits: int) -> StateAndOutcome:
    """The state and outcome of a leg of which the statuses in *bits* were seen."""
    if bits & FINAL:
        failure = next((name for name in FAILURES if bits & BITS[name]), None)
        return StateAndOutcome("completed", failure or ("answered" if bits & (ANSWERED | BILLED) else "unanswered"))
    if bits & ANSWERED:
        return StateAndOutcome("answered", None)
    return StateAndOutcome("ringing" if bits & RINGING else "started", None)


def comes_after(status: str) -> int:
    """The bits that a leg reaches only after *status*: if one of them is set already, the event is out of order."""
    bit = BITS.get(status, 0)
    if not bit or bit == COMPLETED:
        return 0
    if bit & FAILED:  # "completed ends every leg", also one that failed
        return COMPLETED
    return {STARTED: RINGING | ANSWERED | FINAL, RINGING: ANSWERED | FINAL, ANSWERED: FINAL}[bit]


def _row(bits: int) -> str:
    state, outcome = state_of(bits)
    return f"{STATES.index(state)}{OUTCOMES.index(outcome) if outcome else '-'}"


# For every value of the bits two characters: the index of its state in STATES, of its outcome in OUTCOMES or "-".
TABLE: Final = "".join(map(_row, range(ALL + 1)))
