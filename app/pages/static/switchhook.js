// The phone of a user in JavaScript: an ES module for browsers and Node 18 or later. See docs/clients.md.

import { Line } from "./client/line.js";
import { Listeners } from "./client/listeners.js";
import { RECEIVED, Screens } from "./client/screens.js";
import { Tokens } from "./client/tokens.js";

const ELSEWHERE = "answered_elsewhere"; // the cause of a call that somebody else took

// Names of Wazo's Phone, and the event of the stream that each one is. Both the constant and its value can be used.
const WAZO = {
  ON_CALL_INCOMING: ["onCallIncoming", "call_incoming"],
  ON_CALL_OUTGOING: ["onCallOutgoing", "call_created", (data) => data.session?.isCaller],
  ON_CALL_ANSWERED: ["onCallAnswered", "call_answered"],
  ON_CALL_ACCEPTED: ["onCallAccepted", "call_answered"],
  ON_CALL_MUTED: ["onCallMuted", "call_muted"],
  ON_CALL_UNMUTED: ["onCallUnmuted", "call_unmuted"],
  ON_CALL_HELD: ["onCallHeld", "call_held"],
  ON_CALL_RESUMED: ["onCallResumed", "call_resumed"],
  ON_CALL_UNHELD: ["onCallUnHeld", "call_resumed"],
  ON_CALL_CANCELED: [
    "onCallCanceled", "call_ended", (data) => ["cancelled", ELSEWHERE].includes(data.cause),
    (data) => [data.session, data.cause === ELSEWHERE],
  ],
  ON_CALL_REJECTED: ["onCallRejected", "call_ended", (data) => data.cause === "rejected"],
  ON_CALL_ENDED: ["onCallEnded", "call_ended"],
  ON_SHARE_SCREEN_STARTED: ["onScreenShareStarted", "screen_share_started"],
  ON_SHARE_SCREEN_ENDED: ["onScreenShareEnded", "screen_share_ended"],
  ON_REGISTERED: ["onRegistered", "registration_changed", (data) => data.userState?.registered, () => []],
  ON_UNREGISTERED: ["onUnRegistered", "registration_changed", (data) => !data.userState?.registered, () => []],
};
const named = (data) => [{ callId: data.session.id, session: data.session }];
const YEASTAR = {
  newRTCSession: ["call_created", () => true, named],
  incoming: ["call_incoming", () => true, named],
  startSession: ["session_started", () => true, named],
  deleteSession: [
    "call_ended", () => true, (data) => [{ callId: data.session.id, cause: data.cause, detail: data.detail }],
  ],
  registered: ["registration_changed", (data) => data.userState.registered, () => []],
  isRegisteredChange: ["registration_changed", () => true, (data) => [data.userState.registered]],
  recordPermissionsChange: [
    "record_permissions_changed", () => true, (data) => [data.userState.record_permissions],
  ],
};
const ALSO = new Map(); // event of the stream -> [[name, condition, arguments]]
const also = (event, ...more) => ALSO.set(event, [...(ALSO.get(event) ?? []), more]);
const isAny = () => true;
const session = (data) => [data.session];
for (const [constant, [value, event, when = isAny, args = session]] of Object.entries(WAZO)) {
  also(event, value, when, args);
}
for (const [name, [event, when, args]] of Object.entries(YEASTAR)) also(event, name, when, args);

const SIGNAL = "screen_share_signal"; // of the stream: what another page says
const DONE = Object.freeze({ code: 0, message: "" });
const LONGEST_PAUSE = 30_000; // milliseconds between two attempts to connect
const SILENCE = 40_000; // the server gives a sign of life every 15 seconds
const WAIT = 15_000; // for a response; the server itself waits 5 seconds for Vonage
const ATTEMPTS = 5; // of a request that gets no response, with pauses of half a second, then twice as long each time
const REFUSED = [401, 403]; // another attempt with the same token would be refused as well

