"""The page of a call: all that is known of it, for whom, and that nothing anybody sent becomes a part of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest
from flask.testing import FlaskClient
from markupsafe import escape

from app.domain.events import Recording, Voicemail
from app.webhooks.body import write_json
from app.webhooks.schemas import kept_answer
from app.webhooks.voicemails import kept_voicemail
from tests.api.site import BROWSER, OPERATOR, VIEWER, Site, quoted
from tests.generated import BASE, Body, iso, read_event, webhooks_of
from tests.pages.browsing import Page, logged_in

CALLER, DIALLED, AGENT = "447700900123", "442079460000", "33612345678"
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"
SVG = "{http://www.w3.org/2000/svg}"

OpenSite = Callable[..., Site]


def seconds(number: float) -> Any:
    return BASE + timedelta(seconds=number)


def status(name: str, at: float, leg: str = "caller", where: str = "CON-1", **more: Any) -> Body:
    """A call status; the caller's leg is inbound."""
    parties: Body = {"direction": "inbound", "from": CALLER, "to": DIALLED}
    if leg != "caller":
        parties = {"direction": "outbound", "from": DIALLED, "to": "Alice"}
    return parties | {"status": name, "uuid": leg, "conversation_uuid": where, "timestamp": iso(seconds(at))} | more


def transfer(leg: str, left: str, joined: str, at: float) -> Body:
    """A leg went to another conversation."""
    parts = {"conversation_uuid_from": left, "conversation_uuid_to": joined, "timestamp": iso(seconds(at))}
    return {"type": "transfer", "uuid": leg, **parts}


def answered(site: Site, at: float, ncco: list[Any], step: str = "ask") -> None:
    """The NCCO served to the caller."""
    ask = {"uuid": "caller", "conversation_uuid": "CON-1", "from": CALLER, "to": DIALLED}
    served = {"id": "a" * 16, "flow": "menu", "step": step, "took_ms": 1.5, "ncco": ncco}
    site.record_webhooks(webhooks_of(kept_answer(ask, served), seconds(at)))


def transferred(site: Site) -> Site:
    """A call over two conversations: answered by a menu, handed to Alice, put on hold, and ended."""
    answered(site, 0.5, [{"action": "talk", "text": f"Call {AGENT} {SCRIPT}"}, {"action": "input", "dtmf": {}}])
    keyed = {"conversation_uuid": "CON-1", "uuid": "caller", "dtmf": {"digits": "2"}, "timestamp": iso(seconds(3))}
    keyed["speech"] = {"error": "Speech was not enabled"}
    for body, at in [
        (status("ringing", 0), 0.1),
        (status("answered", 1), 1.1),
        ({"conversation_uuid": "CON-1", "reason": f"Syntax {SCRIPT}", "timestamp": iso(seconds(1))}, 1.3),
        (keyed, 3.1),
        (status("ringing", 4, "agent"), 4.1),
        (status("answered", 6, "agent"), 6.1),
        (transfer("caller", "CON-1", "CON-2", 10), 10.1),
        (transfer("caller", "CON-2", "CON-1", 15), 15.1),
        ({"conversation_uuid": "CON-2", "recording_uuid": "REC", "recording_url": "https://r.example/1"}, 16),
        (status("completed", 20, "agent", price="0.002", duration="14"), 20.1),
        (status("completed", 20, price="0.001", duration="19"), 20.2),
    ]:
        site.record(body, received=seconds(at))
    return site


def page_of(browser: FlaskClient, path: str) -> str:
    """The text of a page that has to be there."""
    response = browser.get(path, headers=BROWSER)
    assert response.status_code == 200, response.text
    return response.text


def words(text: str) -> str:
    """The text of a page between its elements, blanks as one."""
    return re.sub(r"\s+", " ", " ".join(Page(text).text))


# -- what is on it ----------------------------------------------------------------------------------------------------


