"""What a call takes along from step to step: in the address at which Vonage asks for the next one, not in a worker.

It is sealed: telephone numbers and PINs in it are nobody's to read in the NCCO or in a router's log, and nobody but us
can make one. https://cryptography.io/en/latest/fernet/
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

# Letters. A GET callback's own parameters come behind it, and the line of a request has 8,190 at most (gunicorn).
LONGEST: Final = 4000
MOST_OPENED: Final = 64 * 1024  # bytes; only what we sealed is ever opened, and that was smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class CallState:
    """Where a call has been in its flow.

    `known` is what it takes along of the request it began with; `inputs` what came back from each step, by its name;
    `visits` how often each step was entered. `enter`: whoever asks gets the step itself, not what comes after it.
    """

    known: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    visits: Mapping[str, int] = field(default_factory=dict)
    enter: bool = False

    def entered(self, step: str) -> dict[str, int]:
        """`visits` once *step* is entered, too. Raises RenderFault where a call goes round and round."""
        visits = {**self.visits, step: self.visits.get(step, 0) + 1}
        if visits[step] > MOST_VISITS:
            raise RenderFault(f"the call came to step {step} more than {MOST_VISITS} times")
        if sum(visits.values()) > MOST_STEPS_ENTERED:
            raise RenderFault(f"the call has gone through more than {MOST_STEPS_ENTERED} steps")
        return visits


class StateCodec:
    """Makes addresses' text of trails, and trails of that. *secret* is the same in all workers."""

    def __init__(self, secret: str) -> None:
        self._fernet = Fernet(urlsafe_b64encode(sha256(b"call flows: " + secret.encode()).digest()))

    def closed(self, call_state: CallState) -> str:
        """*trail* as letters for an address. Raises RenderFault if it takes along more than an address can hold."""
        told = [call_state.known, call_state.inputs, call_state.visits, int(call_state.enter)]
        sealed = self._fernet.encrypt(zlib.compress(json.dumps(told, separators=(",", ":")).encode())).decode()
        if len(sealed) > LONGEST:
            raise RenderFault(
                "what the call takes along (custom_data, headers, inputs) is more than an address can hold"
            )
        return sealed

    def opened(self, sealed: str) -> CallState:
        """The trail in *sealed*. Raises RenderFault if it is none of ours: SECRET_KEY may have changed."""
        try:
            text = zlib.decompressobj().decompress(self._fernet.decrypt(sealed.encode()), MOST_OPENED)
            known, inputs, visits, enter = json.loads(text)
        except (InvalidToken, ValueError, zlib.error) as error:
            raise RenderFault("`state` in the address is none of this server's (has SECRET_KEY changed?)") from error
        return CallState(known=known, inputs=inputs, visits=visits, enter=bool(enter))
