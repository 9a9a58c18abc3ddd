// A call while it lives: the parts of its page that changed are replaced as the stream reports changes. What is folded
// open, the place on the page and a recording that plays stay as they are.

import { again } from "./acting.js";
import { localise } from "./times.js";

const PAUSE = 300; // ms in which changes are taken together
const AGAIN = 5000; // ms until a stream that was refused is opened again
const KINDS = ["leg", "input", "recording", "transfer", "error", "conversation", "gap"];
const parts = "main section[id]";

const main = document.querySelector("main");
const cut = document.getElementById("cut");
const said = document.getElementById("said");
const written = new Map([...document.querySelectorAll(parts)].map((part) => [part.id, shape(part)]));
let stream = null;
let followed = "";
let waiting = 0;
let reading = false;
let anew = false;

/** A part without what scripts and the reader change in it, to see whether the server's changed. */
function shape(part) {
  const copy = part.cloneNode(true);
  for (const element of copy.querySelectorAll("time, [data-zone], [data-since]")) {
    element.textContent = "";
    element.removeAttribute("title");
  }
  for (const element of copy.querySelectorAll("[hidden], [open], button")) {
    for (const name of ["hidden", "open", "class"]) element.removeAttribute(name);
  }
  return copy.innerHTML;
}

function soon() {
  if (!waiting) waiting = setTimeout(read, PAUSE);
}

/** Read the page again. One at a time: a change meanwhile is read afterwards. */
async function read() {
  waiting = 0;
  if (reading) {
    anew = true;
    return;
  }
  reading = true;
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if ([401, 403, 404].includes(response.status)) location.reload(); // logged out, or deleted: the page says so
    if (!response.ok) throw new Error(response.statusText);
    show(new DOMParser().parseFromString(await response.text(), "text/html"));
    if (response.redirected) history.replaceState(null, "", response.url);
    cut.hidden = true;
  } catch {
    cut.hidden = false;
    setTimeout(soon, AGAIN);
  }
  reading = false;
  if (anew) {
    anew = false;
    soon();
  }
}

/** Put the parts of `page` that changed into this one. */
function show(page) {
  let before = document.getElementById("cut");
  for (const id of written.keys()) {
    if (page.getElementById(id)) continue;
    const gone = document.getElementById(id);
    if (gone?.contains(document.activeElement)) main.focus({ preventScroll: true });
    gone?.remove();
    written.delete(id);
  }
  for (const part of page.querySelectorAll(parts)) {
    const [old, now] = [document.getElementById(part.id), shape(part)];
    if (!old) {
      before.after(part);
      written.set(part.id, now);
      ready(part);
      before = part;
      continue;
    }
    before = old;
    const plays = [...old.querySelectorAll("audio")].some((audio) => !audio.paused && !audio.error);
    if (plays || written.get(part.id) === now) continue;
    written.set(part.id, now);
    replace(old, part);
    before = part;
  }
  for (const name of ["h1", "#live"]) document.querySelector(name).replaceWith(page.querySelector(name));
  document.title = page.title;
  follow();
}

function replace(old, part) {
  const open = [...old.querySelectorAll("details[open]")].map((details) => details.id);
  const scrolled = [...old.querySelectorAll("[data-scroll]")].map((box) => [box.dataset.scroll, box.scrollLeft]);
  const had = old.contains(document.activeElement) ? document.activeElement : null;
  const focused = [...old.querySelectorAll("a, summary, button, [tabindex]")].indexOf(had);
  old.replaceWith(part);
  for (const id of open) if (id) document.getElementById(id)?.setAttribute("open", "");
  for (const [name, left] of scrolled) part.querySelector(`[data-scroll="${name}"]`)?.scrollTo(left, 0);
  if (had?.dataset.act) (again(part, had) ?? main).focus({ preventScroll: true });
  else if (focused >= 0) part.querySelectorAll("a, summary, button, [tabindex]")[focused]?.focus({ preventScroll: true });
  ready(part);
}

/** Follow all conversations of the call by one stream; by none in a tab that nobody sees, as connections are few. */
function follow() {
  const names = document.hidden ? "[]" : document.getElementById("live").dataset.follow;
  if (names === followed) return;
  followed = names;
  stream?.close();
  const conversations = JSON.parse(names);
  stream = conversations.length ? listen(conversations) : null;
}

function listen(conversations) {
  const opened = new EventSource(`/api/v1/stream?${new URLSearchParams({ conversation: conversations.join(",") })}`);
  opened.addEventListener("open", soon); // for what changed since the page was made
  for (const kind of KINDS) opened.addEventListener(kind, soon);
  opened.addEventListener("away", () => { cut.hidden = false; });
  opened.addEventListener("stats", () => { cut.hidden = true; });
  opened.addEventListener("error", () => {
    cut.hidden = false;
    if (opened.readyState !== EventSource.CLOSED) return; // it connects again by itself
    setTimeout(() => {
      if (stream === opened) stream = listen(conversations);
    }, AGAIN);
  });
  return opened;
}

/** What a part of the page needs once it is there. */
function ready(root) {
  localise(root);
  for (const audio of root.querySelectorAll("audio")) {
    audio.addEventListener("error", () => { audio.nextElementSibling.hidden = false; });
  }
  if (!navigator.clipboard) return; // over plain HTTP there is none
  for (const button of root.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

async function copy(button) {
  const link = button.dataset.copyLink;
  const text = link ? new URL(link, location.href).href : await (await fetch(button.dataset.copy)).text();
  await navigator.clipboard.writeText(text);
  said.textContent = said.dataset.copied;
  button.classList.add("done");
  setTimeout(() => {
    said.textContent = "";
    button.classList.remove("done");
  }, 2000);
}

ready(document.querySelector("main"));
follow();
document.addEventListener("visibilitychange", follow);
