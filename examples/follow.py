"""Follow what changes, and print a line for each change. Needs nothing but Python 3.11.

    TOKEN=… python examples/follow.py https://calls.example.com [conversation=CON-… | number=7890 | kind=leg,input]

It outlives restarts of the server: it connects again and goes on after the last change it has seen. Where the server
cannot go on there (`gap`), it reads the list of live conversations again.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

SILENCE = 40  # seconds; the server says something every 15, so the connection is dead after that


class Follower:
    """Where we are in the stream."""

    def __init__(self, url: str, token: str, filters: dict[str, str]) -> None:
        self.url, self.token, self.filters = url.rstrip("/"), token, filters
        self.last_id = ""
        self.retry = 1.0  # seconds
        self.away = False  # since a failure that was reported

    def get(self, path: str, **headers: str) -> Any:
        """An open response."""
        headers["Authorization"] = f"Bearer {self.token}"
        return urlopen(Request(self.url + path, headers=headers), timeout=SILENCE)  # noqa: S310 - who runs it says which

    def events(self, lines: Iterable[bytes]) -> Iterator[tuple[str, Any]]:
        """The type and the data of each event."""
        kind, data = "", ""
        for line in lines:
            name, _, value = line.decode().rstrip("\r\n").partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "data":
                data += value
            elif name == "id":
                self.last_id = value  # also without an event
            elif name == "retry":
                self.retry = int(value) / 1000
            elif not line.strip():
                if data:
                    yield kind, json.loads(data)
                kind, data = "", ""

    def follow(self) -> Iterator[tuple[str, Any]]:
        """All events, over any number of connections."""
        path = "/api/v1/stream" + ("?" + urlencode(self.filters) if self.filters else "")
        while True:
            try:
                with self.get(path, **({"Last-Event-ID": self.last_id} if self.last_id else {})) as response:
                    self.away = False
                    yield from self.events(response)
            except HTTPError as refused:
                if refused.code not in (429, 500, 502, 503, 504):
                    sys.exit(f"{refused}: {refused.read().decode()}")
                self.report(refused)
            except (OSError, HTTPException) as error:  # it restarts, or the way there is cut
                self.report(error)
            time.sleep(self.retry)

    def report(self, error: Exception) -> None:
        """Say that the stream is away, once until it is back."""
        if not self.away:
            print(f"no stream from {self.url}, trying again: {error}", file=sys.stderr, flush=True)
        self.away = True


def main() -> None:
    """Print what happens."""
    if len(sys.argv) < 2 or "TOKEN" not in os.environ or not all("=" in argument for argument in sys.argv[2:]):
        sys.exit(__doc__)
    filters = dict(argument.split("=", 1) for argument in sys.argv[2:])
    follower = Follower(sys.argv[1], os.environ["TOKEN"], filters)
    for kind, data in follower.follow():
        if kind == "gap":
            with follower.get("/api/v1/conversations?state=live&limit=500") as response:
                live = json.load(response)["items"]
            print("gap", "live:", len(live), flush=True)
        elif kind in ("stats", "away"):
            print(kind, json.dumps(data), flush=True)
        else:
            conversation = data["conversation"]
            state = "deleted" if conversation["deleted"] else conversation["state"]
            print(kind, data["conversation_uuid"], data["index"], data["after"], state, flush=True)


if __name__ == "__main__":
    main()
