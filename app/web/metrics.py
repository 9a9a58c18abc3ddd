"""What Prometheus can scrape from this server: counted by every worker, and added up over all of them.

The workers of a server share a folder (`config/gunicorn.py` makes it), so one scrape has the sums of all, also of those
that have ended. What is of the store and not of a server is read from Redis by each scrape (`app/api/metrics.py`).
Names: https://prometheus.io/docs/practices/naming/. Labels have few values, and never a number or an id.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import cache
from time import perf_counter
from typing import Final

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from app.domain.events import Event
from app.domain.histograms import LAG, STORED, TOOK, Buckets
from app.web.logs import began


class _Process:
    """The number of this process. The library would ask the system for it each time that it counts."""

    number = os.getpid()

    @classmethod
    def changed(cls) -> None:
        cls.number = os.getpid()


FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
REFRESH_SECONDS: Final = 5.0
OURS: Final = CollectorRegistry()
if FOLDER in os.environ:  # https://prometheus.github.io/client_python/multiprocess/
    os.register_at_fork(after_in_child=_Process.changed)
    values.ValueClass = values.MultiProcessValue(lambda: _Process.number)  # type: ignore[no-untyped-call]


def _seconds(buckets: Buckets) -> list[float]:
    return [bound / 1000 for bound in buckets.bounds]


WEBHOOKS: Final = Counter(
    "switchhook_webhooks",
    "Webhooks and answers, by kind and by what became of them.",
    ["kind", "result"],
    registry=OURS,
)
REFUSED: Final = Counter(
    "switchhook_webhooks_refused", "Webhooks refused for their signature, by what is wrong with it.", ["reason"],
    registry=OURS,
)  # fmt: skip
WEBHOOK_SECONDS: Final = Histogram(
    "switchhook_webhook_seconds", "From the receipt of a webhook to its reply.", ["route"], buckets=_seconds(TOOK),
    registry=OURS,
)  # fmt: skip
LAG_SECONDS: Final = Histogram(
    "switchhook_webhook_lag_seconds", "From an event's own timestamp to its receipt; repeats not included.",
    buckets=_seconds(LAG), registry=OURS,
)  # fmt: skip
STORE_SECONDS: Final = Histogram(
    "switchhook_store_write_seconds", "How long an event waited to be kept.", buckets=_seconds(STORED), registry=OURS
)
LAST_RESORT: Final = Counter("switchhook_last_resort_served", "Answers that no call flow could give.", registry=OURS)
ANSWERS_LOST: Final = Counter("switchhook_answers_lost", "Records of answers that were given up.", registry=OURS)
ANSWERS_WAITING: Final = Gauge(
    "switchhook_answers_waiting", "Records of answers that Redis has not taken yet.", multiprocess_mode="livesum",
    registry=OURS,
)  # fmt: skip
# For the stream to set: `inc` when a listener comes, `dec` when it goes.
STREAM_LISTENERS: Final = Gauge(
    "switchhook_stream_listeners", "Listeners of the live stream.", multiprocess_mode="livesum", registry=OURS
)


_webhooks = cache(WEBHOOKS.labels)  # looking the labels up takes longer than counting


def kept(event: Event, outcome: str, *, lag_ms: float | None = None, waited_seconds: float | None = None) -> None:
    """Count *event* by its *outcome*: kept, repeat, unfiled, spooled, later, unavailable or answered."""
    _webhooks(event.kind, outcome).inc()
    if lag_ms is not None:
        LAG_SECONDS.observe(lag_ms / 1000)
    if waited_seconds is not None:
        STORE_SECONDS.observe(waited_seconds)


def unread(result: str) -> None:
    """Count a webhook of which the kind is not known, as it was refused or cannot be read."""
    _webhooks("none", result).inc()


_replied = {f"voice.{route}": WEBHOOK_SECONDS.labels(route) for route in ("event", "answer", "step", "fallback")}


def replied(endpoint: str | None) -> None:
    """Measure how long the reply to a webhook took, if *endpoint* is one of webhooks."""
    if (child := _replied.get(endpoint or "")) is not None:
        child.observe(perf_counter() - began())


def install(app: Flask) -> None:
    """Measure the webhooks of *app*."""

    @app.after_request
    def measure(response: Response) -> Response:
        replied(request.endpoint)
        return response


def exposition() -> bytes:
    """The metrics of all workers of this server in Prometheus' text format."""
    if FOLDER not in os.environ:
        return generate_latest(OURS)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


class Refresh:
    """Sets the gauges of this worker, in a thread of its own: nobody else would once no webhook comes any more."""

    name = "metrics"

    def __init__(self, read: Callable[[], Mapping[str, int]]) -> None:
        """*read* returns `waiting` and `lost`, the records of answers, and `listeners` of the live stream."""
        self._read = read
        self._lost = 0
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="metrics", daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._stop.set()

    def ping(self) -> str | None:
        """Always None."""
        return None

    def refresh(self) -> None:
        """Do it once."""
        found = self._read()
        ANSWERS_WAITING.set(found["waiting"])
        STREAM_LISTENERS.set(found["listeners"])
        if found["lost"] > self._lost:
            ANSWERS_LOST.inc(found["lost"] - self._lost)
            self._lost = found["lost"]

    def _run(self) -> None:
        while not self._stop.wait(REFRESH_SECONDS):
            self.refresh()
