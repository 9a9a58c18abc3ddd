// One call on the page: a card that stays the same element while the call goes on, so that the focus stays as well.

import { duration, serverNow } from "../times.js";
import { copyOf, words } from "./words.js";

const TONES = {
  incoming: "wait", ignored: "wait", waiting: "wait", calling: "wait", system: "good", talking: "good", conference: "good",
  consulting: "good", held: "hold", hanging_up: "",
};

export class Card {
  #parts;

  constructor() {
    this.element = copyOf("call-template");
    const find = (selector) => this.element.querySelector(selector);
    this.#parts = {
      name: find("[data-name]"), number: find("[data-number]"), badge: find("[data-badge]"), timer: find(".timer"),
      about: find("[data-about]"), recording: find("[data-recording]"), quality: find("[data-quality]"),
      keypad: find(".keypad"), digits: find(".digits"), members: find(".members"), screens: find(".screens"), marks: find(".marks"),
    };
    this.element.card = this;
  }

  show(call, members) {
    this.call = call;
    const { name, number, badge, timer, about, recording, keypad } = this.#parts;
    const { element } = this;
    element.dataset.state = call.state;
    element.dataset.id = call.id;
    element.setAttribute("aria-label", `${call.who}, ${words.states[call.state]}`);
    set(name, call.who);
    set(number, call.number && call.number !== call.who && call.state !== "conference" ? call.number : "");
    set(badge, words.states[call.state]);
    badge.className = `badge ${TONES[call.state]}`;
    if (call.since) timer.dataset.since = new Date(call.since).toISOString();
    else timer.removeAttribute("data-since");
    set(timer, call.since ? duration((serverNow() - call.since) / 1000) : "");
    set(about, call.about.join("\n"));
    about.hidden = !call.about.length;
    recording.hidden = call.recording === "inactive";
    if (!recording.hidden) set(recording.lastElementChild, words.about[call.recording === "active" ? "recording" : "recording_paused"]);
    for (const button of element.querySelectorAll(".verbs > [data-verb]")) button.hidden = !call.can.has(button.dataset.verb);
    for (const verbs of element.querySelectorAll(".verbs")) verbs.hidden = ![...verbs.children].some((button) => !button.hidden);
    this.#press("mute", call.muted, words.verbs[call.muted ? "unmute" : "mute"]);
    const shares = Boolean(call.session?.screensharing);
    this.#press("share", shares, words.verbs[shares ? "unshare" : "share"]);
    if (!call.can.has("keypad")) this.toggleKeypad(false);
    keypad.hidden = !this.#keys;
    this.#press("keypad", this.#keys);
    this.#showMembers(members);
    this.#marks();
  }

  #keys = false;

  toggleKeypad(open = !this.#keys) {
    this.#keys = open;
    this.#parts.keypad.hidden = !open;
    this.#press("keypad", open);
  }

  get keypadIsOpen() {
    return this.#keys;
  }

  pressed(key) {
    this.#parts.digits.textContent = (this.#parts.digits.textContent + key).slice(-24);
  }

  /** `level`: good, fair or poor; null while it is not known. */
  showQuality(level, numbers) {
    const { quality } = this.#parts;
    quality.hidden = !level;
    if (level) {
      quality.dataset.level = level;
      quality.title = numbers;
      set(quality.lastElementChild, words.quality[level]);
    }
    this.#marks();
  }

  #marks() {
    this.#parts.marks.hidden = [...this.#parts.marks.children].every((each) => each.hidden);
  }

  #press(verb, on, label) {
    const button = this.element.querySelector(`[data-verb="${verb}"]`);
    button.setAttribute("aria-pressed", on);
    if (label) set(button.lastElementChild, label);
  }

  /** The screens that others share: `from`, a user, and `stream`. */
  showScreens(shared) {
    const list = this.#parts.screens;
    list.hidden = !shared.length;
    const before = new Map([...list.children].map((figure) => [figure.firstElementChild.srcObject?.id, figure]));
    const figures = shared.map(({ from, stream }) => {
      const figure = before.get(stream.id) ?? copyOf("screen-template");
      const video = figure.firstElementChild;
      if (video.srcObject !== stream) video.srcObject = stream;
      set(figure.lastElementChild, from);
      return figure;
    });
    if (figures.some((figure, index) => figure !== list.children[index]) || figures.length !== list.children.length) {
      list.replaceChildren(...figures);
    }
  }

  #shownMembers = "[]";

  #showMembers(members) {
    const list = this.#parts.members;
    list.hidden = !members.length;
    const key = JSON.stringify(members);
    if (this.#shownMembers === key) return;
    this.#shownMembers = key;
    list.replaceChildren(
      ...members.map(({ leg, name }) => {
        const item = copyOf("member-template");
        item.querySelector("bdi").textContent = name;
        item.querySelector("button").dataset.leg = leg;
        return item;
      }),
    );
  }
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text ?? "";
}
