"""What one listener is sent, from its first byte to its last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import randrange
from typing import Final

from app.live import position, rendering
from app.live.follower import AWAY, Live, gap_event
from app.live.listener import Listener
from app.store.errors import StoreUnavailable
from app.store.feed import FeedPosition

HEARTBEAT_SECONDS: Final = (
    15.0  # routers of platforms cut idle streams at 55: https://devcenter.heroku.com/articles/request-timeout
)
RETRY_MS: Final = 1000  # after which a client connects again
RETRY_AFTER_A_STOP_MS: Final = (100, 1500)  # that not all come at once
TRY_AGAIN_SECONDS: Final = 0.5  # while Redis is away


def stream(
    live: Live,
    new_listener: Callable[[], Listener],
    since: FeedPosition | None,
    *,
    lost: bool = False,
    goes_on: Callable[[], bool],
) -> Iterator[bytes]:
    """Server-sent events from *since* on, or from now on.

    *lost*: the client's position cannot be read, so it has missed something. *goes_on* says at each heartbeat whether
    the client is still there and may still read; if it raises StoreUnavailable, the stream goes on.
    """
    live.enter()
    listener, away = new_listener(), False
    try:
        yield rendering.retry(RETRY_MS)
        while not live.ended and not listener.ended:
            try:
                joined = live.join(listener, since)
                if joined.missed is None or lost:
                    yield gap_event(joined.at)
                for piece in () if lost else joined.missed or ():
                    if piece is None:
                        yield gap_event(joined.at)
                        break
                    events, since = live.render(listener, piece, since or joined.at)
                    yield events + rendering.heartbeat(position.write(since))
                since, lost, away = joined.at, False, False
                yield rendering.heartbeat(position.write(since))
                yield from _follow(live, listener, goes_on)
                if not listener.turned_back:
                    break
                listener = new_listener()
            except StoreUnavailable:
                live.part(listener)
                listener = new_listener()
                if not away:
                    yield AWAY
                away = True
                time.sleep(TRY_AGAIN_SECONDS)
        if live.ended:
            yield rendering.retry(randrange(*RETRY_AFTER_A_STOP_MS))  # noqa: S311 - spreads the load
    finally:
        live.part(listener)
        live.leave()


def _follow(live: Live, listener: Listener, goes_on: Callable[[], bool]) -> Iterator[bytes]:
    """All that the listener gets, until it or the server ends it."""
    due = time.monotonic() + HEARTBEAT_SECONDS
    while True:
        chunk = listener.take(max(0.0, due - time.monotonic()))
        if chunk:
            yield chunk
        if listener.ended or listener.turned_back:
            return
        if time.monotonic() >= due:
            due = time.monotonic() + HEARTBEAT_SECONDS
            if not _goes_on(goes_on):
                return
            at = live.position_of(listener)
            yield rendering.heartbeat(position.write(at) if at else None)


def _goes_on(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except StoreUnavailable:
        return True
