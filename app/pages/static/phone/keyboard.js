// Keys: Enter answers, Escape rejects, M turns the microphone off and on; digits go to a keypad that is open.
//
// Not while somebody writes, or a dialog is open; Enter on a button or a link is that button's.

const FIELDS = "input, select, textarea, audio, [contenteditable]";
const HAVE_ENTER = `${FIELDS}, button, a, summary`;

export function listenToKeys({ incoming, current, act, digit }) {
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]")) return;
    if (target.closest(FIELDS)) return;
    const rings = incoming();
    if (key === "Enter" && rings && !target.closest(HAVE_ENTER)) act("answer", rings);
    else if (key === "Escape" && rings) act("reject", rings);
    else if (key.toLowerCase() === "m" && current()?.can.has("mute")) act("mute", current());
    else if (!/^[0-9*#]$/.test(key) || !digit(key)) return;
    event.preventDefault();
  });
}
