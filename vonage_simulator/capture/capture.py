"""A real call, as a server tells it, made a scenario: to have it again, without a phone, as often as it takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast, get_args

from vonage_simulator.capture.anonymize import StandIns, numbers_of, portable
from vonage_simulator.capture.leg_facts import LegTold, Ncco, Told, seconds
from vonage_simulator.scenario import Call, Command, Endpoint, FarEnd, Scenario
from vonage_simulator.webhook_bodies import spoken_seconds

FOLLOWS_WITHIN: Final = 1.0  # seconds in which a leg is over once another has hung up (the published log: 0.06)
ENDLESS: Final = ("connect", "conversation", "transfer")  # actions that end by what others do


def scenario(told: Told, events: Sequence[Told] = (), *, keep_numbers: bool = False) -> Scenario:
    """The call as a scenario.

    Telephone numbers become ones that are nobody's, also in what was said and in NCCO; names, addresses and up to six
    keys in a row stay. What opens doors is left out: of URLs all but server and path, and headers that authorize. NCCO
    runs against other servers: its event URLs become the application's own, and what asks or opens another server
    (`onAnswer`, the authorization of a websocket) is left out. Of what was done to the call by the Voice API only a
    hangup is in it.

    Args:
        told: A conversation as `GET /api/v1/conversations/<id>` tells it.
        events: Its events, as `…/events` lists them; without them the answers' requests, headers, machines' greetings
            and what the bills are off by are not known. Those of the conversations its legs came from may be among
            them: there stands what was answered to each caller of a conference.
        keep_numbers: Leave all numbers as they are.
    """
    return _Capture(told, events, keep_numbers=keep_numbers).scenario()


class _Capture:
    """One conversation on its way to a scenario."""

    def __init__(self, told: Told, events: Sequence[Told], *, keep_numbers: bool) -> None:
        legs = (LegTold(leg, told, events) for leg in told["legs"])
        self._legs = sorted(legs, key=lambda leg: (leg.began, leg.outbound))
        whole = [told, [*events]]
        self._numbers = StandIns(json.dumps(whole, default=str), known=numbers_of(whole), keep=keep_numbers)
        self._calls, self._rung = self._roles()
        self._scripts = {leg.uuid: leg.script for leg in self._legs}
        actions = [action for ncco in self._scripts.values() for action in ncco or ()]
        self._rooms = [action["name"] for action in actions if action.get("action") == "conversation"]

    def scenario(self) -> Scenario:
        """All of it."""
        begun = min((leg.began for leg in self._calls), default="")
        calls = [self._call(leg, seconds(begun, leg.began) or 0.0) for leg in self._calls]
        over = [event["raw"] for leg in self._legs for event in leg.statuses("completed")]
        return Scenario(
            name="captured",
            about=self._about(calls),
            calls=tuple(calls),
            callees=self._callees(),
            fields="today" if not over or any("disconnected_by" in raw for raw in over) else "2021",
        )

    def _roles(self) -> tuple[list[LegTold], list[LegTold]]:
        """The legs that are calls of their own, and those that one of them rang: not the first where they began."""
        calls: list[LegTold] = []
        rung: list[LegTold] = []
        begun = set()
        for leg in self._legs:
            (rung if leg.outbound and leg.origin in begun else calls).append(leg)
            begun.add(leg.origin)
        return calls, rung

    def _callees(self) -> dict[str, FarEnd]:
        """Whoever was rung; of two legs to one name the one that was answered."""
        best: dict[str, LegTold] = {}
        for leg in self._rung:
            name = self._party(leg.told["to"])
            if name not in best or (leg.answered and not best[name].answered):
                best[name] = leg
        found = {name: self._far_end(leg, dialled_in=self._dialled_in(leg)) for name, leg in best.items()}
        renamed = next((name for name, leg in best.items() if name != leg.told["to"]), None)
        if renamed and not any(self._scripts.values()):
            found["*"] = found[renamed]  # the application that is asked anew rings another than the stand-in
        return found

    def _call(self, leg: LegTold, at: float) -> Call:
        asked, kind = leg.asked, self._kind(leg)
        from_, to = leg.told["from"], leg.told["to"]
        if kind == "app" and not leg.outbound:  # without the request both ends may have its own name
            from_, to = asked.get("from_user") or from_ or to, asked.get("to") or to
        own = self._scripts[leg.uuid]
        script = portable(own) if own is not None else self._entering(leg)
        custom = asked.get("custom_data")
        waited = leg.told["ring_seconds"] if leg.outbound and leg.told["status"] == "timeout" else None
        return Call(
            from_=self._party(from_, own=leg.outbound),
            to=self._party(to, own=not leg.outbound),
            at=at,
            direction="outbound" if leg.outbound else "inbound",
            endpoint=kind,
            far_end=self._far_end(leg),
            headers={name: str(value) for name, value in self._numbers.brought(leg.headers).items()},
            custom_data=self._numbers.brought(custom) if custom and isinstance(custom, dict) else None,
            # What later steps said is the server's to say again, by what is pressed then: it is asked anew.
            ncco=tuple(self._numbers.words(script)) if script is not None and not leg.went_on else None,
            ringing_timer=min(max(waited, 1.0), 120.0) if waited else 60.0,
            control=self._hung_up(leg, script),
            **(leg.detection if leg.outbound else {}),
        )

    def _kind(self, leg: LegTold) -> Endpoint:
        """What the far end is: as the answer request says, else by the look of its name."""
        name = leg.told["to"] if leg.outbound else leg.told["from"]
        said = leg.asked.get("endpoint_type")
        if said in get_args(Endpoint):
            return cast("Endpoint", said)
        if not leg.outbound and (leg.asked.get("from_user") or not (name or leg.told["times"]["ringing"])):
            return "app"  # its `from` is null, and no log shows it ringing
        plain = (name or "").removeprefix("+")
        if name is None or plain.isdecimal() or "***" in plain:
            return "vbc" if leg.outbound and 0 < len(plain) < 7 else "phone"
        if name.lower().startswith(("ws:", "wss:")):
            return "websocket"
        return "sip" if "@" in name or name.lower().startswith(("sip:", "sips:")) else "app"

    def _dialled_in(self, leg: LegTold) -> float:
        """Seconds until the first to be rung was reached, if nothing but words came before: their length is known."""
        caller = next(one for one in self._calls if one.origin == leg.origin)
        first = next(one for one in self._rung if one.origin == leg.origin)
        names = [action.get("action") for action in self._scripts[caller.uuid] or ()]
        if first is not leg or "connect" not in names or {*names[: names.index("connect")]} - {"talk"}:
            return 0.0
        talks = (self._scripts[caller.uuid] or [])[: names.index("connect")]
        gap = seconds(caller.answered, leg.began) or 0.0
        return round(max(0.0, gap - sum(spoken_seconds(talk["text"]) for talk in talks)), 3)

    def _far_end(self, leg: LegTold, *, dialled_in: float = 0.0) -> FarEnd:
        more = leg.pick_up if leg.outbound else {}
        keys, says = leg.entered(self._numbers)
        hangs_up_after = self._hangs_up_after(leg)
        if hangs_up_after is not None and (leg.told["moved_from"] or leg.told["moved_to"]):
            more["stays_alone"] = max(FarEnd().stays_alone, hangs_up_after)  # in a conference it waited for others
        return FarEnd(
            keys=keys,
            says=says,
            dialled_in=dialled_in,
            hangs_up_after=hangs_up_after,
            network=leg.told["network"],
            rate=leg.told["rate"],
            billing_offset=leg.billing_offset,
            **more,
        )

    # How it ended

    def _hangs_up_after(self, leg: LegTold) -> float | None:
        """Seconds until it hung up or, if it called and was never answered, gave up; None if it did not.

        Where who did it is not told, as in 2021, it did if no other went just before.
        """
        by = leg.told["disconnected_by"]
        if not leg.ended or by == "platform" or (leg.outbound and not leg.answered):
            return None
        return None if by is None and self._let_go_by(leg) else seconds(leg.answered or leg.began, leg.ended)

    def _let_go_by(self, leg: LegTold) -> LegTold | None:
        """Who went just before; of all at one moment whoever hung up did."""
        for other in sorted(self._legs, key=self._going):
            if other is leg:
                return None
            if other.ended and (seconds(other.ended, leg.ended) or 0.0) <= FOLLOWS_WITHIN:
                return other
        return None

    def _going(self, leg: LegTold) -> tuple[bool, str, bool, bool, int]:
        """The order in which they went; at one moment who was never answered goes before the caller who is let go."""
        hung_up = leg.told["disconnected_by"] == "user"
        return not leg.ended, leg.ended or "", not hung_up, bool(leg.answered), self._legs.index(leg)

    def _hung_up(self, leg: LegTold, script: Ncco | None) -> tuple[Command, ...]:
        """A hangup by the Voice API, where without it the call would go on: neither people nor its script ended it."""
        after = seconds(leg.answered, leg.ended)
        if after is None or leg.told["disconnected_by"] != "platform" or self._let_go_by(leg):
            return ()
        endless = script is None or any(map(_endless, script))  # of a script that is not known nobody knows
        return (Command(at=after, do="hangup"),) if endless else ()

    def _entering(self, leg: LegTold) -> Ncco | None:
        """For a caller of a conference of whose answer nothing is known: that it entered, and ended it for others."""
        came = [one for one in self._calls if one.told["moved_from"]]
        if len(came) < 2 or leg not in came:
            return None
        ends_it = any(one.told["disconnected_by"] == "platform" and self._let_go_by(one) is leg for one in came)
        room = {"action": "conversation", "name": self._rooms[0] if self._rooms else "captured"}
        return [room | ({"endOnExit": True} if ends_it else {})]

    # Words

    def _party(self, name: str | None, *, own: bool = False) -> str:
        """Who is not known is `Unknown`, which is Vonage's own word."""
        return self._numbers.party(name or "Unknown", own=own)

    def _about(self, calls: Iterable[Call]) -> str:
        said = [f"{call.from_} calls {call.to}" for call in calls]
        rung = [(self._party(leg.told["to"]), leg.told["outcome"] or leg.told["state"]) for leg in self._rung]
        said += [f"{name} is rung ({outcome})" for name, outcome in rung]
        more = f" and {len(said) - 3} more" if len(said) > 3 else ""
        return " ".join(f"Captured: {', '.join(said[:3])}{more}".split())


def _endless(action: Mapping[str, Any]) -> bool:
    return action.get("action") in ENDLESS or action.get("loop") == 0
