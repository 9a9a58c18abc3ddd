"""`flask simulate`: the commands of `vonage-simulator` with this server's URLs and secrets filled in, and `demo`."""

from __future__ import annotations

import click

from app.cli.client import token_of
from app.cli.conversation_text import conversation_lines
from app.cli.demo import demo
from app.services import services
from vonage_simulator.cli.main import COMMANDS
from vonage_simulator.cli.options import Defaults


@click.group("simulate", commands=[*COMMANDS, demo])
@click.pass_context
def simulate(context: click.Context) -> None:
    """A simulated Vonage: places calls without a phone, account or internet.

    To the server that `make run` starts, unless --server or --answer-url names another.
    """
    settings = services().settings
    token = token_of(settings)
    masked = settings.mask_numbers and ("viewer", token) in settings.access_tokens
    context.obj = Defaults(
        server=settings.local_url,
        token=None if masked else token,
        unauthorized="ACCESS_TOKENS has viewers' tokens only, and viewers see masked numbers, with which nothing can "
        "be compared: add an operator's, or set MASK_NUMBERS=off here and at the server.",
        secret=settings.signature_secrets[0] if settings.signature_secrets else None,
        application_id=settings.application_id,
        folder=settings.data_dir / "simulator",
        not_there="`make run` starts one; --server names another.",
        describe=conversation_lines,
    )
