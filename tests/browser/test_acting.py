"""Acting on calls from the board and the page of a call: the simulated carrier at one side, browsers at the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.site import OPERATOR, VIEWER
from tests.browser import chromium
from tests.browser.test_call_page import follows
from tests.browser.test_every_page import SCHEMES, violations
from tests.control.world import AGENT, BUSY, CALLER, RINGS, World, world_of
from tests.engines import Engine
from vonage_simulator.ledger import Leg

THIRD = "447700900105"
PATIENCE = 60_000  # ms, for what a busy machine does late

Look = Callable[..., Page]
_rooms = count(1)


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Playwright waits 5 seconds for what is expected; a busy machine may need more."""
    expect.set_options(timeout=PATIENCE)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def lasting_world(valkey: Engine, carrier_folder: Path) -> Iterator[World]:
    """One app and carrier for all tests here."""
    # As fast as life: who rings goes on ringing while somebody looks at it.
    carrier = {"application": {"calls_per_second": None}, "speed": 1.0}
    with world_of(carrier_folder, valkey.address.url, carrier=carrier) as world:
        yield world


@pytest.fixture
def world(lasting_world: World, valkey: Engine) -> World:
    """An app over an empty store, and its carrier."""
    lasting_world.room = f"room-{next(_rooms)}"
    return lasting_world.emptied(valkey)


@pytest.fixture
def look(browser: Browser, world: World) -> Iterator[Look]:
    """Opens a page for somebody with a browser of their own: `look("/", token=VIEWER)`. It is loaded once."""
    with ExitStack() as stack:

        def open_page(path: str, token: str = OPERATOR, **more: Any) -> Page:
            context = stack.enter_context(chromium.opened(browser, world.base, token=token, **more))
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            page.goto(path)
            if path != "/":
                follows(page)
            page.evaluate("window.opened = true")
            return page

        yield open_page


def button(page: Page, name: str, leg: Leg) -> Any:
    """A button of a leg on the page of its call."""
    return page.locator(f'#act [data-leg="{leg.uuid}"]').filter(has_text=name)


def state(page: Page, name: str) -> Any:
    """An expectation of the badges with this state of a leg or a conversation, or of a row of the board."""
    of_row = "on_hold" if name == "held" else name
    return expect(page.locator(f'#act [data-state="{name}"], #group-live [data-state="{of_row}"]').first)


def menu(page: Page, number: str) -> None:
    """Open the menu of the row of a call on the board."""
    row(page, number).get_by_role("button", name="Act on the call").click()


def test_hold_resume_and_hang_up_are_seen_in_every_browser_without_reload(world: World, look: Look) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    room = customer.conversation
    calls, board, viewer = look(f"/calls/{customer.uuid}"), look("/"), look("/", VIEWER)
    button(calls, "Hold", customer).click()
    expect(calls.locator("#acted")).to_have_text(f"Hold, {CALLER}: done")
    expect(button(calls, "Resume", customer)).to_be_focused()
    for page in (calls, board, viewer):
        state(page, "held").to_be_visible()
    assert customer.conversation is not room
    menu(board, CALLER)
    board.get_by_role("menuitem", name=f"Resume {CALLER}").click()
    expect(board.locator("#acted")).to_have_text(f"Resume, {CALLER}: done")
    world.until(lambda: customer.conversation is room)
    expect(button(calls, "Hold", customer)).to_be_visible()
    expect(viewer.locator("#group-live [data-state=on_hold]")).to_have_count(0)
    button(calls, "Mute", customer).click()
    for page in (calls, board, viewer):
        state(page, "muted").to_be_visible()
    assert customer.muted
    menu(board, CALLER)
    board.get_by_role("menuitem", name="Hang up all").click()
    expect(board.get_by_role("dialog")).to_contain_text("Hang up?")
    assert not customer.over, "it asks first"
    board.get_by_role("dialog").get_by_role("button", name="Hang up").click()
    expect(calls.locator("#act")).to_have_count(0)
    expect(viewer.locator("#group-ended tr[data-version]").filter(has_text=CALLER[-4:])).to_have_count(1)
    assert customer.disconnected_by == "platform"
    assert not agent.over
    assert [page.evaluate("window.opened") for page in (calls, board, viewer)] == [True] * 3


