// The page of the phone: what there is, and how its parts are joined. What calls do comes from the server's stream
// (switchhook.js) alone; the SDK has the sound (client/line.js).

import { Phone } from "../switchhook.js";
import { Acts } from "./acts.js";
import { ringing, notifications } from "./attention.js";
import { callsOf, partyOf } from "./calls.js";
import { Card } from "./card.js";
import { offerContacts } from "./contacts.js";
import { offerDevices } from "./devices.js";
import { offerConsultation } from "./dialogs.js";
import { installDial, showPad } from "./dial.js";
import { History, isMissed } from "./history.js";
import { listenToKeys } from "./keyboard.js";
import { Operations } from "./operations.js";
import { qualityOf } from "./quality.js";
import { announce, say, sayFault } from "./say.js";
import { Status } from "./status.js";
import { installTabs } from "./tabs.js";
import { newTokens } from "./tokens.js";
import { Tones } from "./tones.js";
import { Voicemails } from "./voicemails.js";
import { fill, nameOf, root, words } from "./words.js";

const CONTACTS_EVERY = 30_000; // ms
const { user } = root.dataset;
const phone = new Phone({ url: location.origin, user, token: () => newTokens(user) });
const tones = new Tones();
const dialled = new Map(); // by id of a call: whom it goes to, until the server knows of it
const operations = new Operations(phone, () => changed());
const status = new Status(phone, tones);
const acts = new Acts(phone, operations, { calls: () => calls, changed: () => changed(), dialled });
const list = document.getElementById("calls");
const cards = new Map();
const seen = new Set(); // ids of calls that ring, or rang
const statistics = new Map(); // by id of a call
let calls = [];
let line = null; // to Vonage, as it is followed
let waits = false;

/** Show what there is, once for all that has changed. */
function changed() {
  if (waits) return;
  waits = true;
  queueMicrotask(() => {
    waits = false;
    show();
  });
}

function show() {
  if (phone.line && phone.line !== line) followLine(phone.line);
  const had = calls.length;
  calls = callsOf(phone, operations, dialled, acts.wanted);
  const ids = new Set(calls.map(({ id }) => id));
  for (const [id, card] of cards) {
    if (ids.has(id)) continue;
    card.element.remove();
    cards.delete(id);
    seen.delete(id);
  }
  for (const call of calls) {
    const card = cards.get(call.id) ?? new Card();
    cards.set(call.id, card);
    card.show(call, membersOf(call));
    card.showScreens(call.session ? phone.screensOf(call.session) : []);
    const stats = call.leg && statistics.get(call.leg.callId);
    card.showQuality(stats?.level ?? null, stats?.level ? numbersOf(stats) : "");
  }
  arrange(calls.map(({ id }) => cards.get(id).element));
  if (Boolean(had) !== Boolean(calls.length)) showPad(!calls.length);
  const rings = calls.filter(({ state }) => state === "incoming");
  const busy = calls.some(({ state }) => ["talking", "conference", "system", "calling", "consulting"].includes(state));
  tones.ring(rings.length ? (busy ? "waiting" : "ring") : null);
  for (const { id } of rings) bringIntoSight(id);
  ringing(rings, ({ id }) => cards.get(id)?.element.querySelector('[data-verb="answer"]').focus());
  status.show();
  offerConsultation(calls);
  acts.catchUp();
}

/** A call that begins to ring is in sight, once; below the running one it may not be. */
function bringIntoSight(id) {
  if (seen.has(id)) return;
  seen.add(id);
  cards.get(id).element.scrollIntoView({ block: "nearest" });
}

/** Put the cards in this order, and move none that is in its place: moving one takes the focus away. */
function arrange(elements) {
  elements.forEach((element, index) => {
    const there = list.children[index];
    if (there === element) return;
    const focus = element.contains(document.activeElement) ? document.activeElement : null;
    list.insertBefore(element, there ?? null);
    focus?.focus();
  });
}

function membersOf({ conference, session }) {
  if (!conference) return [];
  return conference.members
    .filter(({ call_id: leg, status: state }) => leg !== session.leg && ["joining", "joined"].includes(state))
    .map(({ call_id: leg, name, number }) => ({ leg, name: name ?? number ?? words.other.unknown }));
}

function numbersOf({ loss, delay }) {
  return fill(words.other.loss, { loss: loss.toFixed(1), delay: Math.round(delay) });
}

// -- what is done

list.addEventListener("click", ({ target }) => {
  const card = target.closest(".call")?.card;
  const key = target.closest("[data-key]");
  const button = target.closest("[data-verb]");
  if (card && key) return press(card, key.dataset.key);
  if (!card || !button) return;
  if (button.dataset.verb === "keypad") card.toggleKeypad();
  else acts.act(button.dataset.verb, card.call, button);
});

function press(card, key) {
  tones.key(key);
  card.pressed(key);
  acts.dtmf(card.call, key);
}

/** The call that Enter answers and Escape rejects: the newest that rings at this page, else the newest. */
function incoming() {
  const rings = calls.filter(({ state }) => state === "incoming").sort((one, other) => other.since - one.since);
  return rings.find(({ leg }) => leg) ?? rings[0];
}

