"""NCCO by Vonage's Python SDK, an independent check: what its models write for ours, and where they differ.

Nothing that is served goes through the SDK: the table that it is checked by follows Vonage's pages.
https://github.com/Vonage/vonage-python-sdk/tree/main/voice/src/vonage_voice/models
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vonage_voice.errors import NccoActionError
from vonage_voice.models import connect_endpoints as endpoints
from vonage_voice.models import ncco as actions
from vonage_voice.models.ncco import NccoAction

from vonage_simulator import ncco

NCCO: Final = "https://developer.vonage.com/en/voice/voice-api/ncco-reference"

MODELS: Final[Mapping[str, type[NccoAction]]] = {
    "record": actions.Record,
    "conversation": actions.Conversation,
    "connect": actions.Connect,
    "talk": actions.Talk,
    "stream": actions.Stream,
    "input": actions.Input,
    "notify": actions.Notify,
    "wait": actions.Wait,
    "transfer": actions.Transfer,
}
ENDPOINTS: Final[Mapping[str, Any]] = {
    "phone": endpoints.PhoneEndpoint,
    "app": endpoints.AppEndpoint,
    "websocket": endpoints.WebsocketEndpoint,
    "sip": endpoints.SipEndpoint,
    "vbc": endpoints.VbcEndpoint,
}
OTHER_NAMES: Final = {"from": "from_", "content-type": "contentType"}  # Python's, of what the SDK writes as Vonage does


def by_sdk(action: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the SDK writes for *action*; None if it refuses it."""
    try:
        return _dumped(_model(action))
    except (ValueError, NccoActionError):  # pydantic's own are ValueErrors
        return None


def _model(action: Mapping[str, Any]) -> NccoAction:
    options = {OTHER_NAMES.get(name, name): value for name, value in action.items()}
    if "endpoint" in options:
        # Left to find out by itself, the SDK takes the first model that fits: AppEndpoint for {type: sip, user: …}.
        options["endpoint"] = [
            ENDPOINTS[endpoint["type"]](**{OTHER_NAMES.get(name, name): value for name, value in endpoint.items()})
            for endpoint in options["endpoint"]
        ]
    return MODELS[action["action"]](**options)


def _dumped(model: NccoAction) -> dict[str, Any]:
    said: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
    return {"action": said.pop("action"), **said}


# ---- Where the SDK differs


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that Vonage takes and the SDK does not say, or writes otherwise. `occurs` finds it in an action."""

    where: str  # "connect.from"
    vonage: str  # what Vonage takes
    sdk: str  # what the SDK does
    source: str  # Vonage's page
    occurs: Callable[[Mapping[str, Any]], bool]


def differences(action: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Why the SDK does not say *action*, in which there are no faults, as it is; none if it does."""
    return tuple(difference for difference in DIFFERENCES if difference.occurs(action))


