"""Around the calls of the phone: keys, notifications, sounds, devices, quality, contacts, the past, messages, quiet."""

from __future__ import annotations

import re
from functools import partial

from playwright.sync_api import expect

from tests.browser.phone.phones import CUSTOMER, Open, PhonePage
from tests.browser.phone.test_phone_several import in_call, leg_to
from tests.control.world import AGENT, World
from vonage_simulator.scenario import FarEnd

NAMED = "447700900150"  # Mrs Lovelace
# Each sound that the page makes: when it began, whether it is a loop, and how long it is.
SOUNDS = """
  const start = AudioBufferSourceNode.prototype.start;
  const stop = AudioBufferSourceNode.prototype.stop;
  window.sounds = [];
  AudioBufferSourceNode.prototype.start = function (...args) {
    this.sound = { loop: this.loop, seconds: this.buffer.duration, on: true };
    sounds.push(this.sound);
    return start.apply(this, args);
  };
  AudioBufferSourceNode.prototype.stop = function (...args) {
    this.sound.on = false;
    return stop.apply(this, args);
  };
"""
# The microphones that were opened.
TRACKS = """
  const open = navigator.mediaDevices.getUserMedia;
  window.tracks = [];
  navigator.mediaDevices.getUserMedia = async function (...args) {
    const stream = await open.apply(this, args);
    tracks.push(...stream.getTracks());
    return stream;
  };
"""


def rings(phone: PhonePage) -> list[float]:
    """How long the loops are that sound now, in seconds."""
    found: list[float] = phone.page.evaluate("sounds.filter(({loop, on}) => loop && on).map(({seconds}) => seconds)")
    return [round(each, 1) for each in found]