/** What the server says is wrong: its problem (RFC 9457). `status` is 0 where there was no response, with `cause`. */
export class PhoneError extends Error {
  constructor(problem, options) {
    super(problem.detail || problem.title, options);
    this.name = "PhoneError";
    this.status = problem.status;
    this.title = problem.title;
    this.detail = problem.detail;
    this.error_id = problem.error_id ?? null;
    this.problem = problem;
  }
}

const MOMENTS = ["answerTime", "creationTime", "endTime", "startTime"];
const MOMENTS_OF_CALL = ["startingTime", "answerTime", "hangupTime"];

/** A session as the server shows it, with Wazo's methods; moments are of the type Date, as there. It never changes. */
export class CallSession {
  constructor(shown) {
    Object.assign(this, withDates(shown, MOMENTS));
    if (shown.call) this.call = withDates(shown.call, MOMENTS_OF_CALL);
  }

  getId() { return this.id; }
  is(other) { return this.id === idOf(other); }
  isIncoming() { return !this.isCaller && !this.answered; }
  isOutgoing() { return this.isCaller && !this.answered; }
  isActive() { return this.answered || this.isOutgoing(); }
  isEstablished() { return this.sipStatus === "Established"; }
  isTerminating() { return this.sipStatus === "Terminating"; }
  isTerminated() { return this.sipStatus === "Terminated"; }
  getTalkingToIds() { return this.call?.talkingToIds ?? []; }

  /** Since it began, until it ended or now. */
  getElapsedTimeInSeconds() {
    return Math.floor(((this.endTime ?? new Date()) - this.creationTime) / 1000);
  }
}

function withDates(shown, names) {
  const dates = names.filter((name) => typeof shown[name] === "string").map((name) => [name, new Date(shown[name])]);
  return { ...shown, ...Object.fromEntries(dates) };
}

/** Server-sent events of a text that comes in pieces: push each piece, and get the events that it completes. */
export class EventReader {
  #rest = "";
  #id = null; // of an event that may not be complete yet: only a blank line makes it the last one
  #event = { event: "message", data: [] };

  constructor() {
    this.lastId = null;
    this.retry = null;
  }

