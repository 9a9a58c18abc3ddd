"""How webhooks are delivered, and how they are replied to: the sender's quality and ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from app.calls.fields import timestamp
from app.domain.histograms import ANSWER_LIMIT_MS, LAG, STORED, TOOK, Buckets
from app.store.apart import apart
from app.store.codec import milliseconds
from app.store.codes import KINDS, REFUSED
from app.store.keys import HOURS_KEPT, MINUTES_KEPT

BY_MINUTE: Final = timedelta(hours=3)  # the longest span with a point for each minute
OLDEST_MINUTE: Final = timedelta(milliseconds=MINUTES_KEPT) - timedelta(hours=1)  # some are left of the one before
OLDEST: Final = timedelta(milliseconds=HOURS_KEPT) - timedelta(hours=1)


class DeliveryReader(Protocol):
    """What is needed of the store. Both raise StoreUnavailable."""

    def statistics_by_minute(self, first: int, last: int) -> Mapping[int, Mapping[str, int]]:
        """Everything counted, by minute since 1970, *last* included."""

    def statistics_by_hour(self, first: int, last: int) -> Mapping[int, Mapping[str, int]]:
        """The same by hour."""


def read_delivery(store: DeliveryReader, since: datetime, until: datetime, now: datetime) -> dict[str, Any]:
    """Statistics of the webhooks received from *since* until *until*, as JSON.

    In whole minutes if that is three hours at most and not long before *now*, else in whole hours. What is older than
    eight days is not kept. Raises StoreUnavailable.
    """
    since = max(since, now - OLDEST)
    by_minute = until - since <= BY_MINUTE and since >= now - OLDEST_MINUTE
    seconds = 60 if by_minute else 3600
    first, last = milliseconds(since) // 1000 // seconds, (milliseconds(until) - 1) // 1000 // seconds
    if since >= until:
        last = first - 1
    counted = (store.statistics_by_minute if by_minute else store.statistics_by_hour)(first, last)
    return apart(lambda: _as_json(counted, first, last, seconds))


def _as_json(counted: Mapping[int, Mapping[str, int]], first: int, last: int, seconds: int) -> dict[str, Any]:
    total: Counter[str] = Counter()
    for each in counted.values():
        total.update(each)
    return {
        "since": _iso(first * seconds),
        "until": _iso((last + 1) * seconds),
        **_totals(total),
        "shares": {name: _share(total[name], total) for name in ("repeats", "out_of_order", "unknown")},
        "lag": _histogram(total, "lag", LAG),
        "answers": _histogram(total, "took", TOOK) | {"limit_ms": ANSWER_LIMIT_MS, "over_limit": _over_limit(total)},
        "store": _histogram(total, "stored", STORED),
        "kinds": [{"kind": kind, "events": total[f"kind:{kind}"]} for kind in KINDS if total[f"kind:{kind}"]],
        "refusals": [
            {"fault": name.removeprefix(REFUSED), "requests": total[name]}
            for name in sorted(total)
            if name.startswith(REFUSED)
        ],
        "step_seconds": seconds,
        "series": [_point(start * seconds, Counter(counted.get(start, {}))) for start in range(first, last + 1)],
    }


def _totals(counted: Counter[str]) -> dict[str, int]:
    return {
        "events": _events(counted),
        **{name: counted[name] for name in ("repeats", "out_of_order", "unknown", "unfiled")},
        "fallbacks": counted["kind:fallback"],
        "refused": sum(number for name, number in counted.items() if name.startswith(REFUSED)),
        "last_resort": counted["last_resort"],
    }


def _events(counted: Counter[str]) -> int:
    """New events: a transfer counts once, and that the fallback URL was needed is no event of a call."""
    return sum(counted[f"kind:{kind}"] for kind in KINDS if kind != "fallback")


def _share(part: int, counted: Counter[str]) -> float | None:
    whole = _events(counted) + counted["repeats"]
    return round(part / whole, 4) if whole else None


def _by_bucket(counted: Counter[str], group: str, buckets: Buckets) -> dict[int, int]:
    found = {index: counted[f"{group}:{index}"] for index in range(len(buckets.bounds) + 1)}
    return {index: number for index, number in found.items() if number > 0}


def _histogram(counted: Counter[str], group: str, buckets: Buckets) -> dict[str, Any]:
    found = _by_bucket(counted, group, buckets)
    return {
        "count": sum(found.values()),
        "median_ms": buckets.quantile(found, 0.5),
        "p95_ms": buckets.quantile(found, 0.95),
        "buckets": [{"up_to_ms": buckets.bound(index), "count": number} for index, number in found.items()],
    }


def _over_limit(counted: Counter[str]) -> int:
    at_limit = TOOK.index(ANSWER_LIMIT_MS)
    return sum(number for index, number in _by_bucket(counted, "took", TOOK).items() if index > at_limit)


def _point(start: int, counted: Counter[str]) -> dict[str, Any]:
    lags = _by_bucket(counted, "lag", LAG)
    return {
        "at": _iso(start),
        **_totals(counted),
        "lag_median_ms": LAG.quantile(lags, 0.5),
        "lag_p95_ms": LAG.quantile(lags, 0.95),
        "answers": sum(_by_bucket(counted, "took", TOOK).values()),
        "answers_over_limit": _over_limit(counted),
    }


def _iso(seconds: int) -> str | None:
    return timestamp(datetime.fromtimestamp(seconds, UTC))