def row(page: Page, number: str) -> Any:
    """The row of the live call with this number; its digits are not searched for in times, which stand beside it."""
    return page.locator("#group-live tr[data-version]").filter(has=page.locator(".number", has_text=number))


def going_on(page: Page, number: str, text: str) -> Any:
    """What goes on in that row and says *text*: a transfer that ends is shown for a while beside what it became."""
    return row(page, number).locator(".going-on", has_text=text)


def transfer(page: Page, number: str, to: str, how: str = "Talk first") -> None:
    """Begin a transfer of the leg with this number, from its row on the board."""
    expect(row(page, number).locator("[data-state=talking]").first).to_be_visible()
    menu(page, number)
    page.get_by_role("menuitem", name="Transfer…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("To:")).to_be_focused()
    dialog.get_by_label("To:").fill(to)
    dialog.get_by_label(how).check()
    dialog.get_by_role("button", name="Transfer").click()
    expect(dialog).to_be_hidden()


def test_a_transfer_with_a_consultation_is_seen_in_every_browser_and_goes_on_after_a_reload(
    world: World, look: Look
) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    board, calls, viewer = look("/"), look(f"/calls/{customer.uuid}"), look("/", VIEWER)
    menu(board, CALLER)
    board.get_by_role("menuitem", name=f"Put {CALLER} on hold").click()
    for page in (board, calls, viewer):
        state(page, "held").to_be_visible()
    button(calls, "Resume", customer).click()
    expect(button(calls, "Hold", customer)).to_be_visible()
    transfer(board, CALLER, THIRD)
    for page in (board, viewer):
        expect(going_on(page, CALLER[-4:], f"{THIRD[-4:]} answered")).to_be_visible()
    expect(row(viewer, CALLER[-4:]).locator(".going-on")).not_to_contain_text(THIRD)
    expect(row(viewer, CALLER[-4:]).get_by_role("button")).to_have_count(0)
    part = calls.locator("#transfer")
    expect(part).to_contain_text(f"Consulting {THIRD} answered")
    expect(part).to_contain_text(f"{AGENT} transfers {CALLER}")
    expect(button(calls, "Resume", customer)).to_have_count(0)  # that is what the swap is for
    board.reload()
    row(board, CALLER).get_by_role("button", name="Swap").click()
    for page in (calls, viewer):
        expect(page.locator("[data-state=swapped]").first).to_be_visible()
    world.until(lambda: agent.hears(customer))
    part.get_by_role("button", name="Swap").click()
    for page in (board, viewer):
        expect(row(page, CALLER[-4:]).locator(".going-on [data-state=answered]")).to_be_visible()
    row(board, CALLER).get_by_role("button", name="Complete").click()
    expect(board.locator("#acted")).to_contain_text("Complete, ")
    expect(board.locator("#acted")).to_contain_text("completed")
    board.mouse.move(0, 0)  # while it moves over rows, none leaves
    expect(part).to_have_count(0)
    for page in (board, viewer):
        expect(page.locator("#group-live .going-on")).to_have_count(0)
        expect(row(page, AGENT[-4:])).to_have_count(0)
    recipient = [leg for leg in world.legs() if leg.to == THIRD][-1]
    world.until(lambda: customer.hears(recipient) and agent.over)
    assert [page.evaluate("window.opened") for page in (calls, viewer)] == [True] * 2


def test_a_name_that_no_user_has_is_called_only_if_it_is_meant(world: World, look: Look) -> None:
    world.in_room(AGENT, CALLER)
    world.services.store.set_user("Bob", {"display_name": "Bob"})
    board = look("/")
    expect(row(board, CALLER).locator("[data-state=talking]").first).to_be_visible()
    menu(board, CALLER)
    board.get_by_role("menuitem", name="Transfer…").click()
    dialog = board.get_by_role("dialog")
    expect(dialog.locator("datalist option[value=Bob]")).to_have_count(1)
    dialog.get_by_label("To:").fill("Bib")
    dialog.get_by_label("Talk first").check()
    dialog.get_by_role("button", name="Transfer").click()
    expect(dialog.get_by_role("alert")).to_have_text(
        "No user Bib is known here. Once more, and it is called all the same."
    )
    assert not any(leg.to == "Bib" for leg in world.legs())
    dialog.get_by_role("button", name="Transfer").click()
    expect(dialog).to_be_hidden()
    world.until(lambda: any(leg.to == "Bib" for leg in world.legs()))


def test_a_transfer_is_merged_one_is_held_and_removed_and_all_are_hung_up(world: World, look: Look) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    calls, board, viewer = look(f"/calls/{customer.uuid}"), look("/"), look("/", VIEWER)
    calls.locator("#act").get_by_role("button", name="Transfer to somebody").click()
    dialog = calls.get_by_role("dialog")
    dialog.get_by_label("To:").fill(THIRD)
    dialog.get_by_role("button", name="Transfer").click()
    expect(dialog).to_be_hidden()
    row(board, CALLER).get_by_role("button", name="Merge").click()
    for page in (board, viewer):
        expect(going_on(page, CALLER[-4:], "conference 3 members")).to_be_visible()
    members = calls.locator("#conference li")
    expect(members.locator("[data-state=joined]")).to_have_count(3)
    recipient = [leg for leg in world.legs() if leg.to == THIRD][-1]
    world.until(lambda: all(one.hears(recipient) for one in (agent, customer)))
    menu(board, CALLER)  # in a conference it is the conference that holds
    board.get_by_role("menuitem", name=f"Put {CALLER} on hold").click()
    expect(members.filter(has_text=CALLER).locator("[data-state=held]")).to_be_visible()
    calls.reload()
    members.filter(has_text=CALLER).get_by_role("button", name="Resume").click()
    expect(members.locator("[data-state=joined]")).to_have_count(3)
    members.filter(has_text=THIRD).get_by_role("button", name="Remove").click()
    assert not recipient.over, "it asks first"
    dialog.get_by_role("button", name="Remove").click()
    expect(members.filter(has_text=THIRD)).to_have_count(0)
    for page in (board, viewer):
        expect(going_on(page, CALLER[-4:], "2 members")).to_be_visible()
        expect(row(page, THIRD[-4:])).to_have_count(0)
    assert recipient.over
    calls.get_by_role("button", name="End for all").click()
    dialog.get_by_role("button", name="End for all").click()
    for page in (board, viewer):
        expect(page.locator("#group-live tr[data-version]")).to_have_count(0)
    assert agent.over
    assert customer.over
    assert [page.evaluate("window.opened") for page in (board, viewer)] == [True] * 2


def test_calls_are_joined_in_a_conference_another_is_added_and_one_detached(world: World, look: Look) -> None:
    agent, customer = world.in_room(AGENT, CALLER, room="one")
    second_agent, second = world.in_room(AGENT, THIRD, room="two")
    board, calls = look("/"), look(f"/calls/{customer.uuid}")
    menu(board, CALLER)
    board.get_by_role("menuitem", name="Conference…").click()
    dialog = board.get_by_role("dialog")
    begins = dialog.get_by_role("button", name="Begin")
    hosts = dialog.get_by_role("group", name="Host")
    expect(hosts.get_by_role("radio").first).to_be_focused()
    begins.click()
    expect(dialog.get_by_role("alert")).to_have_text("Choose who joins.")
    hosts.get_by_role("radio", name=f"{AGENT}, with {CALLER}").check()
    first, other = (dialog.get_by_role("checkbox", name=f"{number} talks to") for number in (AGENT, THIRD))
    first.check()
    other.check()
    expect(first).not_to_be_checked()  # of two who talk to each other one is hung up
    begins.click()
    expect(dialog).to_be_hidden()
    expect(board.locator("#acted")).to_have_text(re.compile(r"^Conference, .*: done$"))
    members = calls.locator("#conference li")
    expect(members.locator("[data-state=joined]")).to_have_count(3)
    world.until(lambda: all(leg.hears(second) for leg in (agent, customer)) and second_agent.over)
    third_agent, third = world.in_room(AGENT, "447700900106", room="three")
    expect(row(board, third.to).locator("[data-state=talking]")).to_be_visible()
    calls.locator("#conference").get_by_role("button", name="Add a call").click()
    calls.get_by_role("dialog").get_by_role("checkbox", name="447700900106 talks to").check()
    calls.get_by_role("dialog").get_by_role("button", name="Add").click()
    expect(members.locator("[data-state=joined]")).to_have_count(4)
    expect(going_on(board, CALLER, "conference 4 members")).to_be_visible()
    world.until(lambda: third_agent.over)
    members.filter(has_text=THIRD).get_by_role("button", name="Detach").click()
    expect(members.filter(has_text=THIRD)).to_have_count(0)
    expect(going_on(board, CALLER, "conference 3 members")).to_be_visible()
    assert not second.over
    assert third.hears(customer)


def test_a_call_is_added_to_a_conference_from_the_board_while_two_browsers_look(world: World, look: Look) -> None:
    agent, customer = world.in_room(AGENT, CALLER, room="one")
    second_agent, second = world.in_room("447700900110", THIRD, room="two")
    third_agent, third = world.in_room("447700900120", "447700900121", room="three")
    board, viewer = look("/"), look("/", VIEWER)
    expect(row(board, third.to).locator("[data-state=talking]").first).to_be_visible()
    menu(board, third.to)
    expect(board.get_by_role("menuitem", name="Transfer…")).to_be_visible()
    for name in ("Add to conference…", "Add a call…"):
        expect(board.get_by_role("menuitem", name=name)).to_be_hidden()  # there is none yet
    board.keyboard.press("Escape")
    body = {"host_call_id": agent.uuid, "participant_call_ids": [customer.uuid]}
    assert world.ask("POST", "/conferences", body).status_code == 201
    for page in (board, viewer):
        expect(going_on(page, CALLER[-4:], "conference 2 members")).to_be_visible()
    # From the row of the call that is added.
    menu(board, third.to)
    expect(board.get_by_role("menuitem", name="Add a call…")).to_be_hidden()
    board.get_by_role("menuitem", name="Add to conference…").click()
    dialog = board.get_by_role("dialog")
    which = dialog.get_by_role("group", name="Conference").get_by_role("radio", name=f"{AGENT}, with {CALLER}")
    expect(which).to_be_focused()
    expect(which).to_be_checked()  # there is no other one
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.get_by_role("alert")).to_have_text("Choose who joins.")
    dialog.get_by_role("checkbox", name=f"{third.to} talks to").check()
    dialog.get_by_role("button", name="Add").click()
    expect(dialog).to_be_hidden()
    expect(board.locator("#acted")).to_have_text(f"Add, {third.to}: done")
    board.mouse.move(0, 0)  # while it moves over rows, none leaves
    for page in (board, viewer):
        expect(going_on(page, CALLER[-4:], "conference 3 members")).to_be_visible()
    world.until(lambda: third_agent.over and third.hears(agent) and third.hears(customer))
    # From the row of a member.
    expect(row(board, third_agent.to)).to_have_count(0)
    menu(board, third.to)
    expect(board.get_by_role("menuitem", name="Add to conference…")).to_be_hidden()
    board.get_by_role("menuitem", name="Add a call…").click()
    dialog.get_by_role("checkbox", name=f"{THIRD} talks to").check()
    dialog.get_by_role("button", name="Add").click()
    expect(board.locator("#acted")).to_have_text(f"Add, {THIRD}: done")
    for page in (board, viewer):
        expect(going_on(page, CALLER[-4:], "conference 4 members")).to_be_visible()
    world.until(lambda: second_agent.over and second.hears(third))
    assert [page.evaluate("window.opened") for page in (board, viewer)] == [True] * 2


