"""Opening hours: when they begin and end, nights when the clocks change, holidays; and what is wrong with them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.flows.hours import is_open, read
from app.flows.model import Hours
from vonage_simulator import yaml_source

OFFICE = """
hours:
  office:
    zone: Europe/London
    open: { mon-fri: "09:00-12:30, 13:30-17:30", sat: "10:00-13:00" }
    holidays: ["2026-12-24", "12-25", "01-01", "02-29"]
"""


BEYOND = (
    '9:17: hours.office.open["tue, wed"]: 09:00-25:00 goes beyond 24:00: '
    "a span into the next day ends with a time of that day, as in 22:00-06:00"
)


def office(text: str = OFFICE) -> Hours:
    """The hours in *text*."""
    reader = yaml_source.Reader(yaml_source.read(text, "flows.yaml"))
    found = read(reader, reader.file.value["hours"]["office"], ("hours", "office"), "office")
    if found is None or reader.faults:
        raise yaml_source.Faults(reader.faults)
    return found


def hours(opened: str, holidays: str = "[]", zone: str = "Europe/London") -> Hours:
    """Hours in a short notation."""
    return office(f"hours: {{office: {{zone: {zone}, open: {opened}, holidays: {holidays}}}}}")


def at(local: str, zone: str = "Europe/London", *, fold: int = 0) -> datetime:
    """The moment when clocks show *local*; *fold* 1: for the second time that night."""
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def faults(text: str) -> list[str]:
    """What is wrong with the hours in *text*: line, column, field and words."""
    with pytest.raises(yaml_source.Faults) as caught:
        office(text)
    return [str(fault).removeprefix("flows.yaml:") for fault in caught.value.faults]


def wrong(opened: str) -> list[str]:
    """What is wrong with days and spans, without the place."""
    return [fault.partition("office.open")[2] for fault in faults(f"hours: {{office: {{zone: UTC, open: {opened}}}}}")]


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-11-20 08:59:59", False),
        ("2026-11-20 09:00", True),
        ("2026-11-20 12:29:59.999999", True),
        ("2026-11-20 12:30", False),
        ("2026-11-20 13:29", False),
        ("2026-11-20 13:30", True),
        ("2026-11-20 17:29", True),
        ("2026-11-20 17:30", False),
        ("2026-11-21 09:59", False),
        ("2026-11-21 10:00", True),
        ("2026-11-21 12:59", True),
        ("2026-11-21 13:00", False),
        ("2026-11-22 11:00", False),
        ("2026-11-23 09:00", True),
    ],
)
def test_it_is_open_from_the_minute_a_span_begins_to_the_one_before_it_ends(local: str, expected: bool) -> None:
    assert is_open(office(), at(local)) is expected


def test_it_goes_by_the_clocks_of_its_own_zone() -> None:
    tokyo = hours('{mon-fri: "09:00-17:00"}', zone="Asia/Tokyo")
    assert is_open(tokyo, datetime(2026, 11, 20, 0, 0, tzinfo=UTC))
    assert not is_open(tokyo, datetime(2026, 11, 20, 9, 0, tzinfo=UTC))
    assert is_open(tokyo, datetime(2026, 11, 22, 19, 0, tzinfo=ZoneInfo("America/New_York")))  # Monday there already


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("mon-fri", "01234"),
        ("sat", "5"),
        ("mon, wed", "02"),
        ("fri-mon", "0456"),
        ("sun-mon", "06"),
        ("tue-tue", "1"),
        ("mon-tue,fri - sat", "0145"),
        ("mon-sun", "0123456"),
    ],
)
def test_days_may_be_one_a_range_or_a_list(days: str, expected: str) -> None:
    assert sorted(hours(f'{{"{days}": "09:00-17:00"}}').week) == list(map(int, expected))


@pytest.mark.parametrize(
    ("span", "open_at", "closed_at"),
    [
        ("00:00-24:00", ["20 00:00", "20 12:00", "20 23:59"], ["19 23:59", "21 00:00"]),
        ("22:00-24:00", ["20 22:00", "20 23:59"], ["20 21:59", "21 00:00"]),
        ("22:00-00:00", ["20 22:00", "20 23:59"], ["20 21:59", "20 00:00", "21 00:00"]),
        ("22:00-06:00", ["20 22:00", "21 00:00", "21 05:59"], ["20 05:59", "20 21:59", "21 06:00", "21 22:00"]),
        ("23:59-00:01", ["20 23:59", "21 00:00"], ["20 23:58", "20 00:00", "21 00:01"]),
    ],
)
def test_a_span_that_ends_before_it_begins_goes_on_into_the_next_day(
    span: str, open_at: list[str], closed_at: list[str]
) -> None:
    friday = hours(f'{{fri: "{span}"}}')
    assert [is_open(friday, at(f"2026-11-{local}")) for local in open_at] == [True] * len(open_at)
    assert [is_open(friday, at(f"2026-11-{local}")) for local in closed_at] == [False] * len(closed_at)


def test_it_goes_on_from_sunday_into_monday_and_into_a_new_year() -> None:
    nights = hours('{thu: "20:00-04:00", sun: "20:00-04:00"}')
    assert is_open(nights, at("2026-11-23 03:59"))
    assert not is_open(nights, at("2026-11-22 03:59"))
    assert is_open(nights, at("2027-01-01 03:59"))


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-12-24 10:00", False),  # this year's only
        ("2025-12-24 10:00", True),
        ("2026-12-25 10:00", False),  # every year's
        ("2031-12-25 10:00", False),
        ("2027-01-01 10:00", False),
        ("2026-12-23 10:00", True),
        ("2028-02-29 10:00", False),
        ("2028-02-28 10:00", True),
        ("2027-03-01 10:00", True),  # a year without the day
    ],
)
def test_it_is_closed_on_holidays(local: str, expected: bool) -> None:
    assert is_open(office(), at(local)) is expected


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-12-23 23:59", True),
        ("2026-12-24 05:59", True),  # began the evening before
        ("2026-12-24 06:00", False),
        ("2026-12-24 22:00", False),  # would begin on the holiday
        ("2026-12-25 05:59", False),  # and so would what goes on from it
        ("2026-12-25 22:00", True),
        ("2026-12-26 05:59", True),
    ],
)
def test_a_night_belongs_to_the_day_it_begins_on_for_a_holiday_too(local: str, expected: bool) -> None:
    nights = hours('{mon-sun: "22:00-06:00"}', '["2026-12-24"]')
    assert is_open(nights, at(local)) is expected


def test_a_night_may_end_in_a_leap_day() -> None:
    nights = hours('{mon-sun: "22:00-06:00"}', '["02-29"]')
    assert is_open(nights, at("2028-02-29 05:00"))
    assert not is_open(nights, at("2028-02-29 23:00"))
    assert not is_open(nights, at("2028-03-01 05:00"))


def test_it_opens_by_the_clocks_before_and_after_they_change() -> None:
    every_day = hours('{mon-sun: "09:00-17:00"}')
    assert is_open(every_day, datetime(2026, 3, 28, 9, 0, tzinfo=UTC))  # the day before: GMT
    assert not is_open(every_day, datetime(2026, 3, 28, 8, 0, tzinfo=UTC))
    assert is_open(every_day, datetime(2026, 3, 29, 8, 0, tzinfo=UTC))  # the day itself: BST
    assert not is_open(every_day, datetime(2026, 3, 29, 16, 0, tzinfo=UTC))
    assert is_open(every_day, datetime(2026, 10, 25, 9, 0, tzinfo=UTC))
    assert not is_open(every_day, datetime(2026, 10, 25, 8, 59, tzinfo=UTC))


def minutes_open(opened: Hours, first: datetime, last: datetime) -> int:
    """For how many minutes it is open, from the one moment to the other."""
    return sum(is_open(opened, first + timedelta(minutes=n)) for n in range(int((last - first) / timedelta(minutes=1))))


@pytest.mark.parametrize(
    ("evening", "span", "minutes"),
    [
        pytest.param("2026-03-28", "22:00-06:00", 7 * 60, id="the night in spring is an hour short"),
        pytest.param("2026-10-24", "22:00-06:00", 9 * 60, id="the night in autumn is an hour longer"),
        pytest.param("2026-03-28", "22:00-01:30", 3 * 60, id="it ends in the hour left out: when that would begin"),
        pytest.param("2026-10-24", "22:00-01:30", 4 * 60, id="the half hour before it ends comes twice"),
    ],
)
def test_in_nights_when_the_clocks_change_it_goes_by_what_they_show(evening: str, span: str, minutes: int) -> None:
    saturday = hours(f'{{sat: "{span}"}}')
    start = at(f"{evening} 12:00")
    assert minutes_open(saturday, start, start + timedelta(days=1)) == minutes


def test_the_hour_that_comes_twice_is_as_open_each_time() -> None:
    sunday = hours('{sun: "01:00-01:30"}')
    for fold in (0, 1):
        assert is_open(sunday, at("2026-10-25 01:29", fold=fold))
        assert not is_open(sunday, at("2026-10-25 01:30", fold=fold))


def test_the_hour_that_is_left_out_is_not_seen() -> None:
    sunday = hours('{sun: "01:15-01:45"}')
    start = datetime(2026, 3, 29, tzinfo=UTC)
    assert minutes_open(sunday, start, start + timedelta(hours=6)) == 0


def test_the_first_day_there_is_has_no_evening_before() -> None:
    assert not is_open(hours('{tue: "10:00-11:00"}', zone="UTC"), datetime.min.replace(tzinfo=UTC))


def test_what_was_read_is_what_was_written() -> None:
    found = office()
    assert (found.name, found.zone) == ("office", ZoneInfo("Europe/London"))
    assert found.week == dict.fromkeys(range(5), ((540, 750), (810, 1050))) | {5: ((600, 780),)}
    assert found.holidays == {date(2026, 12, 24), (12, 25), (1, 1), (2, 29)}


def test_blanks_and_quotes_may_be_left_out() -> None:
    plain = office(
        OFFICE.replace('"', "").replace("{ mon-fri: 09:00-12:30, 13:30-17:30, sat: 10:00-13:00 }", "{sat: 10:00-13:00}")
    )
    assert plain.week == {5: ((600, 780),)}
    assert plain.holidays == office().holidays


def test_all_that_is_wrong_is_named_at_once_with_its_place() -> None:
    text = """
