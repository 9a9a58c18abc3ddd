"""What pages show of transfers and conferences, in each of their states, and what they offer, to whom."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from app.domain import conferences, transfers
from app.domain.operations import Entry
from app.live.rendering import Form
from app.pages.states import LOOKS
from app.store.operations import Operations
from tests.api.site import BROWSER, OPERATOR, VIEWER, Site, status
from tests.pages.browsing import Page, logged_in
from tests.pages.test_acting import KEY, did, live
from tests.pages.test_board import Looking
from tests.pages.test_call_page import OpenSite, page_of, words

BILLING = "447700900105"
ROOM = [{"action": "conversation", "name": "room"}]
Kept = tuple[str, str, dict[str, Any]]  # kind, name and data of an entry


def decided(name: str, **data: Any) -> Kept:
    return "decision", name, data


def requested(name: str, **data: Any) -> Kept:
    return "request", name, {"by": "operator 1f3a2b", **data}


def operate(site: Site, id_: str, kind: str, order: dict[str, Any], legs: Iterable[str], *more: Kept) -> None:
    """Keep an operation as app/control does, and go on with it to where *more* leads."""
    now = datetime.now(UTC)
    entries = [Entry("created", now, "created", kind, order), Entry("begun", now, "request", "begun", {"by": "x"})]
    entries += [Entry(f"more {number}", now, *each) for number, each in enumerate(more)]  # type: ignore[arg-type]
    site.store.append(id_, entries, due_in=600)
    for leg in legs:
        site.store.occupy(leg, id_)


def transfer(site: Site, *more: Kept, **changes: Any) -> None:
    """A transfer of the caller by an agent to Billing."""
    order = transfers.Order(
        initiator="agent",
        transferred="leg",
        to={"type": "phone", "number": BILLING},
        from_={},
        home_room="room",
        consult_room="consult-x",
        music_url="https://music.example",
        ringback_url="https://ring.example",
        fallback_ncco=[],
    )
    called = ("step", "call_recipient", {"verb": "create", "leg": None, "noted": {"aim": ""}})
    result = ("result", "call_recipient", {"result": "done", "uuid": "billing"})
    whole = order._replace(**changes)._asdict()
    operate(site, "transferbcd", "transfer", whole, ["leg", "agent", "billing"], called, result, *more)


def conference(site: Site, *more: Kept) -> None:
    """A conference of an agent with the caller and another one."""
    order = conferences.Order("agent", ["leg", "other"], "adhoc-x", "https://music.example")
    operate(site, "meetingbcd", "conference", order._asdict(), ["leg", "agent", "other"], *more)


JOINED = [decided("joined", leg=leg, conversation="CON-1") for leg in ("agent", "leg", "other")]


def in_room(site: Site, *, ncco: Any = ROOM) -> Site:
    """A caller who talks to an agent in a room, and Billing, who is another call."""
    live(site)
    now = datetime.now(UTC)
    site.record(status("answered", "CON-1", "agent", direction="outbound", to="Alice"), received=now)
    site.record(status("answered", "CON-9", "billing", direction="outbound", to=BILLING), received=now)
    did(site, "create", "leg", ncco=ncco)
    return site


def other_room(site: Site, one: str = "other", two: str = "their-agent", name: str = "CON-2", ncco: Any = ROOM) -> None:
    """Another call of two in a room, or where *ncco* leads."""
    now = datetime.now(UTC)
    site.record(status("answered", name, one, direction="inbound", from_="447700900199", to="1"), received=now)
    site.record(status("answered", name, two, direction="outbound", to="Bob"), received=now)
    did(site, "create", one, conversation=name, ncco=ncco)


def row(site: Site, leg: str, token: str = OPERATOR) -> str:
    """The row of the call of a leg on the board."""
    rows = page_of(logged_in(site, token), "/").split("<tr ")
    (found,) = (text for text in rows if f'href="/calls/{leg}"' in text)
    return found.partition("</tr>")[0]


def beneath(site: Site, leg: str, token: str = OPERATOR) -> str:
    """What a row says of operations."""
    text = row(site, leg, token)
    return words(text[text.index("beneath") :].partition(">")[2])


def verbs(text: str) -> list[str]:
    """What can be done to a transfer."""
    return [
        values["data-act"] or ""
        for tag, values in Page(text).elements
        if tag == "button" and values.get("data-transfer")
    ]


def part(text: str, name: str) -> str:
    """A section of the page of a call."""
    return text[text.index(f'<section id="{name}">') :].partition("</section>")[0]


# -- a transfer, state by state ---------------------------------------------------------------------------------------

ANSWERED = (decided("ringback"), decided("answered"))


@pytest.mark.parametrize(
    ("more", "changes", "says", "offers"),
    [
        ((), {}, "Consulting 447700900105 being prepared…", ["complete", "cancel"]),
        ((decided("ringback"),), {}, "Consulting 447700900105 ringing", ["complete", "cancel"]),
        (ANSWERED, {}, "Consulting 447700900105 answered", ["complete", "cancel", "swap", "merge"]),
        ((*ANSWERED, requested("swap")), {}, "Consulting 447700900105 being swapped…", ["complete", "cancel"]),
        (
            (*ANSWERED, requested("swap"), decided("swapped")),
            {},
            "Consulting 447700900105 answered, on hold",
            ["complete", "cancel", "swap", "merge"],
        ),
        ((*ANSWERED, requested("merge")), {}, "Consulting 447700900105 being merged…", []),
        ((*ANSWERED, requested("complete")), {}, "Consulting 447700900105 being completed…", []),
        ((*ANSWERED, requested("cancel")), {}, "Consulting 447700900105 being cancelled…", []),
        ((*ANSWERED, decided("completed")), {}, "Transfer to 447700900105 completed", []),
        ((*ANSWERED, decided("cancelled")), {}, "Transfer to 447700900105 cancelled", []),
        ((*ANSWERED, decided("abandoned")), {}, "Transfer to 447700900105 abandoned: the transferred leg hung up", []),
        ((), {"flow": "blind"}, "Transfer to 447700900105 being prepared…", ["complete", "cancel"]),
        ((decided("ringback"), decided("blind_transferred")), {}, "Transfer to 447700900105 ringing", []),
        ((), {"flow": "blind", "form": "pair"}, "Transfer to 447700900105 being prepared…", ["cancel"]),
    ],
)
def test_a_transfer_is_said_in_plain_words_with_what_its_status_allows(
    open_site: OpenSite, more: tuple[Kept, ...], changes: dict[str, Any], says: str, offers: list[str]
) -> None:
    site = in_room(open_site(**KEY))
    transfer(site, *more, **changes)
    assert says in beneath(site, "leg")
    assert verbs(row(site, "leg")) == offers
    text = page_of(logged_in(site, OPERATOR), "/calls/leg")
    assert says in words(part(text, "transfer"))
    assert "Alice transfers 447700900123" in words(part(text, "transfer"))
    assert verbs(part(text, "transfer")) == offers
    masked = page_of(logged_in(site, VIEWER), "/calls/leg")
    assert says.replace(BILLING, "********0105") in words(part(masked, "transfer"))
    for shown in (masked, row(site, "leg", VIEWER), row(site, "billing", VIEWER)):
        assert BILLING not in shown
        assert verbs(shown) == []
    assert "********0105" in beneath(site, "leg", VIEWER)
    called = beneath(site, "billing")
    assert "Called for a transfer" in called
    assert verbs(row(site, "billing")) == []


def test_a_transfer_that_has_ended_is_not_shown_though_it_is_watched(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    transfer(site, *ANSWERED, decided("completed"), decided("ended"))
    assert site.store.is_open("transferbcd")
    assert "going-on" not in row(site, "leg")
    assert 'id="transfer"' not in page_of(logged_in(site, OPERATOR), "/calls/leg")


def test_the_name_of_the_recipient_and_the_words_are_those_of_the_reader(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    site.store.set_name(BILLING, "Billing <b>")
    transfer(site, *ANSWERED)
    browser = logged_in(site, OPERATOR)
    text = browser.get("/", headers=BROWSER | {"Accept-Language": "fr"}).text
    assert "<b>" not in text
    assert "Consultation de Billing <b> 447700900105 décroché" in words(text)


def test_what_moves_legs_is_left_to_the_transfer_while_it_is_open(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    did(site, "mute")
    transfer(site)
    text = page_of(logged_in(site, OPERATOR), "/calls/leg")
    offered = [
        values["data-act"] for tag, values in Page(part(text, "act")).elements if values.get("data-leg") == "leg"
    ]
    assert offered == ["unmute", "dtmf", "talk", "hangup"]
    assert 'data-act="transfer_call"' not in part(text, "act")
    acts = json.loads(Page("<tr " + row(site, "leg") + "</tr>").values("tr", "data-acts")[0])
    assert (acts["hold"], acts["asks"]) == (None, [])


# -- a conference -----------------------------------------------------------------------------------------------------


def members(site: Site, token: str = OPERATOR) -> list[tuple[str, list[str]]]:
    """The members on the page of a call: what is said of each, and what is offered."""
    text = part(page_of(logged_in(site, token), "/calls/leg"), "conference")
    found = []
    for item in text.split("<li ")[1:]:
        acts = [values["data-act"] or "" for _, values in Page("<li " + item).elements if "data-act" in values]
        found.append((words("<li " + item.partition('<div class="verbs">')[0]).strip(), acts))
    return found


def test_a_conference_shows_its_members_with_their_states_and_what_each_can_be_made_do(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    other_room(site)
    conference(site)
    all_of_them = ("All of them", ["add", "end"])
    assert members(site) == [
        ("Alice host joining…", []),
        ("447700900123 joining…", ["detach", "remove"]),
        ("447700900199 joining…", ["detach", "remove"]),
        all_of_them,
    ]
    assert "conference 3 members joining…" in beneath(site, "leg")
    assert members(site, VIEWER) == [
        ("Alice host joining…", []),
        ("********0123 joining…", []),
        ("********0199 joining…", []),
    ]


@pytest.mark.parametrize(
    ("more", "expected", "count"),
    [
        ((), ("joined", ["hold", "detach", "remove"]), 3),
        ((requested("hold", leg="leg"),), ("on hold", ["resume", "detach", "remove"]), 3),
        ((requested("remove", leg="leg", mode="hangup"),), ("leaving…", []), 3),
        ((requested("end"),), ("leaving…", []), 3),
        ((decided("left", leg="other", detached=True),), ("joined", ["hold", "detach", "remove"]), 2),
    ],
)
def test_a_member_in_each_of_its_states(
    open_site: OpenSite, more: tuple[Kept, ...], expected: tuple[str, list[str]], count: int
) -> None:
    site = in_room(open_site(**KEY))
    other_room(site)
    conference(site, *JOINED, *more)
    found = dict(members(site))
    (said,) = (text for text in found if "447700900123" in text)
    assert (said.removeprefix("447700900123 "), found[said]) == expected
    assert f"conference {count} members" in beneath(site, "leg")
    acts = json.loads(Page("<tr " + row(site, "leg") + "</tr>").values("tr", "data-acts")[0])
    assert acts["conference"] == "meetingbcd"
    assert acts["hold"] == next((act for act in expected[1] if act in ("hold", "resume")), None)


def acts_of(site: Site, leg: str, token: str = OPERATOR) -> dict[str, Any]:
    """What the menu of a row acts on."""
    acts: dict[str, Any] = json.loads(Page("<tr " + row(site, leg, token) + "</tr>").values("tr", "data-acts")[0])
    return acts


def test_a_member_s_row_adds_calls_and_that_of_another_call_can_be_added(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY, connect_to_room="try"))
    other_room(site)
    other_room(site, "third", "third-agent", "CON-4")
    connect = [{"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}]}]
    other_room(site, "paired", "paired-agent", "CON-5", connect)
    site.record(status("answered", "CON-3", "alone", direction="inbound"), received=datetime.now(UTC))
    assert acts_of(site, "leg")["adds"] is None
    conference(site, *JOINED)
    assert (acts_of(site, "leg")["asks"], acts_of(site, "leg")["adds"]) == (["add"], "meetingbcd")
    assert acts_of(site, "other")["adds"] == "meetingbcd"
    assert (acts_of(site, "third")["asks"], acts_of(site, "third")["adds"]) == (
        ["transfer_call", "conference", "join"],
        None,
    )
    assert acts_of(site, "paired")["asks"] == ["transfer_call", "conference"], "a pair can begin one, but not join one"
    assert acts_of(site, "alone")["asks"] == []
    site.store.append("meetingbcd", [Entry("end", datetime.now(UTC), "request", "end", {"by": "operator 1f3a2b"})])
    assert (acts_of(site, "leg")["asks"], acts_of(site, "leg")["adds"]) == ([], None), "all are being hung up"


def test_who_was_detached_can_be_added_again(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    other_room(site)
    conference(site, *JOINED, decided("left", leg="other", detached=True))
    text = fields(site, "add")
    assert chosen_from(text, "participants")[0]["value"] == "other"
    assert "447700900199 was detached, and is alone" in words(text)


def test_a_conference_that_has_ended_is_not_shown(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    conference(site, *JOINED, requested("end"), decided("deleted"))
    assert "going-on" not in row(site, "leg")
    assert 'id="conference"' not in page_of(logged_in(site, OPERATOR), "/calls/leg")


# -- what is asked for ------------------------------------------------------------------------------------------------


def fields(site: Site, what: str, leg: str = "leg") -> str:
    return page_of(logged_in(site, OPERATOR), f"/calls/{leg}/ask/{what}")


def chosen_from(text: str, name: str) -> list[dict[str, str | None]]:
    """The choices of a dialog with this name."""
    return [values for _, values in Page(text).elements if values.get("name") == name]


def test_an_operator_is_asked_who_is_transferred_by_whom_and_how(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    text = fields(site, "transfer_call")
    assert [(each["data-initiator"], each["data-transferred"]) for each in chosen_from(text, "whom")] == [
        ("agent", "leg"),  # a user is likelier to transfer somebody than a caller
        ("leg", "agent"),
    ]
    assert "447700900123, by Alice" in words(text)
    assert "disabled" not in text


def test_in_a_pair_only_what_works_there_is_offered(open_site: OpenSite) -> None:
    connect = [{"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}]}]
    site = in_room(open_site(**KEY), ncco=connect)
    acts = json.loads(Page("<tr " + row(site, "leg") + "</tr>").values("tr", "data-acts")[0])
    assert acts["asks"] == ["transfer_call"]
    text = fields(site, "transfer_call")
    flows = {each["value"]: ("disabled" in each, "checked" in each) for each in chosen_from(text, "flow")}
    assert flows == {"attended": (True, False), "blind": (False, True)}
    assert "only a blind transfer works there" in words(text)
    assert "data-nothing" in fields(site, "conference")


def test_where_pairs_are_brought_into_rooms_all_is_offered(open_site: OpenSite) -> None:
    connect = [{"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}]}]
    site = in_room(open_site(**KEY, connect_to_room="try"), ncco=connect)
    other_room(site)
    acts = json.loads(Page("<tr " + row(site, "leg") + "</tr>").values("tr", "data-acts")[0])
    assert acts["asks"] == ["transfer_call", "conference"]
    assert "disabled" not in fields(site, "transfer_call")
    assert chosen_from(fields(site, "conference"), "host")


def test_the_calls_that_can_join_a_conference_are_offered_once_each(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    assert "No other live call can join" in words(fields(site, "conference"))
    other_room(site)
    site.record(status("answered", "CON-3", "alone", direction="inbound"), received=datetime.now(UTC))
    other_room(site, "third", "third-agent", "CON-4")
    site.record(status("ringing", "CON-4", "rings"), received=datetime.now(UTC))
    for what in ("conference", "add"):
        text = fields(site, what)
        boxes = [each["value"] for each in chosen_from(text, "participants")]
        assert boxes == ["other", "their-agent"], "those who talk to one other leg"
        assert "447700900199 talks to Bob, who is hung up then" in words(text)
    hosts = chosen_from(fields(site, "conference"), "host")
    assert [(each["value"], "checked" in each) for each in hosts] == [("agent", True), ("leg", False)]
    assert "Alice, with 447700900123" in words(fields(site, "conference"))


def test_which_conference_a_call_is_added_to_is_said_by_who_is_in_it(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    site.store.set_name("447700900123", "Mr <b> Okafor")
    other_room(site)
    other_room(site, "third", "third-agent", "CON-4")
    assert "No conference is running now." in words(fields(site, "join", "third"))
    conference(site, *JOINED, decided("left", leg="agent", detached=False), decided("handed_over", leg="other"))
    text = fields(site, "join", "third")
    assert "<b>" not in text
    (which,) = chosen_from(text, "conference")
    assert (which["value"], "checked" in which) == ("meetingbcd", True), "which one is said though there is one only"
    assert "447700900199, with Mr <b> Okafor (447700900123)" in words(text), "the host is the first"
    boxes = [each["value"] for each in chosen_from(text, "participants")]
    assert boxes == ["third", "third-agent"], "the one that is likelier a customer comes first"
    assert "447700900199 talks to Bob, who is hung up then" in words(text)
    order = conferences.Order("their-agent", ["far"], "adhoc-y", "https://music.example")
    operate(site, "secondbcd", "conference", order._asdict(), ["their-agent"])
    both = chosen_from(fields(site, "join", "third"), "conference")
    assert [(each["value"], "checked" in each, "required" in each) for each in both] == [
        ("secondbcd", False, True),  # the newest first
        ("meetingbcd", False, True),
    ]
    site.store.append("secondbcd", [Entry("end", datetime.now(UTC), "request", "end", {"by": "operator 1f3a2b"})])
    site.store.append("meetingbcd", [Entry("end", datetime.now(UTC), "request", "end", {"by": "operator 1f3a2b"})])
    assert "No conference is running now." in words(fields(site, "join", "third"))


def test_a_call_that_cannot_join_says_why(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    other_room(site)
    conference(site, *JOINED)
    site.record(status("answered", "CON-3", "alone", direction="inbound"), received=datetime.now(UTC))
    other_room(site, "third", "third-agent", "CON-4")
    site.record(status("ringing", "CON-4", "rings"), received=datetime.now(UTC))
    for leg, why in (
        ("leg", "part of a transfer or a conference"),
        ("alone", "Nobody in this call talks to anybody now."),
        ("third", "two of it must talk in a room, and to nobody else"),
    ):
        text = fields(site, "join", leg)
        assert "data-nothing" in text
        assert why in words(text)


def test_legs_that_are_part_of_something_are_not_offered(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    other_room(site)
    transfer(site)
    for what in ("transfer_call", "conference"):
        assert "part of a transfer or a conference" in words(fields(site, what))
    assert "No other live call can join" in words(fields(site, "conference", "other"))
    assert "their-agent" in fields(site, "transfer_call", "other")


def test_dialogs_are_filled_for_operators_alone(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    assert logged_in(site, VIEWER).get("/calls/leg/ask/transfer_call", headers=BROWSER).status_code == 403
    assert logged_in(site, OPERATOR).get("/calls/leg/ask/else", headers=BROWSER).status_code == 404
    assert logged_in(site, OPERATOR).get("/calls/nothing/ask/add", headers=BROWSER).status_code == 404


# -- cost, and liveness -----------------------------------------------------------------------------------------------


def test_a_row_changes_with_what_was_decided_though_no_event_came(open_site: OpenSite) -> None:
    site = in_room(open_site(**KEY))
    transfer(site)
    before = Page("<tr " + row(site, "leg")).values("tr", "data-version")
    site.store.append("transferbcd", [Entry("later", datetime.now(UTC), "decision", "ringback", {})])
    assert Page("<tr " + row(site, "leg")).values("tr", "data-version") != before


def test_what_is_decided_comes_by_the_stream_and_no_log_is_read_twice(
    open_site: OpenSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = in_room(open_site(**KEY))
    transfer(site)
    looking = Looking(site.app.extensions["board"], Form("en", masked=False))
    try:
        looking.read_until(lambda events: "being prepared" in "".join(text for _, text in events))
        known: list[int] = []
        read = Operations.open_logs

        def counted(store: Operations, logs: Any = MappingProxyType({})) -> Any:
            known.append(len(logs.get("transferbcd", ())))
            return read(store, logs)

        monkeypatch.setattr(Operations, "open_logs", counted)
        for number, (name, shown) in enumerate({"ringback": "ringing", "answered": "Merge"}.items()):
            site.store.append("transferbcd", [Entry(f"later {number}", datetime.now(UTC), "decision", name, {})])
            site.store.announce(["CON-1"])
            looking.has(shown)
        assert known[-1] == 5, "created, begun, called, its result, ringback: only what came then is read"
    finally:
        looking.close()


def test_there_is_a_look_for_every_state() -> None:
    named = {"preparing", "ringing", "answered", "swapped", "completing", "swapping", "merging", "cancelling"}
    named |= {"completed", "cancelled", "abandoned", "joining", "joined", "held", "leaving", "host", "conference"}
    assert named <= LOOKS.keys()