def test_that_nobody_was_reached_is_said(world: World, look: Look) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    board = look("/")
    transfer(board, CALLER, BUSY)
    expect(board.locator("#acted .bad")).to_contain_text("nobody was reached")
    expect(row(board, CALLER).locator(".going-on")).to_have_count(0)
    world.until(lambda: agent.hears(customer))


def test_a_pair_is_offered_nothing_but_a_blind_transfer(world: World, look: Look) -> None:
    customer, agent = world.pair()
    board = look("/")
    expect(row(board, CALLER).locator("[data-state=talking]").first).to_be_visible()
    menu(board, CALLER)
    expect(board.get_by_role("menuitem", name="Conference…")).to_be_hidden()
    board.get_by_role("menuitem", name="Transfer…").click()
    dialog = board.get_by_role("dialog")
    expect(dialog.get_by_label("Talk first")).to_be_disabled()
    expect(dialog).to_contain_text("connect_pair")
    dialog.get_by_label("To:").fill(RINGS)  # who answers at once has done so before a busy page shows the transfer
    dialog.get_by_role("button", name="Transfer").click()
    expect(going_on(board, CALLER, f"Transfer to {RINGS}")).to_be_visible()
    world.until(lambda: agent.over)
    assert not customer.over


def test_keys_words_recording_and_a_transfer_to_a_flow(world: World, look: Look) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    page, other = look(f"/calls/{customer.uuid}"), look("/")
    for name, fields in (("Keys", {"Keys: digits": "12#"}), ("Say", {"What it hears": "You are third in line."})):
        button(page, name, customer).click()
        dialog = page.get_by_role("dialog")
        for label, text in fields.items():
            dialog.get_by_label(label).fill(text)
        dialog.locator("button[type=submit]").click()
        expect(dialog).to_be_hidden()
        expect(page.locator("#acted")).to_contain_text("done")
    expect(page.locator("#events .did").filter(has_text="say something by operator")).to_contain_text("confirmed")
    recording = page.locator("#act [data-conversation]")
    recording.filter(has_text="Start").click()
    for each in (page, other):
        state(each, "recording").to_be_visible()
    recording.filter(has_text="Pause").click()
    for each in (page, other):
        state(each, "recording_paused").to_be_visible()
    button(page, "Transfer", customer).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("With").select_option(label="goodbye / start")
    dialog.get_by_role("button", name="Transfer").click()
    expect(page.locator("#act")).to_have_count(0)  # it was said goodbye
    assert customer.over


