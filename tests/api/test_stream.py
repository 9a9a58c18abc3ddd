"""The stream over HTTP: who may follow it, what it takes, how it resumes, what a viewer sees."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from app.live import stream as streams
from app.services import services
from app.store import timeouts
from tests.api.site import LIST, OPERATOR, SAMPLE, VIEWER, Site, is_problem, log_out, status
from tests.engines import wait_until
from tests.generated import several
from tests.sse import Event, Parser

STREAM = "/api/v1/stream"


class Following:
    """A response that is read piece by piece."""

    def __init__(self, response: Any) -> None:
        assert response.status_code == 200, response.text
        self.response, self.parser = response, Parser()
        self.changes: list[Event] = []
        self.all: list[Event] = []
        self._pieces = response.iter_encoded()

    def until(self, true: Callable[[], Any]) -> None:
        """Read on until *true()* is true, or the stream ends."""
        while not true():
            piece = next(self._pieces, None)
            if piece is None:
                return
            events = list(self.parser.feed(piece))
            self.all += events
            self.changes += [event for event in events if event.type != "stats"]

    def take(self, count: int) -> list[Event]:
        """The first *count* changes."""
        self.until(lambda: len(self.changes) >= count)
        assert len(self.changes) >= count
        return self.changes[:count]


@pytest.fixture
def follow(site: Site) -> Iterator[Callable[..., Following]]:
    """Opens streams, which have begun; all are closed in the end."""
    opened: list[Following] = []

    def follow_one(token: str | None = VIEWER, headers: Any = None, **query: Any) -> Following:
        response = site.send("GET", STREAM, token=token, headers=headers or {}, query_string=query)
        opened.append(Following(response))
        opened[-1].until(lambda: opened[-1].parser.last_id)
        return opened[-1]

    yield follow_one
    for each in opened:
        each.response.close()
    live = services(site.app).live
    wait_until(lambda: live.listeners == 0 and live._at is None, "it rests: the next test empties the store")


Follow = Callable[..., Following]


def test_it_says_what_happens_in_the_shapes_of_the_api(site: Site, follow: Follow) -> None:
    reading = follow(token=OPERATOR)
    for line in SAMPLE.read_bytes().splitlines():
        site.post(line)
    events = reading.take(7)
    last = events[-1].data
    whole = site.conversation(last["conversation_uuid"], token=OPERATOR)
    lists = ("legs", "answers", "inputs", "recordings", "errors")
    assert last["conversation"] == {name: whole[name] for name in whole if name not in lists} | {"deleted": False}
    shown = {event.data["leg"]["uuid"]: event.data["leg"] for event in events}
    assert list(shown.values()) == [leg for uuid in shown for leg in whole["legs"] if leg["uuid"] == uuid]
    assert [event.data["index"] for event in events] == list(range(7))


@pytest.mark.parametrize("seed", [1, 2])
def test_what_it_says_last_is_what_the_api_reads(site: Site, follow: Follow, seed: int) -> None:
    reading = follow(token=OPERATOR)
    webhooks = [each for call in several(Random(seed), 30) for each in call if each.event.conversations]
    site.record_webhooks(Random(seed).sample(webhooks * 2, 2 * len(webhooks)))
    site.record(status("ringing", "CON-end"))
    reading.until(lambda: reading.changes and reading.changes[-1].data["conversation_uuid"] == "CON-end")
    last = {event.data["conversation_uuid"]: event.data["conversation"] for event in reading.changes}
    assert set(last) == {name for webhook in webhooks for name in webhook.event.conversations} | {"CON-end"}
    for name, summary in last.items():
        read = site.conversation(name, token=OPERATOR)
        assert summary == {key: read[key] for key in summary if key != "deleted"} | {"deleted": False}


def test_it_resumes_by_header_and_by_argument_and_the_header_wins(site: Site, follow: Follow) -> None:
    reading = follow()
    first = reading.parser.last_id
    site.record(status("ringing", "CON-1"), status("answered", "CON-1"), status("completed", "CON-1"))
    events = reading.take(3)
    for headers, query, missed in (
        ({"Last-Event-ID": events[0].id}, {}, [1, 2]),
        ({}, {"since": events[0].id}, [1, 2]),
        ({"Last-Event-ID": events[1].id}, {"since": first}, [2]),
        ({}, {"since": first}, [0, 1, 2]),
    ):
        again = follow(headers=headers, **query)
        assert [event.data["index"] for event in again.take(len(missed))] == missed
        assert [event.data for event in again.changes] == [event.data for event in events[-len(missed) :]]


def test_a_bad_last_event_id_is_a_gap(site: Site, follow: Follow) -> None:
    """A browser cannot do anything about it: it would send the same again and again."""
    site.record(status("ringing", "CON-1"))
    reading = follow(headers={"Last-Event-ID": "nonsense"})
    site.record(status("answered", "CON-1"))
    gap, change = reading.take(2)
    assert gap.type == "gap"
    assert gap.id
    assert change.data["index"] == 1


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"since": "nonsense"}, "since"),
        ({"number": "12"}, "number"),
        ({"kind": "leg,legs"}, "kind"),
        ({"kind": ","}, "kind"),
        ({"conversation": ","}, "conversation"),
        ({"conversation": ",".join(f"CON-{number}" for number in range(51))}, "conversation"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_argument_is_named(site: Site, query: dict[str, str], named: str) -> None:
    problem = is_problem(site.get(STREAM, **query), 422)
    assert list(problem["errors"]) == [named]
    assert named in problem["detail"]


def test_empty_arguments_count_as_none(site: Site, follow: Follow) -> None:
    reading = follow(since="", conversation="", number="", user="", kind="")
    site.record(status("ringing", "CON-1"))
    assert reading.take(1)


def test_filters_are_joined_by_and(site: Site, follow: Follow) -> None:
    reading = follow(conversation="CON-1", number="+44 7700 900123", user="Alice", kind="leg, input")
    about = {"from_": "447700900123", "to": "Alice"}
    site.record(status("ringing", "CON-2", **about), status("ringing", "CON-1", **about))
    assert [event.data["conversation_uuid"] for event in reading.take(1)] == ["CON-1"]
    assert "stats" not in {event.type for event in reading.all}


def test_one_stream_follows_several_conversations(site: Site, follow: Follow) -> None:
    """As the page of a call does, whose legs were in several."""
    reading = follow(conversation=",".join(f"CON-{number}" for number in range(50)))
    site.record(*(status("ringing", f"CON-{number}") for number in (0, 50, 49, 51, 1)))
    found = {event.data["conversation_uuid"] for event in reading.take(3)}
    assert found == {"CON-0", "CON-49", "CON-1"}


@pytest.mark.parametrize(("token", "found"), [(OPERATOR, True), (VIEWER, False)])
def test_viewers_find_numbers_whole_or_by_their_last_four_digits(
    site: Site, follow: Follow, token: str, found: bool
) -> None:
    """As in the list: by trying, they could find out three digits more than they are shown."""
    seven, four, whole = (follow(token=token, number="447700900123"[-count:]) for count in (7, 4, 12))
    site.record(status("ringing", "CON-1", from_="447700900123"))
    for reading in (four, whole):
        assert reading.take(1)
    site.record(status("ringing", "CON-2", from_="0900123"))
    names = [event.data["conversation_uuid"] for event in seven.take(2 if found else 1)]
    assert names == (["CON-1", "CON-2"] if found else ["CON-2"])


def test_viewers_see_masked_numbers_and_operators_whole_ones(site: Site, follow: Follow) -> None:
    viewer, operator = follow(), follow(token=OPERATOR)
    speech = {"speech": {"results": [{"text": "my number is 447700900123"}]}, "uuid": "leg-of-CON-1"}
    site.record(status("ringing", "CON-1", from_="447700900123"), {"conversation_uuid": "CON-1"} | speech)
    assert "447700900123" not in json.dumps([event.data for event in viewer.take(2)])
    assert json.dumps([event.data for event in operator.take(2)]).count("447700900123") == 3


def test_legs_have_the_names_of_their_numbers(site: Site, follow: Follow) -> None:
    """As in the API: a viewer sees the name and the masked number, and no number that a name holds."""
    for number, name in (("447700900123", "Ada"), ("442079460000", "Sales 442079460000")):
        site.send("PUT", f"/api/v1/names/{number}", token=OPERATOR, json={"name": name})
    viewer, operator = follow(), follow(token=OPERATOR)
    site.record(status("ringing", "CON-1", from_="447700900123", to="442079460000"))
    for reading, token in ((viewer, VIEWER), (operator, OPERATOR)):
        leg = reading.take(1)[0].data["leg"]
        assert leg == site.conversation("CON-1", token=token)["legs"][0]
        assert leg["from_name"] == "Ada"
    assert viewer.changes[0].data["leg"]["to_name"] == "Sales ********0000"
    assert operator.changes[0].data["leg"]["to_name"] == "Sales 442079460000"


def test_it_has_the_headers_of_a_stream(site: Site, follow: Follow) -> None:
    headers = follow().response.headers
    assert headers["Content-Type"].startswith("text/event-stream")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Accel-Buffering"] == "no"
    head = site.send("HEAD", STREAM)
    assert (head.status_code, head.data) == (200, b"")
    assert head.content_type == headers["Content-Type"]
    is_problem(site.get(STREAM, token=None), 401)
    assert site.send("HEAD", STREAM, query_string={"since": "nonsense"}).status_code == 422
    assert site.send("POST", STREAM).status_code == 405


def test_beyond_so_many_streams_a_worker_refuses(site: Site, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    follow()
    monkeypatch.setattr("app.live.follower.MOST_LISTENERS", 1)
    response = site.get(STREAM)
    is_problem(response, 503)
    assert int(response.headers["Retry-After"]) > 0


def test_a_browser_follows_with_its_session_until_it_logs_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.1)
    browser = site.browser()
    assert browser.get(STREAM).status_code == 401
    assert browser.post("/login", data={"token": VIEWER}).status_code == 302
    reading = Following(browser.get(STREAM))
    reading.until(lambda: reading.parser.last_id)
    site.record(status("ringing", "CON-1"))
    reading.take(1)
    log_out(browser)
    reading.until(lambda: False)  # returns at its end
    reading.response.close()
    assert services(site.app).live.listeners == 0


def test_its_reads_do_not_stop_at_the_time_limit_of_requests(
    site: Site, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "REQUEST_SECONDS", 0.0)
    reading = follow()
    site.record(status("ringing", "CON-1"))
    left_at = reading.take(1)[0].id
    for number in range(3):
        site.record(status("ringing", f"CON-new-{number}"))
    assert len(follow(headers={"Last-Event-ID": left_at}).take(3)) == 3


def test_its_line_in_the_log_has_no_number(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    response = site.get(STREAM, number="447700900123")
    response.close()
    assert "447700900123" not in capsys.readouterr().out


def test_a_deletion_is_streamed_and_lists_agree(site: Site, follow: Follow) -> None:
    reading = follow()
    site.record(status("ringing", "CON-1"))
    reading.take(1)
    assert site.send("DELETE", f"{LIST}/CON-1", token=OPERATOR).status_code == 204
    assert reading.take(2)[1].data["conversation"] == {"conversation_uuid": "CON-1", "deleted": True}
    assert site.listed() == []
