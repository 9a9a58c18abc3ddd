"""Handing webhooks to a store as the app does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from app.store import keys
from app.store.codec import ANSWER
from app.store.errors import StoreUnavailable
from app.store.store import Store
from tests.domain.builders import at, status
from tests.engines import wait_until
from tests.generated import BASE, Body, Webhook, distinct, webhooks_of


def numbered(number: int) -> Webhook:
    """One webhook of many, each of a conversation of its own."""
    return webhooks_of(status("ringing", number, where=f"CON-{number}", uuid=f"leg-{number}"), BASE)[0]


NAMES: list[list[str]] = [[] for _ in keys.ALL]  # of conversations, by partition
for _name in (f"CON-{number}" for number in range(10_000)):
    NAMES[keys.partition(_name)].append(_name)


def one_of(part: keys.Partition, number: int = 0) -> Webhook:
    """A webhook whose conversation lies in *part*."""
    name = NAMES[keys.ALL.index(part)][number]
    return webhooks_of(status("started", 1, uuid=f"leg of {name}", where=name), BASE)[0]


def settle(*stores: Store) -> None:
    """Wait until the answers handed in before are written."""
    for store in stores:
        wait_until(partial(_has_nothing_waiting, store), "answers are written")
        store.ping()  # behind what the writer is just doing


def _has_nothing_waiting(store: Store) -> bool:
    return not store.answers_waiting


def received(posted: Sequence[Webhook]) -> int:
    """How many of *posted* count as received: our record of an answer does once, however often it is written."""
    answers = [webhook for webhook in posted if webhook.sort == ANSWER]
    return len(posted) - len(answers) + len(distinct(answers))


def post(store: Store, webhook: Webhook) -> bool | None:
    """Hand a webhook to the store as the app does; None for an answer, for which nobody waits."""
    if webhook.sort == ANSWER:
        store.record_later(webhook.event, webhook.text, webhook.received)
        return None
    return store.record(webhook.event, webhook.text, webhook.received)


def post_surely(store: Store, webhook: Webhook) -> None:
    """Hand it over until the store takes it: a busy machine may be too slow for it."""
    wait_until(partial(_is_posted, store, webhook), "the store takes it")


def _is_posted(store: Store, webhook: Webhook) -> bool:
    try:
        post(store, webhook)
    except StoreUnavailable:
        return False
    return True


def send(store: Store, *bodies: Body, seconds: float = 0.0) -> list[bool | None]:
    """Post *bodies*, all received *seconds* after the call began."""
    return [post(store, webhook) for body in bodies for webhook in webhooks_of(body, at(seconds))]