def test_what_vonage_refuses_is_said_in_its_words(world: World, look: Look) -> None:
    """The carrier knows that the leg only rings."""
    body = {"to": {"type": "phone", "number": RINGS}, "ncco": [{"action": "talk", "text": "Hello."}]}
    leg = world.created(world.ask("POST", "/calls", body))
    world.known(leg, "ringing")
    answered = {"uuid": leg.uuid, "conversation_uuid": leg.conversation.uuid, "status": "answered"}
    assert world.app.test_client().post("/voice/event", json=answered).status_code == 200
    page = look(f"/calls/{leg.uuid}")
    button(page, "Transfer", leg).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("With").select_option("ncco")
    dialog.get_by_label("NCCO").fill("[nothing")
    dialog.get_by_role("button", name="Transfer").click()
    expect(dialog.get_by_role("alert")).to_contain_text("JSON")
    dialog.get_by_label("NCCO").fill('[{"action": "dance"}]')
    dialog.get_by_role("button", name="Transfer").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Vonage would refuse the NCCO")
    dialog.get_by_label("NCCO").fill('[{"action": "talk", "text": "Goodbye."}]')
    dialog.get_by_role("button", name="Transfer").click()
    expect(dialog.get_by_role("alert")).to_contain_text("refused by Vonage")
    expect(dialog.get_by_role("alert")).to_contain_text("Vonage says: ")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator("#events .did").filter(has_text="transfer the leg by operator")).to_contain_text("refused")
    expect(button(page, "Transfer", leg)).to_be_focused()


