"""The ladder of a call: its model, and as text."""

from __future__ import annotations

from collections.abc import Iterable

from app.calls.ladder import MOST_LANES, Crossing, Ladder, Mark, ladder_of, text_of
from app.calls.names import NOBODY, Known
from app.domain.calls import read_calls
from app.domain.conversations import Kept, history
from app.domain.timeline import Segment
from tests.domain.builders import (
    HERE,
    LATER,
    PRESUME_ENDED_AFTER,
    THERE,
    YONDER,
    about,
    answer,
    at,
    kept,
    status,
    transfer,
)
from tests.generated import Body

CALLER = "447700900123"


def ladder(*bodies: Body | Kept, of: str = "caller", mask_numbers: bool = False, names: Known = NOBODY) -> Ladder:
    """The ladder of a call after *bodies*."""
    conversations: dict[str, list[Kept]] = {}
    for each in kept(*bodies):
        for name in each.event.conversations:
            conversations.setdefault(name, []).append(each)
    calls = read_calls(
        {name: history(found) for name, found in conversations.items()},
        now=LATER,
        presume_ended_after=PRESUME_ENDED_AFTER,
    )
    return ladder_of(calls.calls[of], mask_numbers=mask_numbers, names=names)


def held() -> Iterable[Body | Kept]:
    """A caller who talks to Alice, is put on hold for a while, and presses a key at the end."""
    caller = {"uuid": "caller", "direction": "inbound", "from_": CALLER, "to": "442079460000"}
    alice = {"uuid": "alice", "direction": "outbound", "from_": "442079460000", "to": "Alice"}
    yield status("ringing", 0, **caller)
    yield answer(0, uuid="caller", served={"flow": "menu", "step": "ask"})
    yield status("answered", 1, **caller)
    yield status("ringing", 2, **alice)
    yield status("answered", 5, **alice)
    yield transfer(HERE, THERE, 10, uuid="caller")
    yield transfer(THERE, HERE, 15, uuid="caller")
    yield about(16, uuid="caller", dtmf={"digits": f"{CALLER}#"})
    yield status("completed", 20, **alice)
    yield status("completed", 20, **caller)


def test_the_model_has_lanes_segments_marks_and_crossings() -> None:
    found = ladder(*held())
    assert (found.call, found.begins, found.ends) == ("caller", at(0), at(20))
    assert [(lane.leg, lane.title, lane.direction) for lane in found.lanes] == [
        ("caller", CALLER, "inbound"),
        ("alice", "Alice", "outbound"),
    ]
    assert found.lanes[0].segments == (
        Segment("ringing", at(0), at(1)),
        Segment("wait", at(1), at(5)),
        Segment("talk", at(5), at(10)),
        Segment("hold", at(10), at(15)),
        Segment("talk", at(15), at(20)),
    )
    assert found.crossings == (
        Crossing(at(10), 0, HERE, THERE, conference=False),
        Crossing(at(15), 0, THERE, HERE, conference=False),
    )
    assert Mark(at(0), 0, "answer", "NCCO menu/ask") in found.marks
    assert Mark(at(16), 0, "input", f"keys {CALLER}#") in found.marks
    assert [mark.at for mark in found.marks] == sorted(mark.at for mark in found.marks)


def test_as_text_each_leg_has_a_column_and_time_goes_down() -> None:
    assert text_of(ladder(*held())) == [
        "   seconds  447700900123          Alice",
        "     0.000  ┊ ringing",
        "            ┊ NCCO menu/ask",
        "     1.000  │ answered",
        "     2.000  │                     ┊ ringing",
        "     5.000  █                     █ answered",
        "    10.000  ░ → CON-there         │",
        "    15.000  █ → CON-here          █",
        "    16.000  █ keys 447700900123#  █",
        "    20.000  ╵ completed           ╵ completed",
        "            ┊ ringing  │ alone, with the call flow  █ talking  ░ on hold",
        "            from 2126-11-20T12:00:00.000Z",
    ]


def test_numbers_are_masked_in_titles_and_words() -> None:
    text = "\n".join(text_of(ladder(*held(), mask_numbers=True)))
    assert CALLER not in text
    assert "********0123" in text


def test_a_lane_has_the_name_of_its_number() -> None:
    found = ladder(*held(), names=Known({CALLER: "Grace"}))
    assert [lane.title for lane in found.lanes] == ["Grace", "Alice"]


def test_a_conference_links_other_calls() -> None:
    found = ladder(
        status("answered", 0, uuid="caller"),
        status("answered", 1, uuid="other", where=THERE),
        transfer(HERE, YONDER, 5, uuid="caller"),
        transfer(THERE, YONDER, 6, uuid="other"),
        of="other",
    )
    assert (found.linked, found.conferences) == (("caller",), (YONDER,))
    assert found.crossings == (Crossing(at(6), 0, THERE, YONDER, conference=True),)
    text = text_of(found)
    assert "     5.000  █ → conference CON-y…" in text
    assert "            shares a conference with call caller" in text


def test_talk_that_begins_as_another_call_joins_has_a_line_of_its_own() -> None:
    text = text_of(
        ladder(
            status("answered", 0, uuid="caller"),
            transfer(HERE, YONDER, 2, uuid="caller"),
            status("answered", 1, uuid="other", where=THERE),
            transfer(THERE, YONDER, 5, uuid="other"),
            status("completed", 9, uuid="other", where=YONDER),
            status("completed", 12, uuid="caller", where=YONDER),
        )
    )
    bars = {line[:10].strip(): line[12] for line in text if line[:10].strip()}
    assert bars == {"seconds": "u", "0.000": "│", "2.000": "│", "5.000": "█", "9.000": "│", "12.000": "╵"}, text


def test_a_call_of_many_legs_shows_the_first_and_names_the_number_of_the_others() -> None:
    legs = [status("ringing", number, uuid=f"leg-{number:02}", to="x" * 99) for number in range(MOST_LANES + 3)]
    text = text_of(ladder(*legs, of="leg-00"))
    assert "            and 3 more legs" in text
    assert "xxxxxxxxxxxxxxxxxx…" in text[0]


def test_a_call_without_legs_has_a_ladder_too() -> None:
    text = text_of(ladder(about(1, payload={}), of=HERE))
    assert text[1] == "     0.000  notify"
