"""`/metrics`: what Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from time import perf_counter, time

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from app.auth.access import guard
from app.domain.leg_state import STATES
from app.services import Services, services
from app.spool.errors import SpoolUnavailable
from app.store.errors import StoreUnavailable
from app.web.metrics import exposition

metrics = Blueprint("metrics", __name__)
metrics.before_request(guard())
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@metrics.get("/metrics")
def scrape() -> Response:
    """Prometheus' text format; 200 also while Redis is away."""
    parts = services()
    parts.refresh.refresh()
    of_store = CollectorRegistry()
    of_store.register(_Collected([*_of_store(parts), *_of_spool(parts), *_of_flows(parts)]))
    return Response(exposition() + generate_latest(of_store), content_type=CONTENT_TYPE)


class _Collected:
    """Metrics that were read before."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        return iter(self._found)


def _of_store(parts: Services) -> Iterator[Metric]:
    """Of the store: every server that shares it says the same, so use `max`, not `sum`."""
    began = perf_counter()
    try:
        counts = parts.store.counts(datetime.now(UTC) - parts.presume_ended_after)
    except StoreUnavailable:
        yield GaugeMetricFamily("switchhook_store_up", "Whether Redis replies.", 0)
        return
    yield GaugeMetricFamily("switchhook_store_up", "Whether Redis replies.", 1)
    seconds = perf_counter() - began
    yield GaugeMetricFamily("switchhook_store_read_seconds", "How long reading all counters took.", seconds)
    legs = GaugeMetricFamily("switchhook_legs", "Legs that have not ended, by state.", labels=["state"])
    for leg_state in STATES:
        if leg_state != "completed":
            legs.add_metric([leg_state], counts.counters.get(leg_state, 0))
    yield legs
    conversations = GaugeMetricFamily("switchhook_conversations", "Conversations kept, by state.", labels=["state"])
    for state, number in (("live", counts.live), ("presumed_ended", counts.presumed_ended), ("ended", counts.ended)):
        conversations.add_metric([state], number)
    yield conversations
    late = counts.counters.get("out_of_order", 0)
    yield CounterMetricFamily("switchhook_webhooks_out_of_order", "Statuses behind a later one of their leg.", late)
    unknown = counts.counters.get("unknown", 0)
    yield CounterMetricFamily("switchhook_webhooks_unknown", "Webhooks of a kind or status not known.", unknown)


def _of_spool(parts: Services) -> Iterator[Metric]:
    """Of the machine that replies: its workers share a spool."""
    try:
        depth = parts.spool.depth()
    except SpoolUnavailable:
        yield GaugeMetricFamily("switchhook_spool_up", "Whether the disk takes events while Redis is away.", 0)
        return
    yield GaugeMetricFamily("switchhook_spool_up", "Whether the disk takes events while Redis is away.", 1)
    yield GaugeMetricFamily("switchhook_spool_waiting", "Events that wait on disk until Redis takes them.", depth.rows)
    age = depth.age(time()) or 0.0
    yield GaugeMetricFamily("switchhook_spool_oldest_seconds", "How long the oldest of them has waited.", age)


def _of_flows(parts: Services) -> Iterator[Metric]:
    """Of the worker that replies: each reads a changed flows file within seconds."""
    flows = parts.flows
    version = GaugeMetricFamily("switchhook_flows_info", "The version of the call flows in use.", labels=["version"])
    version.add_metric([flows.version or ""], 1)
    yield version
    yield GaugeMetricFamily("switchhook_flows_faults", "Faults of the flows file as it is now.", len(flows.faults))
