// Acting on calls: a button with data-act sends that verb to the API, after its dialog if it has one, and what came of it
// is said. How legs are then comes by the stream, as for everybody else who looks.

import { reason } from "./faults.js";

const said = document.getElementById("acted");
const words = said && JSON.parse(said.dataset.words);
const token = document.querySelector('meta[name="csrf-token"]')?.content;

const LASTS = 8_000; // ms until what is done is no longer said; a fault stays until the next action
const LOOKS_EVERY = 700; // ms between two looks at what has become of an action
const LOOKS_FOR = 30_000; // ms: Vonage confirms a move within 10 s, and what waits for its turn is sent within a minute
const RINGS_FOR = 60_000; // ms: the recipient of a transfer rings for 30 s, after the others have been moved
const OPEN = ["requested", "accepted"]; // states of an action that will be another

// -- saying

let line = 0;

/** Say `text`; `tone` is good, bad or wait. */
function say(text, tone) {
  const mine = ++line;
  const content = document.createElement("p");
  content.className = tone;
  content.textContent = text;
  said.replaceChildren(content);
  if (tone === "good") setTimeout(() => mine === line && said.replaceChildren(), LASTS);
}

const reasonOf = (problem) => reason(problem, words);

/** Say what came of `act`. */
function sayOf(act, who, came, tone) {
  const parts = { verb: words.verbs[act], who, came };
  say(words.line.replace(/%\((\w+)\)s/g, (_, name) => parts[name]), tone);
}

// -- sending

async function ask(path, options) {
  try {
    const response = await fetch(path, { cache: "no-store", ...options });
    return { ok: response.ok, ...(await response.json()) };
  } catch {
    return { ok: false, title: "offline" };
  }
}

/** The method and the path by which `act` is requested of a target. */
function route(act, { leg, conversation, transfer, conference }) {
  const of = encodeURIComponent;
  if (act === "transfer_call") return ["POST", "/transfers"];
  if (act === "conference") return ["POST", "/conferences"];
  if (transfer) return act === "cancel" ? ["DELETE", `/transfers/${of(transfer)}`] : ["POST", `/transfers/${of(transfer)}/${act}`];
  if (conference) {
    const path = `/conferences/${of(conference)}${leg ? `/participants/${of(leg)}` : ""}`;
    if (act === "add") return ["PUT", path];
    if (act === "hold" || act === "resume") return ["POST", `${path}/${act}`];
    return ["DELETE", act === "detach" ? `${path}?mode=detach` : path]; // remove, end
  }
  if (conversation) return ["POST", `/conversations/${of(conversation)}/record`];
  return ["POST", `/legs/${of(leg)}/${act}`];
}

const sending = new Set(); // a button that is pressed twice acts once

/** Do `act` to each of `targets`; resolves to the first fault, in words, or to null. */
async function send(act, targets, who, body = {}) {
  const key = JSON.stringify([act, targets]);
  if (sending.has(key)) return null;
  sending.add(key);
  try {
    return await sendAll(act, targets, who, body);
  } finally {
    sending.delete(key);
  }
}

async function sendAll(act, targets, who, body) {
  const sent = targets[0].conversation ? { action: act.replace("record_", "") } : body;
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": token };
  sayOf(act, who, "…", "wait");
  const found = await Promise.all(
    targets.map((target) => {
      const [method, path] = route(act, target);
      return ask(`/api/v1${path}`, { method, headers, ...(method !== "DELETE" && { body: JSON.stringify(sent) }) });
    }),
  );
  const fault = found.find((each) => !each.ok);
  if (fault) {
    sayOf(act, who, reasonOf(fault), "bad");
    return reasonOf(fault);
  }
  const last = found.at(-1);
  if (last.state) follow(act, who, last);
  else if (last.initiator_call) followTransfer(act, who, last);
  else if (act === "conference" || act === "add") followMembers(act, who, last, targets.flatMap(({ leg }) => leg ?? []));
  else sayOf(act, who, words.states.begun, "good"); // a conference: the page shows how it goes on
  return null;
}

