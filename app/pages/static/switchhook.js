// The phone of a user in JavaScript: an ES module for browsers and Node 18 or later. See docs/clients.md.

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
  ON_CALL_CANCELED: ["onCallCanceled", "call_ended", (data) => data.cause === "cancelled"],
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
  deleteSession: ["call_ended", () => true, (data) => [{ callId: data.session.id, cause: data.cause }]],
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

const DONE = Object.freeze({ code: 0, message: "" });
const LONGEST_PAUSE = 30_000; // milliseconds between two attempts to connect
const SILENCE = 40_000; // the server gives a sign of life every 15 seconds

/** What the server says is wrong: its problem (RFC 9457). */
export class PhoneError extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.name = "PhoneError";
    this.status = problem.status;
    this.title = problem.title;
    this.detail = problem.detail;
    this.problem = problem;
  }
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
  constructor(phone, shown, host, calls) {
    Object.assign(this, {
      phone,
      conferenceId: shown.conference_id,
      host: { ...host, conference: true },
      started: shown.started,
      finished: shown.finished,
      answerTime: shown.answer_time,
      // By leg: the session that it came from; null if that is not known
      participants: new Map(shown.participants.map((leg) => [leg, calls.get(leg) ?? null])),
    });
  }

  getParticipants() {
    return [...this.participants.values()];
  }

  hasParticipants() {
    return this.participants.size > 0;
  }

  async addParticipant(session) {
    const shown = await this.phone.request("PUT", `${this.#at}/participants/${encodeURIComponent(idOf(session))}`, {});
    const calls = new Map(this.participants);
    for (const leg of shown.participants) if (!calls.has(leg)) calls.set(leg, session);
    return this.#as(shown, calls);
  }

  /** Hang up a participant: a session, or a leg of `participants`. With "detach" it is put on hold by itself. */
  async removeParticipant(session, mode = "hangup") {
    const id = idOf(session);
    const leg = [...this.participants].find(([key, call]) => key === id || call?.id === id)?.[0] ?? id;
    const path = `${this.#at}/participants/${encodeURIComponent(leg)}?mode=${mode}`;
    const shown = await this.phone.request("DELETE", path);
    const without = { ...shown, participants: shown.participants.filter((each) => each !== leg) };
    return this.#as(without, this.participants);
  }

  /** Hang up everybody. */
  async hangup() {
    const shown = await this.phone.request("DELETE", this.#at);
    return this.#as({ ...shown, finished: true, participants: [] }, new Map());
  }

  async refresh() {
    return this.#as(await this.phone.request("GET", this.#at), this.participants);
  }

  get #at() {
    return `/conferences/${encodeURIComponent(this.conferenceId)}`;
  }

  #as(shown, calls) {
    return new AdHocConference(this.phone, shown, this.host, calls);
  }
}

function idOf(session) {
  return typeof session === "string" ? session : session.id;
}

function withMethods(session) {
  return Object.assign(Object.create({ getId() { return this.id; } }), session);
}

/** A user's phone. `token`: a text, or a function that returns a fresh one, or a promise of it. */
export class Phone {
  #listeners = new Map();
  #stop = null;
  #state = null;

  constructor({ url, user, token, fetch: fetcher = globalThis.fetch.bind(globalThis) }) {
    this.user = user;
    this.base = `${url.replace(/\/+$/, "")}/api/v1/users/${encodeURIComponent(user)}`;
    this.token = token;
    this.fetch = fetcher;
    this.sessions = new Map();
    this.currentSessionID = null;
    this.lastEventId = null;
  }

  // ---- Events

  on(name, listener) {
    const key = WAZO[name]?.[0] ?? name;
    this.#listeners.set(key, [...(this.#listeners.get(key) ?? []), listener]);
  }

  once(name, listener) {
    const first = (...args) => {
      this.off(name, first);
      listener(...args);
    };
    first.original = listener;
    this.on(name, first);
  }