def test_of_two_operators_at_once_one_is_refused_and_both_see_the_same(world: World, look: Look) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    first, second = (look(f"/calls/{customer.uuid}", language=language) for language in ("en-GB", "fr-FR"))
    second.context.set_offline(True)  # it does not learn of the first one's hold before it acts itself
    button(first, "Hold", customer).click()
    state(first, "held").to_be_visible()
    held = button(second, "Mettre en attente", customer).element_handle()
    second.context.set_offline(False)
    held.evaluate("button => button.click()")
    expect(second.locator("#acted")).to_contain_text("La branche est déjà en attente.")
    state(second, "held").to_be_visible()
    button(second, "Reprendre", customer).click()
    expect(button(first, "Hold", customer)).to_be_visible()


def test_a_menu_and_a_dialog_are_used_with_the_keyboard_and_nothing_is_drawn_again_under_them(
    world: World, look: Look
) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    page = look("/")
    row = page.locator("#group-live tr[data-version]").filter(has_text=CALLER)
    opener = row.get_by_role("button", name="Act on the call")
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name=f"Put {CALLER} on hold")).to_be_focused()
    world.act(customer, "mute")
    new = world.caller("447700900177")
    expect(page.get_by_role("button", name="Show what is new")).to_be_visible()
    expect(row.locator("[data-state=muted]")).to_have_count(0)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    expect(row.locator("[data-state=muted]")).to_have_count(1)
    expect(page.locator("#group-live tr[data-version]").filter(has_text=new.from_)).to_have_count(1)
    assert not customer.over
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator("#menu")).to_be_hidden()
    expect(opener).to_be_focused()
    for shown in (True, False):  # by its button it is closed as well
        opener.click()
        expect(page.locator("#menu")).to_be_visible(visible=shown)


