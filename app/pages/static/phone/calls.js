// What the page shows of calls: sessions as the server says, each with the leg that this page has at Vonage, if any.

import { nameOf, words } from "./words.js";

const FINAL = ["completed", "cancelled", "abandoned"]; // of a transfer: nothing can be requested any more
const ORDER = ["talking", "conference", "consulting", "system", "calling", "incoming", "waiting", "hanging_up", "held", "ignored"];

/** The calls, those that need somebody first: what is done to them, and what may be done to them now. */
export function callsOf(phone, operations, dialled, wanted) {
  const all = phone.getSessions();
  const sessions = all.filter((session) => !isMerged(session, operations) && !isDouble(session, all));
  for (const id of paired.keys()) if (!phone.getSession(id)) paired.delete(id);
  const found = sessions.map((session) => ofSession(session, { phone, operations, sessions, wanted }));
  const known = new Set([...found.map(({ leg }) => leg?.callId), ...all.map(({ leg }) => leg)]);
  for (const leg of phone.line?.legs.values() ?? []) if (!known.has(leg.callId)) found.push(ofLeg(leg, dialled));
  return found.sort((one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state));
}

/** A consultation that has become part of a conference: its id is the leg that is a member now. */
function isMerged({ id, leg, status }, operations) {
  const conference = status.isTransfer && leg ? operations.conferenceOf(leg) : null;
  return Boolean(conference?.participants.includes(id));
}

const paired = new Map(); // by id of a session whose leg the server does not know yet: the leg here

/** The leg that this page has of a session: the same once it was answered, though the server has not heard of that yet. */
function legOf(session, line) {
  const leg = line?.legOf(session) ?? null;
  if (session.leg !== null) paired.delete(session.id);
  else if (leg) paired.set(session.id, leg.callId);
  return leg ?? line?.legs.get(paired.get(session.id)) ?? null;
}

/**
 * A leg to the user that looks like a call of its own, until Vonage's response says that it is for the call that rings
 * here already, whose leg is not known.
 */
function isDouble({ id, leg, isCaller, callerNumber }, sessions) {
  if (id !== leg || isCaller) return false;
  return sessions.some((each) => each.leg === null && each.status.isRing && each.callerNumber === callerNumber);
}

function ofSession(session, { phone, operations, sessions, wanted }) {
  const leg = legOf(session, phone.line);
  const transfer = session.leg ? operations.transferOf(session.leg) : null;
  const conference = session.conference && session.leg ? operations.conferenceOf(session.leg) : null;
  const consultation = session.status.isTransfer;
  const state = stateOf(session, leg, conference);
  const begun = transfer && (consultation || !sessions.some((each) => each.status.isTransfer && each.leg === session.leg));
  const call = {
    id: session.id, session, leg, state, transfer, conference,
    who: nameOf(session),
    number: session.number,
    since: session.answerTime ?? session.creationTime,
    muted: session.muted || Boolean(leg?.muted),
    recording: session.recordingState,
  };
  call.about = aboutOf(call, phone, transfer && !consultation, wanted.get(session.id));
  call.can = new Set(canOf(call, { phone, sessions, begun, consultation }));
  return call;
}

/** A call that Vonage has put here, and of which the server has said nothing yet: only what the page itself can do. */
function ofLeg(leg, dialled) {
  // Vonage answers a user's own call at once: whether anybody else has answered, only the server knows
  const state = leg.state === "ringing" ? "incoming" : leg.incoming && leg.state === "answered" ? "talking" : "calling";
  const number = leg.incoming ? leg.from : dialled.get(leg.callId);
  return {
    id: leg.callId, session: null, leg, state, transfer: null, conference: null, muted: Boolean(leg.muted), recording: "inactive",
    who: number || words.other.unknown,
    number,
    since: null,
    about: state === "talking" ? [words.about.unknown] : [],
    can: new Set(state === "incoming" ? ["answer", "reject"] : leg.state === "answered" ? ["hangup", "keypad", "mute"] : ["hangup"]),
  };
}

