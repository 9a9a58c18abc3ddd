"""The state of a call between its steps: in the URL at which Vonage asks for the next one, not in a worker.

It is sealed: telephone numbers and PINs in it cannot be read in the NCCO or in a router's log, and only this server can
make one. https://cryptography.io/en/latest/fernet/
"""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken

from app.flows.model import MOST_STEPS_ENTERED, MOST_VISITS, RenderFault

# Characters. Parameters of a GET callback come after it, and a request line has 8,190 at most (gunicorn).
LONGEST: Final = 4000
MOST_UNSEALED: Final = 64 * 1024  # bytes; only what we sealed is ever unsealed, and that was smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class CallState:
    """Where a call has been in its flow.

    `known`: what is kept of its first request; `inputs`: the results of its steps, by their names; `visits`: how often
    each step was entered, by `visit`. `enter`: a request gets the step itself, not what comes after it.
    """

    known: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    visits: Mapping[str, int] = field(default_factory=dict)
    enter: bool = False

    def entered(self, flow: str, step: str) -> dict[str, int]:
        """`visits` with one more of *step* of *flow*. Raises RenderFault if the call loops."""
        here = visit(flow, step)
        visits = {**self.visits, here: self.visits.get(here, 0) + 1}
        if visits[here] > MOST_VISITS:
            raise RenderFault(f"the call came to step {step} more than {MOST_VISITS} times")
        if sum(visits.values()) > MOST_STEPS_ENTERED:
            raise RenderFault(f"the call has gone through more than {MOST_STEPS_ENTERED} steps")
        return visits


def visit(flow: str, step: str) -> str:
    """The key of *step* of *flow* in `CallState.visits`: two flows may have a step of one name."""
    return f"{flow}/{step}"


class StateCodec:
    """Seals states for URLs, and unseals them. *secret* is the same in all workers."""

    def __init__(self, secret: str) -> None:
        self._fernet = Fernet(urlsafe_b64encode(sha256(b"call flows: " + secret.encode()).digest()))

    def seal(self, state: CallState) -> str:
        """*state* as text for a URL. Raises RenderFault if it is too long for one."""
        values = [state.known, state.inputs, state.visits, int(state.enter)]
        sealed = self._fernet.encrypt(zlib.compress(json.dumps(values, separators=(",", ":")).encode())).decode()
        if len(sealed) > LONGEST:
            raise RenderFault("the state of the call (custom_data, headers, inputs) is more than an address can hold")
        return sealed

    def unseal(self, sealed: str) -> CallState:
        """The state in *sealed*. Raises RenderFault if this server did not seal it."""
        try:
            text = zlib.decompressobj().decompress(self._fernet.decrypt(sealed.encode()), MOST_UNSEALED)
            known, inputs, visits, enter = json.loads(text)
        except (InvalidToken, ValueError, zlib.error) as error:
            raise RenderFault("`state` in the address is none of this server's (has SECRET_KEY changed?)") from error
        return CallState(known=known, inputs=inputs, visits=visits, enter=bool(enter))
