"""The request for a new call. https://developer.vonage.com/en/api/voice#createCall"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.control.errors import BadNcco
from app.flows.model import RenderFault
from app.flows.rendering import checked

AS_THEY_ARE: Final = (
    *("ringing_timer", "length_timer", "machine_detection", "advanced_machine_detection"),
    "region",
)


def new_call(
    wanted: Mapping[str, Any],
    *,
    script: Sequence[Mapping[str, Any]],
    url: str | None = None,
    base_url: str,
    caller_number: str | None,
) -> dict[str, Any]:
    """The body for what is *wanted*, and `region` with it: the host it is sent to. Raises BadNcco for the endpoint.

    *url*: where Vonage gets the script, once the call is answered, in place of *script*.
    """
    body: dict[str, Any] = {"to": [endpoint_of(wanted["to"], base_url)]}
    body |= {"answer_url": [url], "answer_method": "GET"} if url else {"ncco": list(script)}
    number = wanted.get("from_") or caller_number
    body |= {"from": {"type": "phone", "number": number}} if number else {"random_from_number": True}
    body |= {"event_url": [f"{base_url}/voice/event"], "event_method": "POST"}
    return body | {name: wanted[name] for name in AS_THEY_ARE if name in wanted}


def endpoint_of(endpoint: Mapping[str, Any], base_url: str) -> dict[str, Any]:
    """*endpoint*, checked as the one of a `connect`; in the REST API one name is spelled otherwise."""
    connect = {"action": "connect", "from": "12025550100", "endpoint": [dict(endpoint)]}
    try:
        checked([connect], base_url)
    except RenderFault as fault:
        raise BadNcco(str(fault).replace("[0].endpoint[0]", "to")) from fault
    if "onAnswer" in endpoint:
        raise BadNcco("to.onAnswer: only a connect action has it.")
    known = dict(endpoint)
    if "standardHeaders" in known:
        known["standard_headers"] = known.pop("standardHeaders")
    return known


def address_of(endpoint: Any) -> str:
    """What an endpoint is reached at, without what only says how; empty if it says nothing."""
    known = endpoint if isinstance(endpoint, Mapping) else {}
    return str(next((known[name] for name in ("number", "user", "uri", "extension") if known.get(name)), ""))
