"""A store for the commands that read or delete what is kept."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import click
from flask import current_app

from app.domain.calls import Call
from app.services import Services, build, services
from app.store.errors import StoreError
from config.embedded import Engine, EngineFailed, EngineInUse, running
from config.settings import Settings

NOT_RUNNING = (StoreError, EngineFailed, EngineInUse)


@contextmanager
def store_running() -> Iterator[Services]:
    """Services whose store runs: the server's, or the embedded engine meanwhile. Raises one of NOT_RUNNING."""
    held = services()
    with running(held.settings) as url:
        yield build(replace(held.settings, redis_url=url), flows=held.flows)


def with_store(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* a store that runs: the server's, or the embedded engine for as long as the command takes."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with store_running() as found:
                current_app.extensions["switchhook"] = found
                command(*args, **kwargs)
        except NOT_RUNNING as error:
            raise click.ClickException(str(error)) from error

    return run


def whole_call(id_: str) -> Call:
    """The call with this id, or with a conversation, leg or recording that has it. Raises ClickException."""
    found = services().call_queries.call(id_)
    if found is None:
        raise click.ClickException(f"No such call is kept. `flask calls` lists those that are.{demo_hint()}")
    return found


def demo_folder(settings: Settings) -> Path:
    """The DATA_DIR of the server that `flask simulate demo` starts."""
    return settings.data_dir / "demo"


def demo_hint() -> str:
    """How to read the calls of a demo, after a message that there are none; empty if there was no demo here."""
    settings = services().settings
    folder = demo_folder(settings)
    if settings.redis_url != Engine(settings.data_dir).url or not folder.is_dir():
        return ""
    return f"\nThe demo keeps its calls elsewhere: DATA_DIR={shlex.quote(str(folder))} .venv/bin/flask calls"