def test_a_call_is_one_page_over_all_of_its_conversations(site: Site) -> None:
    text = page_of(logged_in(transferred(site), OPERATOR), "/calls/caller")
    shown = words(text)
    for expected in (CALLER, "Alice", "CON-1", "CON-2", "answered", "menu", "served in 1.5 ms", "goes to another"):
        assert expected in shown, expected
    assert '<span class="timer" title="9.0 s">0:09</span>' in text, "talk"
    assert 'title="0.003 EUR"' in text
    assert text.count("<audio") == 0, "there is no key to fetch a recording with"
    assert "set VONAGE_APPLICATION_ID" in shown


def test_both_clocks_and_the_lag_of_every_event_and_its_body_folded_away(site: Site) -> None:
    browser = logged_in(transferred(site), OPERATOR)
    text = page_of(browser, "/calls/caller")
    events = site.read("/api/v1/calls/caller/events", token=OPERATOR)["items"]
    part = text[text.index('<section id="events">') :]
    assert part.count("<details") == len(events)
    assert "<details open" not in part
    for event in events:
        assert not event["occurred_at"] or f'datetime="{event["occurred_at"]}"' in part
        assert f'datetime="{event["received_at"]}"' in part
    assert "200 ms" in part


def test_what_was_served_is_shown_action_by_action_with_the_error_it_caused(site: Site) -> None:
    text = page_of(logged_in(transferred(site), OPERATOR), "/calls/caller")
    way = text[text.index('<section id="way">') : text.index('<section id="recordings">')]
    (answer,) = re.findall(r"<li><time[^>]*>[^<]*</time>\s*<div><strong>.*?</ol></div>", way, re.DOTALL)
    assert re.findall(r'<code class="action">(\w+)</code>', answer) == ["talk", "input"]
    assert "Syntax &lt;script&gt;" in answer, "beside the answer that caused it"
    assert "<kbd>2</kbd>" in way
    assert "Speech was not enabled" not in way, "that is no error of a menu by keys"


def test_the_ladder_has_a_lane_for_each_leg_and_a_table_that_says_the_same(site: Site) -> None:
    text = page_of(logged_in(transferred(site), OPERATOR), "/calls/caller")
    part = text[text.index('<section id="ladder">') : text.index('<section id="way">')]
    drawing = part[part.index("<svg") : part.index("</svg>")]
    assert drawing.count('class="ladder-head"') == 2
    bars = re.findall(r'<rect class="ladder-(\w+)"', drawing)
    assert bars == ["ringing", "wait", "talk", "hold", "talk", "ringing", "talk", "wait", "talk"]
    assert drawing.count('class="ladder-mark move"') == 2
    table = part[part.index("<tbody") :]
    assert re.findall(r"<code>(CON-\d)</code>", table) == ["CON-2", "CON-1"]
    assert re.findall(r'data-state="(\w+)"', table) == [
        *("answered", "ringing", "wait", "talk", "hold", "talk"),
        *("answered", "ringing", "talk", "wait", "talk"),
    ]


def test_the_time_that_a_caller_was_with_the_call_flow_alone_is_not_talk(site: Site) -> None:
    site.record(status("answered", 1), received=seconds(1))
    site.record(status("completed", 10), received=seconds(10))
    text = page_of(logged_in(site), "/calls/caller")
    tiles = dict(re.findall(r'<div class="tile[^"]*"><dt>([^<]*)</dt> <dd>(.*?)</dd>', text))
    assert "0:09" in tiles["with the call flow"]
    assert "talk" not in tiles
    assert '<div class="tile good">' not in text, "the colour of talk"


def test_in_a_conference_the_one_leg_of_a_call_talks(site: Site) -> None:
    for name in ("a", "b"):
        site.record(
            status("answered", 0, f"leg-{name}", f"CON-{name}"),
            transfer(f"leg-{name}", f"CON-{name}", "ROOM", 1),
            status("completed", 9, f"leg-{name}", "ROOM"),
        )
    text = page_of(logged_in(site), "/calls/leg-a")
    assert '<div class="tile good"><dt>talk</dt>' in text
    assert "with the call flow</dt>" not in text


