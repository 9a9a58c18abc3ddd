"""Turns a real call into a scenario, which can be played as often as needed, without a phone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Final, cast, get_args

from vonage_simulator.capture.anonymize import Anonymizer, numbers_of, portable
from vonage_simulator.capture.captured_leg import CapturedLeg, Json, Ncco, seconds
from vonage_simulator.scenario import Call, Command, Endpoint, FarEnd, Scenario
from vonage_simulator.webhook_bodies import spoken_seconds

FOLLOWS_WITHIN: Final = 1.0  # seconds from a hangup to the end of the other leg (the published log: 0.06)
ENDLESS: Final = ("connect", "conversation", "transfer")  # actions that others end


def scenario(conversation: Json, events: Sequence[Json] = (), *, keep_numbers: bool = False) -> Scenario:
    """The call as a scenario.

    Telephone numbers become unused ones, also in speech and NCCO; names, addresses and up to six keys in a row stay.
    Secrets are left out: of URLs all but server and path, and headers that authorize. NCCO runs against other servers:
    its event URLs become the application's own, requests to other servers (`onAnswer`, the authorization of a
    websocket) are left out. Of Voice API commands only a hangup is kept.

    Args:
        conversation: As in `GET /api/v1/conversations/<id>`.
        events: Its events, as in `…/events`; without them the answers' requests, headers, machines' greetings and the
            offset of bills are unknown. Those of the conversations its legs came from may be among them: they have the
            answers to each caller of a conference.
        keep_numbers: Leave all numbers as they are.
    """
    return _Capture(conversation, events, keep_numbers=keep_numbers).scenario()


class _Capture:
    def __init__(self, conversation: Json, events: Sequence[Json], *, keep_numbers: bool) -> None:
        legs = (CapturedLeg(leg, conversation, events) for leg in conversation["legs"])
        self._legs = sorted(legs, key=lambda leg: (leg.began, leg.outbound))
        whole = [conversation, [*events]]
        self._numbers = Anonymizer(json.dumps(whole, default=str), known=numbers_of(whole), keep=keep_numbers)
        self._calls: list[CapturedLeg] = []
        self._rung: list[CapturedLeg] = []  # by calls: outbound legs that were not the first of their conversation
        begun = set()
        for leg in self._legs:
            (self._rung if leg.outbound and leg.origin in begun else self._calls).append(leg)
            begun.add(leg.origin)
        self._scripts = {leg.uuid: leg.script for leg in self._legs}
        actions = [action for ncco in self._scripts.values() for action in ncco or ()]
        self._rooms = [action["name"] for action in actions if action.get("action") == "conversation"]

    def scenario(self) -> Scenario:
        begun = min((leg.began for leg in self._calls), default="")
        calls = [self._call(leg, seconds(begun, leg.began) or 0.0) for leg in self._calls]
        over = [event["raw"] for leg in self._legs for event in leg.of_status("completed")]
        return Scenario(
            name="captured",
            about=self._about(calls),
            calls=tuple(calls),
            callees=self._callees(),
            fields="today" if not over or any("disconnected_by" in raw for raw in over) else "2021",
        )

    def _callees(self) -> dict[str, FarEnd]:
        """The far ends that were rung; of two legs to one name the one that was answered."""
        best: dict[str, CapturedLeg] = {}
        for leg in self._rung:
            name = self._party(leg.json["to"])
            if name not in best or (leg.answered and not best[name].answered):
                best[name] = leg
        found = {name: self._far_end(leg, dialled_in=self._dialled_in(leg)) for name, leg in best.items()}
        renamed = next((name for name, leg in best.items() if name != leg.json["to"]), None)
        if renamed and not any(self._scripts.values()):
            found["*"] = found[renamed]  # the application, asked again, rings another number
        return found

    def _call(self, leg: CapturedLeg, at: float) -> Call:
        request, kind = leg.request, self._kind(leg)
        from_, to = leg.json["from"], leg.json["to"]
        if kind == "app" and not leg.outbound:  # without the request both may have its own name
            from_, to = request.get("from_user") or from_ or to, request.get("to") or to
        own = self._scripts[leg.uuid]
        script = portable(own) if own is not None else self._joins(leg)
        custom = request.get("custom_data")
        waited = leg.json["ring_seconds"] if leg.outbound and leg.json["status"] == "timeout" else None
        return Call(
            from_=self._party(from_, own=leg.outbound),
            to=self._party(to, own=not leg.outbound),
            at=at,
            direction="outbound" if leg.outbound else "inbound",
            endpoint=kind,
            far_end=self._far_end(leg),
            headers={name: str(value) for name, value in self._numbers.replace_headers(leg.headers).items()},
            custom_data=self._numbers.replace_headers(custom) if custom and isinstance(custom, dict) else None,
            # If later steps answered, the server must answer again, depending on the keys: it is asked again.
            ncco=tuple(self._numbers.replace(script)) if script is not None and not leg.has_steps else None,
            ringing_timer=min(max(waited, 1.0), 120.0) if waited else 60.0,
            control=self._commands(leg, script),
            **(leg.detection if leg.outbound else {}),
        )

    def _kind(self, leg: CapturedLeg) -> Endpoint:
        """The type of the far end: from the answer request, else from the form of its name."""
        name = leg.json["to"] if leg.outbound else leg.json["from"]
        kind = leg.request.get("endpoint_type")
        if kind in get_args(Endpoint):
            return cast("Endpoint", kind)
        if not leg.outbound and (leg.request.get("from_user") or not (name or leg.json["times"]["ringing"])):
            return "app"  # its `from` is null, and no log shows it ringing
        plain = (name or "").removeprefix("+")
        if name is None or plain.isdecimal() or "***" in plain:
            return "vbc" if leg.outbound and 0 < len(plain) < 7 else "phone"
        if name.lower().startswith(("ws:", "wss:")):
            return "websocket"
        return "sip" if "@" in name or name.lower().startswith(("sip:", "sips:")) else "app"

    def _dialled_in(self, leg: CapturedLeg) -> float:
        """Seconds until the first callee began to ring, if there was nothing but `talk` before: its length is known."""
        caller = next(other for other in self._calls if other.origin == leg.origin)
        first = next(other for other in self._rung if other.origin == leg.origin)
        script = self._scripts[caller.uuid] or []
        talks = list(takewhile(lambda action: action.get("action") == "talk", script))
        following = script[len(talks) :]
        if first is not leg or not following or following[0].get("action") != "connect":
            return 0.0
        gap = seconds(caller.answered, leg.began) or 0.0
        return round(max(0.0, gap - sum(spoken_seconds(talk["text"]) for talk in talks)), 3)

    def _far_end(self, leg: CapturedLeg, *, dialled_in: float = 0.0) -> FarEnd:
        more = leg.callee if leg.outbound else {}
        keys, says = leg.entered(self._numbers)
        hangs_up_after = self._hangs_up_after(leg)
        if hangs_up_after is not None and (leg.json["moved_from"] or leg.json["moved_to"]):
            more["stays_alone"] = max(FarEnd().stays_alone, hangs_up_after)  # in a conference it waited for others
        return FarEnd(
            keys=keys,
            says=says,
            dialled_in=dialled_in,
            hangs_up_after=hangs_up_after,
            network=leg.json["network"],
            rate=leg.json["rate"],
            billing_offset=leg.billing_offset,
            **more,
        )

    def _hangs_up_after(self, leg: CapturedLeg) -> float | None:
        """Seconds until it hung up or gave up; None if somebody else ended it.

        If `disconnected_by` is missing, as in 2021, it hung up unless another leg ended just before.
        """
        by = leg.json["disconnected_by"]
        if not leg.ended or by == "platform" or (leg.outbound and not leg.answered):
            return None
        return None if by is None and self._ended_by(leg) else seconds(leg.answered or leg.began, leg.ended)

    def _ended_by(self, leg: CapturedLeg) -> CapturedLeg | None:
        """The leg that ended just before, and so ended this one; None: none did."""
        for other in takewhile(lambda other: other is not leg, sorted(self._legs, key=self._order_of_ends)):
            if other.ended and (seconds(other.ended, leg.ended) or 0.0) <= FOLLOWS_WITHIN:
                return other
        return None

    def _order_of_ends(self, leg: CapturedLeg) -> tuple[bool, str, bool, bool, int]:
        """Of legs that end at one moment those that hung up come first, then those that were never answered."""
        hung_up = leg.json["disconnected_by"] == "user"
        return not leg.ended, leg.ended or "", not hung_up, bool(leg.answered), self._legs.index(leg)

    def _commands(self, leg: CapturedLeg, script: Ncco | None) -> tuple[Command, ...]:
        """A hangup by the Voice API, if neither people nor the script ended the call."""
        after = seconds(leg.answered, leg.ended)
        if after is None or leg.json["disconnected_by"] != "platform" or self._ended_by(leg):
            return ()
        if script is None or any(action.get("action") in ENDLESS or action.get("loop") == 0 for action in script):
            return (Command(at=after, do="hangup"),)  # an unknown script may be endless
        return ()

    def _joins(self, leg: CapturedLeg) -> Ncco | None:
        """For a member of a conference whose answer is unknown: that it joined, and whether its end was all others'."""
        members = [other for other in self._calls if other.json["moved_from"]]
        if len(members) < 2 or leg not in members:
            return None
        ended = (other for other in members if other.json["disconnected_by"] == "platform")
        ends_it = any(self._ended_by(other) is leg for other in ended)
        room = {"action": "conversation", "name": self._rooms[0] if self._rooms else "captured"}
        return [room | ({"endOnExit": True} if ends_it else {})]

    def _party(self, name: str | None, *, own: bool = False) -> str:
        """`Unknown` is Vonage's own word."""
        return self._numbers.party(name or "Unknown", own=own)

    def _about(self, calls: Iterable[Call]) -> str:
        parts = [f"{call.from_} calls {call.to}" for call in calls]
        rung = [(self._party(leg.json["to"]), leg.json["outcome"] or leg.json["state"]) for leg in self._rung]
        parts += [f"{name} is rung ({outcome})" for name, outcome in rung]
        more = f" and {len(parts) - 3} more" if len(parts) > 3 else ""
        return " ".join(f"Captured: {', '.join(parts[:3])}{more}".split())
