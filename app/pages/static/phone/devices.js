// Microphone and loudspeakers: chosen in the settings, kept in this browser.

import { fill, words } from "./words.js";

const KEY = "switchhook.devices";
const KINDS = { microphone: "audioinput", speaker: "audiooutput", ringer: "audiooutput" };
const dialog = document.getElementById("settings");

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

/**
 * `use({ microphone, speaker, ringer })` is called with the ids of what was chosen, and again with each change; "" is the
 * system's, also while a device is not plugged in. Browsers may give a device another id the next day: its name counts, too.
 */
export function offerDevices(use) {
  let chosen = kept(); // by the id of a field: { id, label }
  let devices = [];
  const fields = Object.keys(KINDS).map((name) => document.getElementById(name));
  const of = (field) => devices.filter(({ kind, deviceId }) => kind === KINDS[field.id] && deviceId && deviceId !== "default");

  function idOf(field) {
    const { id, label } = chosen[field.id] ?? {};
    const found = of(field).find(({ deviceId }) => deviceId === id) ?? of(field).find((each) => label && each.label === label);
    return found?.deviceId ?? "";
  }

  async function look() {
    devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    for (const field of fields) {
      const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
      const named = of(field).map(({ deviceId, label }, index) => option(deviceId, label || fill(words.other.device, { number: index + 1 })));
      field.replaceChildren(option("", words.other.standard), ...named);
      field.value = idOf(field);
    }
    use(Object.fromEntries(fields.map((field) => [field.id, idOf(field)])));
  }

  for (const field of fields) {
    field.addEventListener("change", () => {
      chosen = { ...chosen, [field.id]: { id: field.value, label: field.selectedOptions[0].textContent } };
      localStorage.setItem(KEY, JSON.stringify(chosen));
      look();
    });
  }
  navigator.mediaDevices?.addEventListener("devicechange", look);
  look();
  document.getElementById("open-settings").addEventListener("click", () => {
    look(); // there are names once the microphone is allowed
    dialog.showModal();
  });
}

/** "granted", "denied", "prompt", "missing" or "unknown": whether the page may use a microphone, and there is one. */
export async function microphoneState() {
  if (!navigator.mediaDevices) return "missing"; // not over plain http, but for this machine
  const devices = await navigator.mediaDevices.enumerateDevices();
  if (!devices.some(({ kind }) => kind === "audioinput")) return "missing";
  try {
    return (await navigator.permissions.query({ name: "microphone" })).state;
  } catch {
    return "unknown"; // Firefox before 131 does not say
  }
}
