"""What is counted by minute and by hour, and the short codes under which it is stored: there are many of them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from app.domain.actions import was_received
from app.domain.events import UNKNOWN_STATUS, Answer, CallStatus, Event, Unknown
from app.domain.histograms import CODES, LAG, STORED, TOOK
from app.domain.leg_state import OUTCOMES

# What becomes of conversations and legs. `seconds` are billed, outcomes are of legs.
OF_CALLS: Final = {"events": "e", "repeats": "r", "conversations": "c", "legs": "l", "seconds": "s"} | {
    outcome: str(number) for number, outcome in enumerate(OUTCOMES)
}
# How webhooks arrive, and how they are replied to.
OF_DELIVERY: Final = {"out_of_order": "o", "unknown": "u", "unfiled": "f", "last_resort": "x"}
NAMES: Final = OF_CALLS | OF_DELIVERY
KINDS: Final = (
    *("status", "detection", "disconnected", "record", "transcription", "transcription_failed", "input", "transfer"),
    *("notify", "error", "fallback", "unknown"),
)
# Of a lag the code is the letter of its bucket, as a capital: most of what is counted are lags. Of these it is a letter
# and that of a bucket, or of a kind. Of refusals what is wrong follows in full.
TOOK_CODE, STORED_CODE, KIND_CODE, REFUSED_CODE = "T", "S", "K", "R"
REFUSED: Final = "refused:"


def codes_of(event: Event, received: datetime) -> str:
    """The codes to count when *event* is kept, separated by blanks."""
    if not was_received(event):
        return ""
    if isinstance(event, Answer):
        return "" if event.took_ms is None else TOOK_CODE + TOOK.code(event.took_ms)
    codes = [KIND_CODE + CODES[KINDS.index(event.kind)]]
    if (lag := lag_ms(event, received)) is not None:
        codes.append(LAG.code(lag).upper())
    if is_unknown(event):
        codes.append(NAMES["unknown"])
    return " ".join(codes)


def lag_ms(event: Event, received: datetime) -> float | None:
    """Milliseconds from the timestamp of *event* to its receipt; None without one, and for a fallback copy."""
    if event.occurred is None or event.kind == "fallback":
        return None
    return (received - event.occurred).total_seconds() * 1000


def is_unknown(event: Event) -> bool:
    """Whether *event* is of a kind, or a status, that this version does not know."""
    return isinstance(event, Unknown) or (isinstance(event, CallStatus) and UNKNOWN_STATUS in event.flags)


def code_of(name: str) -> str | None:
    """The code under which a counter of webhooks that are not kept is counted by minute; None if it is not."""
    if name.startswith(REFUSED):
        return REFUSED_CODE + name.removeprefix(REFUSED)
    return NAMES.get(name.removeprefix("answers:"))


def stored_code(ms: float) -> str:
    """The code of how long a webhook waited for the store."""
    return STORED_CODE + STORED.code(ms)


def name_of(code: str) -> str | None:
    """The name that *code* is for, "lag:3", "kind:status", "refused:expired", ...; None for one of another version."""
    sort, rest = code[:1], code[1:]
    if sort == REFUSED_CODE and rest:
        return REFUSED + rest
    if not rest and sort.isupper() and sort.lower() in CODES:
        return f"lag:{CODES.index(sort.lower())}"
    if len(rest) == 1 and rest in CODES:
        number = CODES.index(rest)
        if sort == KIND_CODE:
            return f"kind:{KINDS[number]}" if number < len(KINDS) else None
        group = {TOOK_CODE: "took", STORED_CODE: "stored"}.get(sort)
        return f"{group}:{number}" if group else None
    return _NAME_OF_CODE.get(code)


_NAME_OF_CODE: Final = {code: name for name, code in NAMES.items()}