const current = () => calls.find(({ id }) => id === phone.currentSessionID) ?? calls.find(({ can }) => can.has("mute"));
listenToKeys({
  incoming,
  current,
  act: (verb, call) => acts.act(verb, call),
  digit: (key) => {
    const open = [...cards.values()].find((card) => card.keypadIsOpen);
    if (open) press(open, key);
    return Boolean(open);
  },
});
installDial({ call: (to) => acts.call(to), key: (key) => tones.key(key) });

const disturb = document.getElementById("disturb");
disturb.addEventListener("click", async () => {
  try {
    const on = disturb.getAttribute("aria-pressed") !== "true";
    showDisturb((await phone.request("PATCH", "", { do_not_disturb: on })).do_not_disturb);
  } catch (error) {
    sayFault("disturb", error);
  }
});

function showDisturb(on) {
  disturb.setAttribute("aria-pressed", on);
  status.disturb = on;
}

// -- what happens

const EVERY = ["call_created", "call_incoming", "session_started", "call_answered", "call_updated", "call_held", "call_resumed", "call_muted",
  "call_unmuted", "recording_started", "recording_paused", "recording_resumed", "recording_stopped", "screen_share_started",
  "screen_share_ended", "screen_share_received", "screen_share_lost", "call_ended", "current_session_changed", "record_permissions_changed", "sessions"];
for (const name of EVERY) phone.on(name, changed);
for (const name of ["sessions", "registration_changed", "record_permissions_changed"]) {
  phone.on(name, ({ userState }) => userState && showDisturb(userState.do_not_disturb));
}
const NEWS = { call_answered: "answered", call_held: "held", call_resumed: "resumed", call_muted: "muted", call_unmuted: "unmuted" };
for (const [event, text] of Object.entries(NEWS)) {
  phone.on(event, ({ session }) => announce(fill(words.news[text], { who: nameOf(session) })));
}
/** Whether the other party of a session that has ended has only gone over into the user's conference. */
function isInConference({ number }) {
  const running = calls.filter(({ session }) => session?.conference);
  return running.some((call) => !call.conference || call.conference.members.some((member) => member.number === number));
}

phone.on("transfer_cancelled", ({ transfer }) => {
  if (transfer.flow === "blind") say(fill(words.endings.not_passed_on, { who: partyOf(transfer.to) }), "bad");
});
phone.on("call_ended", ({ session, cause }) => {
  if (session.status.isTransfer || isInConference(session)) return;
  const missed = isMissed({ ...session, cause });
  const how = missed ? "missed" : operations.hasPassedOn(session.leg) ? "passed_on" : cause;
  const text = words.endings[how] ?? words.endings.completed;
  say(fill(text, { who: nameOf(session) }), "wait");
  if (session.answered || session.isCaller) tones.over();
});
const history = new History(phone);
const voicemails = new Voicemails(phone, (to) => acts.call(to));
const contacts = offerContacts();
installTabs((panel) => {
  if (panel === "history") history.looked();
  if (panel === "voicemail") voicemails.read();
  if (panel === "contacts") contacts.refresh();
});
setInterval(() => document.hidden || contacts.refresh(), CONTACTS_EVERY); // who is available changes
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  contacts.refresh();
  connect(); // it has stopped if the login had ended: there may be another one by now
});

// -- sound

offerDevices((chosen) => {
  tones.useSink(chosen.ringer).catch(() => {}); // not plugged in: the system's
  phone.deviceIds = { microphoneId: chosen.microphone, speakerId: chosen.speaker };
});
document.getElementById("try-ring").addEventListener("click", () => tones.once());
const allow = document.getElementById("allow-news");
allow.hidden = !notifications.possible;
allow.addEventListener("click", async () => {
  await notifications.request();
  allow.hidden = !notifications.possible;
});
// The notice that this takes away makes what is below it move: not while somebody presses a button there
for (const [begins, ends] of [["pointerdown", "click"], ["keydown", "keyup"]]) {
  document.addEventListener(begins, () => tones.unblock().catch(() => {}), { once: true });
  document.addEventListener(ends, () => setTimeout(soundIsAllowed), { once: true });
}
function soundIsAllowed() {
  tones.blocked = false;
  status.show();
}

addEventListener("beforeunload", (event) => {
  if (calls.some(({ leg }) => leg?.state === "answered")) event.preventDefault(); // the sound is here
});

function followLine(found) {
  line = found;
  line.on("status", changed);
  line.on("legs", changed);
  line.on("ended", ({ callId }) => {
    statistics.delete(callId);
    dialled.delete(callId);
    changed();
  });
  line.on("stats", ({ callId, stats }) => {
    const before = statistics.get(callId);
    const found = qualityOf(before?.stats, stats);
    statistics.set(callId, { ...(found ?? before), stats });
    changed();
  });
}

/** Follow the events, and have a line to Vonage. Both go on trying by themselves unless they are refused; the page shows it. */
function connect() {
  phone.connect({ audio: true }).catch(console.error);
}

changed();
connect();
