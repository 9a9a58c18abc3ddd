// Whether the phone works: the badge at the top, and what is wrong. It says what the stream, the line to Vonage and
// the browser say, nothing else.

import { announce } from "./say.js";
import { microphoneState } from "./devices.js";
import { copyOf, words } from "./words.js";

const REFUSED = [401, 403];
const badge = document.getElementById("line");
const list = document.getElementById("troubles");

export class Status {
  #stream = "connecting"; // connecting, connected, disconnected, stopped
  #problem = null; // why the stream was refused
  #microphone = "unknown";
  #said = "connecting";
  #disturb = false;

  constructor(phone, tones) {
    this.phone = phone;
    this.tones = tones;
    const stream = (state, problem = null) => {
      this.#stream = state;
      this.#problem = problem;
      this.show();
    };
    phone.on("connected", () => stream("connected"));
    phone.on("disconnected", () => stream("disconnected"));
    phone.on("registrationFailed", (problem) => stream("disconnected", problem));
    phone.on("stopped", (problem) => stream("stopped", problem));
    this.#look();
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#look());
    navigator.permissions?.query({ name: "microphone" }).then(
      (permission) => permission.addEventListener("change", () => this.#look()),
      () => {}, // not every browser knows this name
    );
  }

  get works() {
    return this.#stream === "connected" && this.phone.line?.status === "connected";
  }

  /** Do not disturb is on, or off: as the server says. */
  set disturb(on) {
    this.#disturb = on;
    this.show();
  }

  show() {
    const state = this.#state();
    const tone = { ready: "good", disturbed: "hold", disconnected: "bad" }[state] ?? "wait";
    badge.className = `badge ${tone}`;
    badge.dataset.state = state;
    const text = badge.querySelector("[data-text]");
    if (text.textContent !== words.line[state]) text.textContent = words.line[state];
    this.#showTroubles();
    if (state !== this.#said && ["ready", "disconnected"].includes(state)) {
      announce(words.news[state === "ready" ? "ready" : "offline"]);
      this.#said = state;
    }
  }

  #state() {
    if (this.works) return this.#disturb ? "disturbed" : "ready";
    const line = this.phone.line?.status ?? "connecting";
    if (this.#stream === "stopped" || line === "disconnected") return "disconnected";
    return this.#stream === "disconnected" || line === "reconnecting" ? "reconnecting" : "connecting";
  }

  #showTroubles() {
    const found = [...this.#troubles()];
    const key = JSON.stringify(found);
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    list.replaceChildren(
      ...found.map(([name, detail, action]) => {
        const item = copyOf("trouble-template");
        item.dataset.trouble = name;
        item.querySelector("[data-text]").textContent = [words.troubles[name], detail].filter(Boolean).join(" ");
        item.classList.toggle("alarm", name !== "sound");
        item.classList.toggle("note", name === "sound");
        item.querySelector("[data-login]").hidden = action !== "login";
        item.querySelector("[data-sound]").hidden = action !== "sound";
        return item;
      }),
    );
  }

  *#troubles() {
    const { status = "connecting", error = null } = this.phone.line ?? {};
    const problem = this.#problem;
    if (problem && REFUSED.includes(problem.status)) yield ["login", "", "login"];
    else if (problem?.status) yield [problem.status === 503 ? "vonage" : "refused", problem.detail || problem.title];
    else if (this.#stream === "disconnected") yield ["server"];
    if (error && status !== "connected") yield ["vonage", error.problem?.detail ?? error.message];
    if (this.#microphone === "denied") yield ["microphone"];
    if (this.#microphone === "missing") yield ["no_microphone"];
    if (this.tones.blocked) yield ["sound", "", "sound"];
  }

  async #look() {
    this.#microphone = await microphoneState();
    this.show();
  }
}
