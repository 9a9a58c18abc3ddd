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

/** `use({ microphone, speaker, ringer })` is called at once, and with each choice; "" is the system's. */
export function offerDevices(use) {
  let chosen = { microphone: "", speaker: "", ringer: "", ...kept() };
  use(chosen);
  const fields = Object.keys(KINDS).map((name) => document.getElementById(name));

  async function list() {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    for (const field of fields) {
      const found = devices.filter(({ kind, deviceId }) => kind === KINDS[field.id] && deviceId && deviceId !== "default");
      const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
      const named = found.map(({ deviceId, label }, index) => option(deviceId, label || fill(words.other.device, { number: index + 1 })));
      field.replaceChildren(option("", words.other.standard), ...named);
      // A device that is not plugged in: the system's is used, and the choice is kept
      field.value = found.some(({ deviceId }) => deviceId === chosen[field.id]) ? chosen[field.id] : "";
    }
  }

  for (const field of fields) {
    field.addEventListener("change", () => {
      chosen = { ...chosen, [field.id]: field.value };
      localStorage.setItem(KEY, JSON.stringify(chosen));
      use(chosen);
    });
  }
  navigator.mediaDevices?.addEventListener("devicechange", () => {
    list();
    use(chosen); // one that was chosen may be back
  });
  document.getElementById("open-settings").addEventListener("click", () => {
    list();
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
