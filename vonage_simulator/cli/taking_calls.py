"""Takes calls for a carrier from commands in other processes, so that browsers ring for them and actions work.

It listens on this machine, and writes into a folder where, and a secret: whoever can read that file may place calls.
`POST /calls` responds with a JSON value a line: `{"print": …}` as the call goes, then `{"well": …}` or `{"error": …}`.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from aiohttp import web

from vonage_simulator.carrier import Carrier
from vonage_simulator.cli import report, shown_call
from vonage_simulator.cli.options import RunOptions
from vonage_simulator.cli.running import FILE, authorization, there
from vonage_simulator.scenarios import read
from vonage_simulator.verify.server_api import ServerError
from vonage_simulator.yaml_source import Faults

HOST = "127.0.0.1"
LARGEST = 1024 * 1024  # bytes of a request


@asynccontextmanager
async def taking_calls(carrier: Carrier, options: RunOptions, folder: Path) -> AsyncIterator[None]:
    """Take calls for *carrier*, and say in *folder* where; one that does so for the same server keeps its place."""
    if await there(folder, options.server):
        click.echo("  Note         Another simulated carrier runs for this server: commands place their calls there.")
        yield
        return
    secret = secrets.token_urlsafe(32)
    app = web.Application(client_max_size=LARGEST)
    taker = _Taker(carrier, options, secret)
    app.add_routes([web.get("/", taker.is_here), web.post("/calls", taker.call)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    here = {"url": f"http://{HOST}:{runner.addresses[0][1]}", "secret": secret, "server": options.server}
    file = folder / FILE
    _write(file, json.dumps(here))
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            if json.loads(file.read_text())["secret"] == secret:  # else another carrier has taken its place
                file.unlink()
        await runner.cleanup()


class _Taker:
    def __init__(self, carrier: Carrier, options: RunOptions, secret: str) -> None:
        self._carrier, self._options, self._headers = carrier, options, authorization(secret)

    async def is_here(self, request: web.Request) -> web.Response:
        self._check(request)
        return web.Response(status=204)

    async def call(self, request: web.Request) -> web.StreamResponse:
        self._check(request)
        try:
            body = await request.json()
            text, token, pretty = str(body["scenario"]), body["token"], bool(body["pretty"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise web.HTTPBadRequest from error
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        playing = asyncio.create_task(self._play(text, replace(self._options, token=token), lines, pretty=pretty))
        try:
            while (line := await lines.get()) is not None:
                await response.write(json.dumps(line).encode() + b"\n")
        finally:  # whoever placed the call has gone: it is hung up
            playing.cancel()
        return response

    async def _play(
        self, text: str, options: RunOptions, lines: asyncio.Queue[dict[str, Any] | None], *, pretty: bool
    ) -> None:
        def print_(text: str) -> None:
            lines.put_nowait({"print": text})

        try:
            scenario = read(text, "scenario")
            well = await shown_call.show(scenario, options, print_, self._carrier, alone=False, pretty=pretty)
            lines.put_nowait({"well": well})
        except click.ClickException as error:
            lines.put_nowait({"error": error.message})
        except ServerError as error:
            lines.put_nowait({"error": report.server_error(error, self._options.defaults)})
        except Faults as error:
            lines.put_nowait({"error": str(error)})
        finally:
            lines.put_nowait(None)

    def _check(self, request: web.Request) -> None:
        given, wanted = request.headers.get("Authorization", ""), self._headers["Authorization"]
        if not hmac.compare_digest(given.encode(errors="surrogateescape"), wanted.encode()):
            raise web.HTTPUnauthorized


def _write(file: Path, text: str) -> None:
    """Write *file* at once, so that nobody reads a part of it, and nobody else can read it at any moment."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = file.with_suffix(".new")
    made.unlink(missing_ok=True)
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    made.replace(file)