def test_enter_answers_m_mutes_and_escape_rejects(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    world.caller(CUSTOMER, room=None)
    alice.sees(CUSTOMER, "incoming")
    alice.page.keyboard.press("Enter")
    call = alice.sees(CUSTOMER, "talking")
    alice.page.keyboard.press("m")
    expect(call).to_contain_text("Your microphone is off.")
    alice.page.locator("#to").focus()
    alice.page.keyboard.press("m")  # is written
    expect(alice.page.locator("#to")).to_have_value("m")
    alice.page.locator("#main").focus()
    alice.page.keyboard.press("M")
    expect(call).not_to_contain_text("Your microphone is off.")
    world.caller(NAMED, room=None)
    alice.sees("Mrs Lovelace", "incoming")
    alice.page.keyboard.press("Escape")
    alice.sees_none("Mrs Lovelace")
    alice.sees(CUSTOMER, "talking")


def test_a_screen_reader_is_told(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    news = alice.page.locator("#news")
    expect(news).to_have_text("The phone is ready.")
    world.caller(NAMED, room=None)
    expect(news).to_have_text("Mrs Lovelace calls. Enter answers, Escape rejects.")
    alice.press("Mrs Lovelace", "Answer")
    expect(news).to_have_text("Connected with Mrs Lovelace")
    expect(alice.page.get_by_role("article", name="Mrs Lovelace, Talking")).to_be_visible()


def test_it_rings_and_a_second_call_only_beeps(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice", script=SOUNDS)
    caller = world.caller(CUSTOMER, room=None)
    alice.sees(CUSTOMER, "incoming")
    alice.until(lambda: rings(alice) == [3.0])
    alice.press(CUSTOMER, "Answer")
    alice.sees(CUSTOMER, "talking")
    assert rings(alice) == []
    second = world.caller(NAMED, room=None)
    alice.sees("Mrs Lovelace", "incoming")
    alice.until(lambda: rings(alice) == [5.0])
    alice.press("Mrs Lovelace", "Ignore")
    alice.sees("Mrs Lovelace", "ignored")
    assert rings(alice) == []
    for leg in (second, caller):
        world.do(partial(world.carrier.people.hang_up, leg.uuid))
    alice.sees_none()
    assert rings(alice) == []


def test_a_notification_while_the_tab_is_behind(world: World, open_phone: Open) -> None:
    """Headless Chromium shows no notifications: what the page asks the browser to show is looked at."""
    notified = """
      window.shown = [];
      window.Notification = class extends EventTarget {
        static permission = "granted";
        constructor(title, options) { super(); shown.push([title, options.body, this]); }
        close() { shown.find(([, , one]) => one === this).push("closed"); }
      };
      Object.defineProperty(document, "hidden", { get: () => window.behind ?? false });
    """
    alice = open_phone("Alice", script=notified)
    first = world.caller(CUSTOMER, room=None)
    alice.sees(CUSTOMER, "incoming")
    world.do(partial(world.carrier.people.hang_up, first.uuid))
    alice.sees_none()
    assert alice.page.evaluate("shown.length") == 0, "it is looked at"
    alice.page.evaluate("window.behind = true")
    second = world.caller(NAMED, room=None)
    alice.sees("Mrs Lovelace", "incoming")
    assert alice.page.evaluate("shown.map(([title, body]) => [title, body])") == [["Mrs Lovelace calls", NAMED]]
    world.do(partial(world.carrier.people.hang_up, second.uuid))
    alice.sees_none()
    assert alice.page.evaluate("shown[0].at(-1)") == "closed"


def test_devices_are_chosen_and_kept(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice", script=TRACKS)
    alice.page.get_by_role("button", name="Settings").click()
    dialog = alice.page.get_by_role("dialog", name="Settings of this browser")
    microphone = dialog.get_by_label("Microphone")
    names = microphone.locator("option").all_inner_texts()
    assert names[0] == "As the system has it"
    assert len(names) > 1
    microphone.select_option(names[1])
    dialog.get_by_label("Loudspeaker").select_option(index=1)
    dialog.get_by_role("button", name="Done").click()
    alice.open()
    alice.page.get_by_role("button", name="Settings").click()
    expect(microphone).not_to_have_value("")
    assert microphone.evaluate("field => field.selectedOptions[0].textContent") == names[1]
    dialog.get_by_role("button", name="Done").click()
    in_call(world, alice)  # with that microphone
    opened = alice.page.evaluate("tracks.map((track) => track.label)")
    assert opened[-1] == names[1]


def test_the_quality_of_the_network_is_shown(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    in_call(world, alice)
    expect(alice.call(CUSTOMER).locator("[data-quality]")).to_have_text("The connection is good")


def test_contacts_are_searched_and_called(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    contacts = alice.page.get_by_role("tabpanel", name="Contacts")
    expect(contacts.locator(".name")).to_have_text(["Bob", "Carol", "Mrs Lovelace"])
    contacts.get_by_label("Search").fill("love")
    expect(contacts.locator(".name")).to_have_text(["Mrs Lovelace"])
    contacts.get_by_label("Search").fill("0150")
    expect(contacts.locator(".name")).to_have_text(["Mrs Lovelace"])
    contacts.get_by_role("button", name="Mrs Lovelace").click()
    alice.sees("Mrs Lovelace", "talking")


def test_missed_calls_are_counted_until_they_are_looked_at_and_the_last_called_are_offered(
    world: World, open_phone: Open
) -> None:
    alice = open_phone("Alice")
    caller = world.caller(NAMED, room=None)
    alice.sees("Mrs Lovelace", "incoming")
    world.do(partial(world.carrier.people.hang_up, caller.uuid))
    alice.sees_none()
    tab = alice.page.get_by_role("tab", name="Calls")
    expect(tab).to_have_text(re.compile(r"Calls\s+1 missed"))
    alice.dial(AGENT)
    alice.sees(AGENT, "talking")
    alice.press(AGENT, "Hang up")
    alice.sees_none()
    tab.click()
    past = alice.page.get_by_role("tabpanel", name="Calls").locator("li")
    expect(past).to_have_text([re.compile(f"{AGENT}.*You called"), re.compile("Mrs Lovelace.*Missed")])
    expect(tab.locator(".count")).to_be_hidden()
    alice.open()
    expect(tab.locator(".count")).to_be_hidden()
    alice.page.get_by_role("list", name="Last called").get_by_role("button", name=AGENT).click()
    alice.sees(AGENT, "talking")


def test_a_voicemail_is_counted_played_heard_and_deleted(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    alice.page.get_by_role("button", name="Do not disturb").click()
    expect(alice.page.locator("#line")).to_have_text("Do not disturb")
    speaks = FarEnd(says=("Please call me back about the analytical engine.",), stays_alone=1e6)
    caller = world.caller(NAMED, far_end=speaks, room=None)  # is not put through: leaves a message
    world.known(caller, "completed")
    alice.until(lambda: world.ask("GET", "/users/Alice").json["voicemail"]["total"])
    alice.page.reload()
    expect(alice.page.locator("#line")).to_have_text("Do not disturb")
    alice.page.get_by_role("button", name="Do not disturb").click()
    alice.ready()
    tab = alice.page.get_by_role("tab", name="Voicemail")
    expect(tab).to_have_text(re.compile(r"Voicemail\s+1 not heard"))
    tab.click()
    message = alice.page.get_by_role("tabpanel", name="Voicemail").locator("li")
    expect(message).to_contain_text("Mrs Lovelace")
    audio = message.locator("audio")
    audio.evaluate("audio => { audio.playbackRate = 16; return audio.play(); }")
    expect(message.get_by_role("button", name="Heard")).to_have_attribute("aria-pressed", "true")
    assert audio.evaluate("audio => audio.ended")
    expect(tab.locator(".count")).to_be_hidden()
    message.get_by_role("button", name="Heard").click()
    expect(tab).to_have_text(re.compile("1 not heard"))
    alice.page.once("dialog", lambda dialog: dialog.accept())
    message.get_by_role("button", name="Delete").click()
    expect(alice.page.get_by_role("tabpanel", name="Voicemail")).to_contain_text("No messages.")
    alice.says("The message is deleted.")


def test_calls_answer_themselves_where_an_operator_has_set_that(world: World, open_phone: Open) -> None:
    world.ask("PUT", "/users/Alice", {"auto_answer": True})
    alice = open_phone("Alice")
    caller = world.caller(CUSTOMER, room=None)
    alice.sees(CUSTOMER, "talking")
    assert leg_to(world, "Alice").hears(caller)


def test_without_a_microphone_a_call_answers_itself_once_and_rings_on(world: World, open_phone: Open) -> None:
    world.ask("PUT", "/users/Alice", {"auto_answer": True})
    refused = """
      window.asked = 0;
      navigator.mediaDevices.getUserMedia = async function () {
        asked += 1;
        throw new DOMException("refused", "NotAllowedError");
      };
    """
    alice = open_phone("Alice", script=refused)
    world.caller(CUSTOMER, room=None)
    alice.sees(CUSTOMER, "incoming")
    alice.until(lambda: alice.page.evaluate("asked") > 0)
    world.ask("PATCH", "/users/Alice", {"display_name": "Alice A."})
    world.caller(AGENT, room=None)  # more events of calls
    alice.sees(AGENT, "incoming")
    alice.until(lambda: alice.page.evaluate("asked") == 2)
    alice.page.wait_for_timeout(500)
    assert alice.page.evaluate("asked") == 2, "once for each call"


def test_a_name_that_nobody_has_is_called_only_if_it_is_meant(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    alice.dial("Bib")
    alice.says("No user Bib is known here.")
    expect(alice.page.locator("#to")).to_have_value("Bib")
    alice.dial("Bib ")
    alice.sees("Bib", "talking")
    alice.press("Bib", "Transfer")
    dialog = alice.page.get_by_role("dialog")
    dialog.get_by_label("To a number, user or SIP address").fill("not a number!!")
    dialog.get_by_role("button", name="Talk first").click()
    expect(dialog.get_by_role("alert")).to_contain_text("No user not a number!! is known here.")
    alice.sees("Bib", "talking")


def test_the_buttons_of_a_dialog_come_by_tab_as_they_are_seen(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    in_call(world, alice)
    alice.press(CUSTOMER, "Transfer")
    dialog = alice.page.get_by_role("dialog")
    expect(dialog.get_by_label("To a number, user or SIP address")).to_be_focused()
    seen = []
    for _ in range(3):
        alice.page.keyboard.press("Tab")
        place = dialog.locator("button:focus").bounding_box()
        assert place
        seen.append((round(place["y"]), round(place["x"])))
    assert seen == sorted(seen), seen


def test_until_a_click_the_page_says_that_it_cannot_ring(world: World, open_phone: Open) -> None:
    """As browsers have it: this one was told to let pages make sounds."""
    silent = """
      const state = { get() { return this.resumed ? "running" : "suspended"; } };
      Object.defineProperty(AudioContext.prototype, "state", state);
      AudioContext.prototype.resume = async function () { this.resumed = true; };
    """
    alice = open_phone("Alice", script=silent)
    trouble = alice.page.locator("[data-trouble=sound]")
    expect(trouble).to_contain_text("Click anywhere on this page")
    expect(trouble).to_have_class("notice note")
    place = alice.page.locator("#pad").get_by_role("button", name="5").bounding_box()
    assert place is not None
    alice.page.mouse.move(place["x"] + 5, place["y"] + 5)
    alice.page.mouse.down()
    alice.page.wait_for_timeout(200)
    alice.page.mouse.up()
    expect(alice.page.locator("#to")).to_have_value("5")  # the first press is not lost
    expect(trouble).to_have_count(0)


def test_a_contact_that_is_clicked_twice_is_called_once(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    alice.page.evaluate("""
      const entry = document.body.appendChild(document.createElement("button"));
      entry.dataset.dial = "Bib";
      entry.click();
      entry.click();
    """)
    alice.sees("Bib", "talking")
    alice.page.wait_for_timeout(500)
    expect(alice.call("Bib")).to_have_count(1)


def test_a_server_that_does_not_say_who_is_known_keeps_nobody_from_calling(world: World, open_phone: Open) -> None:
    """Vonage is asked to call, and may be there."""
    alice = open_phone("Alice")
    alice.page.route("**/phone/contacts?*", lambda _: None)
    alice.dial("Bib")
    alice.sees("Bib", "talking")