  off(name, listener) {
    const key = WAZO[name]?.[0] ?? name;
    const left = (this.#listeners.get(key) ?? []).filter((each) => each !== listener && each.original !== listener);
    this.#listeners.set(key, left);
  }

  #emit(name, ...args) {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(...args);
      } catch (error) {
        console.error(error); // a listener's fault must not end the stream
      }
    }
  }

  /** Follow the user's events. Add listeners before. */
  start() {
    if (this.#stop) return;
    this.#stop = new AbortController();
    this.#follow(this.#stop.signal);
  }

  disconnect() {
    const was = this.#stop !== null;
    this.#stop?.abort();
    this.#stop = null;
    if (was) this.#emit("disconnected");
    return was;
  }

  destroy() {
    this.#listeners.clear();
    this.disconnect();
    this.sessions.clear();
    this.currentSessionID = null;
  }

  async #follow(stopped) {
    let pause = 1000;
    while (!stopped.aborted) {
      let connected = false;
      const attempt = new AbortController();
      const end = () => attempt.abort();
      stopped.addEventListener("abort", end);
      let silence = setTimeout(end, SILENCE);
      try {
        const headers = { ...(await this.#headers()), Accept: "text/event-stream" };
        if (this.lastEventId !== null) headers["Last-Event-ID"] = this.lastEventId;
        const response = await this.fetch(`${this.base}/stream`, { headers, signal: attempt.signal });
        if (!response.ok) throw new PhoneError(await problemOf(response));
        connected = true;
        pause = 1000;
        this.#emit("connected");
        const [reader, decoder, body] = [new EventReader(), new TextDecoder(), response.body.getReader()];
        for (let part = await body.read(); !part.done; part = await body.read()) {
          clearTimeout(silence);
          silence = setTimeout(end, SILENCE);
          for (const { data } of reader.push(decoder.decode(part.value, { stream: true }))) {
            if (!stopped.aborted) this.#take(JSON.parse(data));
          }
          this.lastEventId = reader.lastId ?? this.lastEventId;
          pause = reader.retry ?? pause;
        }
      } catch (error) {
        if (!stopped.aborted && error instanceof PhoneError) this.#emit("registrationFailed", error);
      }
      clearTimeout(silence);
      stopped.removeEventListener("abort", end);
      if (stopped.aborted) return;
      if (connected) this.#emit("disconnected");
      await new Promise((resume) => {
        setTimeout(resume, pause * (0.5 + Math.random() / 2));
        stopped.addEventListener("abort", resume, { once: true });
      });
      pause = connected ? pause : Math.min(2 * pause, LONGEST_PAUSE);
    }
  }

  #take(data) {
    if (data.userState) this.#state = data.userState;
    if (data.event === "sessions") {
      this.sessions = new Map(data.sessions.map((each) => [each.id, withMethods(each)]));
      this.currentSessionID = data.currentSessionID ?? null;
    } else if (data.session) {
      data = { ...data, session: withMethods(data.session) };
      if (data.session.state === "live") this.sessions.set(data.session.id, data.session);
      else this.sessions.delete(data.session.id);
    }
    if (data.event === "current_session_changed") this.currentSessionID = data.session?.id ?? null;
    if (!this.sessions.has(this.currentSessionID)) this.currentSessionID = null;
    this.#emit(data.event, data);
    for (const [name, when, args] of ALSO.get(data.event) ?? []) if (when(data)) this.#emit(name, ...args(data));
  }

  // ---- What is known

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

  // ---- Verbs: true or false, as at Yeastar; what was wrong is in `lastError`

  reject(id) { return this.#did(() => this.#verb(id, "reject")); }
  hangup(id) { return this.#did(() => this.#verb(id, "hangup")); }
  hold(id) { return this.#did(() => this.#verb(id, "hold")); }
  unhold(id) { return this.#did(() => this.#verb(id, "unhold")); }
  resume(id) { return this.unhold(id); }
  mute(id) { return this.#did(() => this.#verb(id, "mute")); }
  unmute(id) { return this.#did(() => this.#verb(id, "unmute")); }
  dtmf(id, digits) { return this.#did(() => this.#verb(id, "dtmf", { digits })); }
  terminate(id, type = "terminate") { return this.#did(() => this.#verb(id, "terminate", { type })); }
  pauseRecord(id) { return this.#did(() => this.#verb(id, "record", { action: "pause" })); }

  /** Start a recording, or go on with one that is paused. */
  startRecord(id) {
    const paused = this.sessions.get(idOf(id))?.recordingPaused;
    return this.#did(() => this.#verb(id, "record", { action: paused ? "resume" : "start" }));
  }

  blindTransfer(id, number) {
    return this.#did(() => this.#verb(id, "transfer", { to: number, flow: "blind" }));
  }

  /**
   * Call a number: this user's page rings first. With `transferId`, a session, it begins an attended transfer of it.
   * A Result, as at Yeastar. Throws PhoneError where that rejects. `option` is of cameras, which there are none of.
   */
  async call(number, option, transferId) {
    const body = transferId === undefined ? { number } : { number, transferId: idOf(transferId) };
    await this.request("POST", "/calls", body);
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

  /** Let the user's pages answer: only they have the sound. A Result, as at Yeastar. */
  async answer(id) {
    await this.#verb(id, "answer");
    return DONE;
  }

  /** Merge sessions into one call. Resolves to an AdHocConference. Throws PhoneError. */
  async startConference(host, others) {
    const body = { host: idOf(host), others: others.map(idOf) };
    const shown = await this.request("POST", "/conferences", body);
    const calls = new Map();
    for (const each of [host, ...others]) {
      const known = typeof each === "string" ? this.sessions.get(each) : each;
      for (const leg of known?.call?.talkingToIds ?? []) calls.set(leg, known);
    }
    const missing = shown.participants.filter((leg) => !calls.has(leg));
    const without = others.filter((each) => ![...calls.values()].some((call) => call.id === idOf(each)));
    if (missing.length === 1 && without.length === 1) calls.set(missing[0], without[0]);
    return new AdHocConference(this, shown, typeof host === "string" ? this.sessions.get(host) : host, calls);
  }

  // ---- How

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
    const token = typeof this.token === "function" ? await this.token() : this.token;
    return { Authorization: `Bearer ${token}` };
  }

  /** What the server returns to a request of *path* below the user's address. Throws PhoneError. */
  async request(method, path, body) {
    const headers = await this.#headers();
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const sent = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
    const response = await this.fetch(this.base + path, sent);
    if (!response.ok) throw new PhoneError(await problemOf(response));
    return response.json();
  }
}

for (const [constant, [value]] of Object.entries(WAZO)) Phone[constant] = Phone.prototype[constant] = value;

async function problemOf(response) {
  const unknown = { status: response.status, title: response.statusText || "No success", detail: "" };
  return { ...unknown, ...(await response.json().catch(() => ({}))) };
}
