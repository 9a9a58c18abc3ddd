"""Figures are what a plain count over all calls gives, whatever happened to them and in which order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.calls.call_queries import CallFilter
from app.calls.figures import STEPS, read_figures
from app.calls.names import Known
from app.domain.call_summary import CallSummary, summaries_of
from app.domain.calls import read_calls
from app.domain.conversations import Kept, history
from app.domain.leg_state import OUTCOMES
from app.domain.numbers import digits
from app.store import keys
from app.store.store import Store
from tests.domain.builders import HERE, THERE, YONDER, at, status, transfer
from tests.engines import Engine
from tests.generated import BASE, Webhook, several, webhooks_of
from tests.store.counted import count_all, counting_of, queries_of
from tests.store.expected import NOW, PRESUME_ENDED_AFTER
from tests.store.posting import post, post_surely, send, settle

UTC_ZONE, PARIS = ZoneInfo("UTC"), ZoneInfo("Europe/Paris")
PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def whole_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:00.000Z")


def share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def ms(seconds: Iterable[float | None]) -> list[int]:
    return [round(each * 1000) for each in seconds if each is not None]


def average(values: list[int]) -> float | None:
    return round(sum(values) / len(values) / 1000, 3) if values else None


def money(calls: Iterable[CallSummary]) -> Decimal:
    return sum((Decimal(call.price) for call in calls if call.price is not None), Decimal(0))


def plain(calls: Iterable[CallSummary], period: str, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    """The figures, by looking at each call again for each of them."""
    everything = list(calls)
    since = whole_minute(now - PERIODS[period])
    since -= timedelta(minutes=since.minute % 15)
    until = whole_minute(now)
    mine = [call for call in everything if since <= whole_minute(call.started) < until + 15 * MINUTE]
    outcomes = {name: sum(call.outcome == name for call in mine) for name in OUTCOMES}
    ended = sum(call.outcome is not None for call in mine)
    talks, waits = ms(call.talk_seconds for call in mine), ms(call.wait_seconds for call in mine)

    begins = sorted(whole_minute(call.started) for call in everything)
    ends = sorted(whole_minute(max(call.ended, call.started)) for call in everything if call.ended is not None)
    minutes = [since + number * MINUTE for number in range((until - since) // MINUTE + 1)]
    # Live in a minute are those that have begun by its end, but for those that ended before it.
    at_once = {minute: bisect_right(begins, minute) - bisect_left(ends, minute) for minute in minutes}
    peak = max(at_once.values())
    step = timedelta(minutes=STEPS[period])
    series = []
    start = since - (since - EPOCH) % step
    while start <= until:
        within = [call for call in mine if start <= whole_minute(call.started) < start + step]
        shown = [call for call in within if whole_minute(call.started) <= until]
        series.append(
            {
                "at": iso(start),
                "calls": len(shown),
                "at_once": max(at_once.get(start + number * MINUTE, 0) for number in range(STEPS[period])),
                "answered": sum(call.outcome == "answered" for call in within) if period != "hour" else None,
                "price": money(within) if period != "hour" else None,
            }
        )
        start += step
    days = Counter(call.started.astimezone(zone).date().isoformat() for call in mine)
    numbers: dict[str, list[CallSummary]] = {}
    for call in mine:
        numbers.setdefault(digits(call.to) or "", []).append(call)
    grid = [[0] * 24 for _ in range(7)]
    for call in mine:
        local = call.started.astimezone(zone)
        grid[local.weekday()][local.hour] += 1
    return {
        "calls": {"total": len(mine), "live": sum(call.outcome is None for call in mine), **outcomes},
        "rates": {name: share(number, ended) for name, number in outcomes.items()},
        "talk_seconds": {"average": average(talks), "total": sum(talks) / 1000},
        "wait_seconds": {"average": average(waits)},
        "at_once": {
            "now": sum(call.ended is None for call in everything),
            "peak": peak,
            "peak_at": iso(max(m for m in minutes if at_once[m] == peak)) if peak else None,
        },
        "price": money(mine),
        "series": series,
        "days": {
            day: (
                number,
                sum(c.outcome == "answered" for c in mine if c.started.astimezone(zone).date().isoformat() == day),
                money(c for c in mine if c.started.astimezone(zone).date().isoformat() == day),
            )
            for day, number in days.items()
        },
        "heat_map": grid,
        "numbers": {
            number: (len(of), sum(call.outcome == "answered" for call in of), money(of))
            for number, of in numbers.items()
        },
    }


def found(store: Store, period: str = "hour", zone: ZoneInfo = UTC_ZONE, now: datetime = NOW) -> dict[str, Any]:
    """The figures of *store*, in the form of `plain`."""
    read_back = read_figures(store, period, zone, now, mask_numbers=False)
    for point in read_back["series"]:
        point["price"] = None if point["price"] is None else Decimal(point["price"])
    named = {each["number"]: each for each in read_back["numbers"]}
    if read_back["other_numbers"]["calls"]:
        named[""] = read_back["other_numbers"]
    days = [day for day in read_back["days"] if day["calls"]]
    wanted = ("calls", "rates", "talk_seconds", "wait_seconds", "at_once", "series", "heat_map")
    return {name: read_back[name] for name in wanted} | {
        "price": Decimal(read_back["price"]),
        "days": {day["date"]: (day["calls"], day["answered"], Decimal(day["price"])) for day in days},
        "numbers": {
            number: (each["calls"], each["answered"], Decimal(each["price"])) for number, each in named.items()
        },
    }


def flat(calls: Iterable[Iterable[Webhook]]) -> list[Webhook]:
    return [webhook for call in calls for webhook in call if webhook.event.conversations]


def assert_right(store: Store, calls: Iterable[CallSummary]) -> dict[str, Any]:
    """The figures are those of *calls*."""
    expected = list(calls)
    for period in PERIODS:
        assert found(store, period) == plain(expected, period, UTC_ZONE, NOW), period
    return found(store)


def stored(store: Store, names: Iterable[str]) -> list[CallSummary]:
    """The calls of the conversations *names*, without those of which every conversation is gone."""
    tied = store.tied(names)
    calls = queries_of(store).fold(tied, NOW).calls.values()
    return [*summaries_of(calls, tied.conversations).values()]


def listed(store: Store) -> list[CallSummary]:
    """What `/api/v1/calls` lists, but for calls of which no leg is known."""
    queries, rows, after = queries_of(store), list[dict[str, Any]](), None
    while True:
        page = queries.page(CallFilter(), limit=50, after=after)
        rows += queries.dump_all(page.calls, "operator")
        if (after := page.next) is None:
            break

    def moment(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text) if text else None

    return [
        CallSummary(
            started=moment(row["started_at"]) or BASE,
            ended=moment(row["ended_at"]),
            outcome=row["outcome"],
            talk_seconds=row["talk_seconds"],
            wait_seconds=row["wait_seconds"],
            price=row["price"],
            to=row["to"],
        )
        for row in rows
        if row["legs"]
    ]


@pytest.mark.parametrize("seed", [1])
def test_any_calls_in_any_order_with_repeats_counted_at_any_time(store: Store, seed: int) -> None:
    """They are counted again and again meanwhile, from whatever has come by then."""
    chance = Random(seed)
    calls = several(chance, 40)
    webhooks = flat(calls) * 2
    chance.shuffle(webhooks)
    for index, webhook in enumerate(webhooks):
        post_surely(store, webhook)
        if index % 150 == 0:
            settle(store)
            count_all(store, NOW - timedelta(minutes=13))
    settle(store)
    count_all(store)
    events: defaultdict[str, list[Kept]] = defaultdict(list)
    for webhook in flat(calls):
        for name in webhook.event.conversations:
            events[name].append(webhook.kept)
    histories = {name: history(of) for name, of in events.items()}
    expected = read_calls(histories, now=NOW, presume_ended_after=PRESUME_ENDED_AFTER).calls.values()
    figures = assert_right(store, summaries_of(expected, histories).values())
    assert figures["calls"]["total"] > 20
    assert figures["calls"]["answered"] > 5
    assert figures["at_once"]["peak"] > 5


@pytest.mark.parametrize("seed", range(2))
def test_each_call_counts_once_as_the_list_of_calls_has_it_however_it_was_transferred(store: Store, seed: int) -> None:
    """Also where moves contradict each other, and whatever was counted while half of them had come."""
    chance = Random(seed)
    calls = several(chance, 40, orderly=seed > 0)
    webhooks = [webhook for webhook in flat(calls) for _ in range(chance.choice((1, 1, 2)))]
    chance.shuffle(webhooks)
    for index, webhook in enumerate(webhooks):
        post_surely(store, webhook)
        if index % 100 == 0:
            settle(store)
            count_all(store, BASE)
    settle(store)
    for number in range(keys.PARTITIONS):
        store.settle_noted(number)
    count_all(store, BASE)  # nothing is presumed ended by then
    everything = listed(store)
    assert len(everything) > 20
    assert sum(len({*w.event.conversations}) > 1 for w in webhooks) > 20
    for period in PERIODS:
        assert found(store, period) == plain(everything, period, UTC_ZONE, NOW), period


@pytest.mark.parametrize("seed", [0])
def test_deleted_calls_leave_the_figures(store: Store, engine: Engine, seed: int) -> None:
    chance = Random(seed)
    calls = several(chance, 30)
    names = sorted({name for webhook in flat(calls) for name in webhook.event.conversations}, key=keys.encode)
    for webhook in flat(calls):
        post_surely(store, webhook)
    settle(store)
    count_all(store)
    gone = chance.sample(names, len(names) // 3)
    store.delete_all(gone)
    for number in range(keys.PARTITIONS):
        store.settle_noted(number)
    count_all(store)
    assert_right(store, stored(store, names))
    store.delete_all(names)
    count_all(store)
    assert found(store)["calls"]["total"] == 0
    left = {key for key in sorted(engine.keys()) if b"}calls:" in key or b"}numbers:" in key or b"}touched" in key}
    assert left == set(), "nothing is left of what was counted, numbers least of all"


def test_a_call_whose_first_conversation_was_deleted_is_counted_by_what_is_left_of_it(store: Store) -> None:
    send(
        store,
        status("answered", 1, uuid="A1"),
        transfer(HERE, THERE, 2, uuid="A1"),
        status("answered", 3, uuid="B1", where=THERE),
    )
    settle(store)
    count_all(store, BASE)
    store.delete(HERE)
    count_all(store, BASE)
    assert len(listed(store)) == 1
    figures = found(store)
    assert (figures["calls"]["total"], figures["at_once"]["now"]) == (1, 1)
    store.delete(THERE)
    count_all(store, BASE)
    assert listed(store) == []
    assert found(store)["calls"]["total"] == 0


def test_a_number_within_a_name_is_masked_too(store: Store) -> None:
    send(store, status("answered", 1, to="441666000004"))
    settle(store)
    count_all(store, BASE)
    names = Known({"441666000004": "Bob +44 7700 900777"})
    for masked, expected in ((False, "Bob +44 7700 900777"), (True, "Bob +** **** **0777")):
        (number,) = read_figures(store, "hour", UTC_ZONE, NOW, mask_numbers=masked, names=names)["numbers"]
        assert number["name"] == expected


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", [0, 3, 8])
def test_a_worker_killed_between_any_two_writes_changes_nothing_in_the_end(
    store: Store, open_store: Callable[..., Store], engine: Engine, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    calls = [call for call in several(Random(5), 25) if any(w.event.kind == "transfer" for w in call)]
    for webhook in flat(calls):
        post_surely(store, webhook)
    settle(store)
    dying = open_store(engine)
    send_all, writes = dying._writer.send, 0

    def send_until(*args: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes > after:
            raise Killed
        return send_all(*args)

    monkeypatch.setattr(dying._writer, "send", send_until)
    counting = counting_of(dying)

    def count_to_the_end() -> None:
        while any([counting.count([number], NOW) for number in range(keys.PARTITIONS)]):  # noqa: C419 - each of them
            pass

    with pytest.raises(Killed):
        count_to_the_end()
    count_all(store)
    names = {name for webhook in flat(calls) for name in webhook.event.conversations}
    assert_right(store, stored(store, names))


def test_a_transferred_call_counts_once_with_all_its_talk(store: Store) -> None:
    send(
        store,
        status("started", 0, where=HERE, uuid="caller", from_="447700900123", to="442079460000"),
        status("answered", 1, where=HERE, uuid="caller"),
        status("ringing", 2, where=HERE, uuid="agent"),
        status("answered", 12, where=HERE, uuid="agent"),
        transfer(HERE, THERE, 100, uuid="caller"),
        transfer(THERE, YONDER, 150, uuid="caller"),
        status("completed", 101, where=HERE, uuid="agent", price="0.01"),
        seconds=150,
    )
    count_all(store, at(151))
    assert found(store, now=at(151))["calls"] | {} == Counter(total=1, live=1) | dict.fromkeys(OUTCOMES, 0)
    send(store, status("completed", 312, where=YONDER, uuid="caller", price="0.00144000"), seconds=312)
    count_all(store, at(313))
    figures = found(store, now=at(313))
    assert (figures["calls"]["total"], figures["calls"]["answered"]) == (1, 1)
    assert figures["talk_seconds"] == {"average": 88.0, "total": 88.0}, "until the caller was alone"
    assert figures["wait_seconds"] == {"average": 12.0}
    assert figures["numbers"] == {"442079460000": (1, 1, Decimal("0.01144"))}


def test_a_late_busy_moves_the_call_from_one_outcome_to_another(store: Store) -> None:
    send(store, status("started", 0), status("completed", 9), seconds=9)
    count_all(store, at(10))
    assert found(store)["calls"]["unanswered"] == 1
    send(store, status("busy", 8), seconds=60)
    count_all(store, at(61))
    assert (found(store)["calls"]["unanswered"], found(store)["calls"]["busy"]) == (0, 1)


def test_a_call_whose_end_was_lost_ends_when_it_was_last_heard_of_until_it_is_heard_of_again(store: Store) -> None:
    send(store, status("answered", 0, from_="447700900123", to="442079460000"), seconds=0)
    count_all(store, at(30))
    assert found(store, now=at(30))["at_once"]["now"] == 1
    count_all(store, at(90))
    assert (found(store, now=at(90))["at_once"]["now"], found(store, now=at(90))["calls"]["answered"]) == (0, 1)
    send(store, status("completed", 600, duration="600"), seconds=600)
    count_all(store, at(601))
    assert found(store, now=at(601))["talk_seconds"]["total"] == 600


def test_what_expires_or_makes_room_stays_in_the_figures(store: Store, engine: Engine) -> None:
    send(store, status("answered", 1, to="442079460000"), status("completed", 9, duration="8"), seconds=10)
    send(store, status("answered", 1, where=THERE, uuid="other"), status("completed", 9, where=THERE, uuid="other"))
    count_all(store)
    before = found(store)
    part = keys.of(HERE)
    engine.ask(part, "DEL", part.events(keys.encode(HERE)))
    store.forget_expired(keys.ALL.index(part), NOW + store.retention)
    store.delete_all([THERE], from_figures=False)
    assert store.histories([HERE, THERE]).conversations == {}
    count_all(store)
    assert found(store) == before
    assert before["calls"]["answered"] == 2


def test_a_call_that_lives_on_after_its_first_conversation_made_room_does_not_stay_live_for_ever(store: Store) -> None:
    send(store, status("answered", 1, uuid="caller"), transfer(HERE, THERE, 9, uuid="caller"), seconds=9)
    count_all(store, at(10))
    assert found(store, now=at(10))["at_once"]["now"] == 1
    store.delete_all([HERE], from_figures=False)
    send(store, status("completed", 20, where=THERE, uuid="caller"), seconds=20)
    count_all(store, at(21))
    assert found(store, now=at(21))["at_once"]["now"] == 0


def test_numbers_beyond_those_with_room_are_counted_together(store: Store) -> None:
    most = 2 * keys.NUMBERS_AN_HOUR + 50
    names = [name for name in (f"CON-{number}" for number in range(3000)) if keys.partition(name) < 2][:most]
    bodies = [
        status("started", 1, where=name, uuid=f"leg of {name}", to=f"4420{number:07}")
        for number, name in enumerate(names)
    ]
    send(store, *bodies)
    count_all(store, at(20))
    figures = read_figures(store, "hour", UTC_ZONE, at(20), mask_numbers=True)
    assert figures["calls"]["total"] == len(names) == most
    assert sum(each["calls"] for each in figures["numbers"]) + figures["other_numbers"]["calls"] == most
    assert all(each["number"].startswith("*******") for each in figures["numbers"])
    kept = store.call_figures(int(BASE.timestamp()) // 3600, int(BASE.timestamp()) // 3600)[1]
    assert all(len(by) <= 2 * (keys.NUMBERS_AN_HOUR + 8) for by in kept.values())
    store.delete_all(names)
    assert found(store, now=at(20))["calls"]["total"] == 0
    assert found(store, now=at(20))["numbers"] == {}


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-15", 24)])
def test_days_in_which_the_clocks_change_have_as_many_hours_as_they_have(store: Store, day: str, hours: int) -> None:
    """A call each hour of the day: so many, by the clock on the wall, are in it."""
    begins = datetime.fromisoformat(day).replace(tzinfo=PARIS).astimezone(UTC)
    ends = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=PARIS).astimezone(UTC)
    assert (ends - begins) == timedelta(hours=hours)
    moments = [begins - timedelta(hours=1) + number * timedelta(hours=1) for number in range(hours + 2)]
    for number, moment in enumerate(moments):
        body = status("busy", None, where=f"CON-{number}", uuid=f"leg-{number}")
        (webhook,) = webhooks_of(body | {"timestamp": moment.isoformat()}, moment)
        post(store, webhook)
    now = ends + timedelta(hours=2)
    count_all(store, now)
    figures = found(store, "week", PARIS, now)
    assert figures["days"][day][0] == hours
    assert sum(each[0] for each in figures["days"].values()) == hours + 2
    weekday = datetime.fromisoformat(day).weekday()
    assert sum(figures["heat_map"][weekday]) == hours
    assert figures["heat_map"][weekday][2] == hours - 23, "the hour from two to three comes not at all, or twice"
    points = [point for point in read_figures(store, "week", PARIS, now, mask_numbers=True)["series"] if point["calls"]]
    assert len(points) == hours + 2
