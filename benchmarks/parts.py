"""What each part of an event and of an answer costs: processor time, in microseconds.

    python -m benchmarks.parts [--requests 2000]

The app runs in this process, under gevent as in a worker, and takes one request after the other, so that none shares a
round trip to Redis with another. A part is what its function takes, all that it calls included; the rest is what no
part took, for an answer also what is written after it. The last lines, "keep: …" and "record: …", are within other
parts. While an answer waits for Redis, the record of the one before is written: that is in the part that waits, too.
gunicorn is not in it: `benchmarks.cpu` measures a whole worker, and `benchmarks.peers` one whose route does nothing.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402 - what follows is imported patched
import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable, Iterator, Sequence  # noqa: E402
from contextlib import ExitStack, contextmanager, redirect_stdout  # noqa: E402
from itertools import islice  # noqa: E402
from operator import itemgetter  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402
from typing import Any, Final  # noqa: E402
from unittest.mock import patch  # noqa: E402

from flask import Flask  # noqa: E402
from werkzeug.test import EnvironBuilder  # noqa: E402

from app import create_app  # noqa: E402
from app.services import services  # noqa: E402
from benchmarks import servers  # noqa: E402
from benchmarks.webhooks import calls, request  # noqa: E402
from config.settings import Settings  # noqa: E402

WARM_UP, ROUNDS = 500, 5
EVENT, ANSWER = "/voice/event", "/voice/answer"
Part = tuple[str, str]  # what it does; the function that does it
PARTS: Final[dict[str, Sequence[Sequence[Part]]]] = {
    EVENT: (
        (
            ("verify the signature", "app.webhooks.replies.verify"),
            ("parse the JSON", "app.webhooks.replies.read_webhook"),
            ("read the fields", "app.webhooks.intake.read_event"),
            ("keep it in Redis", "app.store.events.Events.record"),
            ("note what the log line says", "app.webhooks.persist.annotate"),
            ("count it for /metrics", "app.web.metrics.kept"),
        ),
        (
            ("keep: make the command", "app.store.events.record_command"),
            ("keep: exchange with Redis", "app.store.link.Link.exchange"),
        ),
    ),
    ANSWER: (
        (
            ("verify the signature", "app.webhooks.replies.verify"),
            ("parse the JSON", "app.webhooks.replies.read_webhook"),
            ("run the flow", "app.flows.flows.Flows.answer"),
            ("see whether a user is free", "app.webhooks.replies.diverted"),
            ("lead into a room", "app.webhooks.room_calls.Rooms.entered"),
            ("make the record", "app.webhooks.persist.keep_answer"),
            ("note what was served", "app.control.control.Control.served"),
        ),
        (("record: make the command", "app.store.events.record_command"),),
    ),
}


def main() -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--requests", type=int, default=2000)
    count = parser.parse_args().requests
    with servers.store() as address, _app(address) as app:
        for path, passes in PARTS.items():
            _ask(app, path, WARM_UP)
            (whole, taken), (_, inner) = (_quietest(app, path, count, parts) for parts in passes)
            print(f"{path}: {whole * 1e6:.0f} microseconds without gunicorn")
            rest = {"the rest: Flask, the log line": whole - sum(taken.values())}
            for name, seconds in (taken | rest | inner).items():
                print(f"    {name:46}{seconds * 1e6:7.0f} {seconds / whole:7.1%}")
    return 0


@contextmanager
def _app(address: str) -> Iterator[Flask]:
    """The app with its store started; what it logs goes nowhere."""
    with (
        TemporaryDirectory() as data,
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
    ):
        settings = Settings(
            redis_url=address,
            data_dir=Path(data),
            secret_key="k" * 32,
            signature_secrets=((servers.API_KEY, servers.SECRET),),
            log_format="json",
        )
        app = create_app(settings)
        store, flows = services(app).store, services(app).flows
        flows.start()
        store.start()
        with redirect_stdout(sys.__stdout__):
            yield app
        store.stop()
        flows.stop()


def _ask(app: Flask, path: str, count: int) -> float:
    """Seconds of processor time for each of *count* requests, what is written after the replies included."""
    environs = list(_environs(path, count))
    store, statuses = services(app).store, Counter[str]()
    began = time.process_time()
    for environ in environs:
        b"".join(app(environ, lambda status, *_: statuses.update([status])))  # type: ignore[arg-type]
    while store.answers_waiting:
        time.sleep(0.002)
    used = time.process_time() - began
    if set(statuses) != {"200 OK"}:
        sys.exit(f"{path}: {dict(statuses)}")
    return used / count


def _quietest(app: Flask, path: str, count: int, parts: Sequence[Part]) -> tuple[float, dict[str, float]]:
    """Of some rounds the one that took least: others had a busier machine."""
    return min((_of_parts(app, path, count, parts) for _ in range(ROUNDS)), key=itemgetter(0))


def _of_parts(app: Flask, path: str, count: int, parts: Sequence[Part]) -> tuple[float, dict[str, float]]:
    """Seconds of processor time that a request takes, and each of *parts* of it."""
    used = dict.fromkeys((name for name, _ in parts), 0.0)
    with ExitStack() as stack:
        for name, function in parts:
            stack.enter_context(_measured(name, function, used))
        whole = _ask(app, path, count)
    return whole, {name: seconds / count for name, seconds in used.items()}


@contextmanager
def _measured(name: str, function: str, used: dict[str, float]) -> Iterator[None]:
    """Add to *used* what *function* takes, each time it is called."""
    patched = patch(function, autospec=False)
    original: Callable[..., Any] = patched.get_original()[0]

    def measured(*args: Any, **options: Any) -> Any:
        began = time.process_time()
        try:
            return original(*args, **options)
        finally:
            used[name] += time.process_time() - began

    with patch(function, measured):
        yield


def _environs(path: str, count: int) -> Iterator[dict[str, Any]]:
    """What a WSGI server passes for so many signed requests."""
    made = calls()
    bodies = (body for answer, events in made for body in ([answer] if path == ANSWER else events))
    for body in islice(bodies, count):
        head, _, text = request(path, body).partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        yield EnvironBuilder(path=path, method="POST", headers=list(headers.items()), data=text).get_environ()


if __name__ == "__main__":
    sys.exit(main())