/** Whether the user hears nothing of a conference, which goes on: the host has music, a guest's leg here is deaf. */
function isHeld(session, leg, conference) {
  if (session.conference && leg?.earmuffed) return true;
  return Boolean(conference?.members.some((member) => member.call_id === session.leg && member.held));
}

function stateOf(session, leg, conference) {
  const { callStatus, isTransfer } = session.status;
  if (session.isTerminating()) return "hanging_up";
  if (callStatus === "ringing") {
    if (leg?.state === "answered") return "waiting"; // Vonage has connected it; the server is yet to hear of it
    return session.ignored ? "ignored" : "incoming";
  }
  if (session.paused || isHeld(session, leg, conference)) return "held";
  if (session.conference) return "conference";
  if (isTransfer) return "consulting";
  if (callStatus === "talking") return "talking";
  return session.answeredBySystem && !session.ringing ? "system" : "calling";
}

/** Who an endpoint is. */
export function partyOf(endpoint) {
  return typeof endpoint === "string" ? endpoint : endpoint.number ?? endpoint.user ?? endpoint.uri ?? "";
}

function aboutOf({ session, leg, muted, state, transfer }, { line }, transferGoesOn, wanted) {
  const about = wanted ? [[`${wanted}_wanted`]] : [];
  const parent = session.status.transferParent;
  if (parent) about.push([session.answered ? "transfer" : "transfer_rings", { who: parent.name ?? parent.number ?? "" }]);
  if (transfer?.flow === "blind") about.push(["passing_on", { who: partyOf(transfer.to) }]);
  else if (transferGoesOn && session.paused) about.push(["held_by_transfer"]);
  const isHere = leg || ["incoming", "ignored"].includes(state);
  if (!isHere && line?.status === "connected" && session.isEstablished()) about.push(["elsewhere"]);
  if (leg && leg.media !== "ok" && words.about[leg.media]) about.push([leg.media]);
  if (muted && !["incoming", "ignored"].includes(state)) about.push(["muted"]);
  return about.map(([name, values = {}]) => words.about[name].replace(/%\((\w+)\)s/g, (_, key) => values[key]));
}

/** A pair, which a `connect` has put through, cannot be taken apart. */
export function canJoin(session) {
  return session.answered && !session.pair && !session.conference && !session.status.isTransfer;
}

function* canOf({ session, leg, state, transfer, conference, recording }, { phone, sessions, begun, consultation }) {
  if (state === "incoming" || state === "ignored") {
    yield* ["answer", "reject"];
    if (state === "incoming") yield "ignore";
    return;
  }
  if (begun && !transfer.pending && !FINAL.includes(transfer.status)) {
    yield* ["complete", "cancel"];
    if (transfer.status === "answered") yield* ["swap", "merge"];
  }
  // To hang up in a transfer completes it: its own verbs say so
  const decided = !transfer || transfer.pending || FINAL.includes(transfer.status);
  const ends = conference?.host_leaves === "end"; // for all: its own verb says so
  if (state !== "hanging_up" && decided && !ends) yield "hangup";
  if (!session.answered) return;
  yield "mute";
  if (state !== "held") yield "keypad";
  if (!transfer) yield state === "held" ? "unhold" : "hold";
  if (!transfer && !session.conference) yield "transfer";
  if (conference) yield "end"; // a guest cannot
  const others = sessions.filter((each) => each.id !== session.id && canJoin(each));
  if (others.length && !transfer && !consultation && !session.pair) yield "join";
  if (state !== "held") yield* recordingVerbs(recording, phone.recordPermissions);
  if (leg && state !== "held" && (session.conference || isUser(session.number))) yield "share";
}

/** Screens go to pages of users alone. */
function isUser(party) {
  return Boolean(party) && !/^\+?\d+$|^(sips?|wss?|tel):/i.test(party);
}

/** 1: pause and resume what is being recorded; 2: also start and stop. As at Yeastar. */
function recordingVerbs(recording, permissions) {
  if (!permissions) return [];
  const found = { inactive: [], active: ["record_pause"], paused: ["record_resume"] }[recording];
  if (permissions > 1) return [...found, recording === "inactive" ? "record_start" : "record_stop"];
  return found;
}
