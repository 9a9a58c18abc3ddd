"""What Prometheus scrapes: right whatever worker replies, and there while Redis is away."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.services import services
from tests.api.site import OPERATOR, SAMPLE, VIEWER, Site, is_problem, status
from tests.engines import Engine, wait_until
from tests.generated import iso
from tests.serving import Server

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring"
KEPT = 'switchhook_webhooks_total{kind="status",result="kept"}'
Scrape = dict[str, float]


def read(text: str) -> Scrape:
    """Each sample by its name and labels, as Prometheus reads them."""
    found: Scrape = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def scrape(site: Site) -> Scrape:
    """All metrics."""
    response = site.get("/metrics")
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain; version=0.0.4")
    return read(response.text)


def test_webhooks_are_counted_by_kind_and_result_with_their_times(site: Site) -> None:
    before = scrape(site)
    body = status("started", "CON-1", timestamp=iso(datetime.now(UTC) - timedelta(milliseconds=1500)))
    site.post(body)
    site.post(body)
    site.post({"something": "else"})
    site.post(
        {"from": "447700900123", "to": "442079460000", "uuid": "leg-of-CON-1", "conversation_uuid": "CON-1"},
        "/voice/answer",
    )
    after = scrape(site)

    def more(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert more(KEPT) == 1
    assert more('switchhook_webhooks_total{kind="status",result="repeat"}') == 1
    assert more('switchhook_webhooks_total{kind="unknown",result="unfiled"}') == 1
    assert more('switchhook_webhooks_total{kind="answer",result="answered"}') == 1
    assert more('switchhook_webhook_seconds_count{route="event"}') == 3
    assert more('switchhook_webhook_seconds_count{route="answer"}') == 1
    assert more("switchhook_webhook_lag_seconds_count") == 1
    assert more('switchhook_webhook_lag_seconds_bucket{le="1.0"}') == 0
    assert more('switchhook_webhook_lag_seconds_bucket{le="2.0"}') == 1
    assert more("switchhook_store_write_seconds_count") == 2
    assert after["switchhook_store_up"] == 1
    assert after['switchhook_legs{state="started"}'] == 1
    assert after['switchhook_conversations{state="live"}'] == 1


def test_refusals_are_counted_by_reason(open_site: Callable[..., Site]) -> None:
    site = open_site(signature_secrets=(("key", "s" * 32),), webhook_verify="enforce")
    before = scrape(site)
    assert site.app.test_client().post("/voice/event", json={}).status_code == 503
    after = scrape(site)
    name = 'switchhook_webhooks_total{kind="none",result="refused"}'
    assert after[name] - before.get(name, 0) == 1
    reasons = {name for name in after if name.startswith("switchhook_webhooks_refused_total")}
    assert sum(after[each] - before.get(each, 0) for each in reasons) == 1


def test_listeners_of_the_stream_are_those_that_listen_now(site: Site) -> None:
    parts = services(site.app)
    for change, listeners in ((parts.live.enter, 1), (parts.live.leave, 0)):
        change()
        parts.refresh.refresh()
        assert scrape(site)["switchhook_stream_listeners"] == listeners


def test_while_redis_is_away_it_says_so_and_gives_the_rest(open_site: Callable[..., Site]) -> None:
    site = open_site("redis://127.0.0.1:1")
    found = scrape(site)
    assert found["switchhook_store_up"] == 0
    assert "switchhook_flows_faults" in found
    assert not any(name.startswith("switchhook_legs") for name in found)


def test_it_takes_the_token_of_a_viewer(site: Site) -> None:
    is_problem(site.get("/metrics", token=None), 401)
    assert site.get("/metrics", token=VIEWER).status_code == 200


def test_no_number_and_no_id_is_in_it(site: Site) -> None:
    for line in SAMPLE.read_bytes().splitlines():
        site.post(line)
    text = site.get("/metrics", token=OPERATOR).text
    assert not re.search(r"CON-|441234567890|442038297050|0779a56d", text)
    assert len(read(text)) < 1000


def names(expression: str) -> set[str]:
    """The metrics in an expression of Prometheus."""
    return set(re.findall(r"switchhook_\w+", expression))


def expressions(value: Any) -> set[str]:
    """Every metric that is named in a dashboard, or in rules, where Prometheus evaluates it."""
    if isinstance(value, dict):
        own = {name for key in ("expr", "query", "definition") for name in names(str(value.get(key, "")))}
        return own.union(*(expressions(item) for item in value.values()))
    return set().union(*(expressions(item) for item in value)) if isinstance(value, list) else set()


def test_dashboard_and_alerts_name_metrics_that_there_are(site: Site) -> None:
    site.post(status("started", "CON-1"))
    scraped = set(re.findall(r"^(switchhook_\w+)", site.get("/metrics").text, re.MULTILINE))
    described = set(re.findall(r"^# TYPE (switchhook_\w+)", site.get("/metrics").text, re.MULTILINE))
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
    for file in (dashboard, rules):
        assert len(expressions(file)) >= 5
        assert expressions(file) <= scraped | described
    manual = (MONITORING.parent / "monitoring.md").read_text()
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    assert alerts
    for alert in alerts:
        assert f"`{alert}`" in manual, "what to do is said"


def test_sums_are_of_all_workers_those_that_ended_included_and_calls_are_counted_on(
    valkey: Engine, tmp_path: Path
) -> None:
    valkey.flush()
    server = Server(tmp_path, REDIS_URL=valkey.address.url, WEB_CONCURRENCY="2").ready()

    def sent() -> float:
        response = server.api("/metrics")
        assert response.status == 200
        found = re.search(rf"^{re.escape(KEPT)} (.+)$", response.body.decode(), re.MULTILINE)
        return float(found[1]) if found else 0

    def calls() -> int:
        response = server.api("/api/v1/figures")  # 503 at times, on a busy machine
        return int(response.json["calls"]["total"]) if response.status == 200 else -1

    try:
        for number in range(40):  # each over a connection of its own: both workers get some
            assert server.post("/voice/event", status("started", f"CON-{number}")).status == 200
        assert {sent() for _ in range(20)} == {40}
        wait_until(lambda: calls() == 40, "the calls are counted, by one worker or the other")
        (one, *_) = server.workers
        os.kill(one, signal.SIGKILL)
        wait_until(lambda: one not in server.workers and len(server.workers) == 2, "there is another worker")
        wait_until(server.answers, "it serves requests")
        assert {sent() for _ in range(20)} == {40}
        for number in range(40, 60):
            assert server.post("/voice/event", status("started", f"CON-{number}")).status == 200
        wait_until(lambda: calls() == 60, "the others count what the killed one would have counted")
        folder = folder_of(server.workers[0])
        assert not list(folder.glob(f"gauge_live*_{one}.db")), "its gauges are gone"
        server.process.terminate()
        server.ended()
        assert not folder.exists()
    finally:
        server.kill()


def folder_of(worker: int) -> Path:
    """Where a worker keeps what it counts: among the files that it has mapped."""
    lines = Path(f"/proc/{worker}/maps").read_text().splitlines()
    return next(Path(line.split()[-1]).parent for line in lines if "switchhook-metrics-" in line)