def test_only_a_leg_that_was_answered_hung_up_or_was_hung_up_on(site: Site) -> None:
    ended = {"network": "23433", "duration": "14"}
    for body, at in [
        (status("answered", 1), 1),
        (status("answered", 2, "agent"), 2),
        (status("ringing", 2, "other"), 2),
        (status("unanswered", 3, "other"), 3),
        (status("completed", 3, "other", disconnected_by="user", duration="0"), 3),
        (status("completed", 9, disconnected_by="user", **ended), 9),
        (status("completed", 9, "agent", disconnected_by="platform"), 9),
    ]:
        site.record(body, received=seconds(at))
    browser = logged_in(site)
    text = page_of(browser, "/calls/caller")
    caller, agent, other = map(words, re.findall(r"<tbody>.*?</tbody>", text, re.DOTALL)[:3])
    assert "hung up · network 23433" in caller
    assert "was hung up on" in agent
    assert "hung up" not in other
    assert "réseau 23433" in words(browser.get("/calls/caller", headers=BROWSER | {"Accept-Language": "fr"}).text)


def test_events_and_marks_are_in_the_language_of_the_page(site: Site) -> None:
    browser = logged_in(transferred(site), OPERATOR)
    french = browser.get("/calls/caller", headers=BROWSER | {"Accept-Language": "fr"}).text
    ladder, way = french.index('<section id="ladder">'), french.index('<section id="way">')
    for expected in ("touches 2", "erreur : Syntax", "enregistrement"):
        assert expected in words(french[ladder:way]).replace(": ", " : ").replace("  ", " "), expected
    kinds = re.findall(r'<span class="badge(?: bad)?">([^<]+)</span>', french[french.index('<section id="events">') :])
    assert set(kinds) == {"réponse", "erreur", "saisie", "transféré", "enregistrement"}
    assert "sans horodatage" in french


def test_a_live_call_names_the_conversations_to_follow_and_an_ended_one_none(site: Site) -> None:
    browser = logged_in(site)
    site.record(status("ringing", 0), received=seconds(0))

    def followed() -> str | None:
        page = Page(page_of(browser, "/calls/caller"))
        return next(attributes["data-follow"] for _, attributes in page.elements if "data-follow" in attributes)

    assert followed() == '["CON-1"]'
    site.record(transfer("caller", "CON-1", "CON-2", 1), received=seconds(1))
    assert followed() == '["CON-2", "CON-1"]'
    site.record(status("completed", 2, where="CON-2"), received=seconds(2))
    assert followed() == "[]"


def test_calls_that_share_a_conference_link_each_other(site: Site) -> None:
    for name in ("a", "b"):
        site.record(
            status("answered", 0, f"leg-{name}", f"CON-{name}"), transfer(f"leg-{name}", f"CON-{name}", "ROOM", 1)
        )
    page = Page(page_of(logged_in(site), "/calls/leg-a"))
    assert "/calls/leg-b" in page.values("a", "href")
    assert "conference" in " ".join(page.text)


# -- its address ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", ["", "/ladder.svg"])
@pytest.mark.parametrize("other", ["agent", "CON-1", "CON-2", "REC"])
def test_any_other_id_redirects_to_the_call(site: Site, other: str, rest: str) -> None:
    response = logged_in(transferred(site)).get(f"/calls/{other}{rest}")
    assert (response.status_code, response.headers["Location"]) == (302, f"/calls/caller{rest}")