def _value(action: Mapping[str, Any], path: str) -> Any:
    """The value at *path*, as in "input.speech.provider"; None if nothing is there."""
    name, *steps = path.split(".")
    value: Any = action if action["action"] == name else None
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _there(*paths: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda action: any(_value(action, path) is not None for path in paths)


def _whole(*paths: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda action: any(isinstance(_value(action, path), int) for path in paths)


def _endpoint(kind: str, occurs: Callable[[Mapping[str, Any]], bool]) -> Callable[[Mapping[str, Any]], bool]:
    return lambda action: (
        action["action"] == "connect" and any(item["type"] == kind and occurs(item) for item in action["endpoint"])
    )


def _odd_uri(sip: Mapping[str, Any]) -> bool:
    """Whether the SDK's pattern, which looks at the beginning only, does not know the URI."""
    return "uri" in sip and not re.match(r"(sip|sips):\+?[\w|:.\-@;,=%&]", sip["uri"])


DIFFERENCES: Final = (
    Difference(
        "numbers, true and false",
        "takes them as text, too",
        "makes numbers, true and false of them",
        "https://github.com/Vonage/vonage-dotnet-sdk/issues/211",
        lambda action: ncco.ACTION.plain(action) != action,
    ),
    Difference(
        "connect.from",
        "needs none: an app user has no need of it, and elsewhere the callee sees an unknown number",
        "refuses a connect with neither from nor randomFromNumber",
        f"{NCCO}#connect",
        lambda action: action["action"] == "connect" and "from" not in action and "randomFromNumber" not in action,
    ),
    Difference(
        "connect.from",
        "takes any text: a caller may have a SIP address",
        "refuses all but 7 to 15 digits",
        f"{NCCO}#connect",
        lambda action: not re.fullmatch("[1-9][0-9]{6,14}", _value(action, "connect.from") or "1234567"),
    ),
    Difference(
        "connect.ringbackTone",
        "takes a URL as text",
        "refuses text: it must be an array",
        f"{NCCO}#connect",
        _there("connect.ringbackTone"),
    ),
    Difference(
        "connect.endpoint[0].onAnswer.ringback",
        "takes it still: the old name of ringbackTone",
        "leaves it out",
        f"{NCCO}#connect",
        _endpoint("phone", lambda endpoint: "ringback" in endpoint.get("onAnswer", {})),
    ),
    Difference(
        "connect.endpoint[0].domain",
        "takes a domain and a user in place of a uri",
        "refuses a SIP endpoint without uri",
        f"{NCCO}#connect",
        _endpoint("sip", lambda endpoint: "uri" not in endpoint),
    ),
    Difference(
        "connect.endpoint[0].uri",
        "takes any SIP URI: SIP:alice@example.com and sip:[2001:db8::1] too",
        "refuses capitals in the scheme, and an address that begins with a bracket or the like",
        f"{NCCO}#connect",
        _endpoint("sip", _odd_uri),
    ),
    Difference(
        "talk.text",
        "takes 1500 characters, SSML tags not counted",
        "refuses more than 1500 characters, SSML tags counted",
        f"{NCCO}#talk",
        lambda action: len(_value(action, "talk.text") or "") > 1500,
    ),
    Difference(
        "talk.provider",
        "takes provider and providerOptions: other voices",
        "leaves them out",
        "https://github.com/Vonage/vonage-ruby-sdk/pull/352",
        _there("talk.provider", "talk.providerOptions"),
    ),
    Difference(
        "talk.level, stream.level, input.speech.endOnSilence, wait.timeout",
        "takes whole numbers as they are",
        "makes decimal fractions of them: 1.0 of 1",
        NCCO,
        _whole("talk.level", "stream.level", "input.speech.endOnSilence", "wait.timeout"),
    ),
    Difference(
        "wait.timeout",
        "needs none: 10 seconds is usual",
        "adds 10.0",
        f"{NCCO}#wait",
        lambda action: action["action"] == "wait" and "timeout" not in action,
    ),
    Difference(
        "record.transcription",
        "takes it",
        "leaves it out",
        f"{NCCO}#record",
        _there("record.transcription"),
    ),
    Difference(
        "record.public, record.validity_time",
        "takes them, though they are not documented",
        "leaves them out",
        f"{NCCO}#record",
        lambda action: action["action"] == "record" and ("public" in action or "validity_time" in action),
    ),
    Difference(
        "conversation.transcription",
        "takes it",
        "leaves it out",
        f"{NCCO}#conversation",
        _there("conversation.transcription"),
    ),
    Difference(
        "input.type",
        "needs none, though it is documented as required",
        "refuses an input without type",
        f"{NCCO}#input",
        lambda action: action["action"] == "input" and "type" not in action,
    ),
    Difference(
        "input.mode",
        "takes it: asynchronous gives each key by itself",
        "leaves it out: the keys would come together",
        f"{NCCO}#input",
        _there("input.mode"),
    ),
    Difference(
        "input.speech.saveAudio",
        "needs none: false is usual",
        "adds false to all settings of speech",
        f"{NCCO}#input",
        lambda action: _value(action, "input.speech") is not None and _value(action, "input.speech.saveAudio") is None,
    ),
    Difference(
        "input.speech.provider",
        "takes provider and providerOptions: other recognizers",
        "leaves them out",
        "https://github.com/Vonage/vonage-ruby-sdk/pull/352",
        _there("input.speech.provider", "input.speech.providerOptions"),
    ),
)
