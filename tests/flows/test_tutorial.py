"""The tutorial's call flow: whoever calls gets a valid NCCO."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.events import Answer
from app.flows.tutorial import GREETING, LAST_RESORT, Flows
from app.webhooks.schemas import read_answer
from config.settings import NUMBER

ALICE, BOB = "447700900123", "442079460000"
TALK = {"action": "talk", "text": GREETING}
E164 = re.compile(r"[1-9]\d{6,14}", re.ASCII)


def flows(*, app_user: str = "Alice", caller_number: str | None = None) -> Flows:
    """The flow with other settings."""
    return Flows(app_user=app_user, caller_number=caller_number)


def asked(**request: Any) -> Answer:
    """An answer webhook."""
    fields = {"uuid": "leg", "conversation_uuid": "CON-1"} | {
        name.rstrip("_"): value for name, value in request.items()
    }
    return read_answer(fields)


def is_valid(ncco: list[dict[str, Any]]) -> None:
    """Fails unless Vonage would run *ncco*: a greeting, then a connection to one endpoint from one number of ours.

    https://developer.vonage.com/en/voice/voice-api/ncco-reference
    """
    json.dumps(ncco).encode("ascii")
    talk, connect = ncco
    assert list(talk) == ["action", "text"]
    assert talk["action"] == "talk"
    assert 0 < len(talk["text"]) <= 1500
    assert next(iter(connect)) == "action"
    assert connect["action"] == "connect"
    (endpoint,) = connect["endpoint"]
    if endpoint["type"] == "phone":
        assert endpoint.keys() == {"type", "number"}
        assert E164.fullmatch(endpoint["number"])
    else:
        assert endpoint["type"] == "app"
        assert endpoint.keys() == {"type", "user"}
        assert endpoint["user"].strip()
    if "from" in connect:
        assert connect.keys() == {"action", "endpoint", "from"}
        assert E164.fullmatch(connect["from"])
    else:
        assert connect.keys() == {"action", "endpoint", "randomFromNumber"}
        assert connect["randomFromNumber"] is True


@pytest.mark.parametrize(
    ("request_", "caller_number", "connect"),
    [
        pytest.param(
            {"from": ALICE, "to": BOB},
            None,
            {"from": ALICE, "endpoint": [{"type": "app", "user": "Alice"}]},
            id="a telephone reaches the app user, who sees its number",
        ),
        pytest.param(
            {"from": "Unknown", "to": BOB},
            "14155550100",
            {"from": "14155550100", "endpoint": [{"type": "app", "user": "Alice"}]},
            id="a number of ours that was set goes before the one dialled",
        ),
        pytest.param(
            {"from": "Unknown", "to": "+44 20 7946 0000"},
            None,
            {"from": BOB, "endpoint": [{"type": "app", "user": "Alice"}]},
            id="the number dialled may be written with a plus and blanks",
        ),
        pytest.param(
            {"from": "Unknown", "to": BOB},
            None,
            {"from": BOB, "endpoint": [{"type": "app", "user": "Alice"}]},
            id="a telephone that hides its number",
        ),
        pytest.param(
            {"to": BOB},
            None,
            {"from": BOB, "endpoint": [{"type": "app", "user": "Alice"}]},
            id="a telephone of which nothing is known",
        ),
        pytest.param(
            {"from": "sip:bob@example.com", "to": "sip:us@example.com"},
            None,
            {"randomFromNumber": True, "endpoint": [{"type": "app", "user": "Alice"}]},
            id="a SIP caller: none of our numbers was dialled, so any will do",
        ),
        pytest.param(
            {"from": "+44 7700 900123"},
            None,
            {"from": ALICE, "endpoint": [{"type": "app", "user": "Alice"}]},
            id="the caller's number may be written with a plus and blanks",
        ),
        pytest.param(
            {},
            None,
            {"randomFromNumber": True, "endpoint": [{"type": "app", "user": "Alice"}]},
            id="nobody knows which number was dialled",
        ),
        pytest.param(
            {"from": "Unknown", "to": "999"},
            None,
            {"randomFromNumber": True, "endpoint": [{"type": "app", "user": "Alice"}]},
            id="a short code is no number to call from",
        ),
        pytest.param(
            {"from_user": "Alice", "to": ALICE},
            None,
            {"randomFromNumber": True, "endpoint": [{"type": "phone", "number": ALICE}]},
            id="an app user reaches a telephone, from any number of ours",
        ),
        pytest.param(
            {"from_user": "Alice", "to": "+44 (7700) 900-123"},
            BOB,
            {"from": BOB, "endpoint": [{"type": "phone", "number": ALICE}]},
            id="an app user reaches a telephone, from the number that was set",
        ),
        pytest.param(
            {"from_user": "Alice", "to": "Bob"},
            None,
            {"randomFromNumber": True, "endpoint": [{"type": "app", "user": "Bob"}]},
            id="an app user reaches another",
        ),
        pytest.param(
            {"from_user": "Alice", "from": None, "to": "Zoë Li"},
            BOB,
            {"from": BOB, "endpoint": [{"type": "app", "user": "Zoë Li"}]},
            id="a user may have any name",
        ),
    ],
)
def test_every_kind_of_caller_is_greeted_and_put_through(
    request_: dict[str, Any], caller_number: str | None, connect: dict[str, Any]
) -> None:
    flow, ncco = flows(caller_number=caller_number).answer(asked(**request_))
    assert flow == "tutorial"
    assert ncco == [TALK, {"action": "connect", **connect}]
    is_valid(ncco)


def test_a_telephone_reaches_the_user_that_was_set() -> None:
    ncco = flows(app_user="reception desk").answer(asked(from_=ALICE, to=BOB)).ncco
    assert ncco[1]["endpoint"] == [{"type": "app", "user": "reception desk"}]


@pytest.mark.parametrize("to", [None, "", "  ", "Unknown"])
def test_an_app_user_who_asked_for_nobody_cannot_be_put_through(to: str | None) -> None:
    with pytest.raises(ValueError, match="`to` is missing"):
        flows().answer(asked(from_user="Alice", to=to))


@pytest.mark.parametrize("to", ["999", "0207946", "07700900123", "00447700900123", "+0447700900123"])
def test_an_app_user_cannot_reach_what_is_no_international_number(to: str) -> None:
    """Vonage would refuse the whole NCCO, and the caller would hear nothing at all."""
    with pytest.raises(ValueError, match="number"):
        flows().answer(asked(from_user="Alice", to=to))


def test_the_last_resort_is_said_not_connected() -> None:
    ((talk),) = LAST_RESORT.ncco
    assert list(talk) == ["action", "text"]
    assert talk["action"] == "talk"
    assert 0 < len(talk["text"]) <= 1500


DIGITS = st.text("0123456789 +()-.", max_size=20)
TEXTS = st.none() | st.text(max_size=30) | DIGITS | st.sampled_from([ALICE, BOB, "Alice", "sip:a@b.example", "Unknown"])
VALUES: st.SearchStrategy[Any] = (
    TEXTS | st.integers() | st.floats() | st.booleans() | st.lists(st.text(), max_size=2) | st.just({})
)


@given(
    request=st.dictionaries(st.sampled_from(["from", "from_user", "to", "uuid", "reason"]), VALUES),
    app_user=st.text(min_size=1, max_size=20).filter(str.strip),
    caller_number=st.none() | st.from_regex(r"[1-9][0-9]{6,14}", fullmatch=True),
)
@example(request={"from_user": "\ud800", "to": "\udfff"}, app_user="Alice", caller_number=None)
@example(request={"from_user": "a", "to": "٤٤٧٧٠٠٩٠٠١٢٣"}, app_user="Alice", caller_number=None)
@example(request={"from": ALICE, "to": "442079460000\n"}, app_user="Alice", caller_number=None)
@example(request={"from_user": "a", "to": f"{ALICE}\n1"}, app_user="Alice", caller_number=None)
@example(request={"from": ALICE, "to": BOB}, app_user="half \ud83d a pair", caller_number=None)
def test_whatever_is_asked_comes_to_a_valid_ncco_or_a_value_error(
    request: dict[str, Any], app_user: str, caller_number: str | None
) -> None:
    """Never an NCCO that Vonage would refuse: for a ValueError there is the last resort, for that there is nothing."""
    try:
        served = flows(app_user=app_user, caller_number=caller_number).answer(asked(**request))
    except ValueError:
        return
    is_valid(served.ncco)


FIELDS = TEXTS.map(lambda text: (text or "").strip() or None)  # reading trims them: blank is not known


@given(st.builds(Answer, canonical=st.binary(max_size=4), from_=FIELDS, from_user=FIELDS, to=FIELDS, leg=FIELDS))
@example(Answer(canonical=b"", from_user="Alice", to="\ud800"))
@example(Answer(canonical=b"", from_="a\nb", to=f"{BOB}\n1"))
def test_so_does_whatever_an_answer_may_hold(answer: Answer) -> None:
    try:
        served = flows().answer(answer)
    except ValueError:
        return
    is_valid(served.ncco)


def test_a_number_that_may_be_set_is_one_to_call_from() -> None:
    assert "country code" in NUMBER.words
    for number in ("1234567", "123456789012345"):
        is_valid(flows(caller_number=number).answer(asked(from_="Unknown")).ncco)
