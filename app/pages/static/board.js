// The live board: rows come as HTML, rendered by the server as those of the page, and are put in place by their ids.
//
// The stream begins with the whole board (its rows, then the keys of all), so whoever comes back after a cut misses nothing. What a row says changes at
// once; where rows are, only while the mouse is not moving over them, so that nobody clicks the wrong one.

import { again, rowInUse } from "./acting.js";
import { localise, moment, serverNow } from "./times.js";

const RESTS_AFTER = 10_000; // ms: a mouse that lies still over the board holds nothing back
const CUT_AFTER = 1_500; // ms without a connection until the page says so: a deploy takes less
const SILENT_AFTER = 40_000; // ms: the server sends something every 15 s; a lost network gives no error
const LONGEST_PAUSE = 10_000;
const MOST_NEWS = 3; // calls that are announced at once

const board = document.getElementById("board");
board.classList.toggle("acting", "operator" in board.dataset); // the menus need this script
const cut = document.getElementById("cut");
const news = document.getElementById("news");
const rows = new Map([...board.querySelectorAll("tr[data-version]")].map((row) => [row.id, row]));
const moves = new Map(); // id -> where the row belongs now: the row, or null if it is gone
const later = new Map(); // id -> what a row says now, while some of its text is selected, or its menu is open

// -- rows

/** What is in `html`, as nodes of this document. */
function read(html) {
  return document.importNode(Object.assign(document.createElement("template"), { innerHTML: html }).content, true);
}

/** Show the rows in `html` that the page does not have as they are. */
function show(html) {
  const said = [];
  for (const row of read(html).querySelectorAll("tr[data-version]")) {
    const old = rows.get(row.id);
    if (moves.get(row.id) === null) moves.delete(row.id); // it is back before it was gone
    if ((later.get(row.id) ?? old)?.dataset.version === row.dataset.version) continue;
    localise(row);
    const { group } = row.dataset;
    if (row.dataset.news && (group === "live" ? !old : old?.dataset.group !== group && group === "missed")) {
      said.push(row.dataset.news);
    }
    if (!old) {
      rows.set(row.id, row);
      moves.set(row.id, row);
    } else {
      later.set(row.id, row);
    }
  }
  announce(said);
  settle();
}

function drop(ids) {
  for (const id of ids) {
    later.delete(id);
    if (rows.has(id)) moves.set(id, null);
  }
  settle();
}

/** Let rows say what is new, and be where they belong, as far as nobody is disturbed. */
function settle() {
  for (const [id, row] of later) {
    const old = rows.get(id);
    if (isSelected(old) || rowInUse() === old) continue;
    later.delete(id);
    if (old.dataset.group !== row.dataset.group || moves.has(id)) moves.set(id, old);
    update(old, row);
  }
  const held = isHeld();
  if (!held) {
    for (const [id, row] of moves) row ? place(row) : remove(id);
    moves.clear();
  }
  for (const element of board.querySelectorAll(".waiting-news")) {
    const group = element.closest("section").id.slice("group-".length);
    element.hidden = ![...moves.values()].some((row) => row?.dataset.group === group);
  }
}

/** Only cells that differ are replaced: the focus, and what is under the mouse, stay. */
function update(old, row) {
  Object.assign(old.dataset, row.dataset);
  [...row.cells].forEach((cell, index) => {
    const before = old.cells[index];
    before.className = cell.className;
    if (before.innerHTML === cell.innerHTML) return;
    const focused = before.contains(document.activeElement) ? document.activeElement : null;
    before.replaceChildren(...cell.childNodes);
    if (focused?.dataset.act) (again(before, focused) ?? old.querySelector(".menu-button"))?.focus();
    else if (focused) before.querySelector("a, button, summary")?.focus();
  });
}

function place(row) {
  const body = document.querySelector(`#group-${CSS.escape(row.dataset.group)} tbody`);
  const order = Number(row.dataset.order);
  const next = [...body.rows].find((other) => other !== row && Number(other.dataset.order) < order) ?? null;
  if (row.parentNode === body && row.nextElementSibling === next) return;
  const focused = row.contains(document.activeElement) ? document.activeElement : null;
  body.insertBefore(row, next);
  focused?.focus();
}

function remove(id) {
  rows.get(id)?.remove();
  rows.delete(id);
}