@pytest.mark.parametrize("id_", ["a/b", "100%", "=1+1", "../x", "é ?#", SCRIPT])
def test_ids_are_opaque(site: Site, id_: str) -> None:
    site.record(status("ringing", 0, id_, f"CON {id_}"))
    browser = logged_in(site)
    text = page_of(browser, f"/calls/{quoted(id_)}")
    assert "<script>alert" not in text
    assert page_of(browser, f"/calls/{quoted(id_)}/ladder.svg")


@pytest.mark.parametrize(("language", "title"), [("en", "Unknown call"), ("fr", "Appel inconnu")])
def test_an_unknown_call_is_a_page_in_words(site: Site, language: str, title: str) -> None:
    response = logged_in(site).get("/calls/nothing", headers=BROWSER | {"Accept-Language": language})
    assert response.status_code == 404
    assert title in words(response.text)


@pytest.mark.parametrize("path", ["/calls/caller", "/calls/caller/ladder.svg"])
def test_it_needs_a_login(site: Site, path: str) -> None:
    response = transferred(site).browser().get(path, headers=BROWSER)
    assert response.status_code == 401
    assert CALLER not in response.text


# -- what strangers sent ----------------------------------------------------------------------------------------------


def hostile(site: Site) -> Site:
    """Scripts wherever a stranger, or a flow, can put text."""
    who = {"from": f"{SCRIPT}a", "to": f"{SCRIPT}b"}
    answered(site, 0.5, [{"action": SCRIPT, SCRIPT: [SCRIPT]}, SCRIPT], step=SCRIPT)
    for body in [
        status("ringing", 0, **who, headers={f"SipHeader_X-{SCRIPT}": SCRIPT}),
        status(SCRIPT, 1, **who),
        status("ringing", 1, "agent", to=SCRIPT),
        {"conversation_uuid": "CON-1", "uuid": "caller", "dtmf": {"digits": SCRIPT}, "timestamp": iso(seconds(2))},
        {
            "conversation_uuid": "CON-1",
            "uuid": "caller",
            "speech": {"results": [{"text": SCRIPT, "confidence": "0.9"}]},
            "timestamp": iso(seconds(3)),
        },
        {"conversation_uuid": "CON-1", "reason": SCRIPT, "timestamp": iso(seconds(3))},
        {"conversation_uuid": "CON-1", "recording_uuid": SCRIPT, "recording_url": f"javascript:{SCRIPT}"},
        transfer("caller", "CON-1", f"CON{SCRIPT}", 4),
        {"conversation_uuid": "CON-1", "type": SCRIPT, "note": "\x00\x1b[31m"},
    ]:
        site.record(body, received=seconds(5))
    return site


@pytest.mark.parametrize("token", [VIEWER, OPERATOR])
def test_what_strangers_sent_is_text(open_site: OpenSite, token: str) -> None:
    site = hostile(open_site(recordings_role="viewer", application_id="a" * 8, private_key="k"))
    text = page_of(logged_in(site, token), "/calls/caller")
    page = Page(text)
    assert text.count("&lt;script&gt;alert(1)") > 20, "it is there, as text"
    scripts = [attributes for name, attributes in page.elements if name == "script"]
    assert all((attributes.get("src") or "").startswith("/static/") for attributes in scripts)
    assert not [name for name, _ in page.elements if name in ("style", "object", "iframe")]
    for name, attributes in page.elements:
        assert not any(attribute.startswith("on") or attribute == "style" for attribute in attributes), name
        assert name != "img" or (attributes["src"] or "").startswith("/static/")
        for address in (attributes.get("href"), attributes.get("src")):
            assert address is None or address.startswith(("/", "#", "?")), address


def test_the_drawing_is_well_formed_whatever_strangers_sent(site: Site) -> None:
    response = logged_in(hostile(site), OPERATOR).get("/calls/caller/ladder.svg")
    assert response.content_type == "image/svg+xml; charset=utf-8"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    root = ET.fromstring(response.data)  # noqa: S314 - of this server
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        *("svg", "rect", "line", "text", "title", "circle", "path")
    }
    assert not any(name.startswith("on") or name == "style" for element in root.iter() for name in element.attrib)
    assert any(SCRIPT in (element.text or "") for element in root.iter(f"{SVG}title"))


