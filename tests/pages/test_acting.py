"""What pages say of actions, and which verbs they offer, to whom."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from app.api.acting import FAILED
from app.api.acting_errors import TITLES
from app.domain.actions import Action, ActionResult, Result, kept, read
from app.domain.events import CANONICAL
from app.live.rendering import Form
from app.pages import board_rows
from app.pages.acting import FAULTS, REASONS, STATES
from app.services import services
from tests.api.site import BROWSER, OPERATOR, VIEWER, Site, status
from tests.engines import Engine
from tests.pages.browsing import Page, logged_in
from tests.pages.test_call_page import SCRIPT, OpenSite, page_of, words

KEY: dict[str, Any] = {"application_id": "a" * 8, "private_key": "k"}
NUMBERS: dict[str, Any] = {"from_": "447700900123", "to": "442079460000", "direction": "inbound"}
_sequence = count(1)


def did(
    site: Site,
    verb: str,
    leg: str | None = "leg",
    result: Result | None = "done",
    *,
    conversation: str = "CON-1",
    by: str = "operator 1f3a2b",
    detail: str | None = None,
    **arguments: Any,
) -> None:
    """Keep an action of this server, and what came of it, as app/control does."""
    number, now = next(_sequence), datetime.now(UTC)
    known: dict[str, Any] = {"canonical": b"", "conversation": conversation, "leg": leg, "occurred": now}
    known["action"] = f"{number:024x}"
    action = Action(**known, verb=verb, by=by, sequence=number, arguments=json.dumps(arguments))
    events: list[Action | ActionResult] = [action]
    if result:
        events.append(ActionResult(**known, result=result, status=400 if detail else 200, detail=detail))
    for event in events:
        body = kept(event)
        site.store.record(read(body), CANONICAL.encode(body).encode(), now, counted=False)


def live(site: Site) -> Site:
    """A call that is live: the caller's leg is answered."""
    received = datetime.now(UTC) - timedelta(seconds=30)
    site.record(status("answered", "CON-1", "leg", **NUMBERS), received=received)
    return site


def verbs(text: str, leg: str = "leg") -> list[str]:
    """The verbs that a page offers for a leg."""
    elements = Page(text).elements
    return [values["data-act"] or "" for tag, values in elements if tag == "button" and values.get("data-leg") == leg]


def states(text: str) -> list[str]:
    """The badges of the part of the page of a call where one acts."""
    part = text[text.index('<section id="act">') : text.index('<section id="ladder">')]
    return Page(part).values("span", "data-state")


# -- the page of a call -----------------------------------------------------------------------------------------------


def test_an_operator_is_offered_what_fits_the_state_of_each_leg(open_site: OpenSite) -> None:
    site = live(open_site(**KEY))
    site.record(status("ringing", "CON-1", "agent", direction="outbound", to="Alice"), received=datetime.now(UTC))
    browser = logged_in(site, OPERATOR)
    text = page_of(browser, "/calls/leg")
    assert verbs(text) == ["hold", "mute", "dtmf", "talk", "transfer", "hangup"]
    assert verbs(text, "agent") == ["hangup"]
    did(site, "mute")
    did(site, "hold", weak=True)
    text = page_of(browser, "/calls/leg")
    assert verbs(text) == ["resume", "unmute", "dtmf", "talk", "transfer", "hangup"]
    assert states(text)[:2] == ["answered", "weak"]
    did(site, "talk", text="Hello.")
    assert "talk/stop" in verbs(page_of(browser, "/calls/leg"))
    site.record(status("completed", "CON-1", "leg"), status("completed", "CON-1", "agent"))
    assert 'id="act"' not in page_of(browser, "/calls/leg")


def test_the_recording_of_the_conversation_is_started_paused_and_stopped(open_site: OpenSite) -> None:
    site = live(open_site(**KEY))
    browser = logged_in(site, OPERATOR)

    def offered() -> list[str]:
        found = Page(page_of(browser, "/calls/leg")).elements
        return [values["data-act"] or "" for _, values in found if values.get("data-conversation") == "CON-1"]

    assert offered() == ["record_start"]
    for verb, then in (
        ("record_start", ["record_pause", "record_stop"]),
        ("record_pause", ["record_resume", "record_stop"]),
        ("record_resume", ["record_pause", "record_stop"]),
        ("record_stop", ["record_start"]),
    ):
        did(site, verb, None)
        assert offered() == then


