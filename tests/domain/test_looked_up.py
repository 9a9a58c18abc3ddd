"""A move without a response is looked up: by where the leg is, and where it was on its way to before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.actions import Action
from app.domain.leg_control import ActionState, Done
from app.domain.looked_up import was_moved
from app.domain.moves import Move

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
INTO_ROOM = '{"ncco":[{"action":"conversation","name":"room"}]}'
TO_MUSIC = '{"ncco":[{"action":"stream","streamUrl":["https://example.com/a.mp3"],"loop":0}]}'


def action(
    name: str, second: float, arguments: str = INTO_ROOM, verb: str = "move", state: ActionState = "accepted"
) -> Done:
    at = BEGAN + timedelta(seconds=second)
    made = Action(
        canonical=name.encode(),
        conversation="CON-home",
        leg="leg",
        occurred=at,
        action=name,
        verb=verb,
        by="operator",
        sequence=int(second) + 1,
        arguments=arguments,
    )
    return Done(at, made, state, None, None, None)


def hops(*joined: str) -> list[Move]:
    """The leg went to one after the other."""
    return [Move(BEGAN + timedelta(seconds=index), None, name) for index, name in enumerate(joined)]


def looked_up(here: str, left: str, before: Sequence[Done], moves: Sequence[Move], second: float = 2) -> bool | None:
    step = action("step", second)
    return was_moved(here, left, {"step"}, step.at, [*before, step], moves)


def test_a_leg_that_is_where_it_was_was_not_moved() -> None:
    assert looked_up("CON-home", "CON-home", [], []) is False


def test_a_leg_that_was_nowhere_else_before_was_moved() -> None:
    assert looked_up("CON-new", "CON-home", [], []) is True


@pytest.mark.parametrize(
    ("moves", "here", "expected"),
    [
        (("CON-half", "CON-room"), "CON-room", False),  # the second half of the move before: its webhook came since
        (("CON-half",), "CON-room", None),  # it may be that half, or the step: no webhook says so
        (("CON-half", "CON-room"), "CON-new", True),
        (("CON-half", "CON-room", "CON-new"), "CON-new", True),
    ],
)
def test_a_leg_that_was_only_halfway(moves: tuple[str, ...], here: str, expected: bool | None) -> None:
    assert looked_up(here, "CON-half", [action("before", 0)], hops(*moves)) is expected


@pytest.mark.parametrize(
    "before",
    [action("before", 0, TO_MUSIC), action("before", 0, "{}", verb="hold")],
    ids=["as a step", "by hand"],
)
def test_to_music_there_are_no_halves(before: Done) -> None:
    assert looked_up("CON-new", "CON-music", [before], hops("CON-music")) is True


def test_what_was_refused_moved_nobody() -> None:
    assert looked_up("CON-new", "CON-home", [action("before", 0, state="refused")], []) is True


def test_after_a_minute_a_webhook_that_did_not_come_is_lost() -> None:
    assert looked_up("CON-new", "CON-half", [action("before", 0)], hops("CON-half"), second=90) is True
