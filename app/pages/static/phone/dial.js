// Whom to call: the field, the number pad, and everything on the page that has `data-dial`.

import { isContact } from "./contacts.js";
import { say } from "./say.js";
import { fill, words } from "./words.js";

const form = document.getElementById("dial");
const field = document.getElementById("to");
const pad = document.getElementById("pad");
const toggle = document.getElementById("show-pad");
const NUMBER = /^\+?[\d\s().-]*\d[\d\s().-]*$/;
const SIP = /^sips?:/i;
let doubted = null; // what nobody is known by: the same once more is meant

/** A number without what people write between its digits; a user or a SIP address as it is. */
export function addressOf(text) {
  return NUMBER.test(text) ? text.replace(/\D/g, "") : text;
}

/** The same as the API takes it: a number, or an endpoint as in a `connect`. */
export function endpointOf(text) {
  if (NUMBER.test(text)) return addressOf(text);
  return SIP.test(text) ? { type: "sip", uri: text } : { type: "app", user: text };
}

/** Why `text` is not called yet, in words, or null. A name that no user has is called once it was entered twice. */
export async function doubt(text) {
  if (!text) return words.other.nobody;
  const isSure = NUMBER.test(text) || SIP.test(text) || doubted === text || (await isContact(text));
  doubted = isSure ? null : text;
  return isSure ? null : fill(words.other.not_known, { who: text });
}

/** `call(to)` begins a call and resolves to whether it has begun; `key(key)` is called for each that is pressed. */
export function installDial({ call, key }) {
  async function submit({ isSure = false } = {}) {
    const to = field.value.trim();
    form.setAttribute("aria-busy", "true");
    try {
      const why = isSure ? null : await doubt(to);
      if (why) {
        say(why, "bad");
        field.focus();
      } else if (await call(addressOf(to))) field.value = "";
    } finally {
      form.removeAttribute("aria-busy");
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!form.hasAttribute("aria-busy")) submit();
  });
  pad.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-key]");
    if (!button) return;
    field.value += button.dataset.key;
    key(button.dataset.key);
  });
  document.getElementById("erase").addEventListener("click", () => {
    field.value = field.value.slice(0, -1);
    field.focus();
  });
  toggle.addEventListener("click", () => showPad(pad.hidden));
  document.addEventListener("click", ({ target }) => {
    const entry = target.closest("[data-dial]");
    if (!entry || form.hasAttribute("aria-busy")) return; // clicked twice: one call is meant
    field.value = entry.dataset.dial;
    submit({ isSure: true });
  });
}

/** The pad makes room for a call, until somebody opens it. */
export function showPad(open) {
  pad.hidden = !open;
  toggle.setAttribute("aria-expanded", open);
}