# -- for whom ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/calls/caller", "/calls/caller/ladder.svg"])
def test_viewers_see_masked_numbers_everywhere(site: Site, path: str) -> None:
    transferred(site)
    whole, masked = page_of(logged_in(site, OPERATOR), path), page_of(logged_in(site), path)
    assert CALLER in whole
    for number in (CALLER, DIALLED, AGENT):
        assert number not in masked
    assert CALLER[-4:] in masked


def test_an_operator_who_is_shown_whole_numbers_is_noted_and_a_viewer_is_not(site: Site) -> None:
    transferred(site)
    page_of(logged_in(site), "/calls/caller")
    page_of(logged_in(site, OPERATOR), "/calls/caller")
    entries = site.read("/api/v1/audit", token=OPERATOR)["items"]
    assert [(entry["route"], entry["calls"]) for entry in entries] == [("GET /calls/<id:call_id>", ["caller"])]


def test_only_operators_are_offered_the_replay(site: Site) -> None:
    transferred(site)
    offered = {token: page_of(logged_in(site, token), "/calls/caller") for token in (VIEWER, OPERATOR)}
    assert "/api/v1/calls/caller/curl.txt" in offered[OPERATOR]
    assert "curl.txt" not in offered[VIEWER]
    for text in offered.values():
        links = Page(text).values("a", "href")
        assert {"/api/v1/calls/caller", "/calls/caller/ladder.svg", "/api/v1/calls/caller/ladder.txt"} <= set(links)
        assert "/api/v1/calls/caller/scenario.yaml" in links


@pytest.mark.parametrize(("token", "said"), [(VIEWER, "Recordings are for operators."), (OPERATOR, None)])
def test_recordings_are_played_for_who_may(open_site: OpenSite, token: str, said: str | None) -> None:
    site = transferred(open_site(application_id="a" * 8, private_key="k"))
    text = page_of(logged_in(site, token), "/calls/caller")
    sources = Page(text).values("audio", "src")
    assert sources == ([] if said else ["/api/v1/recordings/REC?conversation_uuid=CON-2"])
    assert said is None or said in text


def test_names_of_numbers_are_beside_them(site: Site) -> None:
    transferred(site)
    named = site.send("PUT", f"/api/v1/names/{CALLER}", token=OPERATOR, json={"name": "Zoë <b>"})
    assert named.status_code in (200, 201, 204), named.text
    assert '<bdi class="name">Zoë &lt;b&gt;</bdi>' in page_of(logged_in(site), "/calls/caller")


def test_who_was_diverted_and_who_got_the_voicemail_is_said(site: Site) -> None:
    ask = {"uuid": "caller", "conversation_uuid": "CON-1", "from": CALLER, "to": DIALLED}
    served = {"id": "b" * 16, "flow": "menu", "ncco": [{"action": "talk", "text": "Busy."}]}
    users = {"diverted": ["Alice", SCRIPT], "unclaimed": ["Bob"]}
    site.record_webhooks(webhooks_of(kept_answer(ask, served | users), BASE))
    times = {"timestamp": iso(seconds(9)), "conversation_uuid": "CON-1"}
    body = {"recording_uuid": "REC", "recording_url": "https://r.example/1", **times}
    event = replace(cast("Recording", read_event(body)), voicemail=Voicemail("Alice", CALLER))
    assert site.store.record(event, kept_voicemail(write_json(body), Voicemail("Alice", CALLER)), seconds(9))
    text = page_of(logged_in(site), "/calls/caller")
    assert f"diverted, as no other call is taken by: Alice, {escape(SCRIPT)}" in text
    assert "put through, as Redis did not say in time who takes another call: Bob" in text
    assert "voicemail of Alice" in text