/** Say what has become of an action until nothing more will. */
async function follow(act, who, action) {
  const until = performance.now() + LOOKS_FOR;
  for (let found = action; ; ) {
    if (!found.ok) return sayOf(act, who, reasonOf(found), "bad");
    const isOpen = OPEN.includes(found.state);
    if (words.faults[found.state]) return sayOf(act, who, reasonOf({ action: found }), "bad");
    sayOf(act, who, words.states[found.state] ?? found.state, isOpen ? "wait" : "good");
    const mine = line;
    if (!isOpen || performance.now() > until || !found.id) return;
    await new Promise((done) => setTimeout(done, LOOKS_EVERY));
    if (mine !== line) return; // another action was begun
    found = await ask(`/api/v1/actions/${encodeURIComponent(found.id)}`);
  }
}

/** The same of a transfer: until it is answered, swapped or over. */
function followTransfer(act, who, begun) {
  followSteps(act, who, begun, `/transfers/${encodeURIComponent(begun.id)}`, RINGS_FOR, ({ outcome, status, pending, talking_to }) => {
    if (outcome === "cancelled" && act !== "cancel") return [words.transfers.unreached, "bad"];
    if (outcome) return [words.transfers[outcome], outcome === "abandoned" ? "bad" : "good"];
    if (act === "transfer_call" && status === "answered") return [words.transfers.answered, "good"];
    if (act !== "swap" || pending) return null;
    const swapped = talking_to === begun.talking_to; // it is as it was requested
    return swapped ? [words.states.confirmed, "good"] : [words.faults.failed, "bad"];
  });
}

/** The same of a conference: until those with `legs`, or all if there are none, have joined, or will not. */
function followMembers(act, who, begun, legs) {
  followSteps(act, who, begun, `/conferences/${encodeURIComponent(begun.conference_id)}`, LOOKS_FOR, ({ members, finished }) => {
    const states = members.filter(({ call_id }) => !legs.length || legs.includes(call_id)).map(({ status }) => status);
    if (finished || states.some((status) => status === "leaving" || status === "left")) return [words.conferences.left, "bad"];
    return states.every((status) => status === "joined") ? [words.states.confirmed, "good"] : null;
  });
}

/** Say what has come of what takes several steps, as soon as `came` says it, a text and its tone, of what is found at
    `path`. How it goes on meanwhile is shown by the page. */
async function followSteps(act, who, begun, path, lasts, came) {
  const until = performance.now() + lasts;
  sayOf(act, who, words.states.begun, "wait");
  const mine = line;
  for (let found = begun; mine === line; ) {
    if (!found.ok) return sayOf(act, who, reasonOf(found), "bad");
    const result = came(found);
    if (result) return sayOf(act, who, ...result);
    if (performance.now() > until) return;
    await new Promise((done) => setTimeout(done, LOOKS_EVERY));
    if (mine === line) found = await ask(`/api/v1${path}`);
  }
}

// -- dialogs

let opener; // what the focus goes back to: the button may have been replaced by then

function focusBack() {
  const again = opener?.isConnected ? opener : document.querySelector(opener?.again ?? "#none");
  again?.focus();
}

function open(dialog, act, targets, who, from) {
  dialog.asks = { act, targets, who };
  dialog.querySelector("[data-who]").textContent = who;
  dialog.querySelector("[role=alert]").hidden = true;
  for (const text of dialog.querySelectorAll("[data-many]")) text.hidden = targets.length < 2;
  for (const text of dialog.querySelectorAll("[data-one]")) text.hidden = targets.length > 1;
  dialog.showModal();
  if (from) fill(dialog, from);
}

/** Read the fields of a dialog, which are of other calls, too, and change with them. */
async function fill(dialog, from) {
  const { asks } = dialog;
  const [fields, submit] = [dialog.querySelector("[data-fields]"), dialog.querySelector("[type=submit]")];
  fields.replaceChildren(Object.assign(document.createElement("p"), { className: "soft", textContent: "…" }));
  submit.hidden = true;
  let html = "";
  try {
    const response = await fetch(from, { cache: "no-store", headers: { Accept: "text/html" } });
    if (!response.ok) throw new Error(response.statusText);
    html = await response.text();
  } catch {
    if (dialog.asks === asks) dialog.fault(words.faults.offline);
    return;
  }
  if (dialog.asks !== asks || !dialog.open) return; // it was opened for another one meanwhile
  fields.replaceChildren(document.importNode(Object.assign(document.createElement("template"), { innerHTML: html }).content, true));
  submit.hidden = fields.querySelector("[data-nothing]") !== null;
  fields.querySelector("input, select")?.focus();
}

