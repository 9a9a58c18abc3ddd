"""Turns a real call into a scenario, which can be played as often as needed, without a phone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import takewhile
from typing import Any, Final, cast, get_args

from vonage_simulator.call_control import TRANSFERRED_AFTER
from vonage_simulator.capture.anonymize import Anonymizer, numbers_of, portable
from vonage_simulator.capture.captured_leg import CapturedLeg, Json, Ncco, Stay, seconds
from vonage_simulator.capture.transfers import Transfer, Transfers, endpoint_of
from vonage_simulator.scenario import Call, Command, Endpoint, FarEnd, Scenario
from vonage_simulator.webhook_bodies import spoken_seconds

FOLLOWS_WITHIN: Final = 1.0  # seconds from a hangup to the end of the other leg (the published log: 0.06)
ENDLESS: Final = ("connect", "conversation", "transfer")  # actions that others end


def scenario(whole: Json, events: Sequence[Json] = (), *, keep_numbers: bool = False) -> Scenario:
    """The call as a scenario.

    Telephone numbers become unused ones, also in speech and NCCO; names, addresses and up to six keys in a row stay.
    Secrets are left out: of URLs all but server and path, and headers that authorize. NCCO runs against other servers:
    its event URLs become the application's own, requests to other servers (`onAnswer`, the authorization of a
    websocket) are left out. Of Voice API commands hangups and transfers are kept. What a leg was transferred to is not
    in its events: it is made up of what the leg did there (`Transfers`).

    Args:
        whole: As in `GET /api/v1/calls/<id>`; a conversation as in `GET /api/v1/conversations/<id>` does, too.
        events: Its events, as in `…/events`; without them the answers' requests, headers, machines' greetings and the
            offset of bills are unknown.
        keep_numbers: Leave all numbers as they are.
    """
    return _Capture(whole, events, keep_numbers=keep_numbers).scenario()


class _Capture:
    def __init__(self, whole: Json, events: Sequence[Json], *, keep_numbers: bool) -> None:
        legs = (CapturedLeg(leg, whole, events) for leg in whole["legs"])
        self._legs = sorted(legs, key=lambda leg: (leg.began, leg.outbound))
        everything = [whole, [*events]]
        self._numbers = Anonymizer(json.dumps(everything, default=str), known=numbers_of(everything), keep=keep_numbers)
        self._calls: list[CapturedLeg] = []
        self._rung: list[CapturedLeg] = []  # by calls: outbound legs that began where another leg was already
        self._rung_by: dict[str, tuple[CapturedLeg, Stay]] = {}
        for index, leg in enumerate(self._legs):
            there = ((other, stay) for other in self._legs[:index] for stay in other.stays)
            by = next(((o, s) for o, s in there if s.conversation == leg.origin and s.since <= leg.began), None)
            if leg.outbound and by:
                self._rung.append(leg)
                self._rung_by[leg.uuid] = by
            else:
                self._calls.append(leg)
        self._scripts = {leg.uuid: leg.script for leg in self._legs}
        actions = [action for ncco in self._scripts.values() for action in ncco or ()]
        self._rooms = [action["name"] for action in actions if action.get("action") == "conversation"]

    @cached_property
    def _transfers(self) -> list[Transfer]:
        """Made up after the callers have their new numbers, so that these come first."""
        transfers = Transfers(self._legs, self._rung, connect=self._connect, ends_others=self._ends_others)
        return transfers.found([leg for leg in self._members if self._scripts[leg.uuid] is None])

    @cached_property
    def _members(self) -> list[CapturedLeg]:
        """The calls that went to a conversation to which others went, too: its members, if it is a conference."""
        moved = [leg for leg in self._calls if len(leg.stays) > 1]
        joined = Counter(leg.stays[1].conversation for leg in moved)
        return [leg for leg in moved if joined[leg.stays[1].conversation] > 1]

    def scenario(self) -> Scenario:
        begun = min((leg.began for leg in self._calls), default="")
        calls = [self._call(leg, seconds(begun, leg.began) or 0.0) for leg in self._calls]
        over = [event["raw"] for leg in self._legs for event in leg.of_status("completed")]
        return Scenario(
            name="captured",
            about=self._about(calls),
            calls=tuple(calls),
            callees=self._callees(),
            left_behind="stays" if any(len(leg.stays) > 1 for leg in self._legs) else None,  # it ends when it did
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
        caller, stay = self._rung_by[leg.uuid]
        first = next(other for other in self._rung if other.origin == leg.origin)
        script, begun, delay = self._scripts[caller.uuid] or [], caller.answered, 0.0
        if stay != caller.stays[0]:
            script = next((each.ncco for each in self._transfers if each.leg is caller and each.at == stay.since), [])
            begun, delay = stay.since, TRANSFERRED_AFTER
        talks = list(takewhile(lambda action: action.get("action") == "talk", script))
        following = script[len(talks) :]
        if first is not leg or not following or following[0].get("action") != "connect":
            return 0.0
        gap = seconds(begun, leg.began) or 0.0
        return round(max(0.0, gap - delay - sum(spoken_seconds(talk["text"]) for talk in talks)), 3)

    def _far_end(self, leg: CapturedLeg, *, dialled_in: float = 0.0) -> FarEnd:
        more = leg.callee if leg.outbound else {}
        keys, says = leg.entered(self._numbers)
        hangs_up_after = self._hangs_up_after(leg)
        lasted = seconds(leg.answered, leg.ended)
        if lasted is not None and any(len(other.stays) > 1 for other in self._legs):
            more["stays_alone"] = max(FarEnd().stays_alone, lasted)  # on hold, or in a conference, it waited for others
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
            together = other.stays[-1].conversation == leg.stays[-1].conversation
            if together and other.ended and (seconds(other.ended, leg.ended) or 0.0) <= FOLLOWS_WITHIN:
                return other
        return None

    def _order_of_ends(self, leg: CapturedLeg) -> tuple[bool, str, bool, bool, int]:
        """Of legs that end at one moment those that hung up come first, then those that were never answered."""
        hung_up = leg.json["disconnected_by"] == "user"
        return not leg.ended, leg.ended or "", not hung_up, bool(leg.answered), self._legs.index(leg)

    def _commands(self, call: CapturedLeg, script: Ncco | None) -> tuple[Command, ...]:
        """What the Voice API did to the call and to those that it rang: transfers, and hangups.

        A leg was hung up on if neither people nor its script ended it.
        """
        found = []
        for leg in (call, *(rung for rung in self._rung if self._call_of(rung) is call)):
            own = [transfer for transfer in self._transfers if transfer.leg is leg]
            to = "call" if leg is call else self._party(leg.json["to"])
            found += [
                Command(at=at, do="transfer", to=to, options={"ncco": self._numbers.replace(transfer.ncco)})
                for transfer in own
                if (at := seconds(call.answered, transfer.at)) is not None and at >= 0
            ]
            after = seconds(call.answered, leg.ended) if leg.answered else None
            if after is None or leg.json["disconnected_by"] != "platform" or self._ended_by(leg):
                continue
            last = own[-1].ncco if own else script
            if leg is not call and not own:
                by_api = any(other.leg is call for other in self._transfers)  # else it ended with the call
            else:
                by_api = last is None or any(each.get("action") in ENDLESS or each.get("loop") == 0 for each in last)
            if by_api:
                found.append(Command(at=after, do="hangup", to=to))
        return tuple(sorted(found, key=lambda command: command.at))

    def _call_of(self, leg: CapturedLeg) -> CapturedLeg:
        """The call that *leg* was rung by, or by which the one was rung that rang it."""
        while leg.uuid in self._rung_by:
            leg = self._rung_by[leg.uuid][0]
        return leg

    def _connect(self, leg: CapturedLeg) -> dict[str, Any]:
        """The action that rang *leg*."""
        endpoint = endpoint_of(self._kind(leg), self._party(leg.json["to"]))
        action: dict[str, Any] = {"action": "connect", "endpoint": [endpoint]}
        if (number := self._party(leg.json["from"], own=True)).isdecimal():
            action["from"] = number
        if leg.json["status"] == "timeout" and leg.json["ring_seconds"]:
            action["timeout"] = max(1, round(leg.json["ring_seconds"]))
        return action

    def _joins(self, leg: CapturedLeg) -> Ncco | None:
        """For a member of a conference whose answer is unknown: that it joined, and whether its end was all others'."""
        if leg not in self._members:
            return None
        room = {"action": "conversation", "name": self._rooms[0] if self._rooms else "captured"}
        return [room | ({"endOnExit": True} if self._ends_others(leg) else {})]

    def _ends_others(self, leg: CapturedLeg) -> bool:
        """Whether the end of *leg* was that of others in the same conversation."""
        ended = (other for other in self._legs if other.json["disconnected_by"] == "platform")
        return any(self._ended_by(other) is leg for other in ended)

    def _party(self, name: str | None, *, own: bool = False) -> str:
        """`Unknown` is Vonage's own word."""
        return self._numbers.party(name or "Unknown", own=own)

    def _about(self, calls: Iterable[Call]) -> str:
        parts = [f"{call.from_} calls {call.to}" for call in calls]
        rung = [(self._party(leg.json["to"]), leg.json["outcome"] or leg.json["state"]) for leg in self._rung]
        parts += [f"{name} is rung ({outcome})" for name, outcome in rung]
        more = f" and {len(parts) - 3} more" if len(parts) > 3 else ""
        return " ".join(f"Captured: {', '.join(parts[:3])}{more}".split())
