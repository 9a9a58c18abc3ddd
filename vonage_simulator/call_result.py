"""What happened in a call, for the assertions of tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vonage_simulator.ledger import Leg
from vonage_simulator.trace import Happening, What
from vonage_simulator.transcript import line

Options = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallResult:
    """What happened in a call, in order. `str` is its transcript.

    Attributes:
        legs: All legs; the first is the call's own.
        happenings: Everything that happened, to all legs.
        events: The bodies of all events that were sent.
    """

    legs: list[Leg]
    happenings: list[Happening]
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def said(self) -> list[str]:
        """The text of each `talk`."""
        return [data["text"] for data in self._each("talk")]

    @property
    def played(self) -> list[str]:
        """The URL of each `stream`."""
        return [data["url"] for data in self._each("stream")]

    @property
    def asked_for(self) -> list[Options]:
        """The options of each `input`."""
        return self._each("input")

    @property
    def pressed(self) -> list[str]:
        """The keys that were pressed, for each input."""
        return [data["digits"] for data in self._each("keys")]

    @property
    def spoken(self) -> list[str]:
        """The words that were said, for each input or recording."""
        return [data["text"] for data in self._each("speech")]

    @property
    def rung(self) -> list[str]:
        """The numbers, app users, addresses and extensions that were rung."""
        return [data["to"] for data in self._each("ring")]

    @property
    def joined(self) -> list[str]:
        """The names of the conversations that were entered."""
        return [data["name"] for data in self._each("join")]

    @property
    def recorded(self) -> list[Options]:
        """The options of each recording that was started."""
        return self._each("record")

    @property
    def notified(self) -> list[Options]:
        """The payload of each `notify`."""
        return [data["payload"] for data in self._each("notify")]

    @property
    def nccos(self) -> list[list[Options]]:
        """Every NCCO that the application replied with."""
        return [data["ncco"] for data in self._each("reply") if data["ncco"] is not None]

    @property
    def troubles(self) -> list[str]:
        """What went wrong between carrier and application, in words, with the URL."""
        troubles = self._each("trouble")
        return [f"{data['words']} ({data['url']})" if data.get("url") else data["words"] for data in troubles]

    @property
    def status(self) -> str:
        """How the call's own leg ended: completed, busy, timeout, …"""
        return self.legs[0].status

    @property
    def answered(self) -> bool:
        """Whether the call's own leg was answered."""
        return self.legs[0].answered

    @property
    def ended_by(self) -> str | None:
        """Who ended the call's own leg: "user" hung up; "platform" is Vonage: end of script, a limit, the API."""
        own = self.legs[0].uuid
        return next((each.data["by"] for each in self.happenings if each.what == "hangup" and each.leg == own), None)

    @property
    def seconds(self) -> float:
        """The length of the call by the carrier's clock."""
        return (self.happenings[-1].at - self.happenings[0].at).total_seconds() if self.happenings else 0.0

    def _each(self, what: What) -> list[Options]:
        return [each.data for each in self.happenings if each.what == what]

    def __str__(self) -> str:
        return "\n".join(transcript(self.happenings, self.legs))


def transcript(happenings: Sequence[Happening], legs: Iterable[Leg]) -> list[str]:
    """One line for each thing that happened, with seconds from the first."""
    by_uuid = {leg.uuid: leg for leg in legs}
    return [
        f"{(happening.at - happenings[0].at).total_seconds():8.3f}  {text}"
        for happening in happenings
        if (text := line(happening, by_uuid.get(happening.leg)))
    ]
