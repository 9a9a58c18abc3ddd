// Who does not look at the page: its title, a notification while it is behind, and words for a screen reader.

import { announce } from "./say.js";
import { fill, words } from "./words.js";

const shown = new Map(); // by id of a call
const title = document.title;

export const notifications = {
  get possible() { return "Notification" in globalThis && Notification.permission === "default"; },
  request: () => Notification.requestPermission(),
};

/** Show who calls, `calls` being those that ring and are not ignored. */
export function ringing(calls, choose) {
  document.title = calls.length ? `${fill(words.news.title, calls[0])} – ${title}` : title;
  const ids = new Set(calls.map(({ id }) => id));
  for (const [id, notification] of shown) {
    if (ids.has(id)) continue;
    notification?.close();
    shown.delete(id);
  }
  for (const call of calls.filter(({ id }) => !shown.has(id))) {
    announce(fill(words.news.incoming, call));
    shown.set(call.id, document.hidden ? notified(call, choose) : null);
  }
}

function notified(call, choose) {
  if (!("Notification" in globalThis) || Notification.permission !== "granted") return null;
  const body = call.number && call.number !== call.who ? call.number : "";
  try {
    const notification = new Notification(fill(words.news.title, call), { body, tag: call.id, requireInteraction: true });
    notification.addEventListener("click", () => {
      focus();
      choose(call);
    });
    return notification;
  } catch {
    return null; // Chrome on Android shows those of a service worker alone
  }
}
