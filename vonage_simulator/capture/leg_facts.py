"""One leg of a real call as a server tells it: what its events say of the people at its far end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vonage_simulator.capture.anonymize import StandIns, without
from vonage_simulator.scenario import Does

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
NOT_ENABLED: Final = "Speech was not enabled"


@dataclass(frozen=True, eq=False)
class LegTold:
    """The leg `told`, in the conversation that `whole` tells; `events` may be those of other legs, too."""

    told: Told
    whole: Told
    events: Sequence[Told]

    @property
    def uuid(self) -> str:
        """Its id."""
        return str(self.told["uuid"])

    @property
    def outbound(self) -> bool:
        """Whether somebody was called; one of whom that is not known did call."""
        return bool(self.told["direction"] == "outbound")

    @property
    def began(self) -> str:
        """When it began; "" if that is not known."""
        return min((at for at in self.told["times"].values() if at), default="")

    @property
    def answered(self) -> str | None:
        """When it was picked up."""
        return self.told["times"]["answered"] or None

    @property
    def ended(self) -> str | None:
        """When it was over."""
        return self.told["times"]["completed"] or None

    @property
    def origin(self) -> str:
        """The conversation it began in. One that was put on hold came back from another."""
        moves = sorted(self.heard("transfer"), key=lambda event: event["occurred_at"] or "")
        came = self.told["moved_from"] or self.whole
        return str(moves[0]["raw"].get("conversation_uuid_from") if moves else came["conversation_uuid"])

    def heard(self, kind: str) -> list[Told]:
        """Its events of one kind, in the order they came."""
        return [event for event in self.events if event["kind"] == kind and event["leg"] == self.uuid]

    def statuses(self, status: str | None) -> list[Told]:
        """Its events of one status."""
        return [event for event in self.heard("status") if event["status"] == status]

    # What was answered

    @property
    def asked(self) -> Told:
        """The first request for instructions; empty if there was none, or it is not known."""
        return next((raw["request"] for raw in self._began_with), {})

    @property
    def nccos(self) -> list[Ncco]:
        """What its callings for instructions were answered, in order."""
        answers: list[Told] = self._began_with
        answers = answers or [one for one in self.whole["answers"] if one["leg"] == self.uuid]
        return [one["ncco"] for one in answers if isinstance(one["ncco"], list)]

    @property
    def script(self) -> Ncco | None:
        """What it began with. Of a request that came more than once, and then to the fallback URL, the last counts."""
        found = self.nccos
        asked = [without(raw["request"], "reason", "original_request") for raw in self._began_with]
        if len(asked) == len(found):
            found = [ncco for ncco, request in zip(found, asked, strict=True) if request == asked[0]][-1:]
        return found[0] if found else None

    @property
    def went_on(self) -> bool:
        """Whether it was told what to do again, by what came back."""
        return len(self._began_with) < len(self.heard("answer"))

    @property
    def _began_with(self) -> list[Told]:
        """What it was answered when it was asked what to do; where a later step answered, the request is ids alone."""
        ids, answers = {"conversation_uuid", "uuid"}, [event["raw"] for event in self.heard("answer")]
        return [raw for raw in answers if "step" not in raw or raw["request"].keys() - ids]

    # What the people did

    @property
    def pick_up(self) -> dict[str, Any]:
        """What somebody who was called did, as the fields of a FarEnd."""
        return self._picks_up() if self.answered else self._does_not()

    def _picks_up(self) -> dict[str, Any]:
        times, machine = self.told["times"], self.told["machine"]
        did: dict[str, Any] = {"after": seconds(times["ringing"] or self.began, self.answered)}
        if machine not in (None, "human"):
            found = self.heard("detection")
            beeps = [event["occurred_at"] for event in found if event["raw"].get("sub_state") == "beep_start"]
            did |= {"does": "machine", "beep": machine != "beep_timeout"}
            did |= {"greeting": seconds(self.answered, beeps[0])} if beeps and beeps[0] else {}
        return did

    def _does_not(self) -> dict[str, Any]:
        """`after` is the time until it failed, which may be long before it was over."""
        does = DOES.get(self.told["status"] or "", "never_answers")
        if does == "never_answers":
            return {"does": does}
        failed = [event["occurred_at"] for event in self.statuses(self.told["status"])] or [self.ended]
        after = seconds(self.told["times"]["ringing"] or self.began, failed[0])
        return {"does": does, "detail": self.told["detail"]} | ({} if after is None else {"after": after})

    @property
    def billing_offset(self) -> float:
        """By how many whole seconds its bill begins off the second in which it was answered."""
        starts = [event["raw"].get("start_time") for event in self.statuses("completed")]
        return (seconds(f"{self.answered}"[:19], f"{starts[0]}"[:19]) if starts else None) or 0.0

    @property
    def headers(self) -> Told:
        """What it brought along."""
        sent = (event["raw"].get("headers") for event in self.heard("status"))
        return next((one for one in sent if one and isinstance(one, dict)), {})

    @property
    def detection(self) -> dict[str, Any]:
        """How the call was made to find out whether a machine answers, by what was found: as the fields of a Call."""
        if self.told["machine"] is None:
            return {}
        if self.told["machine"] in ("human", "machine"):
            return {"machine_detection": "continue"}
        beep_only = all(event["raw"].get("sub_state") for event in self.heard("detection"))
        mode = "detect_beep" if beep_only else "default"
        return {"advanced_machine_detection": {"behavior": "continue", "mode": mode}}

    def entered(self, numbers: StandIns) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Keys and words, one for each input that asked for them. Asked for both, whoever keys has not spoken."""
        results = [result for result in self.whole["inputs"] if result["leg"] == self.uuid]
        raws = [event["raw"] for event in self.heard("input")]
        actions = [action for ncco in self.nccos for action in ncco if action.get("action") == "input"]
        if any(action.get("mode") == "asynchronous" for action in actions):  # one event for each key of one text
            return _without_silence([numbers.keys("".join(result["digits"] or "" for result in results))]), ()
        keys, says = [], []
        for number, result in enumerate(results):
            raw = raws[number] if len(raws) == len(results) else {}
            action = actions[number] if len(actions) == len(results) else {}
            wants = action.get("type") or _asked_for(result, raw)
            pressed, settings = result["digits"] or "", action.get("dtmf") or {}
            if settings.get("submitOnHash") and not result["timed_out"] and len(pressed) < settings.get("maxDigits", 4):
                pressed += "#"
            if "dtmf" in wants:
                keys.append(numbers.keys(pressed))
            if "speech" in wants and not pressed:
                said = next((one["text"] for one in result["speech"] if one["text"]), "")
                says.append(numbers.words(said))
        return _without_silence(keys), _without_silence(says)


def _asked_for(result: Told, raw: Told) -> tuple[str, ...]:
    """What an input asked for, by what came of it: only speech has null in place of keys."""
    dtmf, error = raw.get("dtmf"), result["speech_error"]
    keyed = dtmf.get("digits") is not None if isinstance(dtmf, Mapping) else bool(result["digits"])
    keys = keyed or result["timed_out"] is True or error == NOT_ENABLED
    speech = bool(result["speech"] or result["speech_timeout_reason"] or (error and error != NOT_ENABLED))
    return ("dtmf",) * keys + ("speech",) * speech


def _without_silence(texts: Sequence[str]) -> tuple[str, ...]:
    """*texts* without those at the end that are nothing."""
    found = [*texts]
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def seconds(begin: str | None, end: str | None) -> float | None:
    """Between two times; None where one of the two is none."""
    try:
        return round((datetime.fromisoformat(end or "") - datetime.fromisoformat(begin or "")).total_seconds(), 3)
    except ValueError:
        return None
