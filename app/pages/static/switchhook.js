// The phone of a user in JavaScript: an ES module for browsers and Node 18 or later. See docs/clients.md.

import { AdHocConference } from "./client/conference.js";
import { PhoneError, noResponse, problemOf } from "./client/errors.js";
import { EventReader } from "./client/event_reader.js";
import { Line } from "./client/line.js";
import { Listeners } from "./client/listeners.js";
import { ALSO, WAZO, keyOf } from "./client/names.js";
import { RECEIVED, Screens } from "./client/screens.js";
import { CallSession, idOf } from "./client/session.js";
import { Tokens } from "./client/tokens.js";

export { AdHocConference, CallSession, EventReader, PhoneError };

const SIGNAL = "screen_share_signal"; // of the stream: what another page says
const DONE = Object.freeze({ code: 0, message: "" });
const LONGEST_PAUSE = 30_000; // milliseconds between two attempts to connect
const SILENCE = 40_000; // the server gives a sign of life every 15 seconds
const WAIT = 15_000; // for a response; the server itself waits 5 seconds for Vonage
const ATTEMPTS = 5; // of a request that gets no response, with pauses of half a second, then twice as long each time
const REFUSED = [401, 403]; // another attempt with the same token would be refused as well

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
  #tried = new WeakSet(); // legs that were answered by themselves, or could not be: tried once
  #away = new Map(); // by id of a session in another host's conference, which the user has left: muted before that?
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
    this.#away.clear();
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
      this.#away.delete(data.session.id);
      this.#screens.end(data.session.id);
    } else if (data.event === "call_answered") this.#screens.ask([data.session]);
    else if (data.session) this.#screens.changed(data.session);
    this.#emit(data.event, data);
    this.#answerIfWanted(data.session);
    for (const [name, when, args] of ALSO.get(data.event) ?? []) if (when(data)) this.#emit(name, ...args(data));
  }

  /**
   * A leg that this server has called into a room looks like a call of its own, whose id is the leg's, until Vonage's
   * response says which call it is for; of that no event says that it is no more. A user's own call has the same id, and
   * is none of these: nor is that of which a consultation is a part.
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

  /** Put the other party on hold; in a conference the others go on, and the user hears and says nothing there. */
  hold(id) {
    return this.#did(() => (this.getSession(idOf(id))?.conference ? this.#inConference(id, "hold") : this.#verb(id, "hold")));
  }

  terminate(id, type = "terminate") { return this.#did(() => this.#verb(id, "terminate", { type })); }
  pauseRecord(id) { return this.#did(() => this.#verb(id, "record", { action: "pause" })); }

  /** Start a recording, or go on with one that is paused. */
  startRecord(id) {
    const paused = this.sessions.get(idOf(id))?.recordingPaused;
    return this.#did(() => this.#verb(id, "record", { action: paused ? "resume" : "start" }));
  }

  /** Take the other party off hold, or come back to a conference; the session is the current one. */
  unhold(id) {
    return this.#did(async () => {
      if (this.getSession(idOf(id))?.conference) {
        await this.#holdOthers(id);
        await this.#inConference(id, "resume");
        await this.request("PUT", "/current-session", { currentSessionID: idOf(id) });
      } else {
        await this.#holdOthers(id, ({ conference }) => conference); // the server holds the rest
        await this.#verb(id, "unhold");
        if (this.line?.legOf(id)?.earmuffed) await this.#online("unearmuff", id); // as a conference that is over left it
      }
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

  async #holdOthers(id, which = () => true) {
    const sessions = this.getSessions().filter((each) => !each.is(id ?? "") && each.answered && !each.paused);
    // One leg is in one place, though a consultation that became part of a conference is a session of its own still
    const elsewhere = new Set(this.getSessions().filter((each) => each.conference).map(({ leg }) => leg));
    const talking = sessions.filter((each) => which(each) && (each.conference || !elsewhere.has(each.leg)));
    const hold = (each) => (each.conference ? this.#inConference(each, "hold") : this.#verb(each, "hold"));
    // One that has ended at that moment keeps nobody from another call
    const done = talking.map((each) => hold(each).catch((error) => { if (this.getSession(each.id)?.answered) throw error; }));
    await Promise.all(done);
  }

  /**
   * Hold or resume the user in a conference: in another host's, by the microphone, which stays off if it was before. The
   * music on hold would be heard beside another call: not here.
   */
  async #inConference(id, verb) {
    const { items } = await this.request("GET", "/conferences");
    const [session, isHold] = [this.getSession(idOf(id)), verb === "hold"];
    if (!session) throw new PhoneError({ status: 404, title: "Unknown session", detail: `The session ${idOf(id)} has ended.` });
    const found = items.find(({ host }) => host === session.leg);
    if (found) {
      const held = Boolean(found.members.find(({ call_id: leg }) => leg === session.leg)?.held);
      const at = `/conferences/${encodeURIComponent(found.conference_id)}/participants/${encodeURIComponent(session.leg)}`;
      if (held !== isHold) await this.request("POST", `${at}/${verb}`, {});
    } else await this.#asGuest(session, isHold);
    if (this.#has(session)) await this.#online(isHold ? "earmuff" : "unearmuff", session);
  }

  async #asGuest({ id, muted }, isHold) {
    const isMuted = muted || Boolean(this.line?.legOf(id)?.muted); // here at once, of the server a moment later
    const staysOff = !isHold && this.#away.get(id);
    if (isMuted !== isHold && !staysOff && !(await this[isHold ? "mute" : "unmute"](id))) throw this.lastError;
    if (!isHold) this.#away.delete(id);
    else if (!this.#away.has(id)) this.#away.set(id, isMuted);
  }

  /**
   * By the user's setting, as the user has begun the call elsewhere, or as it was requested: maybe before it rings
   * here, for the server knows of it when a flow calls the user, and Vonage may first have something to say to the
   * caller.
   */
  #answerIfWanted(session) {
    const wanted = session && (session.autoAnswer || this.#toAnswer.has(session.id));
    const leg = wanted ? this.line?.legOf(session) : null;
    if (leg?.state !== "ringing" || this.#tried.has(leg)) return;
    this.#tried.add(leg);
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