def test_a_button_that_is_pressed_twice_acts_once(world: World, look: Look) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    page = look(f"/calls/{customer.uuid}")
    button(page, "Hold", customer).evaluate("button => { button.click(); button.click(); }")
    expect(page.locator("#acted")).to_have_text(f"Hold, {CALLER}: done")
    assert [each["raw"].get("verb") for each in world.events(customer) if each["kind"] == "action"].count("hold") == 1


def test_axe_finds_nothing_in_what_acts(world: World, look: Look) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    for verb in ("hold", "mute"):
        world.act(customer, verb)
    page, board = look(f"/calls/{customer.uuid}", reduced_motion="reduce"), look("/", reduced_motion="reduce")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        board.emulate_media(color_scheme=scheme)
        menu(board, CALLER)
        assert violations(board) == "", scheme
        board.keyboard.press("Escape")
        for name in ("Say", "Transfer", "Hang up"):
            button(page, name, customer).click()
            assert violations(page) == "", (scheme, name)
            page.keyboard.press("Escape")


def operations(world: World) -> tuple[Leg, Leg]:
    """A transfer whose recipient rings, and a conference; the leg that is transferred, and a member who is on hold."""
    agent, customer = world.in_room(AGENT, CALLER, room="one")
    body: Any = {"initiator_call": agent.uuid, "to": RINGS, "timeout": 120}
    transfer_id = world.ask("POST", "/transfers", body).json["id"]
    host, member = world.in_room("447700900110", "447700900111", room="two")
    _, second = world.in_room("447700900110", "447700900112", room="three")
    body = {"host_call_id": host.uuid, "participant_call_ids": [member.uuid, second.uuid]}
    meeting = "/conferences/" + world.ask("POST", "/conferences", body).json["conference_id"]
    world.until(lambda: [each["status"] for each in world.ask("GET", meeting).json["members"]] == ["joined"] * 3)
    assert world.ask("POST", f"{meeting}/participants/{member.uuid}/hold", {}).status_code == 200
    world.until(lambda: world.ask("GET", f"/transfers/{transfer_id}").json["status"] == "ringback")
    world.in_room("447700900120", "447700900121", room="four")
    world.in_room("447700900130", "447700900131", room="five")
    return customer, member


