"""What users are sent of their sessions: appended once, however many look at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.api.operation_events import session_events
from app.calls.session_events import SessionEvents
from app.services import services
from tests.api.site import OPERATOR, TOKENS, Site, is_problem
from tests.api.test_sessions import ALICE, CALLER, DIALLED, OWN, answers, hangs_up, rings, status


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """A site whose callers are connected with Alice."""
    return open_site(access_tokens=(*TOKENS, ("user/Alice", ALICE)), caller_number=DIALLED)


def events_of(site: Site) -> SessionEvents:
    return session_events(services(site.app))


def sent(site: Site, name: str = "Alice") -> list[Any]:
    return [event.data for event in site.store.user_events(name, "0-0", 100) or ()]


def of_calls(site: Site) -> list[Any]:
    return [event for event in sent(site) if "userState" not in event and event["event"] != "call_updated"]


def test_a_call_is_sent_as_it_goes_and_once_by_whoever_looks(site: Site) -> None:
    looks = events_of(site)

    def everybody_looks() -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(looks.catch_up, ["Alice"] * 4))

    rings(site, "leg-1")
    everybody_looks()
    assert [event["event"] for event in of_calls(site)] == ["call_created", "call_incoming"]
    answers(site, "leg-1")
    everybody_looks()
    hangs_up(site, "leg-1")
    hangs_up(site, "alice-leg-1")
    everybody_looks()
    found = of_calls(site)
    names = ["call_created", "call_incoming", "session_started", "call_answered", "call_ended"]
    assert [event["event"] for event in found] == names
    assert {(event["user"], event["session"]["id"], event["session"]["number"]) for event in found} == {
        ("Alice", "leg-1", CALLER)
    }
    assert [event["session"]["answered"] for event in found] == [False, False, True, True, True]
    assert (found[-1]["answered"], found[-1]["cause"], found[-1]["session"]["state"]) == (True, "completed", "ended")


def test_what_a_user_says_of_a_session_is_an_update(site: Site) -> None:
    rings(site, "leg-2")
    events_of(site).catch_up("Alice")
    assert site.send("PATCH", f"{OWN}/sessions/leg-2", token=OPERATOR, json={"ignored": True}).status_code == 200
    assert (sent(site)[-1]["event"], sent(site)[-1]["session"]["ignored"]) == ("call_updated", True)
    assert events_of(site).catch_up("Alice").events == 0


def test_a_screen_that_was_shared_while_nobody_followed(site: Site) -> None:
    """Each report is an event, for no log has it; it ends with the session."""
    rings(site, "leg-3")
    answers(site, "leg-3")
    for shares in (True, True, False, True):
        reply: Any = site.send("PATCH", f"{OWN}/sessions/leg-3", token=ALICE, json={"screensharing": shares})
        assert (reply.status_code, reply.json["screensharing"]) == (200, shares)
    for wrong in (None, "yes", 1):
        reply = site.send("PATCH", f"{OWN}/sessions/leg-3", token=ALICE, json={"screensharing": wrong})
        assert is_problem(reply, 422)
    hangs_up(site, "alice-leg-3")
    events_of(site).catch_up("Alice")
    found = [event for event in of_calls(site) if event["event"].startswith(("screen_", "call_ended"))]
    assert [(event["event"], event["session"]["screensharing"]) for event in found] == [
        *(("screen_share_started", True), ("screen_share_ended", False), ("screen_share_started", True)),
        *(("screen_share_ended", False), ("call_ended", False)),
    ]


def test_what_is_changed_back_while_nobody_follows_was_changed_twice(site: Site) -> None:
    """Registration, permissions, and which session is the current one."""
    rings(site, "leg-4")
    events_of(site).catch_up("Alice")
    for registered in (True, True, False):
        reply = site.send("PUT", f"{OWN}/registration", token=ALICE, json={"registered": registered})
        assert reply.status_code == 200
    for permissions in (2, 0):
        reply = site.send("PATCH", OWN, token=OPERATOR, json={"record_permissions": permissions})
        assert reply.status_code == 200
    reply = site.send("PUT", f"{OWN}/current-session", token=ALICE, json={"currentSessionID": "leg-4"})
    assert reply.status_code == 200
    hangs_up(site, "leg-4")
    events_of(site).catch_up("Alice")
    found = [(event["event"], (event["session"] or {}).get("id")) for event in sent(site) if "userState" in event]
    assert found == [
        *[("registration_changed", None)] * 2,
        *[("record_permissions_changed", None)] * 2,
        *(("current_session_changed", "leg-4"), ("current_session_changed", None)),
    ]


def test_calls_of_long_ago_are_no_news(site: Site) -> None:
    for name, ago in (("answered", 9000), ("completed", 8000)):
        site.post(status(name, "alice-old", ago))
    assert events_of(site).catch_up("Alice").events == 0
    assert sent(site) == []
