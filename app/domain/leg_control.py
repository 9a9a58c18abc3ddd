"""How a leg is controlled now: a fold of our actions and of webhooks.

The order in which events arrive does not matter. Clocks of servers differ, so of two actions on a leg the one with the
higher sequence number is the later one, and a move is confirmed by a transfer webhook of a newer place than the action
knew of; clocks do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol

from app.domain.actions import MOVES, RECORDING, Action, ActionResult
from app.domain.events import Event
from app.domain.moves import Move, Place

Hold = Literal["holding", "held", "resuming", "weak"]
# requested: no result yet; accepted: Vonage did; confirmed: by a webhook or, where none comes, by its reply.
ActionState = Literal["requested", "accepted", "confirmed", "refused", "gone", "failed", "unknown"]
ConfirmedBy = Literal["webhook", "reply", "timeout"]

# The reply is all that ever comes: there is no webhook for these.
# https://developer.vonage.com/en/api/voice, and the list of webhooks in .../webhook-reference#event-webhook
BY_REPLY: Final = frozenset(
    {"mute", "unmute", "earmuff", "unearmuff", "talk", "stop_talk", "stream", "stop_stream", "dtmf"}
    | {"listen", "stop_listen", "create", "ring", "begin_conference"}
    | RECORDING
)


class Movable(Protocol):
    """What webhooks say of a leg."""

    @property
    def uuid(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def moves(self) -> tuple[Move, ...]: ...
    @property
    def place(self) -> Place: ...


class Done(NamedTuple):
    """An action and what has become of it. `confirmed_by` is None until it is confirmed.

    `timed_out`: no webhook has confirmed it in time, and none is waited for any more.
    """

    at: datetime
    action: Action
    state: ActionState
    confirmed_by: ConfirmedBy | None
    status: int | None
    detail: str | None
    timed_out: bool = False

    @property
    def took_effect(self) -> bool:
        """Whether Vonage accepted it."""
        return self.state in ("accepted", "confirmed")


@dataclass(frozen=True, slots=True, kw_only=True)
class LegControl:
    """How one leg is controlled. `playing` and `listening` are of actions, not of the leg's NCCO.

    `hold`: holding and resuming are requested, held is confirmed, weak is mute and earmuff without music. `pending` is
    a move that is neither confirmed nor has failed; holding without it: nobody can say whether the leg is on hold.
    """

    muted: bool = False
    earmuffed: bool = False
    hold: Hold | None = None
    held_by: str | None = None
    playing: Literal["talk", "stream"] | None = None
    listening: bool = False
    pending: Action | None = None
    hangup_requested: bool = False


UNTOUCHED: Final = LegControl()
EFFECTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "mute": {"muted": True},
    "unmute": {"muted": False},
    "earmuff": {"earmuffed": True},
    "unearmuff": {"earmuffed": False},
    "talk": {"playing": "talk"},
    "stream": {"playing": "stream"},
    "stop_talk": {"playing": None},
    "stop_stream": {"playing": None},
    "listen": {"listening": True},
    "stop_listen": {"listening": False},
    "hangup": {"hangup_requested": True},
}


def done_to(moments: Iterable[tuple[datetime, Event]], legs: Mapping[str, Movable]) -> list[Done]:
    """The actions in *moments*, each with what became of it, in the order in which they were requested."""
    moments = list(moments)
    results: dict[str, list[tuple[datetime, ActionResult]]] = {}
    for at, event in moments:
        if isinstance(event, ActionResult):
            results.setdefault(event.action, []).append((at, event))
    requested = [(at, event) for at, event in moments if isinstance(event, Action)]
    accepted = [
        event
        for _, event in requested
        if event.verb in MOVES and (final := _final(results.get(event.action, ()))) and final.result == "done"
    ]
    found = [
        _done(at, event, results.get(event.action, ()), legs.get(event.leg or ""), accepted) for at, event in requested
    ]
    return sorted(found, key=lambda done: (done.at, done.action.sequence, done.action.action))


def _done(
    at: datetime,
    action: Action,
    results: Sequence[tuple[datetime, ActionResult]],
    leg: Movable | None,
    accepted: Sequence[Action],
) -> Done:
    """A webhook that confirms says more than a result: it may have come although no reply did.

    But not what Vonage refused, nor what failed if it confirms one of the moves that were *accepted* after it.
    """
    final = _final(results)
    status, detail = (final.status, final.detail) if final else (None, None)
    if leg is not None and _confirmed_by_webhook(action, leg) and not _is_of_another(action, final, leg, accepted):
        return Done(at, action, "confirmed", "webhook", status, detail)
    if any(result.result == "timeout" for _, result in results) and (final is None or final.result == "done"):
        return Done(at, action, "confirmed" if final else "unknown", "timeout" if final else None, status, detail, True)
    if final is None:
        return Done(at, action, "requested", None, None, None)
    if final.result == "done":
        if action.verb in BY_REPLY or action.argument.get("weak"):
            return Done(at, action, "confirmed", "reply", status, detail)
        return Done(at, action, "accepted", None, status, detail)
    if action.verb == "hangup" and final.result == "gone":  # it is over: that is what was wanted
        return Done(at, action, "confirmed", "reply", status, detail)
    assert final.result != "timeout"  # noqa: S101 - for mypy: left out by _final
    timed_out = any(result.result == "timeout" for _, result in results)
    return Done(at, action, final.result, None, status, detail, timed_out)


def _final(results: Sequence[tuple[datetime, ActionResult]]) -> ActionResult | None:
    """The result that counts: one that is certain wins over "unknown", which a look at the call may have cleared up."""
    known = [result for _, result in results if result.result != "timeout"]
    return min(known, key=lambda result: (result.result == "unknown", result.canonical), default=None)


def _confirmed_by_webhook(action: Action, leg: Movable) -> bool:
    if action.verb == "hangup":
        return leg.state == "completed"
    return action.verb in MOVES and bool(_moves_of(action, leg.moves))


def _is_of_another(action: Action, final: ActionResult | None, leg: Movable, accepted: Sequence[Action]) -> bool:
    """Whether the move that seems to confirm *action*, one that moves the leg, cannot be its own."""
    if action.verb not in MOVES or final is None or final.result not in ("refused", "failed"):
        return False
    first = _moves_of(action, leg.moves)[0]
    return final.result == "refused" or any(
        other.leg == action.leg and other.sequence > action.sequence and first in _moves_of(other, leg.moves)[:1]
        for other in accepted
    )


def held_in(events: Iterable[Event], moves: Sequence[Move]) -> frozenset[str]:
    """The conversations to which a leg with these *events* and *moves* was moved to be on hold there."""
    holds = [event for event in events if isinstance(event, Action) and puts_on_hold(event)]
    found = (next(iter(_moves_of(hold, moves)), None) for hold in holds)
    return frozenset(move.joined for move in found if move and move.joined)


def _moves_of(action: Action, moves: Sequence[Move]) -> list[Move]:
    """Those of *moves* that *action*, a move itself, may be; the first one is."""
    return [move for move in moves if move.left == action.conversation and move.place.order > action.after]


def _is_back(hold: Action, leg: Movable) -> bool:
    """Whether the held leg came back by itself: the music could not be played, or somebody else moved it."""
    left = _moves_of(hold, leg.moves)
    back = (hold.conversation or "").encode(errors="surrogatepass")
    return bool(left) and leg.place.name == back and leg.place.order > left[0].place.order


def control_of(leg: Movable, actions: Iterable[Done]) -> LegControl:
    """How *leg* is controlled after *actions*, which may be of other legs as well."""
    own = sorted(
        (done for done in actions if done.action.leg == leg.uuid), key=lambda d: (d.action.sequence, d.action.action)
    )
    control = UNTOUCHED
    for done in own:
        if done.action.verb in MOVES:
            control = _moved(control, done, leg)
        elif done.took_effect:
            control = replace(control, **EFFECTS.get(done.action.verb, {}))
    if leg.state == "completed":
        return replace(
            control, hold=None, held_by=None, playing=None, listening=False, pending=None, hangup_requested=False
        )
    return control


def puts_on_hold(action: Action) -> bool:
    """Whether the action takes the leg to music: by itself, or as a step of a transfer or conference."""
    if action.verb == "move":
        first: Mapping[str, Any] = next(iter(action.argument.get("ncco", ())), {})
        return first.get("action") == "stream" and first.get("loop") == 0
    return action.verb == "hold"


def held_from(leg: str, actions: Iterable[Done]) -> str | None:
    """The conversation from which *leg* was put on hold last, by those of *actions* that did so; None: by none."""
    holds = [done.action for done in actions if done.action.leg == leg and puts_on_hold(done.action)]
    return max(holds, key=lambda action: action.sequence).conversation if holds else None


def _moved(control: LegControl, done: Done, leg: Movable) -> LegControl:
    """*control* after a move, which may not be confirmed yet."""
    verb = "hold" if puts_on_hold(done.action) else done.action.verb
    argument, weak = done.action.argument, bool(done.action.argument.get("weak"))
    waits = not weak and not done.timed_out and done.state in ("requested", "accepted", "unknown")
    took_place = done.state == "confirmed" or (weak and done.took_effect)
    if waits:
        control = replace(control, pending=done.action)
    if verb == "hold" and waits:
        return replace(control, hold="holding", held_by=done.action.by)
    if verb == "resume" and waits:
        return replace(control, hold=control.hold and "resuming")
    if not took_place:  # or nobody can say: a hold can be done and undone again, and what was on hold may be still
        maybe_held = verb == "hold" and not weak and done.state == "unknown"
        return replace(control, hold="holding", held_by=done.action.by) if maybe_held else control
    control = replace(control, pending=None)
    if verb == "hold" and not (took_place and _is_back(done.action, leg)):
        return replace(control, hold="weak" if weak else "held", held_by=done.action.by, playing=None)
    if verb in ("hold", "resume"):
        return replace(control, hold=None, held_by=None, muted=bool(argument.get("muted", control.muted)))
    # It enters its next conversation anew, and nothing of ours is played there.
    muted = any(action.get("mute") for action in argument.get("ncco", ()) if isinstance(action, dict))
    return replace(control, muted=muted, earmuffed=False, hold=None, held_by=None, playing=None)