def test_viewers_see_states_and_no_buttons(open_site: OpenSite) -> None:
    site = live(open_site(**KEY, mask_numbers=False))
    did(site, "mute")
    did(site, "record_start", None)
    browser = logged_in(site, VIEWER)
    for path in ("/calls/leg", "/"):
        text = page_of(browser, path)
        shown = Page(text).values("span", "data-state")
        assert {"muted", "recording"} <= set(shown)
        assert "data-act=" not in text
        assert "<dialog" not in text
    assert "data-operator" not in page_of(browser, "/")
    assert "data-operator" in page_of(logged_in(site, OPERATOR), "/")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "VONAGE_APPLICATION_ID, VONAGE_PRIVATE_KEY"),
        ({"application_id": "a" * 8}, "VONAGE_PRIVATE_KEY"),
        ({"private_key": "k"}, "VONAGE_APPLICATION_ID"),
    ],
)
def test_without_settings_the_buttons_are_off_and_these_are_named(
    open_site: OpenSite, settings: dict[str, Any], named: str
) -> None:
    browser = logged_in(live(open_site(**settings)), OPERATOR)
    for path in ("/calls/leg", "/"):
        text = page_of(browser, path)
        assert f"Nothing can be done to calls until this is set: {named}." in words(text)
        buttons = [values for tag, values in Page(text).elements if tag == "button" and "data-act" in values]
        assert buttons
        assert all("disabled" in values and values["aria-describedby"] == "not-configured" for values in buttons)


def test_without_scripts_the_page_says_that_they_are_needed(open_site: OpenSite) -> None:
    text = page_of(logged_in(live(open_site(**KEY)), OPERATOR), "/calls/leg")
    assert "This needs scripts" in text[text.index("<noscript>") : text.index("</noscript>")]


def test_a_leg_can_be_transferred_to_each_step_of_each_flow(open_site: OpenSite) -> None:
    browser = logged_in(live(open_site(**KEY)), OPERATOR)
    options = [values for tag, values in Page(page_of(browser, "/calls/leg")).elements if tag == "option"]
    assert ("phone-to-app", "start") in [(each.get("data-flow"), each.get("data-step")) for each in options]
    assert options[-1]["value"] == "ncco"


# -- what was done, in words --------------------------------------------------------------------------------------


def test_actions_are_sentences_in_the_events_and_in_the_ladder(site: Site) -> None:
    live(site)
    did(site, "hold", weak=True)
    did(site, "mute", result="refused", detail=f"not for {NUMBERS['from_']} {SCRIPT}")
    did(site, "dtmf", result=None, by="user Alice")
    english = page_of(logged_in(site, OPERATOR), "/calls/leg")
    found = [unescape(text) for text in Page(english[english.index('<section id="events">') :]).text]
    for sentence in (
        "hold by operator 1f3a2b: confirmed",
        "hold: confirmed",
        f"mute by operator 1f3a2b: refused by Vonage (400: not for {NUMBERS['from_']} {SCRIPT})",
        "send keys by user Alice: requested",
    ):
        assert sentence in found
    drawing = page_of(logged_in(site, OPERATOR), "/calls/leg/ladder.svg")
    assert "hold: confirmed, by operator 1f3a2b" in drawing
    lane = site.get("/api/v1/calls/leg/ladder.txt", token=OPERATOR).text
    assert "hold: confirmed" in lane
    masked = page_of(logged_in(site, VIEWER), "/calls/leg")
    assert NUMBERS["from_"] not in masked
    assert "refused by Vonage (400: not for ********0123" in masked


def test_what_was_done_is_no_webhook_that_could_be_posted_again(site: Site) -> None:
    live(site)
    did(site, "mute")
    commands = site.get("/api/v1/calls/leg/curl.txt", token=OPERATOR).text
    assert commands.count("curl ") == 1
    assert "mute" not in commands