let selected; // the text that is selected, if any: to ask each time would lay the page out each time
document.addEventListener("selectionchange", () => {
  const selection = getSelection();
  selected = selection.rangeCount ? selection.getRangeAt(0) : undefined;
});

function ids(keys) {
  return JSON.parse(keys).map((key) => `call-${key}`);
}

function isSelected(row) {
  return selected && !selected.collapsed && selected.intersectsNode(row);
}

let overAt = -Infinity; // when the mouse last moved over a table
board.addEventListener("pointermove", (event) => {
  const over = event.pointerType === "mouse" && event.target.closest(".table");
  if (!over && isHeld()) overAt = -Infinity;
  else if (over) overAt = performance.now();
});
board.addEventListener("pointerleave", () => {
  overAt = -Infinity;
  settle();
});
board.addEventListener("click", (event) => {
  if (!event.target.closest(".waiting-news")) return;
  overAt = -Infinity;
  settle();
});

function isHeld() {
  return performance.now() - overAt < RESTS_AFTER || rowInUse() !== null;
}

function announce(said) {
  if (!said.length) return;
  const words = said.slice(0, MOST_NEWS);
  if (said.length > MOST_NEWS) words.push(news.dataset.more);
  news.textContent = words.join(". ");
}

// -- what is above the rows

function showFigures(html) {
  const content = read(html);
  localise(content);
  for (const element of content.querySelectorAll("[id]")) document.getElementById(element.id)?.replaceWith(element);
  showNotices();
}

let noticed = document.getElementById("board-counts").dataset.notices;

/** The banner again, if it may have changed. */
async function showNotices() {
  const now = document.getElementById("board-counts").dataset.notices;
  if (now === noticed) return;
  noticed = now;
  const banner = document.getElementById("notices");
  try {
    const answer = await fetch(banner.dataset.from, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.statusText);
    banner.replaceChildren(read(await answer.text()));
  } catch {
    noticed = undefined;
    setTimeout(showNotices, LONGEST_PAUSE);
  }
}

// -- the stream

let source;
let lastAt = serverNow();
let seen = performance.now();
let pause = 1_000;
let cutTimer;

function connect() {
  clearTimeout(cutTimer);
  cutTimer = setTimeout(isCut, CUT_AFTER);
  source = new EventSource(board.dataset.stream);
  seen = performance.now();
  on("calls", show);
  on("board", (keys) => {
    const there = new Set(ids(keys));
    drop([...rows.keys()].filter((id) => !there.has(id)));
    isConnected();
  });
  on("gone", (keys) => drop(ids(keys)));
  on("figures", showFigures);
  on("beat", () => {});
  on("away", () => isCut("away"), false);
  source.addEventListener("error", () => {
    clearTimeout(cutTimer);
    cutTimer = setTimeout(isCut, CUT_AFTER);
    if (source.readyState === EventSource.CLOSED) connectLater();
  });
}

function on(type, handle, isState = true) {
  source.addEventListener(type, (event) => {
    seen = performance.now();
    handle(event.data);
    if (isState) lastAt = serverNow();
  });
}

function isConnected() {
  clearTimeout(cutTimer);
  pause = 1_000;
  cut.hidden = true;
  board.classList.remove("stale");
}

function isCut(why = "cut") {
  const at = new Date(lastAt).toISOString();
  for (const time of cut.querySelectorAll("time")) {
    time.dateTime = at;
    time.dataset.style = "clock";
    time.textContent = moment(at, "clock");
  }
  cut.dataset.why = why;
  cut.hidden = false;
  board.classList.add("stale");
}

/** A browser gives up after an answer that is an error: try again, later and later; without a login, go to it. */
async function connectLater() {
  source.close();
  const wait = pause * (0.5 + Math.random());
  pause = Math.min(pause * 2, LONGEST_PAUSE);
  try {
    const answer = await fetch(board.dataset.stream, { method: "HEAD", cache: "no-store" });
    if (answer.status === 401) return location.reload();
  } catch {
    // the server is away
  }
  setTimeout(connect, wait);
}

setInterval(() => {
  if (source.readyState !== EventSource.CLOSED && performance.now() - seen > SILENT_AFTER) {
    source.close();
    isCut();
    connect();
  }
  settle();
}, 1_000);

connect();