  push(piece) {
    const found = [];
    const whole = this.#rest + piece;
    const upTo = whole.endsWith("\r") ? whole.length - 1 : whole.length; // a line feed may follow
    const lines = whole.slice(0, upTo).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() + whole.slice(upTo);
    for (const line of lines) {
      if (line) this.#field(line);
      else {
        this.lastId = this.#id;
        if (this.#event.data.length) found.push({ event: this.#event.event, data: this.#event.data.join("\n") });
        this.#event = { event: "message", data: [] };
      }
    }
    return found;
  }

  #field(line) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#event.event = value;
    else if (name === "data") this.#event.data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}

/** A conference as the server shows it. Each method returns a new one, as at Wazo. */
export class AdHocConference {
  #shown;
  #calls; // by leg, the session that it came from: one Map for all copies, so that an old copy can be used as well

  constructor(phone, shown, host, calls, { muted = host.muted, paused = false } = {}) {
    this.#shown = shown;
    this.#calls = calls;
    Object.assign(this, {
      phone,
      conferenceId: shown.conference_id,
      host: new CallSession({ ...host, conference: true, displayName: "Conference" }), // as Wazo shows it
      started: shown.started,
      finished: shown.finished,
      answerTime: shown.answer_time === null ? null : new Date(shown.answer_time),
      muted, // of the host's own leg, as `paused`
      paused,
      // By leg: the session that it came from; null if that is not known
      participants: new Map(shown.participants.map((leg) => [leg, calls.get(leg) ?? null])),
    });
  }

  getParticipants() { return [...this.participants.values()]; }
  hasParticipants() { return this.participants.size > 0; }
  isMuted() { return this.muted; }
  isOnHold() { return this.paused; }

  async addParticipant(session) {
    const call = typeof session === "string" ? this.phone.getSession(session) : session; // which may end meanwhile
    const shown = await this.phone.request("PUT", this.#member(idOf(session)), {});
    for (const leg of shown.participants) if (!this.#calls.has(leg)) this.#calls.set(leg, call);
    return this.#as(shown);
  }

  /** Hang up a participant: a session, or a leg of `participants`. With "detach" it is put on hold by itself. */
  async removeParticipant(session, mode = "hangup") {
    const leg = this.#legOf(session);
    return this.#without(leg, await this.phone.request("DELETE", `${this.#member(leg)}?mode=${mode}`));
  }

  /** Without a participant that has left, as `conference_adhoc_participant_left` says. Nothing is sent. */
  participantHasLeft(session) {
    return this.#without(this.#legOf(session), this.#shown);
  }

  async mute() { return this.#onOwnLeg("mute", { muted: true }); }
  async unmute() { return this.#onOwnLeg("unmute", { muted: false }); }

  /** Let the host hear music while the others go on. */
  async hold() { return this.#asMember("hold", { paused: true }); }
  async resume() { return this.#asMember("resume", { paused: false }); }

  /** Hang up everybody. */
  async hangup() {
    const shown = await this.phone.request("DELETE", this.#at);
    return this.#as({ ...shown, finished: true, participants: [] });
  }

  async refresh() {
    return this.#as(await this.phone.request("GET", this.#at));
  }

  get #at() {
    return `/conferences/${encodeURIComponent(this.conferenceId)}`;
  }

  #member(id) {
    return `${this.#at}/participants/${encodeURIComponent(id)}`;
  }

  #legOf(session) {
    const id = idOf(session);
    return [...this.#calls].find(([leg, call]) => leg === id || call?.id === id)?.[0] ?? id;
  }

  async #onOwnLeg(verb, changes) {
    await this.phone.request("POST", `/sessions/${encodeURIComponent(this.host.id)}/${verb}`, {});
    return this.#as(this.#shown, changes);
  }

  async #asMember(verb, changes) {
    return this.#as(await this.phone.request("POST", `${this.#member(this.#shown.host)}/${verb}`, {}), changes);
  }

  #without(leg, shown) {
    return this.#as({ ...shown, participants: shown.participants.filter((each) => each !== leg) });
  }

  #as(shown, changes) {
    const { muted, paused } = this;
    return new AdHocConference(this.phone, shown, this.host, this.#calls, { muted, paused, ...changes });
  }
}

/** By which listeners are kept: a constant of Wazo's is the same as its value. */
function keyOf(name) {
  return WAZO[name]?.[0] ?? name;
}

function idOf(session) {
  return typeof session === "string" ? session : session.id;
}

function pauseOf(milliseconds, signal) {
  return new Promise((resume) => {
    setTimeout(resume, milliseconds);
    signal?.addEventListener("abort", resume, { once: true });
  });
}

/** Names one request, so that it is done once however often it is sent; `crypto` is not everywhere that this runs. */
function newKey() {
  const random = () => Math.random().toString(36).slice(2);
  return `${Date.now().toString(36)}-${random()}${random()}`;
}

/**
 * A user's phone. `token`: a text; or a function that returns a fresh one, or all that `POST …/token` returns, or a
 * promise of either. `reRegistryPhoneTimes`: how many attempts in a row to follow the events may fail before it stops;
 * without it, it never does for that. `sdk`: Vonage's Client SDK, for pages that bundle it.
 */
export class Phone {
  #listeners = new Listeners();
  #stop = null; // while it follows the events
  #ready = null; // what `connect` returns, and how it is settled
  #state = null;
  #registration = null; // while it is said again and again that the page is connected to Vonage
  #attempts = 0; // in a row that failed
  #parties = new Map(); // by id of a session: the leg that the user talked to last, which may be on hold now
  #screens = new Screens(this, (name, data) => this.#emit(name, data), () => this.#listeners.has(RECEIVED));
  #toAnswer = new Set(); // ids of sessions that are to be answered once they ring here
  #deviceIds = {};
  #tokens;

  constructor({ url, user, token, reRegistryPhoneTimes, sdk, fetch: fetcher = globalThis.fetch.bind(globalThis) }) {
    this.url = url.replace(/\/+$/, "");
    this.user = user;
    this.token = token;
    this.reRegistryPhoneTimes = reRegistryPhoneTimes;
    this.sdk = sdk;
    this.line = null; // of this page to Vonage, once it is connected with `audio`
    this.fetch = fetcher;
    this.lastError = null;
    this.sessions = new Map();
    this.currentSessionID = null;
    this.lastEventId = null;
    this.#forgetTokens();
  }

  // ---- Events

  on(name, listener) { this.#listeners.on(keyOf(name), listener); }
  once(name, listener) { this.#listeners.once(keyOf(name), listener); }
  off(name, listener) { this.#listeners.off(keyOf(name), listener); }

  #emit(name, ...args) { this.#listeners.emit(name, ...args); }

  /** Follow the user's events. Add listeners before. */
  start() {
    if (this.#stop) return;
    this.#stop = new AbortController();
    this.#ready = {};
    this.#ready.promise = new Promise((resolve, reject) => Object.assign(this.#ready, { resolve, reject }));
    this.#ready.promise.catch(() => {}); // who did not call `connect` gets the events alone
    this.#attempts = 0;
    this.#follow(this.#stop.signal);
  }

  /**
   * Start, and resolve once `sessions` is known. `audio`: and once this page has a line to Vonage, by which calls ring
   * and are heard here. Throws PhoneError, or what the line throws; either goes on trying, unless it was refused. There
   * is no video.
   */
  async connect({ audio = false } = {}) {
    this.start();
    await this.#ready.promise;
    if (audio && (this.sdk || globalThis.document)) await this.#connectLine(); // else there is nothing to hear it by
  }

  async #connectLine() {
    if (!this.line) {
      this.line = new Line({ phone: this, tokens: (options) => this.#sdkTokens(options), sdk: this.sdk });
      this.line.on("legs", (leg) => this.#answerIfWanted(this.line.sessionOf(leg)));
      this.line.on("stats", ({ callId, stats }) => {
        this.#emit("callReport", { callId, session: this.line.sessionOf(callId), stats });
      });
    }
    await this.line.connect();
    await this.line.useDevices(this.#deviceIds);
  }

  /** Follow no more. Calls go on, but for those that this page has the sound of. */
  disconnect() {
    this.#screens.end();
    this.line?.disconnect();
    const was = this.#end(new PhoneError({ status: 0, title: "Disconnected", detail: "The page has disconnected." }));
    if (this.#registration) this.setRegistered(false).catch(() => {}); // else it expires by itself
    if (was) this.#emit("disconnected");
    return was;
  }

  /** Disconnect and forget everything. */
  destroy() {
    this.#listeners.clear();
    this.disconnect();
    this.line = null;
    this.sessions.clear();
    this.#parties.clear();
    this.currentSessionID = null;
    this.lastEventId = null;
    this.#state = null;
  }

  /** Go on as another user, or with another token. */
  reRegister(user, token) {
    this.#screens.end();
    const [follows, before, line] = [this.#end(null), this.#ready, this.line];
    const over = line?.disconnect(); // says so as the user of before
    if (user !== this.user) this.lastEventId = null;
    Object.assign(this, { user, token });
    this.#forgetTokens();
    if (follows) {
      this.start();
      this.#ready.promise.then(before.resolve, before.reject); // of who waits for `connect`
    }
    over?.then(() => line.connect()).catch(() => {}); // it is in the line's `error`
    return this;
  }

  /**
   * Say whether this page is connected to Vonage. That it is, is said again before `seconds` are over, until
   * `disconnect`. Throws PhoneError.
   */
  async setRegistered(registered, { seconds = 120, attempts = 0 } = {}) {
    clearTimeout(this.#registration);
    this.#registration = null;
    const again = () => this.setRegistered(true, { seconds, attempts }).catch((error) => (this.lastError = error));
    if (registered) {
      this.#registration = setTimeout(again, seconds * 500);
      this.#registration.unref?.(); // Node would wait for it
    }
    await this.request("PUT", "/registration", { registered, seconds, attempts });
  }

  #end(reason) {
    const was = this.#stop !== null;
    this.#stop?.abort();
    this.#stop = null;
    if (was && reason) this.#ready.reject(reason);
    return was;
  }

  async #follow(stopped) {
    let pause = 1000;
    while (!stopped.aborted) {
      const { connected, retry, error } = await this.#attempt(stopped);
      if (stopped.aborted) return;
      this.#attempts = connected ? 0 : this.#attempts + 1;
      if (connected) {
        pause = retry ?? 1000;
        this.#emit("disconnected");
      } else {
        this.#emit("registrationFailed", error);
        if (error.status === 401 && this.#tokens.forget()) continue;
        if (REFUSED.includes(error.status) || this.#attempts > this.reRegistryPhoneTimes) {
          this.#end(error);
          this.#emit("stopped", error);
          return;
        }
      }
      await pauseOf(pause * (0.5 + Math.random() / 2), stopped);
      if (!connected) pause = Math.min(2 * pause, LONGEST_PAUSE);
    }
  }

  /** Follow the events over one connection: whether there was one, what pause the server wants, and what went wrong. */
  async #attempt(stopped) {
    const attempt = new AbortController();
    const end = () => attempt.abort();
    stopped.addEventListener("abort", end);
    let silence = setTimeout(end, SILENCE);
    const found = { connected: false, retry: null, error: null };
    try {
      const headers = { ...(await this.#headers()), Accept: "text/event-stream" };
      if (this.lastEventId !== null) headers["Last-Event-ID"] = this.lastEventId;
      const response = await this.fetch(`${this.base}/stream`, { headers, signal: attempt.signal });
      if (!response.ok) throw new PhoneError(await problemOf(response));
      found.connected = true;
      this.#emit("connected");
      if (this.lastEventId !== null) this.#ready.resolve();
      const [reader, decoder, body] = [new EventReader(), new TextDecoder(), response.body.getReader()];
      for (let part = await body.read(); !part.done; part = await body.read()) {
        clearTimeout(silence);
        silence = setTimeout(end, SILENCE);
        for (const { data } of reader.push(decoder.decode(part.value, { stream: true }))) {
          if (!stopped.aborted) this.#take(JSON.parse(data));
        }
        if (!stopped.aborted) this.lastEventId = reader.lastId ?? this.lastEventId;
        found.retry = reader.retry;
      }
    } catch (error) {
      found.error = error instanceof PhoneError ? error : noResponse(error);
    }
    clearTimeout(silence);
    stopped.removeEventListener("abort", end);
    return found;
  }

  #take(data) {
    if (data.event === SIGNAL) {
      this.#screens.take(data); // of another page, and no event
      return;
    }
    if (data.userState) this.#state = data.userState;
    if (data.event === "sessions") {
      this.sessions = new Map(data.sessions.map((each) => [each.id, new CallSession(each)]));
      data.sessions.forEach((each) => this.#meet(each));
      this.currentSessionID = data.currentSessionID ?? null;
      this.#screens.ask(data.sessions);
      this.#ready.resolve();
    } else if (data.session) {
      data = { ...data, session: new CallSession(data.session) };
      this.#meet(data.session);
      if (data.session.state === "live") this.sessions.set(data.session.id, data.session);
      else this.sessions.delete(data.session.id);
      this.#forgetDouble(data.session);
    }
    if (data.event === "current_session_changed") this.currentSessionID = data.session?.id ?? null;
    if (!this.sessions.has(this.currentSessionID)) this.currentSessionID = null;
    if (data.event === "answer_requested" && this.line) this.#toAnswer.add(data.session.id);
    if (data.event === "call_ended") {
      this.#toAnswer.delete(data.session.id);
      this.#screens.end(data.session.id);
    } else if (data.event === "call_answered") this.#screens.ask([data.session]);
    else if (data.session) this.#screens.changed(data.session);
    this.#emit(data.event, data);
    this.#answerIfWanted(data.session);
    for (const [name, when, args] of ALSO.get(data.event) ?? []) if (when(data)) this.#emit(name, ...args(data));
  }

  /**
   * A leg that this server has called into a room looks like a call of its own, whose id is the leg's, until Vonage's
   * response says which call it is for; of that no event says that it is no more. A user's own call has the same id, and is
   * none of these: nor is that of which a consultation is a part.
   */
  #forgetDouble({ id, leg, status }) {
    if (leg && leg !== id && !status.isTransfer && !this.sessions.get(leg)?.isCaller) this.sessions.delete(leg);
  }

  #meet({ id, call }) {
    if (call?.talkingToIds.length === 1) this.#parties.set(id, call.talkingToIds[0]);
  }

  // ---- What is known

  /** Of Yeastar: `microphoneId`, and `speakerId` beside it. The camera's is only kept: there is no video. */
  get deviceIds() {
    return this.#deviceIds;
  }

  set deviceIds(ids) {
    this.#deviceIds = { ...ids };
    this.line?.useDevices(ids).catch((error) => (this.lastError = error)); // a device that is not there
  }

  #useMicrophone(option) {
    const id = option?.audio?.deviceId?.exact ?? option?.audio?.deviceId;
    if (id) this.deviceIds = { ...this.#deviceIds, microphoneId: id };
  }

  get currentSession() {
    return this.sessions.get(this.currentSessionID) ?? null;
  }

  get incomingList() {
    return [...this.sessions.values()].filter((each) => each.status.isRing);
  }

  get isRegistered() {
    return this.#state?.registered ?? false;
  }

  get recordPermissions() {
    return this.#state?.record_permissions ?? 0;
  }

  get isMaxCall() {
    const counted = [...this.sessions.values()].filter((each) => !each.status.isTransfer);
    return counted.length >= (this.#state?.max_calls ?? 2);
  }

  getSession(id) {
    return this.sessions.get(id) ?? null;
  }

  getSessions() {
    return [...this.sessions.values()];
  }

  getCurrentSession() {
    return this.currentSession;
  }

  // ---- Verbs: true or false, as at Yeastar; what was wrong is in `lastError`. With a line, what concerns the sound of
  // this page is done by that.

  reject(id) { return this.#did(() => this.#has(id) ? this.#online("reject", id) : this.#verb(id, "reject")); }
  hangup(id) { return this.#did(() => this.#has(id) ? this.#online("hangup", id) : this.#verb(id, "hangup")); }

  dtmf(id, digits) {
    return this.#did(() => this.#has(id) ? this.#online("dtmf", id, digits) : this.#verb(id, "dtmf", { digits }));
  }

  /** Both: the microphone is off at once, and the server, which Vonage does not tell, knows. */
  mute(id) {
    return this.#did(async () => {
      const here = this.#has(id);
      if (here) await this.#online("mute", id);
      try {
        await this.#verb(id, "mute");
      } catch (error) {
        if (here) await this.#online("unmute", id); // it is as the server shows it
        throw error;
      }
    });
  }

  unmute(id) {
    return this.#did(async () => {
      await this.#verb(id, "unmute");
      if (this.#has(id)) await this.#online("unmute", id);
    });
  }

  hold(id) { return this.#did(() => this.#verb(id, "hold")); }
  terminate(id, type = "terminate") { return this.#did(() => this.#verb(id, "terminate", { type })); }
  pauseRecord(id) { return this.#did(() => this.#verb(id, "record", { action: "pause" })); }

  /** Start a recording, or go on with one that is paused. */
  startRecord(id) {
    const paused = this.sessions.get(idOf(id))?.recordingPaused;
    return this.#did(() => this.#verb(id, "record", { action: paused ? "resume" : "start" }));
  }

  /** Take the other party off hold; the session is the current one. */
  unhold(id) {
    return this.#did(async () => {
      await this.#verb(id, "unhold");
      this.currentSessionID = idOf(id);
    });
  }

  resume(id) { return this.unhold(id); }

  blindTransfer(id, number) {
    return this.#did(() => this.#verb(id, "transfer", { to: number, flow: "blind" }));
  }

  /**
   * Call a number. With a line it goes out from this page, as the server's flow leads it, and whom the user talks to is
   * put on hold; without one, this user's pages ring first. With `transferId`, a session, it begins an attended
   * transfer of it. A Result, as at Yeastar. Throws PhoneError where that rejects. `option.audio.deviceId`: of the
   * microphone.
   */
  async call(number, option, transferId) {
    if (transferId === undefined && this.line?.status === "connected") {
      this.#useMicrophone(option);
      await this.#holdOthers(null);
      await this.#online("call", number);
    } else {
      const body = transferId === undefined ? { number } : { number, transferId: idOf(transferId) };
      await this.request("POST", "/calls", body);
    }
    return DONE;
  }

  attendedTransfer(id, number) { return this.#did(() => this.call(number, undefined, id)); }

  /** Begin a consultation. The transfer, to be given to completeTransfer, cancelTransfer, …. Throws PhoneError. */
  consult(id, number) {
    return this.#verb(id, "transfer", { to: number, flow: "attended" });
  }

  getTransfer(id) { return this.request("GET", `/transfers/${encodeURIComponent(id)}`); }
  cancelTransfer(id) { return this.request("DELETE", `/transfers/${encodeURIComponent(id)}`); }
  completeTransfer(id) { return this.request("POST", `/transfers/${encodeURIComponent(id)}/complete`, {}); }
  swapTransfer(id) { return this.request("POST", `/transfers/${encodeURIComponent(id)}/swap`, {}); }
  mergeTransfer(id) { return this.request("POST", `/transfers/${encodeURIComponent(id)}/merge`, {}); }

  setCurrentSession(id) {
    return this.#did(async () => {
      const found = await this.request("PUT", "/current-session", { currentSessionID: idOf(id) });
      this.currentSessionID = found.currentSessionID;
    });
  }

  setSessionStaticStatus(id, status, manual) {
    const changes = manual === undefined ? status : { ...status, manual };
    return this.#did(() => this.request("PATCH", `/sessions/${encodeURIComponent(idOf(id))}`, changes));
  }

  /**
   * Answer here, and put whom the user talks to on hold; without a line let the user's pages answer. A Result, as at
   * Yeastar. Throws PhoneError. `option.audio.deviceId`: of the microphone.
   */
  async answer(id, option) {
    this.#useMicrophone(option);
    const rings = this.getSession(idOf(id))?.status.isRing;
    if (this.#has(id)) await Promise.all([this.#online("answer", id), this.#holdOthers(id)]);
    else if (rings && this.line?.status === "connected") this.#toAnswer.add(idOf(id));
    else await this.#verb(id, "answer");
    return DONE;
  }

  async #holdOthers(id) {
    const talking = this.getSessions().filter((each) => !each.is(id ?? "") && each.answered && !each.paused);
    await Promise.all(talking.map((each) => this.#verb(each, "hold")));
  }

  /**
   * By the user's setting, as the user has begun the call elsewhere, or as it was requested: maybe before it rings
   * here, for the server knows of it when a flow calls the user, and Vonage may first have something to say to the
   * caller.
   */
  #answerIfWanted(session) {
    const wanted = session && (session.autoAnswer || this.#toAnswer.has(session.id));
    if (!wanted || this.line?.legOf(session)?.state !== "ringing") return;
    this.#toAnswer.delete(session.id);
    this.answer(session).catch((error) => (this.lastError = error));
  }

  #has(id) {
    return Boolean(this.line?.legOf(id));
  }

  async #online(verb, ...args) {
    try {
      return await this.line[verb](...args);
    } catch (error) {
      throw new PhoneError({ status: 0, title: "Not possible at Vonage", detail: error.message }, { cause: error });
    }
  }

  /** Merge sessions into one call. Resolves to an AdHocConference. Throws PhoneError. */
  async startConference(host, others) {
    const sessions = [host, ...others].map((each) => (typeof each === "string" ? this.getSession(each) : each));
    const body = { host: idOf(host), others: others.map(idOf) };
    const shown = await this.request("POST", "/conferences", body);
    const calls = new Map(shown.participants.map((leg) => [leg, null]));
    for (const session of sessions) {
      const talking = session?.call?.talkingToIds ?? [];
      for (const leg of talking.length ? talking : [this.#parties.get(session?.id)]) {
        if (calls.has(leg)) calls.set(leg, session);
      }
    }
    return new AdHocConference(this, shown, sessions[0] ?? { id: host }, calls);
  }

  /**
   * Ask for the screen, and show it to the other users in the call who want to see it: telephones, and pages without a
   * listener for "screen_share_received", do not. It survives a hold, and stops with the call. Resolves to the
   * MediaStream, as at Wazo. Throws what getDisplayMedia throws, and PhoneError.
   */
  startScreenSharing(constraints, session) {
    return this.#screens.share(constraints, idOf(session));
  }

  /** Share it no more. True or false, as the verbs; false, without an error, where it was not shared. */
  async stopScreenSharing(session) {
    let shared = false;
    const done = await this.#did(async () => (shared = await this.#screens.stop(idOf(session))));
    return done && shared;
  }

  /** The screens of others that this page is shown in a session: `from`, a user, and `stream`, a MediaStream. */
  screensOf(session) {
    return this.#screens.of(idOf(session));
  }

  // ---- How

  get base() {
    return `${this.url}/api/v1/users/${encodeURIComponent(this.user)}`;
  }

  #verb(id, verb, body = {}) {
    return this.request("POST", `/sessions/${encodeURIComponent(idOf(id))}/${verb}`, body);
  }

  async #did(act) {
    try {
      await act();
      this.lastError = null;
      return true;
    } catch (error) {
      if (!(error instanceof PhoneError)) throw error;
      this.lastError = error;
      return false;
    }
  }

  async #headers() {
    return { Authorization: `Bearer ${(await this.#tokens.get()).token}` };
  }

  #forgetTokens() {
    this.#tokens = new Tokens(() => (typeof this.token === "function" ? this.token() : this.token));
  }

  /** With what Vonage wants: who gave a text alone is given that by the server. */
  async #sdkTokens(options) {
    const tokens = await this.#tokens.get(options);
    return tokens.sdk_token ? tokens : this.request("POST", "/token", {});
  }

  /**
   * What the server returns to a request of *path* below the user's address. Without a response it is sent again, with
   * the same Idempotency-Key, so that it is done once. `keepalive`: also after the page is gone. Throws PhoneError.
   */
  async request(method, path, body, { keepalive = false } = {}) {
    const own = {};
    if (body !== undefined) own["Content-Type"] = "application/json";
    if (method !== "GET") own["Idempotency-Key"] = newKey();
    const address = this.base + path; // of the user of now
    const sent = { method, keepalive, body: body === undefined ? undefined : JSON.stringify(body) };
    for (let attempt = 1; ; attempt++) {
      const headers = { ...(await this.#headers()), ...own };
      try {
        const response = await this.fetch(address, { ...sent, headers, signal: AbortSignal.timeout(WAIT) });
        if (response.ok) return response.status === 204 ? null : await response.json();
        if (response.status === 401 && this.#tokens.forget()) continue;
        if (attempt === ATTEMPTS || !isPassing(response)) throw new PhoneError(await problemOf(response));
      } catch (error) {
        if (error instanceof PhoneError) throw error;
        if (attempt === ATTEMPTS) throw noResponse(error);
      }
      await pauseOf(250 * 2 ** attempt);
    }
  }
}

for (const [constant, [value]] of Object.entries(WAZO)) Phone[constant] = Phone.prototype[constant] = value;

/** Whether the same request may soon get another response: nothing was done (503), or the first is under way (409). */
function isPassing(response) {
  return [409, 503].includes(response.status) && response.headers.has("Retry-After");
}

function noResponse(cause) {
  return new PhoneError({ status: 0, title: "No response", detail: cause.message }, { cause });
}

async function problemOf(response) {
  const unknown = { status: response.status, title: response.statusText || "No success", detail: "" };
  return { ...unknown, ...(await response.json().catch(() => ({}))) };
}