def test_actions_are_in_french_too(site: Site) -> None:
    live(site)
    did(site, "mute")
    did(site, "hangup", result="gone")
    did(site, "hold", result="unknown")
    headers = BROWSER | {"Accept-Language": "fr"}
    text = words(logged_in(site, OPERATOR).get("/calls/leg", headers=headers).text)
    assert "micro coupé par opérateur 1f3a2b: confirmé" in text
    assert "mise en attente par opérateur 1f3a2b: sans réponse de Vonage" in text


def test_what_is_done_to_a_conference_is_on_the_page_of_each_call_in_it(open_site: OpenSite) -> None:
    site = open_site(**KEY)
    for name in ("a", "b"):
        moved = {"type": "transfer", "uuid": f"leg-{name}", "conversation_uuid_from": f"CON-{name}"}
        site.record(
            status("answered", f"CON-{name}", f"leg-{name}", **NUMBERS),
            moved | {"conversation_uuid_to": "ROOM", "timestamp": datetime.now(UTC).isoformat()},
            received=datetime.now(UTC),
        )
    did(site, "record_start", None, conversation="ROOM")
    for name in ("a", "b"):
        text = page_of(logged_in(site, OPERATOR), f"/calls/leg-{name}")
        assert "recording" in states(text)
        assert "start recording by operator 1f3a2b: confirmed" in words(text)


# -- the board --------------------------------------------------------------------------------------------------------


def row(site: Site, token: str = OPERATOR) -> dict[str, Any]:
    """The attributes of the one row, `data-acts` read."""
    (found,) = (
        values for tag, values in Page(page_of(logged_in(site, token), "/")).elements if "data-version" in values
    )
    return {**found, "acts": json.loads(found["data-acts"] or "null") if "data-acts" in found else None}


def test_a_row_says_what_can_be_done_and_its_version_changes_with_that(open_site: OpenSite) -> None:
    site = live(open_site(**KEY))
    alone = row(site)
    assert alone["acts"] == {
        "legs": ["leg"],
        "first": "leg",
        "hold": None,  # alone with the call flow
        "conference": None,
        "asks": [],
        "adds": None,
        "who": "447700900123",
        "whole": "447700900123 → 442079460000",
        "href": "/calls/leg",
    }
    site.record(status("answered", "CON-1", "agent", direction="outbound", to="Alice"), received=datetime.now(UTC))
    talking = row(site)
    assert (talking["acts"]["legs"], talking["acts"]["hold"]) == (["leg", "agent"], "hold")
    did(site, "hold", weak=True)
    held = row(site)
    assert held["acts"]["hold"] == "resume"
    did(site, "record_start", None)
    recorded = row(site)
    assert len({each["data-version"] for each in (alone, talking, held, recorded)}) == 4
    assert {"weak", "recording"} <= set(Page(page_of(logged_in(site), "/")).values("span", "data-state"))
    site.record(status("completed", "CON-1", "leg"), status("completed", "CON-1", "agent"), received=datetime.now(UTC))
    assert row(site)["acts"] is None


def test_rows_with_actions_need_no_read_of_their_own(open_site: OpenSite, valkey: Engine) -> None:
    site = live(open_site(**KEY))
    did(site, "mute")
    did(site, "record_start", None)
    parts = services(site.app)
    shown = board_rows.on_board(board_rows.read(parts.call_queries, datetime.now(UTC)), datetime.now(UTC))
    valkey.nodes[0].freeze()
    try:
        with site.app.test_request_context():
            (html,) = board_rows.render(shown.values(), Form("en", masked=False), parts.names.current())
    finally:
        valkey.nodes[0].thaw()
    assert {"muted", "recording"} <= set(Page(html).values("span", "data-state"))


# -- words ------------------------------------------------------------------------------------------------------------


def test_there_are_words_for_all_that_may_come_of_an_action() -> None:
    assert set(FAILED) <= set(FAULTS)
    of_no_button = {"Not configured", "User refused by Vonage", "No response from Vonage"}  # the last two: the phone
    assert {title for _, title in TITLES.values()} - of_no_button <= set(FAULTS)
    assert set(STATES).isdisjoint(FAILED)


def test_the_reasons_are_those_that_the_server_gives() -> None:
    folder = Path(__file__).parents[2] / "app" / "control"
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    assert [text for text in REASONS if f'"{text}"' not in source] == []
