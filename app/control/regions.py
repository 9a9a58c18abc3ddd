"""Where each leg is controlled.

https://developer.vonage.com/en/voice/voice-api/concepts/regions: a request to another region than the call's is a 404.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from app.control.vonage_client import VonageClient
from app.domain.events import Answer
from app.domain.operations import Step
from app.store.store import Store


class Regions:
    """At the `region_url` of the leg's answer webhook or, where that is not known, at the first that knows the leg."""

    def __init__(self, store: Store, client: VonageClient) -> None:
        self._store, self._client = store, client

    def hosts(self, leg: str | None, step: Step) -> Sequence[str]:
        """The hosts to try, the likeliest first; a new call is placed at one alone."""
        if leg is None:
            return [step.arguments.get("region") or self._client.hosts[0]]
        return self.hosts_of(leg)

    def hosts_of(self, leg: str) -> Sequence[str]:
        """The hosts that may know *leg*, the likeliest first."""
        own = self._region_of(leg)
        return list(dict.fromkeys([*([own] if own else []), *self._client.hosts]))

    def _region_of(self, leg: str) -> str | None:
        for kept in self._store.leg_history(leg).events.values():
            if isinstance(kept.event, Answer) and kept.event.region_url:
                host = urlsplit(kept.event.region_url).netloc
                if host and self._client.may_send_to(host):
                    return host
        return None