/** What an endpoint is, as the API takes it: a number, a sip: address, or a user. */
function endpoint(text) {
  if (/^sips?:/i.test(text)) return { type: "sip", uri: text };
  return /^\+?(\d[\d ().-]*\d|\d)$/.test(text) ? text : { type: "app", user: text };
}

let doubted = null; // what no user is known by: the same once more is meant

/** Why it is not yet transferred to what is typed, in words; null if it is. */
function doubt({ elements: { to: field } }) {
  const to = field.value.trim();
  const isKnown = endpoint(to).type !== "app" || [...field.list.options].some(({ value }) => value === to);
  const isSure = isKnown || doubted === to;
  doubted = isSure ? null : to;
  return isSure ? null : words.not_known.replace("%(who)s", () => to);
}

/** What the fields of these dialogs say: the targets, what is sent, and who it is about if that is not the call alone. */
const FILLED = {
  transfer_call(form, targets) {
    const { initiator, transferred } = form.querySelector("[name=whom]:checked").dataset;
    const { flow, to } = form.elements;
    return [targets, { initiator_call: initiator, transferred_call: transferred, flow: flow.value, to: endpoint(to.value.trim()) }];
  },
  conference(form, targets) {
    const { host, host_leaves } = form.elements;
    return [targets, { host_call_id: host.value, participant_call_ids: joining(form), host_leaves: host_leaves.value }];
  },
  add(form, [{ conference }]) {
    const to = conference ?? form.elements.conference.value;
    const names = chosen(form).map((box) => box.closest("label").querySelector("bdi").textContent);
    return [joining(form).map((leg) => ({ conference: to, leg })), {}, names.join(", ")];
  },
};

function chosen(form) {
  return [...form.querySelectorAll("[name=participants]:checked")];
}

function joining(form) {
  return chosen(form).map((box) => box.value);
}

/** Of two who talk to each other one can join, for the other is hung up; and somebody has to. */
function chooseOne(box) {
  for (const other of box.closest(".circle").querySelectorAll("input")) if (other !== box) other.checked = false;
}

/** What the fields of a dialog say, as the API takes it. */
function body(form) {
  const fields = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
  const { where } = form.elements;
  if (!where) return fields;
  const { flow, step } = where.selectedOptions[0].dataset;
  if (flow) return step ? { flow, step } : { flow };
  return { ncco: JSON.parse(fields.ncco ?? "") };
}

for (const dialog of document.querySelectorAll("dialog.ask")) {
  const form = dialog.querySelector("form");
  const wrong = dialog.querySelector("[role=alert]");
  const fault = (text) => {
    wrong.textContent = text;
    wrong.hidden = false;
  };
  dialog.fault = fault;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { act } = dialog.asks;
    let { targets, who } = dialog.asks;
    let sent = null;
    try {
      if (FILLED[act]) [targets, sent, who = who] = FILLED[act](form, targets);
      else sent = body(form);
    } catch (error) {
      return fault(`${words.faults.wrong}. JSON: ${error.message}`);
    }
    const why = act === "transfer_call" ? doubt(form) : null;
    if (why) return fault(why);
    if (form.querySelector("[name=participants]") && !joining(form).length) return fault(words.nobody);
    form.inert = true;
    const failed = await send(act, targets, who, sent);
    form.inert = false;
    if (failed) return fault(failed);
    dialog.close();
    form.reset();
    choose(form);
  });
  form.elements.where?.addEventListener("change", () => choose(form));
  form.addEventListener("change", ({ target }) => target.name === "participants" && chooseOne(target));
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", focusBack);
  choose(form);
}

/** The field for an NCCO is there if that is what was chosen. */
function choose(form) {
  const field = form.querySelector("[data-ncco]");
  if (field) field.hidden = Boolean(form.elements.where.selectedOptions[0].dataset.flow);
}

// -- buttons

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (!said || !button || button.disabled) return;
  const { act, leg, conversation, transfer, conference, fields, who } = button.dataset;
  if (menu?.contains(button)) return chooseInMenu(act);
  opener = button;
  opener.again = sameAs(button);
  begin(act, [{ leg, conversation, transfer, conference }], who, fields);
});

const OPPOSITES = {
  hold: "resume", resume: "hold", mute: "unmute", unmute: "mute",
  record_start: "record_pause", record_pause: "record_resume", record_resume: "record_pause", record_stop: "record_start",
};

