"""What is on the board: calls in groups, the row of each, and the figures above them.

`templates/call_row.html` is the one template of a row, for the page and for what changes in it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote

from flask import current_app
from markupsafe import Markup

from app.calls import call_schemas
from app.calls.call_queries import CallFilter, CallQueries
from app.calls.names import Known
from app.domain.calls import PHASES, Call
from app.domain.numbers import masked as masked_in
from app.domain.operations import Entry
from app.live.rendering import Form
from app.pages.acting import hold_verb
from app.pages.company import asks_of
from app.pages.html import pieces
from app.pages.languages import gettext
from app.pages.operations import Meeting, Operation, by_leg, operations_in, transfer_json
from app.services import services
from app.store.codec import milliseconds

Group = Literal["live", "missed", "presumed", "ended"]
# How many calls of each are shown, the newest; more than the first is more than anybody looks at.
MOST: Final[dict[Group, int]] = {"live": 1000, "missed": 50, "presumed": 50, "ended": 20}
MISSED_FOR: Final = timedelta(hours=1)
MOST_ENDED: Final = 500  # calls that ended, which are read for those that were missed
MINUTES: Final = 60  # of the pulse
HASH_LENGTH: Final = 16  # hex digits


class Shown(NamedTuple):
    """A call on the board.

    `key` names it in the page, for ids are a stranger's. `order` never changes: the newest is the highest. `operations`
    are those that its legs are part of.
    """

    call: Call
    group: Group
    key: str
    order: int
    operations: tuple[Operation, ...] = ()


def read(queries: CallQueries, now: datetime) -> list[Call]:
    """The calls that may be on the board. Raises StoreUnavailable.

    Missed and failed ones are looked for among the calls that ended last, `MOST_ENDED` of them at most.
    """
    found = live_calls(queries)
    found += _read(queries, CallFilter("presumed_ended"), MOST["presumed"], 50)
    for number, call in enumerate(_read(queries, CallFilter("ended"), MOST_ENDED, 50)):
        if number >= MOST["ended"] and now - call.first_received > MISSED_FOR:
            break
        found.append(call)
    return found


def _read(queries: CallQueries, wanted: CallFilter, most: int, at_once: int) -> Iterator[Call]:
    """The newest calls that are wanted, *most* at most."""
    count, after = 0, None
    while count < most:
        page = queries.page(wanted, limit=min(at_once, most - count), after=after)
        yield from page.calls
        count, after = count + len(page.calls), page.next
        if after is None or not page.calls:
            return


def live_calls(queries: CallQueries) -> list[Call]:
    """Those of them that are live. Raises StoreUnavailable."""
    return list(_read(queries, CallFilter("live"), MOST["live"], 200))


def on_board(
    calls: Iterable[Call], now: datetime, logs: Mapping[str, Sequence[Entry]] = MappingProxyType({})
) -> dict[str, Shown]:
    """Those of *calls* that are on the board, by key, newest first; *logs*: of the operations that are open."""
    of_legs = by_leg(operations_in(logs))
    every = sorted((_shown(call, now, of_legs) for call in calls), key=lambda one: (-one.order, one.key))
    count: Counter[str] = Counter()
    found = {}
    for shown in every:
        count[shown.group] += 1
        if count[shown.group] <= MOST[shown.group]:
            found[shown.key] = shown
    return found


def _shown(call: Call, now: datetime, of_legs: Mapping[str, tuple[Operation, ...]]) -> Shown:
    live = [leg.leg.uuid for leg in call.legs if leg.leg.state != "completed"] if of_legs else []
    operations = tuple(dict.fromkeys(operation for uuid in live for operation in of_legs.get(uuid, ())))
    return Shown(call, group_of(call, now), _hash(call.id), milliseconds(call.first_received), operations)


def group_of(call: Call, now: datetime) -> Group:
    """Where *call* is shown."""
    if call.state == "live":
        return "live"
    if call.state == "presumed_ended":
        return "presumed"
    lately = now - min(call.began, call.first_received) < MISSED_FOR  # what came late may be of long ago
    return "missed" if lately and (call.missed or call.outcome == "failed") else "ended"


def conversations(shown: Iterable[Shown]) -> list[str]:
    """The conversations of all calls that are *shown*."""
    return [name for one in shown for name in one.call.conversations]


def render(shown: Iterable[Shown], form: Form, names: Known) -> list[str]:
    """The row of each of *shown*, in the language of the context; *form* says whether numbers are masked."""
    rows = list(shown)
    pages = {rule.rule.partition("<")[0] for rule in current_app.url_map.iter_rules()}
    path = "/calls/" if "/calls/" in pages else "/api/v1/calls/"
    return pieces("call_row.html", lambda: (_values(one, form.masked, names, path) for one in rows))


def _values(shown: Shown, masked: bool, names: Known, path: str) -> dict[str, Any]:
    call = shown.call
    words = {
        "from_name": names.of(call.from_) or (call.from_user if call.from_user != call.from_ else None),
        "to_name": names.of(call.to),
        "flow_name": names.flow(call.flow) if call.flow else None,
        "fault": next((answer.fault for _, answer in reversed(call.answers) if answer.fault), None),
        "error": call.errors[-1].event.reason if call.errors else None,
    }
    live = shown.group == "live"
    recorded = set(call.recorded_here.values()) if live else set()
    row = {
        "recorded": next((state for state in ("active", "paused") if state in recorded), None),
        **call_schemas.dump(call, mask_numbers=masked, row=True, names=names),
        "operations": [_operation(operation, call, masked, names) for operation in (shown.operations if live else ())],
        **(masked_in(words) if masked else words),
        "key": shown.key,
        "group": shown.group,
        "order": shown.order,
        "href": path + quote(call.id, safe="", errors="replace"),
    }
    now, acts = datetime.now(UTC), _acts(row, shown) if live else None
    return {
        "row": row,
        "acts": acts,
        "version": _hash(json.dumps([row, acts])),
        "since": lambda at: max((now - datetime.fromisoformat(at)).total_seconds(), 0),
        "doing": _doing,
    }


def _operation(operation: Operation, call: Call, masked: bool, names: Known) -> dict[str, Any]:
    """What a row says of an operation: of a conference how many there are, and the states of its own members."""
    own = {leg.leg.uuid for leg in call.legs}
    if isinstance(operation, Meeting):
        states = sorted({member.state for member in operation.members if member.leg in own} - {"joined", "held"})
        return {"kind": "conference", "members": len(operation.members), "states": states}
    said = transfer_json(operation, masked, names)
    return said if own & {operation.initiator, operation.transferred} else {**said, "called": True, "allowed": ()}


def _acts(row: Mapping[str, Any], shown: Shown) -> dict[str, Any] | None:
    """What the menu of a row acts on: the legs that have not ended, and whether the first can be held or resumed.

    `whole` is what all of it is called, `who` the first leg; `conference` the one in which that is a member, which
    holds and resumes it. `asks` are the dialogs that can be opened; `adds` the conference to which calls can be added.
    """
    live = [leg["uuid"] for leg in row["legs"] if leg["state"] != "completed"]
    if not live:
        return None
    first = row["legs"][0]
    hold = hold_verb(first)
    if hold == "hold" and _doing(first) != "talking":  # nobody would wait for it to come back
        hold = None
    taken = by_leg(shown.operations)
    conference = None
    if of_first := taken.get(first["uuid"], ()):
        hold = None
        for operation in of_first:
            if isinstance(operation, Meeting) and (member := operation.member(first["uuid"])):
                conference, hold = operation.id, next((each for each in member.allowed if each != "remove"), None)
    meetings = (each for each in shown.operations if isinstance(each, Meeting) and not each.ends)
    adds = next((each.id for each in meetings if any(map(each.member, live))), None)
    caller = row["from_name"] or row["from"]
    called = row["to_name"] or row["to"]
    who = first["user"] or (called if first["direction"] == "outbound" else caller) or gettext("unknown")
    whole = f"{caller or gettext('unknown')} → {called or gettext('unknown')}"
    return {
        "legs": live,
        "first": first["uuid"],
        "hold": hold,
        "conference": conference,
        "asks": asks_of(shown.call, taken, pairs_move=services().control.pair_rooms is not None)
        + (("add",) if adds else ()),
        "adds": adds,
        "who": who,
        "whole": whole,
        "href": row["href"],
    }


def _doing(leg: Mapping[str, Any]) -> str | None:
    """What a leg does now, as `states.py` names it; None if nothing."""
    now = next((segment["doing"] for segment in leg["segments"] if segment["until"] is None), None)
    return PHASES.get(now) if now else None


class Figures(NamedTuple):
    """What is above the calls: how many of them are live, by phase, and the last hour's as `calls/figures.py` has it.

    `full`: the groups of which there may be more calls than are listed; the history has them all. `notices` changes
    when the banner of the page may.
    """

    groups: Mapping[str, int]
    phases: Mapping[str, int]
    full: frozenset[str]
    hour: Mapping[str, Any]
    notices: str


def figures_of(shown: Iterable[Shown], hour: Mapping[str, Any], notices: str) -> Figures:
    """The figures of what is *shown*."""
    every = list(shown)
    groups: Counter[str] = Counter(one.group for one in every)
    phases: Counter[str] = Counter(one.call.phase for one in every if one.call.phase)
    return Figures(
        dict(groups),
        {phase: phases[phase] for phase in PHASES.values()},
        frozenset(group for group, most in MOST.items() if groups[group] >= most),
        {**hour, "series": hour["series"][-MINUTES:]},
        notices,
    )


def render_figures(figures: Figures) -> Markup:
    """The figures, in the language of the context."""
    return Markup(pieces("board_figures.html", lambda: [figures._asdict()])[0])  # noqa: S704 - rendered with escapes


def _hash(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:HASH_LENGTH]
