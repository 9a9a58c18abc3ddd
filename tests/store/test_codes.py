"""What is counted has a code of its own, and comes back by its name."""

from __future__ import annotations

from app.domain import events
from app.domain.histograms import CODES, LAG, STORED, TOOK
from app.store.codes import KINDS, NAMES, code_of, name_of, stored_code


def test_every_code_is_another_and_is_read_as_what_it_is_for() -> None:
    named = dict(NAMES)
    named |= {f"lag:{index}": CODES[index].upper() for index in range(len(LAG.bounds) + 1)}
    named |= {f"took:{index}": f"T{CODES[index]}" for index in range(len(TOOK.bounds) + 1)}
    named |= {f"stored:{index}": f"S{CODES[index]}" for index in range(len(STORED.bounds) + 1)}
    named |= {f"kind:{kind}": f"K{CODES[index]}" for index, kind in enumerate(KINDS)}
    named |= {"refused:expired": "Rexpired", "refused:x": "Rx"}
    assert len(set(named.values())) == len(named)
    assert {name_of(code): code for code in named.values()} == named
    assert [name_of(code) for code in ("", "Kz", "?", "events", "T", "\ud800")] == [
        None,
        None,
        None,
        None,
        "lag:19",
        None,
    ]
    assert (code_of("refused:expired"), code_of("answers:last_resort"), code_of("get_hash:wrong")) == (
        "Rexpired",
        "x",
        None,
    )
    assert stored_code(0.2) == "Sa"


def test_every_kind_of_event_has_a_code() -> None:
    kinds = {each.kind for each in vars(events).values() if isinstance(each, type) and hasattr(each, "kind")}
    assert kinds - {"answer"} == set(KINDS)
