// What came of what was done, and what is wrong.

import { PhoneError } from "../switchhook.js";
import { reason } from "../faults.js";
import { fill, words } from "./words.js";

const LASTS = 8_000; // ms until what happened is no longer said; a fault stays until the next one, or until it is clicked
const said = document.getElementById("said");
const news = document.getElementById("news");
let line = 0;

/** Say `text`, in the tone good, bad or wait. */
export function say(text, tone = "wait") {
  const mine = ++line;
  const content = document.createElement("p");
  content.className = tone;
  content.textContent = text;
  content.addEventListener("click", () => content.remove());
  said.replaceChildren(content);
  setTimeout(() => mine === line && content.remove(), tone === "bad" ? 2 * LASTS : LASTS);
}

/** Say it to who cannot see the page. */
export function announce(text) {
  news.textContent = text;
}

/** Why `verb` was not done. */
export function sayFault(verb, error) {
  say(fill(words.other.line, { verb: words.verbs[verb], came: wordsOf(error) }), "bad");
}

export function wordsOf(error) {
  if (error instanceof PhoneError) {
    if (error.status === 0) return words.faults.offline;
    if (error.detail?.includes("connect_pair")) return words.other.pair;
    return reason(error.problem, words);
  }
  if (error?.name === "NotAllowedError" || error?.name === "NotFoundError") return words.other.no_microphone;
  return error?.message || words.troubles.else;
}
