"""What came of simulated calls: whether the server's API agrees, what went wrong on the way, and the exit status."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from vonage_simulator.cli.options import NEED_SECRETS, Defaults, RunOptions
from vonage_simulator.printable import safe

if TYPE_CHECKING:  # imported where they are used, so that --help is fast
    from vonage_simulator.delivery.sent import Sent
    from vonage_simulator.ledger import Ledger
    from vonage_simulator.verify.check import Fetch, Verdict
    from vonage_simulator.verify.server_api import Server, ServerError


def finish(work: Coroutine[Any, Any, bool]) -> None:
    """Run *work*. The command ends with 1 if it returns False, and at once, with 130, at Ctrl-C."""
    import asyncio

    from vonage_simulator.verify.server_api import ServerError

    try:
        well = asyncio.run(work)
    except ServerError as error:
        defaults = click.get_current_context().ensure_object(Defaults)
        raise click.ClickException(server_error(error, defaults)) from error
    except (OSError, ExceptionGroup) as error:  # the reader of the output is gone, or the disk is full
        if isinstance(error, OSError) or error.subgroup(OSError):
            raise click.exceptions.Exit(1) from error
        raise
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    if not well:
        raise click.exceptions.Exit(1)


def server_error(error: ServerError, defaults: Defaults) -> str:
    """What is wrong with the server, and what to do."""
    from vonage_simulator.verify.server_api import NotAllowed, NotSwitchhook, NotThere

    hints = {
        NotThere: defaults.not_there,
        NotSwitchhook: "--server names another; --answer-url takes any server.",
        NotAllowed: "It has to be one of ACCESS_TOKENS at the server.",
    }
    return lines_of([str(error), *filter(None, [hints.get(type(error))])])


@asynccontextmanager
async def api_of(options: RunOptions) -> AsyncIterator[Server | None]:
    """The API of the Switchhook that is called, once it is clear that it can be checked; None if it is another server.

    Raises ServerError.
    """
    from vonage_simulator.verify.server_api import Server

    if options.server is None:
        yield None
        return
    if options.token is None:
        raise click.ClickException(options.defaults.unauthorized)
    async with Server(options.server, options.token) as server:
        status = await server.status()  # fails before the calls, not after them
        if options.forges and status["service"].get("webhook_verify") != "enforce":
            raise click.UsageError(NEED_SECRETS)
        yield server


async def checked(sent: Sequence[Sent], ledger: Ledger, options: RunOptions, fetch: Fetch) -> Verdict:
    """The verdict on what the Switchhook's API says of the calls of *ledger*, whose webhooks are *sent*.

    Only webhooks sent to it count: it knows no answer but its own, and not all of a call whose events went elsewhere.
    """
    from vonage_simulator.verify.check import check
    from vonage_simulator.verify.expected_control import expected_controls

    is_here = partial(is_below, base=options.server)
    here = [webhook for webhook in sent if is_here(webhook.target.url)]
    if not here:
        raise click.ClickException(f"No webhook went to {options.server}: there is nothing to check.")
    elsewhere = [webhook for webhook in sent if not is_here(webhook.target.url)]
    conversations = [
        replace(conversation, answers=[answer for answer in conversation.answers if is_here(answer.url)])
        for conversation in ledger.conversations.values()
    ]
    lossless = options.faults.lossless and all(webhook.kind == "answer" for webhook in elsewhere)
    controls = expected_controls(ledger)
    return await check(conversations, here, fetch, lossless=lossless, elsewhere=elsewhere, controls=controls)


def is_below(url: str, base: str | None) -> bool:
    """Whether *url* is of the server at *base*, and below its path; localhost is 127.0.0.1."""
    from yarl import URL

    if base is None:
        return False
    try:
        found, root = (URL(re.sub("(?i)//localhost", "//127.0.0.1", text)) for text in (url, base))
        is_here = (found.scheme, found.host, found.port) == (root.scheme, root.host, root.port)
        return is_here and found.path.startswith(f"{root.path.rstrip('/')}/")
    except ValueError:
        return False


def none_acknowledged(sent: Sequence[Sent], options: RunOptions) -> list[str]:
    """Lines that say why, if no webhook was acknowledged and the faults are not the reason."""
    if any(webhook.acknowledged for webhook in sent):
        return []
    reasons = Counter(
        at_url(webhook.target.url, attempt.words)
        for webhook in sent
        for attempt in webhook.tries[-1:]
        if attempt.how is None
    )
    return ["No webhook was acknowledged.", *counted(reasons), *advice(sent, options)] if reasons else []


def counted(reasons: Counter[str]) -> list[str]:
    """The five most frequent of *reasons*."""
    return [f"{count} × {words}" for words, count in reasons.most_common(5)]


def at_url(url: str, words: str) -> str:
    """What went wrong at *url*, which *words* may name already."""
    return words if url in words else f"{url}: {words}"


def lines_of(lines: Iterable[str]) -> str:
    """*lines* as they are printed."""
    return "\n".join(map(safe, lines))


def advice(sent: Iterable[Sent], options: RunOptions) -> list[str]:
    """What to do about some of the statuses that webhooks were answered with."""
    statuses = {attempt.status or 0 for webhook in sent for attempt in webhook.tries if attempt.how is None}
    lines = []
    if 401 in statuses:
        differs = "or VONAGE_APPLICATION_ID differs here and there" if options.has_secret else "is not set here"
        lines.append(f"401 says that the signature is wrong: VONAGE_SIGNATURE_SECRETS {differs}.")
    if any(300 <= status < 400 for status in statuses):
        lines.append("No redirect is followed: give the URL that it leads to.")
    return lines
