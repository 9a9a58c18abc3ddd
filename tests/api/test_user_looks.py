"""However many streams follow a user in one worker, one look at the user is for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.calls.session_events import Look, SessionEvents
from app.live import user_looks
from app.services import services
from tests.api.site import TOKENS, Site
from tests.api.test_sessions import ALICE, BOB, DIALLED, OWN, answers, hangs_up, rings
from tests.engines import Node, wait_until
from tests.sse import Reading

STREAMS = 8
LOOKS: list[str] = []


@pytest.fixture
def site(open_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site that notes each look, and looks at nobody without a reason."""
    LOOKS.clear()
    catch_up = SessionEvents.catch_up

    def noted(events: SessionEvents, name: str) -> Look:
        LOOKS.append(name)
        return catch_up(events, name)

    monkeypatch.setattr(SessionEvents, "catch_up", noted)
    monkeypatch.setattr(user_looks, "LOOK_SECONDS", 600.0)
    monkeypatch.setattr(user_looks, "REST_SECONDS", 600.0)
    return open_site(access_tokens=(*TOKENS, ("user/Alice", ALICE), ("user/Bob", BOB)), caller_number=DIALLED)


def follow(site: Site, path: str = OWN, token: str = ALICE) -> Reading:
    response: Any = site.send("GET", f"{path}/stream", token=token)
    assert response.status_code == 200
    return Reading(response.iter_encoded(), response.close).begun()


def have(readings: list[Reading], name: str) -> None:
    wait_until(lambda: all(any(event.type == name for event in each.events) for each in readings), f"all have {name}")


def test_the_streams_of_a_user_share_each_look(site: Site) -> None:
    readings = [follow(site) for _ in range(STREAMS)]
    bob = follow(site, OWN.replace("Alice", "Bob"), BOB)
    looks = len(LOOKS)
    rings(site, "leg-1")
    have(readings, "call_incoming")
    answers(site, "leg-1")
    have(readings, "call_answered")
    hangs_up(site, "alice-leg-1")
    have(readings, "call_ended")
    webhooks = 6  # with the record of the answer: there may be a look after each
    assert LOOKS[looks:].count("Alice") <= webhooks
    assert "Bob" not in LOOKS[looks:], "no call of his"
    assert all(
        [(e.id, e.type) for e in each.events] == [(e.id, e.type) for e in readings[0].events] for each in readings
    )
    assert [event.type for event in bob.events] == ["sessions"]


def test_whoever_begins_or_is_the_last_to_leave_is_no_matter_for_the_others(site: Site) -> None:
    first, second = follow(site), follow(site)
    looks = services(site.app).user_looks
    with looks._lock:
        (lookout,) = looks._lookouts.values()
    assert lookout.streams == 2
    services(site.app).live.end()
    for each in (first, second):
        each.wait_for_end()
    wait_until(lambda: lookout.ended, "nobody looks any more")
    assert looks._lookouts == {}
    assert first.parser.retry == second.parser.retry or first.parser.retry > 0, "they come again, not all at once"


def test_a_look_that_fails_is_made_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if it is a fault of ours: nobody's stream ends of it."""
    monkeypatch.setattr(user_looks, "REST_SECONDS", 0.05)
    reading = follow(site)
    catch_up, failed = SessionEvents.catch_up, list[str]()

    def failing(events: SessionEvents, name: str) -> Look:
        if len(failed) < 3:
            failed.append(name)
            raise ValueError("a call that nobody thought of")
        return catch_up(events, name)

    monkeypatch.setattr(SessionEvents, "catch_up", failing)
    rings(site, "leg-2")
    have([reading], "call_incoming")
    assert len(failed) == 3


@pytest.mark.short_timeouts
@pytest.mark.parametrize("how", ["frozen", "killed"])
def test_streams_go_on_once_redis_is_back(
    open_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Also if the events are gone with it: then it begins anew."""
    monkeypatch.setattr(user_looks, "TRY_AGAIN_SECONDS", 0.1)
    node = Node()
    try:
        node.start()
        node.ready()
        site = open_site(node.url, access_tokens=(*TOKENS, ("user/Alice", ALICE)), caller_number=DIALLED)
        services(site.app).drain.start()  # what Redis does not take while it comes back waits in the spool
        rings(site, "leg-3")
        readings = [follow(site) for _ in range(2)]
        if how == "frozen":
            node.freeze()
        else:
            node.kill()
        (lookout,) = services(site.app).user_looks._lookouts.values()
        wait_until(lambda: lookout._listener is None, "it is noticed")
        if how == "frozen":
            node.thaw()
        else:
            node.start()
            node.ready()
        wait_until(lambda: site.get(OWN, token=ALICE).status_code == 200, "Redis is back")
        rings(site, "leg-4")
        wait_until(lambda: all("leg-4" in str(each.events) for each in readings), "both have it")
        for each in readings:
            types = [event.type for event in each.events]
            assert types.count("sessions") == (1 if how == "frozen" else 2)
            assert types.count("call_incoming") <= 1
        services(site.app).drain.stop()
    finally:
        node.remove()