/** A selector of the button that does the same, or `act`, in a part of the page that was replaced. */
function sameAs(button, act = button.dataset.act) {
  const target = ["leg", "conversation", "transfer", "conference"].filter((name) => button.dataset[name]);
  return [`[data-act="${act}"]`, ...target.map((name) => `[data-${name}="${CSS.escape(button.dataset[name])}"]`)].join("");
}

/** What the focus goes to in `part`, which was replaced: `button` as it is now, or the one that takes it back; null if
    there is none. What is at its place may be another one, which hangs up. */
export function again(part, button) {
  return part.querySelector(sameAs(button)) ?? part.querySelector(sameAs(button, OPPOSITES[button.dataset.act]));
}

function begin(act, targets, who, fields) {
  const dialog = document.getElementById(`ask-${act}`);
  if (dialog) open(dialog, act, targets, who, fields);
  else send(act, targets, who);
}

// -- the menu of a row of the board

const ASKS = ["transfer_call", "conference", "join", "add"]; // whose dialogs are filled when they open
const menu = document.getElementById("menu");
const items = menu ? [...menu.querySelectorAll("[role=menuitem]")] : [];
let row = null;
let openedAt = 0; // where its button was in the window

/** The row whose menu is open, if any: it is to stay as it is. */
export function rowInUse() {
  return row;
}

function actsOf(of) {
  return JSON.parse(of.dataset.acts);
}

/** Whether there is one to which a call can be added: that is in other rows, which change without this one. */
function conferenceRuns() {
  return [...document.querySelectorAll("#group-live tr[data-acts]")].some((each) => actsOf(each).adds);
}

function shown() {
  return items.filter((item) => !item.hidden && !item.disabled);
}

function openMenu(button) {
  row = button.closest("tr");
  opener = button;
  opener.again = `#${CSS.escape(row.id)} .menu-button`;
  const { hold, asks, who, href } = actsOf(row);
  for (const item of items) {
    const { act } = item.dataset;
    for (const text of item.querySelectorAll("[data-text]")) text.textContent = text.dataset.text.replace("{who}", () => who);
    if (act === "hold" || act === "resume") item.hidden = act !== hold;
    if (ASKS.includes(act)) item.hidden = !asks.includes(act) || (act === "join" && !conferenceRuns());
    if (item.href !== undefined) item.href = href;
  }
  menu.showPopover();
  const [at, box] = [button.getBoundingClientRect(), menu.getBoundingClientRect()];
  openedAt = at.top;
  const below = at.bottom + box.height < innerHeight;
  menu.style.left = `${Math.max(8, at.right - box.width)}px`;
  menu.style.top = `${below ? at.bottom + 4 : Math.max(8, at.top - box.height - 4)}px`;
  shown()[0]?.focus();
}

function chooseInMenu(act) {
  const { legs, first, conference, asks, adds, who, whole, href } = actsOf(row);
  menu.hidePopover();
  if (act === "hangup") begin(act, legs.map((leg) => ({ leg })), whole);
  else if (asks.includes(act)) begin(act === "join" ? "add" : act, [{ conference: adds }], whole, `${href}/ask/${act}`);
  else begin(act, [{ leg: first, conference }], who);
}

let closes = null; // the button of the menu that is open, once it is pressed again: by itself that would open it anew
document.addEventListener(
  "pointerdown",
  ({ target }) => {
    closes = menu?.matches(":popover-open") && opener.contains(target) ? opener : null;
  },
  true,
);
document.addEventListener("click", (event) => {
  const button = event.target.closest(".menu-button");
  if (!button || !menu) return;
  if (button === closes) menu.hidePopover();
  else openMenu(button);
  closes = null;
});
menu?.addEventListener("toggle", ({ newState }) => {
  if (newState === "open") return;
  row = null;
  if (menu.contains(document.activeElement) || document.activeElement === document.body) focusBack();
});
menu?.addEventListener("keydown", (event) => {
  const [all, at] = [shown(), shown().indexOf(document.activeElement)];
  const next = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
  if (next !== undefined) {
    event.preventDefault();
    all[next % all.length].focus();
  } else if (event.key === "Tab") menu.hidePopover();
});
/** A menu is not beside its row any more once that has moved; what scrolls before that, or leaves the row in place, as
    rows that get their height when they come into sight, closes nothing. */
addEventListener(
  "scroll",
  () => {
    const moved = menu?.matches(":popover-open") && Math.abs(opener.getBoundingClientRect().top - openedAt) > 1;
    if (moved) menu.hidePopover();
  },
  { passive: true },
);
