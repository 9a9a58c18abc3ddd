// The messages that callers left: played, marked as heard, called back, deleted.

import { localise, duration } from "../times.js";
import { say, sayFault } from "./say.js";
import { count } from "./tabs.js";
import { copyOf, words } from "./words.js";

const AT_ONCE = 20;
const EVERY = 60_000; // ms: no event says that there is a new one
const AFTER_A_CALL = 4_000; // ms: Vonage reports a recording a second or so after its end
const panel = document.getElementById("voicemail");
const list = panel.querySelector(".entries");
const more = panel.querySelector(".more");

export class Voicemails {
  #messages = [];
  #next = null;

  constructor(phone, dial) {
    this.phone = phone;
    this.dial = dial;
    phone.on("sessions", () => this.read());
    for (const name of ["call_ended", "user_missed_call"]) phone.on(name, () => setTimeout(() => this.read(), AFTER_A_CALL));
    document.addEventListener("visibilitychange", () => document.hidden || this.read());
    setInterval(() => document.hidden || this.read(), EVERY);
    more.addEventListener("click", () => this.#older());
    list.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-do]");
      if (button) this.#do(button.dataset.do, button.closest("li").dataset.id);
    });
  }

  /** The newest ones, and how many were not heard. What plays goes on. */
  async read() {
    try {
      const [profile, page] = await Promise.all([
        this.phone.request("GET", ""),
        this.phone.request("GET", `/voicemails?${new URLSearchParams({ limit: AT_ONCE })}`),
      ]);
      count("unheard", profile.voicemail.unheard);
      const old = this.#messages.slice(AT_ONCE);
      const isNew = new Set(page.items.map(({ id }) => id));
      this.#messages = page.next && old.length ? [...page.items, ...old.filter(({ id }) => !isNew.has(id))] : page.items;
      if (!old.length) this.#next = page.next;
      this.#show();
    } catch (error) {
      console.error(error); // it is read again
    }
  }

  async #older() {
    const query = new URLSearchParams({ limit: AT_ONCE, cursor: this.#next });
    const { items, next } = await this.phone.request("GET", `/voicemails?${query}`);
    this.#messages.push(...items);
    this.#next = next;
    this.#show();
  }

  #show() {
    const before = new Map([...list.children].map((item) => [item.dataset.id, item]));
    const items = this.#messages.map((message) => fill(before.get(message.id) ?? this.#item(message), message));
    const same = items.length === list.children.length && items.every((item, index) => item === list.children[index]);
    if (!same) list.replaceChildren(...items);
    panel.querySelector(".nothing").hidden = items.length > 0;
    more.hidden = !this.#next;
    localise(list);
  }

  #item(message) {
    const item = copyOf("message-template");
    item.dataset.id = message.id;
    const audio = item.querySelector("audio");
    audio.src = message.url;
    audio.setAttribute("aria-label", message.from_name ?? message.from ?? words.other.unknown);
    audio.addEventListener("ended", () => this.#do("heard", message.id, true));
    return item;
  }

  async #do(what, id, on) {
    const message = this.#messages.find((each) => each.id === id);
    if (!message || (what === "heard" && on && message.heard)) return;
    if (what === "call") return this.dial(message.from);
    if (what === "delete" && !confirm(words.other.delete)) return;
    const path = `/voicemails/${encodeURIComponent(id)}`;
    try {
      if (what === "delete") await this.phone.request("DELETE", path);
      else await this.phone.request("PUT", path, { heard: on ?? !message.heard });
      if (what === "delete") say(words.other.deleted, "good");
      await this.read();
    } catch (error) {
      sayFault("voicemail", error);
    }
  }
}

function fill(item, { from, from_name: name, at, seconds, heard }) {
  const part = (selector) => item.querySelector(selector);
  part(".name").textContent = name ?? from ?? words.other.unknown;
  part(".number").textContent = name && name !== from ? from : "";
  part("time").dateTime = at;
  part(".timer").textContent = seconds === null ? "" : duration(seconds);
  part('[data-do="heard"]').setAttribute("aria-pressed", heard);
  part('[data-do="call"]').hidden = !from;
  item.classList.toggle("unheard", !heard);
  return item;
}
