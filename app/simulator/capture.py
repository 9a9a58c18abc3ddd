"""A real call, as a server tells it, made a scenario: to have it again, without a phone, as often as it takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast, get_args

from app.simulator.scenario import Call, Does, Endpoint, FarEnd, Scenario
from app.simulator.stand_ins import StandIns, portable, without

Told = Mapping[str, Any]
Ncco = list[dict[str, Any]]

DOES: Final[Mapping[str, Does]] = {
    "busy": "busy",
    "rejected": "rejects",
    "timeout": "never_answers",
    "cancelled": "never_answers",  # as long as the caller waited
    "unanswered": "unreachable",
    "failed": "fails",
}
FOLLOWS_WITHIN: Final = 1.0  # seconds in which a leg is over once the other one has hung up (the published log: 0.06)
NOT_ENABLED: Final = "Speech was not enabled"
NAMES: Final = {"phone": "number", "app": "user", "sip": "uri", "websocket": "uri", "vbc": "extension"}


def scenario(told: Told, events: Sequence[Told] = (), *, keep_numbers: bool = False) -> Scenario:
    """The call as a scenario.

    Telephone numbers become ones that are nobody's, also in what was said and in NCCO; names, addresses and up to six
    keys in a row stay. NCCO runs against other servers: its event URLs become the application's own, and what asks or
    opens another server (`onAnswer`, the authorization of a websocket) is left out. What was done to the call by the
    Voice API is not in it.

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
        self._told = told
        self._legs = sorted(told["legs"], key=lambda leg: (_first(leg), leg["direction"] == "outbound"))
        self._events = events
        self._numbers = StandIns(json.dumps([told, [*events]], default=str), keep=keep_numbers)
        self._calls, self._rung = self._roles()
        self._scripts = {leg["uuid"]: self._script(leg) for leg in self._legs}
        endpoints = (
            one for ncco in self._scripts.values() for action in ncco or () for one in action.get("endpoint", ())
        )
        self._types = {
            str(one[name]): one["type"] for one in endpoints if (name := NAMES.get(one.get("type"), "")) in one
        }

    def scenario(self) -> Scenario:
        """All of it."""
        begun = min((_first(leg) for leg in self._calls), default="")
        calls = [self._call(leg, _seconds(begun, _first(leg)) or 0.0) for leg in self._calls]
        over = [event["raw"] for leg in self._legs for event in self._statuses(leg, "completed")]
        return Scenario(
            name="captured",
            about=self._about(calls),
            calls=tuple(calls),
            callees=self._callees(),
            fields="today" if not over or any("disconnected_by" in raw for raw in over) else "2021",
        )

    def _roles(self) -> tuple[list[Told], list[Told]]:
        """The legs that are calls of their own, and those that one of them rang: not the first where they began."""
        calls: list[Told] = []
        rung: list[Told] = []
        begun = set()
        for leg in self._legs:
            origin = self._origin(leg)
            (rung if leg["direction"] == "outbound" and origin in begun else calls).append(leg)
            begun.add(origin)
        return calls, rung

    def _origin(self, leg: Told) -> str:
        """The conversation it began in; one that was put on hold came back from another."""
        moves = sorted(self._heard(leg, "transfer"), key=lambda event: event["occurred_at"] or "")
        began = (
            moves[0]["raw"].get("conversation_uuid_from")
            if moves
            else (leg["moved_from"] or {}).get("conversation_uuid")
        )
        return str(began or self._told["conversation_uuid"])

    def _callees(self) -> dict[str, FarEnd]:
        """Whoever was rung; of two legs to one name the one that was answered."""
        found: dict[str, FarEnd] = {}
        for leg in sorted(self._rung, key=lambda leg: not leg["times"]["answered"]):
            name, far_end = self._numbers.party(_name(leg["to"])), self._far_end(leg)
            found.setdefault(name, far_end)
            if name != leg["to"] and not any(self._scripts.values()):
                found.setdefault("*", far_end)  # the application that is asked anew rings another than the stand-in
        return found

    def _call(self, leg: Told, at: float) -> Call:
        asked: Told = next((event["raw"]["request"] for event in self._heard(leg, "answer")), {})
        inbound, kind = leg["direction"] != "outbound", self._kind(leg, asked)
        from_, to = leg["from"], leg["to"]
        if inbound and kind == "app":  # the request alone has whom it called; the statuses have its own name there
            from_, to = asked.get("from_user") or from_ or to, asked.get("to") or to
        sent = (event["raw"].get("headers") for event in self._heard(leg, "status"))
        headers: Told = next((one for one in sent if one and isinstance(one, dict)), {})
        custom, script = asked.get("custom_data"), self._scripts[leg["uuid"]] or self._entering(leg)
        waited = leg["ring_seconds"] if not inbound and leg["status"] == "timeout" else None
        return Call(
            from_=self._numbers.party(_name(from_), own=not inbound),
            to=self._numbers.party(_name(to), own=inbound),
            at=at,
            direction="inbound" if inbound else "outbound",
            endpoint=kind,
            far_end=self._far_end(leg),
            headers={str(name): str(self._numbers.words(value)) for name, value in headers.items()},
            custom_data=self._numbers.words(custom) if custom and isinstance(custom, dict) else None,
            ncco=tuple(self._numbers.words(script)) if script is not None else None,
            ringing_timer=min(max(waited, 1.0), 120.0) if waited else 60.0,
            **({} if inbound else self._detection(leg)),
        )

    def _kind(self, leg: Told, asked: Told) -> Endpoint:
        """What the far end is: as the answer request or the NCCO says, else by the look of its name."""
        inbound = leg["direction"] != "outbound"
        name = leg["from"] if inbound else leg["to"]
        said = asked.get("endpoint_type") if inbound else self._types.get(name or "")
        if said in get_args(Endpoint):
            return cast("Endpoint", said)
        if inbound and (asked.get("from_user") or not (name or leg["times"]["ringing"])):
            return "app"  # its `from` is null, and no log shows it ringing
        plain = (name or "").removeprefix("+")
        if name is None or plain.isdecimal() or "***" in plain:
            return "vbc" if not inbound and 0 < len(plain) < 7 else "phone"
        if name.lower().startswith(("ws:", "wss:")):
            return "websocket"
        return "sip" if "@" in name or name.lower().startswith(("sip:", "sips:")) else "app"

    # What people did

    def _far_end(self, leg: Told) -> FarEnd:
        answered, hangs_up_after = leg["times"]["answered"], self._hangs_up_after(leg)
        keys, says = self._entered(leg)
        more: dict[str, Any] = {}
        if leg["direction"] == "outbound":
            more = self._picks_up(leg) if answered else self._does_not(leg)
        if hangs_up_after is not None and (leg["moved_from"] or leg["moved_to"]):
            more["stays_alone"] = max(FarEnd().stays_alone, hangs_up_after)  # in a conference it waited for others
        for event in self._statuses(leg, "completed"):  # the bill has whole seconds
            start = f"{event['raw'].get('start_time')}"[:19]
            more["billing_offset"] = _seconds(f"{answered}"[:19], start) or 0.0
        return FarEnd(
            keys=keys, says=says, hangs_up_after=hangs_up_after, network=leg["network"], rate=leg["rate"], **more
        )

    def _picks_up(self, leg: Told) -> dict[str, Any]:
        times = leg["times"]
        more: dict[str, Any] = {"after": _seconds(times["ringing"] or _first(leg), times["answered"])}
        if leg["machine"] not in (None, "human"):
            found = self._heard(leg, "detection")
            beeps = [event["occurred_at"] for event in found if event["raw"].get("sub_state") == "beep_start"]
            more |= {"does": "machine", "beep": leg["machine"] != "beep_timeout"}
            more |= {"greeting": _seconds(times["answered"], beeps[0])} if beeps and beeps[0] else {}
        return more

    def _does_not(self, leg: Told) -> dict[str, Any]:
        """`after` is the time until it failed, which may be long before it was over."""
        does = DOES.get(leg["status"] or "", "never_answers")
        if does == "never_answers":
            return {"does": does}
        failed = [event["occurred_at"] for event in self._statuses(leg, leg["status"])]
        after = _seconds(leg["times"]["ringing"] or _first(leg), (failed or [leg["times"]["completed"]])[0])
        return {"does": does, "detail": leg["detail"]} | ({} if after is None else {"after": after})

    def _hangs_up_after(self, leg: Told) -> float | None:
        """Seconds until it hung up or, if it called and was never answered, gave up; None if it did not."""
        answered, ended = leg["times"]["answered"], leg["times"]["completed"]
        if not ended or leg["disconnected_by"] == "platform" or (leg["direction"] == "outbound" and not answered):
            return None
        if leg["disconnected_by"] is None:  # not told, in 2021: then it did if no other went just before
            ends = [(other["times"]["completed"] or "", number) for number, other in enumerate(self._legs)]
            before = [end for end, number in ends if end and (end, number) < (ended, self._legs.index(leg))]
            if any((_seconds(end, ended) or 0.0) <= FOLLOWS_WITHIN for end in before):
                return None
        return _seconds(answered or _first(leg), ended)

    def _entered(self, leg: Told) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Keys and words, one for each input that asked for them. Asked for both, whoever keys has not spoken."""
        results = [result for result in self._told["inputs"] if result["leg"] == leg["uuid"]]
        raws = [event["raw"] for event in self._heard(leg, "input")]
        actions = [action for ncco in self._nccos(leg) for action in ncco if action.get("action") == "input"]
        if any(action.get("mode") == "asynchronous" for action in actions):  # one event for each key of one text
            return _without_silence([self._numbers.keys("".join(result["digits"] or "" for result in results))]), ()
        keys, says = [], []
        for number, result in enumerate(results):
            raw = raws[number] if len(raws) == len(results) else {}
            action = actions[number] if len(actions) == len(results) else {}
            wants = action.get("type") or _asked_for(result, raw)
            pressed, settings = result["digits"] or "", action.get("dtmf") or {}
            if settings.get("submitOnHash") and not result["timed_out"] and len(pressed) < settings.get("maxDigits", 4):
                pressed += "#"
            if "dtmf" in wants:
                keys.append(self._numbers.keys(pressed))
            if "speech" in wants and not pressed:
                said = next((one["text"] for one in result["speech"] if one["text"]), "")
                says.append(self._numbers.words(said))
        return _without_silence(keys), _without_silence(says)

    def _detection(self, leg: Told) -> dict[str, Any]:
        """How the call was made to find out whether a machine answers: by what was found."""
        if leg["machine"] is None:
            return {}
        if leg["machine"] in ("human", "machine"):
            return {"machine_detection": "continue"}
        beep_only = all(event["raw"].get("sub_state") for event in self._heard(leg, "detection"))
        mode = "detect_beep" if beep_only else "default"
        return {"advanced_machine_detection": {"behavior": "continue", "mode": mode}}

    # What was answered

    def _nccos(self, leg: Told) -> list[Ncco]:
        """What its callings for instructions were answered, in order."""
        answers = [event["raw"] for event in self._heard(leg, "answer")]
        answers = answers or [one for one in self._told["answers"] if one["leg"] == leg["uuid"]]
        return [one["ncco"] for one in answers if isinstance(one["ncco"], list)]

    def _script(self, leg: Told) -> Ncco | None:
        """What it began with. Of a request that came more than once, and then to the fallback URL, the last counts."""
        found, asked = self._nccos(leg), [_request(event["raw"]) for event in self._heard(leg, "answer")]
        if len(asked) == len(found):
            found = [ncco for ncco, request in zip(found, asked, strict=True) if request == asked[0]][-1:]
        return portable(found[0]) if found else None

    def _entering(self, leg: Told) -> Ncco | None:
        """For a caller of a conference of whose answer nothing is known: that it entered it."""
        came = [one for one in self._calls if one["moved_from"]]
        if len(came) < 2 or leg not in came:
            return None
        names = [action["name"] for ncco in self._scripts.values() for action in ncco or () if "name" in action]
        return [{"action": "conversation", "name": names[0] if names else "captured"}]

    def _heard(self, leg: Told, kind: str) -> list[Told]:
        """Its events of one kind, in the order they came."""
        return [event for event in self._events if event["kind"] == kind and event["leg"] == leg["uuid"]]

    def _statuses(self, leg: Told, status: str) -> list[Told]:
        return [event for event in self._heard(leg, "status") if event["status"] == status]

    def _about(self, calls: Iterable[Call]) -> str:
        said = [f"{call.from_} calls {call.to}" for call in calls]
        rung = [(self._numbers.party(_name(leg["to"])), leg["outcome"] or leg["state"]) for leg in self._rung]
        said += [f"{name} is rung ({outcome})" for name, outcome in rung]
        more = f" and {len(said) - 3} more" if len(said) > 3 else ""
        return " ".join(f"Captured: {', '.join(said[:3])}{more}".split())


def _asked_for(result: Told, raw: Told) -> tuple[str, ...]:
    """What an input asked for, by what came of it: only speech has null in place of keys."""
    dtmf, error = raw.get("dtmf"), result["speech_error"]
    keyed = dtmf.get("digits") is not None if isinstance(dtmf, Mapping) else bool(result["digits"])
    keys = keyed or result["timed_out"] is True or error == NOT_ENABLED
    speech = bool(result["speech"] or result["speech_timeout_reason"] or (error and error != NOT_ENABLED))
    return ("dtmf",) * keys + ("speech",) * speech


def _request(raw: Told) -> dict[str, Any]:
    """The request that was answered, as it first was."""
    return without(raw["request"], "reason", "original_request")


def _without_silence(texts: Sequence[str]) -> tuple[str, ...]:
    """*texts* without those at the end that are nothing."""
    found = [*texts]
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def _first(leg: Told) -> str:
    """When it began."""
    return min((at for at in leg["times"].values() if at), default="")


def _name(party: str | None) -> str:
    """Who is not known is `Unknown`, which is Vonage's own word."""
    return party or "Unknown"


def _seconds(begin: str | None, end: str | None) -> float | None:
    """None where one of the two is no time."""
    try:
        return round((datetime.fromisoformat(end or "") - datetime.fromisoformat(begin or "")).total_seconds(), 3)
    except ValueError:
        return None
