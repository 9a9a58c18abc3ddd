"""One leg of a real call: what a server's API and its events say about where it was, and about the far end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

from vonage_simulator.capture.anonymize import Anonymizer, without
from vonage_simulator.scenario import Does

Json = Mapping[str, Any]
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


class Stay(NamedTuple):
    """A leg was in a conversation from `since` until `until`, texts as in the API; "" if unknown, or if it is there."""

    conversation: str
    since: str
    until: str


@dataclass(frozen=True, eq=False)
class CapturedLeg:
    """A leg (`json`) of a call or a conversation in the server's API; `events` may have those of other legs, too."""

    json: Json
    whole: Json
    events: Sequence[Json]

    @property
    def uuid(self) -> str:
        return str(self.json["uuid"])

    @property
    def outbound(self) -> bool:
        """Whether the far end was called; False if the direction is unknown."""
        return bool(self.json["direction"] == "outbound")

    @property
    def began(self) -> str:
        """When it began; "" if unknown."""
        return min((at for at in self.json["times"].values() if at), default="")

    @property
    def answered(self) -> str | None:
        return self.json["times"]["answered"] or None

    @property
    def ended(self) -> str | None:
        return self.json["times"]["completed"] or None

    @property
    def origin(self) -> str:
        """The conversation it began in. A leg that was on hold came back from another."""
        return self.stays[0].conversation

    @cached_property
    def stays(self) -> tuple[Stay, ...]:
        """Where it was, oldest first: as the API says of a call's leg, else by its moves."""
        places = self._places()
        ends = [*(since for _, since in places[1:]), self.ended or ""]
        return tuple(Stay(name, since, end) for (name, since), end in zip(places, ends, strict=True))

    def _places(self) -> list[tuple[str, str]]:
        """The conversations that it was in, each with the time at which it came."""
        if "stays" in self.json:
            return [(str(stay["conversation_uuid"]), stay["since"]) for stay in self.json["stays"]]
        moves = sorted(self.of_kind("transfer"), key=lambda event: event["occurred_at"] or "")
        if moves:
            arrivals = [(str(move["raw"].get("conversation_uuid_to")), move["occurred_at"] or "") for move in moves]
            return [(str(moves[0]["raw"].get("conversation_uuid_from")), self.began), *arrivals]
        here, came, went = self.whole["conversation_uuid"], self.json["moved_from"], self.json["moved_to"]
        places = [(str(came["conversation_uuid"]), self.began), (here, came["at"])] if came else [(here, self.began)]
        return [*places, (str(went["conversation_uuid"]), went["at"])] if went else places

    def of_kind(self, kind: str) -> list[Json]:
        """Its events of one kind, in order of arrival."""
        return [event for event in self.events if event["kind"] == kind and event["leg"] == self.uuid]

    def of_status(self, status: str | None) -> list[Json]:
        """Its events of one status, in order of arrival."""
        return [event for event in self.of_kind("status") if event["status"] == status]

    # Answers

    @property
    def request(self) -> Json:
        """The first answer request; empty if there was none, or it is unknown."""
        return next((raw["request"] for raw in self._answers), {})

    @property
    def nccos(self) -> list[Ncco]:
        """The NCCOs in reply to its answer requests, in order."""
        answers = self._answers or [answer for answer in self.whole["answers"] if answer["leg"] == self.uuid]
        return [answer["ncco"] for answer in answers if isinstance(answer["ncco"], list)]

    @property
    def script(self) -> Ncco | None:
        """The first NCCO. If its request came more than once, or to the fallback URL after that, the last counts."""
        found = self.nccos
        requests = [without(raw["request"], "reason", "original_request") for raw in self._answers]
        if len(requests) == len(found):
            found = [ncco for ncco, request in zip(found, requests, strict=True) if request == requests[0]][-1:]
        return found[0] if found else None

    def served(self, conversation: str) -> Ncco | None:
        """The NCCO that was requested for it in *conversation*, as for a transfer to a URL; None if unknown."""
        requests = [without(raw["request"], "reason", "original_request") for raw in self._answers]
        there = (
            raw["ncco"]
            for request, raw in zip(requests, self._answers, strict=True)
            if request != requests[0] and request.get("conversation_uuid") == conversation
        )
        return next((ncco for ncco in there if isinstance(ncco, list)), None)

    @property
    def has_steps(self) -> bool:
        """Whether later events were answered with NCCOs."""
        return len(self._answers) < len(self.of_kind("answer"))

    @property
    def _answers(self) -> list[Json]:
        """The replies to answer requests; of an answer to an event the request has nothing but ids."""
        ids, answers = {"conversation_uuid", "uuid"}, [event["raw"] for event in self.of_kind("answer")]
        return [raw for raw in answers if "step" not in raw or raw["request"].keys() - ids]

    # The far end

    @property
    def callee(self) -> dict[str, Any]:
        """What the callee did, as fields of a FarEnd. A failure may come long before the end: `after` is until then."""
        status, machine = self.json["status"] or "", self.json["machine"]
        rang = self.json["times"]["ringing"] or self.began
        if not self.answered:
            does = DOES.get(status, "never_answers")
            if does == "never_answers":
                return {"does": does}
            failed = [event["occurred_at"] for event in self.of_status(status)] or [self.ended]
            after = seconds(rang, failed[0])
            return {"does": does, "detail": self.json["detail"]} | ({} if after is None else {"after": after})
        did: dict[str, Any] = {"after": seconds(rang, self.answered)}
        if machine not in (None, "human"):
            found = self.of_kind("detection")
            beeps = [event["occurred_at"] for event in found if event["raw"].get("sub_state") == "beep_start"]
            did |= {"does": "machine", "beep": machine != "beep_timeout"}
            did |= {"greeting": seconds(self.answered, beeps[0])} if beeps and beeps[0] else {}
        return did

    @property
    def billing_offset(self) -> float:
        """Whole seconds from the second of the answer to the start of the bill."""
        starts = [event["raw"].get("start_time") for event in self.of_status("completed")]
        return (seconds(f"{self.answered}"[:19], f"{starts[0]}"[:19]) if starts else None) or 0.0

    @property
    def headers(self) -> Json:
        headers = (event["raw"].get("headers") for event in self.of_kind("status"))
        return next((found for found in headers if found and isinstance(found, dict)), {})

    @property
    def detection(self) -> dict[str, Any]:
        """The machine detection that gives what was found, as fields of a Call."""
        if self.json["machine"] is None:
            return {}
        if self.json["machine"] in ("human", "machine"):
            return {"machine_detection": "continue"}
        beep_only = all(event["raw"].get("sub_state") for event in self.of_kind("detection"))
        mode = "detect_beep" if beep_only else "default"
        return {"advanced_machine_detection": {"behavior": "continue", "mode": mode}}

    def entered(self, numbers: Anonymizer) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Keys and words, one for each input that takes them. Of an input for both, keys leave the words for later."""
        results = [result for result in self.whole["inputs"] if result["leg"] == self.uuid]
        raws = [event["raw"] for event in self.of_kind("input")]
        actions = [action for ncco in self.nccos for action in ncco if action.get("action") == "input"]
        if any(action.get("mode") == "asynchronous" for action in actions):  # one event for each key of one text
            return _without_silence([numbers.keys("".join(result["digits"] or "" for result in results))]), ()
        keys, says = [], []
        for number, result in enumerate(results):
            raw = raws[number] if len(raws) == len(results) else {}
            action = actions[number] if len(actions) == len(results) else {}
            wants = action.get("type") or _types(result, raw)
            pressed, settings = result["digits"] or "", action.get("dtmf") or {}
            if settings.get("submitOnHash") and not result["timed_out"] and len(pressed) < settings.get("maxDigits", 4):
                pressed += "#"
            if "dtmf" in wants:
                keys.append(numbers.keys(pressed))
            if "speech" in wants and not pressed:
                text = next((speech["text"] for speech in result["speech"] if speech["text"]), "")
                says.append(numbers.replace(text))
        return _without_silence(keys), _without_silence(says)


def _types(result: Json, raw: Json) -> tuple[str, ...]:
    """The types of an input, from its result: without keys it has null in their place."""
    dtmf, error = raw.get("dtmf"), result["speech_error"]
    keyed = dtmf.get("digits") is not None if isinstance(dtmf, Mapping) else bool(result["digits"])
    keys = keyed or result["timed_out"] is True or error == NOT_ENABLED
    speech = bool(result["speech"] or result["speech_timeout_reason"] or (error and error != NOT_ENABLED))
    return ("dtmf",) * keys + ("speech",) * speech


def _without_silence(texts: Sequence[str]) -> tuple[str, ...]:
    """*texts* without empty ones at the end."""
    while texts and not texts[-1]:
        texts = texts[:-1]
    return tuple(texts)


def seconds(begin: str | None, end: str | None) -> float | None:
    """Between two times; None if one of them is missing."""
    try:
        return round((datetime.fromisoformat(end or "") - datetime.fromisoformat(begin or "")).total_seconds(), 3)
    except ValueError:
        return None
