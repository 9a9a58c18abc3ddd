// The calls that are over, newest first; those that were missed are counted until they have been looked at.

import { localise, duration } from "../times.js";
import { count } from "./tabs.js";
import { copyOf, nameOf, words } from "./words.js";

const AT_ONCE = 20;
const MOST = 100; // rows
const MOST_RECENT = 4; // that were called last
const panel = document.getElementById("history");
const list = panel.querySelector(".entries");
const more = panel.querySelector(".more");

export function isMissed(session) {
  return !session.isCaller && !session.answered && session.cause !== "rejected" && session.cause !== "answered_elsewhere";
}

export class History {
  #sessions = new Map(); // by id, newest first
  #next = null;
  #key;

  constructor(phone) {
    this.phone = phone;
    this.#key = `switchhook.missed.${phone.user}`;
    phone.on("sessions", () => this.read());
    phone.on("call_ended", ({ session, cause }) => {
      if (cause === "answered_elsewhere") session.cause = cause;
      this.#sessions = new Map([[session.id, session], ...[...this.#sessions].filter(([id]) => id !== session.id)].slice(0, MOST));
      this.#show();
    });
    more.addEventListener("click", () => this.read(this.#next));
  }

  async read(cursor = null) {
    try {
      const query = new URLSearchParams({ state: "ended", limit: AT_ONCE, ...(cursor && { cursor }) });
      const { items, next } = await this.phone.request("GET", `/sessions?${query}`);
      const before = cursor ? [...this.#sessions] : [];
      this.#sessions = new Map([...before, ...items.map((each) => [each.id, each])]);
      this.#next = this.#sessions.size < MOST ? next : null;
      this.#show();
    } catch (error) {
      console.error(error); // it is read again with the next connection
    }
  }

  /** Those that were missed have been looked at. */
  looked() {
    const latest = [...this.#sessions.values()].find(isMissed);
    if (latest) localStorage.setItem(this.#key, moment(latest));
    this.#count();
  }

  #count() {
    const seen = localStorage.getItem(this.#key) ?? "";
    const missed = [...this.#sessions.values()].filter((session) => isMissed(session) && moment(session) > seen);
    if (!panel.hidden && !document.hidden && missed.length) this.looked();
    else count("missed", missed.length);
  }

  #show() {
    const sessions = [...this.#sessions.values()].filter((each) => !each.status.isTransfer);
    list.replaceChildren(...sessions.map(row));
    panel.querySelector(".nothing").hidden = sessions.length > 0;
    more.hidden = !this.#next;
    localise(list);
    const called = sessions.filter((each) => each.isCaller).map((each) => [each.dialedExtension, nameOf(each)]);
    recent([...new Map(called.reverse())].reverse().slice(0, MOST_RECENT));
    this.#count();
  }
}

function moment(session) {
  return new Date(session.creationTime).toISOString();
}

function row(session) {
  const item = copyOf("past-template");
  const part = (selector) => item.querySelector(selector);
  const [button, missed, name] = [part("button"), isMissed(session), nameOf(session)];
  button.dataset.dial = session.isCaller ? session.dialedExtension : session.number ?? "";
  button.disabled = !button.dataset.dial;
  part(`[data-icon="${session.isCaller ? "in" : "out"}"]`).remove();
  part(".name").textContent = name;
  part(".number").textContent = session.number && session.number !== name ? session.number : "";
  part("[data-how]").textContent = words.other[missed ? "missed" : session.isCaller ? "called" : "was_called"];
  item.classList.toggle("missed", missed);
  part("time").dateTime = moment(session);
  part(".timer").textContent = session.answered ? duration(session.timer.callDuration ?? 0) : "";
  return item;
}

function recent(called) {
  const buttons = called.filter(([to]) => to).map(([to, name]) => {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", className: "plain small", textContent: name });
    button.dataset.dial = to;
    item.append(button);
    return item;
  });
  document.getElementById("recent").replaceChildren(...buttons);
}