hours:
  office:
    zone: Europe/Lodon
    opn: yes
    open:
      mon-fry: "09:00-17:00"
      tue: "9-17"
      tue, wed: "09:00-25:00"
    holidays: ["2026-02-29", "13-01", 5]
"""
    assert faults(text) == [
        "4:11: hours.office.zone: is no time zone; did you mean Europe/London?",
        "5:5: hours.office.opn: is an unknown field; did you mean open?",
        "7:7: hours.office.open.mon-fry: fry is no day; did you mean fri?; there are mon, tue, wed, thu, fri, sat, sun",
        '8:12: hours.office.open.tue: "9-17" must be times, as in 09:00-17:30; a day that is closed is left out',
        '9:7: hours.office.open["tue, wed"]: names tue in tue already',
        BEYOND,
        "10:16: hours.office.holidays[0]: is a day that there is not",
        "10:30: hours.office.holidays[1]: is a day that there is not",
        "10:39: hours.office.holidays[2]: must be a text: put it in quotes",
    ]


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("Europe/london", "did you mean Europe/London?"),
        ("london", "did you mean Europe/London?"),
        ("New York", "did you mean America/New_York?"),
        ("Europe", "is no time zone"),  # a folder, where zones are files
        ("../../etc/passwd", "is no time zone"),
        ("GMT+25", "is no time zone"),
        ('""', "zones are named as in Europe/London"),
    ],
)
def test_a_zone_that_there_is_not_is_refused_and_the_nearest_named(zone: str, words: str) -> None:
    (fault,) = faults(f'hours: {{office: {{zone: {zone}, open: {{mon: "09:00-10:00"}}}}}}')
    assert fault.startswith("1:24: hours.office.zone: is no time zone")
    assert words in fault
    assert "Etc/" not in fault


@pytest.mark.parametrize(
    ("opened", "words"),
    [
        ('{"": "09:00-10:00"}', "an empty text is no day"),
        ('{monday: "09:00-10:00"}', "monday is no day; did you mean mon?"),
        ('{Mon: "09:00-10:00"}', "Mon is no day; did you mean mon?"),
        ('{"mon,": "09:00-10:00"}', "an empty text is no day"),
        ('{mon-wed-fri: "09:00-10:00"}', "has more than two ends"),
        ('{"mon, mon": "09:00-10:00"}', "names mon twice"),
        ('{"fri-mon, sun": "09:00-10:00"}', "names sun twice"),
        ('{mon: "24:00-10:00"}', "goes beyond 24:00"),
        ('{mon: "09:00-24:01"}', "goes beyond 24:00"),
        ('{mon: "09:00-10:60"}', "must be times"),
        ('{mon: "09:00-09:00"}', "09:00-09:00 begins and ends at the same time: a whole day is 00:00-24:00"),
        ('{mon: "00:00-00:00"}', "begins and ends at the same time"),
        ('{mon: "09:00-10:00,"}', "must be times"),
        ('{mon: "09:00"}', "must be times"),
        ('{mon: "٠٩:00-10:00"}', "must be times"),
        ('{mon: ""}', "must be times"),
        ("{mon: closed}", "a day that is closed is left out"),
        ("{mon: }", "has no value"),
        ("{mon: 9}", "must be a text"),
        ("{mon: [09:00-10:00]}", "must be a text"),
        ("{}", "is empty"),
        ("always", "must be fields with values"),
    ],
)
def test_days_and_spans_that_are_none_are_refused(opened: str, words: str) -> None:
    (fault,) = wrong(opened)
    assert words in fault


@pytest.mark.parametrize(
    "holiday", ["2026-2-3", "24.12.", "12-32", "02-30", "2025-02-29", "0000-01-01", "christmas", '""']
)
def test_a_holiday_that_is_no_day_is_refused(holiday: str) -> None:
    (fault,) = faults(f'hours: {{office: {{zone: UTC, open: {{mon: "09:00-10:00"}}, holidays: [{holiday}]}}}}')
    assert "hours.office.holidays[0]: " in fault


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hours: {office: }", ["office: must be fields with values, as in `name: value`"]),
        ("hours: {office: {}}", ["office.zone: is missing", "office.open: is missing"]),
        (
            'hours: {office: {zone: , open: {mon: "09:00-10:00"}, holidays: 12-25}}',
            [
                "office.zone: has no value: give it one, or leave it out",
                "office.holidays: must be a list: [ ] around it, or a dash before each item",
            ],
        ),
    ],
)
def test_what_is_needed_must_be_there_and_be_what_it_should(text: str, expected: list[str]) -> None:
    assert [fault.partition("hours.")[2] for fault in faults(text)] == expected
