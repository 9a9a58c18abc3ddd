"""Makes users at Vonage, so that a page can log in as one. https://developer.vonage.com/en/api/users"""

from __future__ import annotations

from typing import Final

from app.control.errors import KeyRefused, NotConfigured, NoVonage, UserRefused
from app.control.sending import RATES, TOO_FAST, TURN_SECONDS
from app.control.vonage_client import NoReply, NotSent, VonageClient
from app.store.store import Store
from app.vonage_token import ApplicationTokens

MOST_KNOWN: Final = 10_000
EXISTS: Final = "user:error:duplicate-name"  # the end of `type`: "User name already exists"
OUR_KEY: Final = (401, 403)  # statuses by which Vonage refuses the application's token


class AppUsers:
    """The application's users at Vonage."""

    def __init__(self, store: Store, client: VonageClient) -> None:
        self._store, self._client = store, client
        # In this worker's memory: after a restart each is made once more, so one that somebody deleted at Vonage
        # comes back.
        self._known: set[str] = set()

    @property
    def tokens(self) -> ApplicationTokens:
        """What signs tokens of users. Raises NotConfigured."""
        if self._client.credentials is None:
            raise NotConfigured(("VONAGE_APPLICATION_ID", "VONAGE_PRIVATE_KEY"), what="A phone")
        return self._client.credentials

    def ensure(self, name: str, display_name: str | None) -> None:
        """Make the user *name* at Vonage, unless this worker knows that there is one. Takes 5 s at most.

        Raises NotConfigured, KeyRefused, UserRefused, NoVonage, StoreUnavailable.
        """
        _ = self.tokens
        if name in self._known:
            return
        if self._store.take_turn("requests", RATES["requests"], TURN_SECONDS) is None:
            raise NoVonage("Too much is being requested of Vonage just now: try again in a second.", busy=True)
        body = {"name": name} | ({"display_name": display_name} if display_name else {})
        try:
            response = self._client.send(self._client.hosts[0], "POST", "/v1/users", body)
        except (NotSent, NoReply) as error:
            raise NoVonage(f"Vonage cannot make the user now: {error}. Try again in a moment.") from error
        if response.status in OUR_KEY:
            raise KeyRefused(response.detail)
        if response.status == TOO_FAST:
            raise NoVonage("Vonage says that it gets too many requests: try again in a second.", busy=True)
        if response.status >= 500:
            raise NoVonage(f"Vonage has a fault (status {response.status}). Try again in a moment.")
        if not (response.ok or str(response.body.get("type", "")).endswith(EXISTS)):
            raise UserRefused(response.detail)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known.add(name)
