"""How webhooks are delivered, and how they are replied to, as it is counted when they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.histograms import LAG, Buckets
from app.flows.reply import LAST_RESORT, Reply
from app.services import services
from app.store.link import Command
from tests.api.site import OPERATOR, Site, is_problem, status
from tests.domain.builders import HERE, THERE, transfer
from tests.engines import wait_until
from tests.generated import iso

DELIVERY = "/api/v1/delivery"
SECRETS = (("key", "s" * 32),)


def happened(ago_ms: int) -> str:
    """The timestamp of an event that happened so long ago."""
    return iso(datetime.now(UTC) - timedelta(milliseconds=ago_ms))


def totals(delivery: Any) -> dict[str, int]:
    """All that is counted."""
    return {name: value for name, value in delivery.items() if isinstance(value, int) and name != "step_seconds"}


def test_each_webhook_is_counted_for_what_it_is(site: Site) -> None:
    late = status("started", HERE, timestamp=happened(20_000))
    site.post(status("completed", HERE, timestamp=happened(30_000)))
    site.post(late)
    site.post(late)
    site.post(status("ferried", HERE, timestamp=happened(150)))
    site.post(transfer(HERE, THERE, None) | {"timestamp": happened(-3_000)})
    site.post(
        {"reason": "Socket timeout.", "original_request": {"type": "event"}, **status("ringing", THERE)},
        "/voice/fallback",
    )
    site.post({"something": "else"})
    site.post({"from": "447700900123", "to": "442079460000", "uuid": "u", "conversation_uuid": HERE}, "/voice/answer")
    wait_until(lambda: site.read(DELIVERY)["answers"]["count"] == 1, "the answer is recorded")
    wait_until(lambda: site.read(DELIVERY)["store"]["count"] >= 6, "the waits are written")
    found = site.read(DELIVERY, hours=2)
    assert totals(found) == {
        "events": 5,
        "repeats": 1,
        "out_of_order": 1,
        "unknown": 1,
        "unfiled": 1,
        "fallbacks": 1,
        "refused": 0,
        "last_resort": 0,
    }
    assert found["kinds"] == [
        {"kind": "status", "events": 4},
        {"kind": "transfer", "events": 1},
        {"kind": "fallback", "events": 1},
    ]
    assert found["lag"]["count"] == 4, "one has no timestamp, one came twice"
    assert [bucket["up_to_ms"] for bucket in found["lag"]["buckets"]] == [-1_000, 200, 60_000]
    assert (found["lag"]["median_ms"], found["lag"]["p95_ms"]) == (200, 60_000)
    assert found["answers"]["over_limit"] == 0
    assert found["shares"]["repeats"] == pytest.approx(1 / 6, abs=1e-4)
    assert found["step_seconds"] == 60
    assert {name: sum(point[name] for point in found["series"]) for name in totals(found)} == totals(found)
    by_hour = site.read(DELIVERY, hours=24)
    assert totals(by_hour) == totals(found)
    assert by_hour["lag"] == found["lag"]
    assert by_hour["step_seconds"] == 3600
    assert len(by_hour["series"]) in (24, 25)


def test_refusals_are_counted_by_reason_and_gather_before_they_are_written(
    open_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of them must not become a flood of commands."""
    site = open_site(signature_secrets=SECRETS, webhook_verify="enforce")
    client = site.app.test_client()
    sent: list[Any] = []
    exchange = site.store._writer._link.exchange

    def watched(commands: Sequence[Command], *more: float) -> list[Any]:
        sent.extend(commands)
        return exchange(commands, *more)

    monkeypatch.setattr(site.store._writer._link, "exchange", watched)
    for _ in range(200):
        assert client.post("/voice/event", json={}).status_code == 503
        assert client.post("/voice/event", json={}, headers={"Authorization": "Bearer x"}).status_code == 401

    def refused() -> Any:
        return site.read(DELIVERY, hours=1)["refusals"]

    wait_until(lambda: sum(each["requests"] for each in refused()) == 400, "all are counted")
    assert {each["requests"] for each in refused()} == {200}
    assert site.read(DELIVERY)["refused"] == 400
    assert sum(site.read("/status")["webhooks"]["refused"].values()) == 400
    assert len(sent) <= 40, "fewer commands than requests, by far"


def test_an_answer_that_no_flow_could_give_is_counted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = Reply("last-resort", LAST_RESORT.ncco, fault="no flow")
    monkeypatch.setattr(type(services(site.app).flows), "answer", lambda *_: faulty)
    site.post({"from": "447700900123", "to": "442079460000", "uuid": "u", "conversation_uuid": HERE}, "/voice/answer")
    wait_until(lambda: site.read(DELIVERY, hours=1)["last_resort"] == 1, "it is counted")


def test_a_span_that_is_none_is_named(site: Site) -> None:
    for query, name in (
        ({"hours": 0}, "hours"),
        ({"hours": 193}, "hours"),
        ({"until": "yesterday"}, "until"),
        ({"hour": 3}, "hour"),
    ):
        assert list(is_problem(site.get(DELIVERY, **query), 422)["errors"]) == [name]
    is_problem(site.get(DELIVERY, token=None), 401)
    old = site.read(DELIVERY, since="1971-01-01T00:00:00Z", until="1972-01-01T00:00:00Z", token=OPERATOR)
    assert totals(old)["events"] == 0
    site.post(status("started", HERE))
    assert totals(site.read(DELIVERY, since="2030-01-01T00:00:00Z", until="2029-01-01T00:00:00Z"))["events"] == 0
    assert site.read(DELIVERY, since="2126-01-01T00:00:00Z")["series"] == []
    assert totals(site.read(DELIVERY, hours=3, since="1971-01-01T00:00:00Z"))["events"] == 1
    assert len(site.read(DELIVERY, hours=3, since="1971-01-01T00:00:00Z")["series"]) in (180, 181)


@pytest.mark.parametrize("values", [[-5, 0, 1, 49, 50, 51, 10**9], [7], [-(10**9)] * 3 + [200] * 97])
def test_a_quantile_is_the_bound_of_the_bucket_that_the_value_is_in(values: list[int]) -> None:
    counts: dict[int, int] = {}
    for value in values:
        counts[LAG.index(value)] = counts.get(LAG.index(value), 0) + 1
    for share in (0.5, 0.95):
        ranked = sorted(values)
        exact = ranked[-int(-share * len(ranked) // 1) - 1]
        bound = LAG.quantile(counts, share)
        assert bound == LAG.bound(LAG.index(exact))
        assert bound is None or bound >= exact
    assert Buckets((1, 2)).quantile({}, 0.5) is None
