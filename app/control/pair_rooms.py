"""Brings a pair that a `connect` joined into a room, where that is to be tried."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.control.errors import MovePending, WrongState
from app.control.machines import legs_of
from app.control.operations import Operations, new_id
from app.domain.legs import Leg
from app.domain.moves import EPOCH
from app.domain.pair_rooms import KIND, Order, PairRoom, project
from app.store.reader import not_waiting

SECONDS: Final = 2.5  # that a request for the pair waits for it
AGAIN_SECONDS: Final = 0.05
LOST: Final = "Vonage ended one leg as the pair was moved into a room (connect_pair): the call is over."
REFUSED: Final = "Vonage did not move the pair into a room (connect_pair): nothing has changed."


@dataclass(frozen=True, slots=True)
class PairRooms:
    """Moves pairs into rooms."""

    operations: Operations

    def bring(self, legs: Sequence[Leg], *, by: str, conversation: str | None) -> float:
        """Bring the two *legs* into a room; returns how many seconds it took.

        Raises WrongState if that failed, MovePending if it goes on, InOperation.
        """
        began, id_ = time.monotonic(), new_id()
        caller, callee = sorted(legs, key=lambda leg: (leg.direction != "inbound", leg.started or EPOCH, leg.uuid))
        muted = [leg.uuid for leg in legs if leg.control.muted]
        order = Order(caller.uuid, callee.uuid, f"call-{id_}", muted)
        uuids = [leg.uuid for leg in legs]
        self.operations.begin(
            id_, KIND, order._asdict(), uuids, by=by, conversation=conversation, seconds=SECONDS - AGAIN_SECONDS
        )
        while (status := self._read(id_).status) == "moving":
            if time.monotonic() > began + SECONDS:
                raise MovePending(id_)
            with not_waiting():
                time.sleep(AGAIN_SECONDS)
        if status != "together":
            raise WrongState(LOST if status == "lost" else REFUSED)
        return time.monotonic() - began

    def _read(self, id_: str) -> PairRoom:
        log = self.operations.store.log_of(id_)
        return project(log, legs_of(self.operations.store, log))
