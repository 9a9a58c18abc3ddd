"""What came of simulated calls: whether the server tells the truth of them, and what went wrong on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import click

from app.cli.options import NEED_SECRETS, Aim
from app.services import services
from app.terminal import safe
from vonage_simulator.carrier import Carrier
from vonage_simulator.delivery.sent import Sent
from vonage_simulator.verify.check import Fetch, Verdict, check
from vonage_simulator.verify.server_api import Server


@asynccontextmanager
async def server_at(base: str, aim: Aim) -> AsyncIterator[Server]:
    """The API of the server at *base*, once it is clear that it can tell of calls. Raises ServerError."""
    settings = services().settings
    if min(settings.access_tokens)[0] == "viewer" and settings.mask_numbers:  # `token_of` takes an operator's if it can
        raise click.ClickException(
            "ACCESS_TOKENS has viewers' tokens only, and viewers see masked numbers, with which nothing can be "
            "compared: add an operator's, or set MASK_NUMBERS=off here and at the server."
        )
    async with Server(base, aim.token) as server:
        told = await server.status()  # rather now than after the calls
        if aim.forges and told["service"].get("webhook_verify") != "enforce":
            raise click.UsageError(NEED_SECRETS)
        yield server


async def checked(carrier: Carrier, aim: Aim, fetch: Fetch) -> Verdict:
    """What comes of the truth check of the server.

    What went elsewhere is nothing to it: it tells of no answer but its own, and cannot tell all of a call of whose
    events it was not sent every one.
    """
    sent = [one for one in carrier.sender.sent if one.target and aim.is_at(one.target.url)]
    if not sent:
        raise click.ClickException(f"No webhook went to {aim.base}: there is nothing that it could tell.")
    elsewhere = [one for one in carrier.sender.sent if one.target and not aim.is_at(one.target.url)]
    conversations = [
        replace(conversation, answers=[answer for answer in conversation.answers if aim.is_at(answer.url)])
        for conversation in carrier.ledger.conversations.values()
    ]
    lossless = aim.faults.lossless and all(one.kind == "answer" for one in elsewhere)
    return await check(conversations, sent, fetch, lossless=lossless, elsewhere=elsewhere)


def none_taken(sent: Sequence[Sent], aim: Aim) -> list[str]:
    """If no webhook was acknowledged, and that was not the intention: so many lines that say it, and why."""
    if any(one.acknowledged for one in sent):
        return []
    said = Counter(
        at_url(one.target.url, attempt.words)
        for one in sent
        for attempt in one.tries[-1:]
        if one.target and attempt.how is None
    )
    lines = [f"{count} × {words}" for words, count in said.most_common(5)]
    return ["No webhook was acknowledged.", *lines, *advice(sent, aim)] if said else []


def at_url(url: str, words: str) -> str:
    """What went wrong at *url*, which *words* may name already."""
    return words if url in words else f"{url}: {words}"


def lines_of(lines: Iterable[str]) -> str:
    """*lines* as they are printed."""
    return "\n".join(map(safe, lines))


def advice(sent: Iterable[Sent], aim: Aim) -> list[str]:
    """What to do about some of the statuses that webhooks were answered with."""
    statuses = {attempt.status or 0 for one in sent for attempt in one.tries if attempt.how is None}
    lines = []
    if 401 in statuses:
        differs = "or VONAGE_APPLICATION_ID differs here and there" if aim.has_secret else "is not set here"
        lines.append(f"401 says that the signature is wrong: VONAGE_SIGNATURE_SECRETS {differs}.")
    if any(300 <= status < 400 for status in statuses):
        lines.append("No redirect is followed: name the address that it leads to.")
    return lines
