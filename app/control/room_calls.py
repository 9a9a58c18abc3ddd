"""Calls to users in rooms: begun while a caller is answered, then gone on with as all operations are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.control.control import Control
from app.control.transfers import RINGBACK
from app.domain.room_calls import KIND, Order

KEEP_SECONDS: Final = 0.05  # longer no caller waits for Redis


@dataclass(frozen=True, slots=True)
class RoomCalls:
    """Calls users into rooms where callers wait."""

    control: Control

    @property
    def can_call(self) -> bool:
        """Whether there are the credentials for it."""
        return self.control.client.credentials is not None

    @property
    def ringback(self) -> str:
        """The URL of what a caller hears meanwhile."""
        return f"{self.control.base_url}{RINGBACK}"

    def begin(self, id_: str, order: Order, *, by: str) -> bool:
        """Whether it is certain now that the user will be called. Waits 50 ms at most; repeated, it changes nothing."""
        conversation = order.conversation
        return self.control.operations.begin_within(
            KEEP_SECONDS, id_, KIND, order._asdict(), by=by, conversation=conversation
        )