def test_axe_finds_nothing_in_transfers_and_conferences(world: World, look: Look) -> None:
    customer, member = operations(world)
    board, moved, met = (
        look(path, reduced_motion="reduce") for path in ("/", f"/calls/{customer.uuid}", f"/calls/{member.uuid}")
    )
    expect(going_on(board, member.to, "3 members")).to_be_visible()
    expect(row(board, customer.to).locator(".going-on [data-state=ringing]")).to_be_visible()
    expect(met.locator("#conference [data-state=held]")).to_be_visible()
    for scheme in SCHEMES:
        for page in (board, moved, met):
            page.emulate_media(color_scheme=scheme)
            assert violations(page) == "", scheme
    for name, ready in (
        ("Transfer…", "To:"),
        ("Conference…", "When the host leaves"),
        ("Add to conference…", "447700900110, with"),
    ):
        menu(board, "447700900121")
        board.get_by_role("menuitem", name=name, exact=True).click()
        expect(board.get_by_role("dialog").get_by_label(ready)).to_be_visible()
        assert violations(board) == "", name
        board.keyboard.press("Escape")
    met.locator("#conference").get_by_role("button", name="End for all").click()
    assert violations(met) == ""


def test_transfers_and_conferences_are_used_with_the_keyboard_and_fit_a_phone(world: World, look: Look) -> None:
    customer, member = operations(world)
    for path, shown in (
        ("/", ".going-on"),
        (f"/calls/{customer.uuid}", "#transfer"),
        (f"/calls/{member.uuid}", "#conference"),
    ):
        page = look(path, size="phone", language="fr-FR")
        expect(page.locator(shown).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    opener = page.locator("#conference").get_by_role("button", name="Ajouter un appel")
    opener.focus()
    page.keyboard.press("Enter")
    box = page.get_by_role("dialog").get_by_role("checkbox", name="447700900131 parle avec")
    expect(page.get_by_role("dialog").get_by_role("checkbox").first).to_be_focused()
    box.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#conference li [data-state=joined]")).to_have_count(3)  # and one on hold
    expect(opener).to_be_focused()


def test_a_call_is_added_to_a_conference_with_the_keyboard_of_a_phone_and_long_names_are_not_cut_off(
    world: World, look: Look
) -> None:
    _, member = operations(world)
    long = "Maximiliana Featherstonehaugh, Billing Department"
    for number in ("447700900110", "447700900120", "447700900121"):
        world.services.store.set_name(number, long)
    world.until(lambda: world.services.names.current().of("447700900121") == long)  # names are kept for a while
    page = look("/", size="phone", language="fr-FR")
    opener = row(page, "447700900121").get_by_role("button", name="Agir sur l’appel")
    expect(row(page, "447700900121")).to_contain_text(long)
    opener.focus()
    page.keyboard.press("Enter")
    box = page.get_by_role("menu").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.evaluate("scrollBy(0, 100)")  # it is not beside its row any more
    expect(page.get_by_role("menu")).to_be_hidden()
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(3):  # beyond hold and transfer, and a conference of its own
        page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Ajouter à une conférence…")).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("radio", name=f"{long} (447700900110), avec ")).to_be_focused()
    assert dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#acted")).to_have_text(f"Ajouter, {long} (447700900121) : fait")
    expect(going_on(page, member.to, "4 membres")).to_be_visible()
    expect(opener).to_be_focused()


def test_it_fits_a_phone(world: World, look: Look) -> None:
    _, customer = world.in_room(AGENT, CALLER)
    page = look(f"/calls/{customer.uuid}", size="phone", language="fr-FR")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    button(page, "Transférer", customer).click()
    box = page.get_by_role("dialog").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
