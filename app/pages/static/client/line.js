// A page's line to Vonage: the legs that this page has there, and their sound, by Vonage's Client SDK. What goes on in
// a call is for the server to say (`Phone`); the line knows only of its own legs. Methods and events of the SDK:
// https://developer.vonage.com/en/vonage-client-sdk/overview, and the types of the npm package @vonage/client-sdk 2.3.

import { Listeners } from "./listeners.js";
import { loadSdk } from "./sdk.js";

const SHORTEST_PAUSE = 1000; // milliseconds between two attempts to connect, then twice as long each time
const LONGEST_PAUSE = 30_000;
const REFRESH = 0.75; // of a token's lifetime, after which it gets another one
const REFRESH_AGAIN = 10_000; // milliseconds after an attempt at that which failed
const LONGEST_TIMER = 2 ** 31 - 1; // milliseconds: a longer one would ring at once
const KEPT_FOR = 60_000; // milliseconds that what a page left behind is of use to the next one
const REFUSED = [401, 403]; // statuses of this server: the same token would be refused again

/**
 * `phone`: the Phone whose sessions the legs belong to. `tokens({fresh})`: what `POST …/token` returns, or a promise
 * of it; `fresh`: one that was not used before. `sdk`: the SDK itself, for pages that bundle it.
 *
 * The SDK's callId is taken to be the uuid of the page's own leg: its types have one argument that is called either,
 * its guides do not say. A leg whose callId is none that the server knows belongs to no session.
 *
 * `status`: "disconnected", "connecting", "connected", "reconnecting"; `error`: why it is not connected, an Error, or
 * null. `legs`: by the SDK's callId: `callId`, `from`, `channelType`, `incoming`, `state` ("ringing", "calling",
 * "answered"), `muted`, `earmuffed`, `media` ("ok", "reconnecting", "lost", "denied": no microphone), `stats` (the SDK's, or null).
 *
 * Events: "status" (the line), "legs" (a leg that changed), "ended" (`callId`, `from`, `incoming`, `reason` in the
 * SDK's words, `quality` or null), "digits" (`callId`, `legId`, `digits`), "stats" (`callId`, `leg`, `stats`).
 */
export class Line {
  #listeners = new Listeners();
  #client = null;
  #sessionId = null; // of the SDK: with it a session is resumed
  #wanted = null; // while it is to be connected: aborted by `disconnect`
  #opening = false;
  #lostMeanwhile = false;
  #refresh = null;
  #callsOut = 0; // that the SDK has not named yet
  #early = new Map(); // what it says of those meanwhile: by callId, the leg's state, or "over"
  #answering = new Map(); // by callId: while the SDK answers
  #registered = Promise.resolve(); // what was reported to the server last

  constructor({ phone, tokens, sdk }) {
    Object.assign(this, { phone, tokens, sdk });
    this.status = "disconnected";
    this.error = null;
    this.legs = new Map();
    this.devices = {};
    this.attempts = 0; // in a row that failed
    phone.on("call_ended", ({ session }) => this.#sessionEnded(session));
  }

  on(name, listener) { this.#listeners.on(name, listener); }
  off(name, listener) { this.#listeners.off(name, listener); }

  // ---- Connecting

  /** Resolves once it is connected. Throws what stopped the first attempt; others follow, unless it was refused. */
  async connect() {
    if (this.#wanted) return;
    this.#wanted = new AbortController();
    globalThis.addEventListener?.("pagehide", this.#leaveBehind);
    const left = this.#takeLeftBehind();
    this.#sessionId = left?.sessionId ?? null;
    for (const leg of left?.legs ?? []) this.legs.set(leg.callId, { ...leg, media: "reconnecting" });
    await this.#open("connecting", this.#wanted.signal);
  }

  /** Be called here no more, and hang up what has sound here. Reports that to the server. */
  async disconnect() {
    if (!this.#wanted) return;
    const [client, legs] = [this.#client, [...this.legs.values()]];
    this.#stop();
    this.#client = this.#sessionId = null;
    for (const { callId } of legs) this.#end(callId, "LOCAL_HANGUP");
    this.#set("disconnected", null);
    const talking = legs.filter((leg) => leg.state !== "ringing"); // what rings may be answered elsewhere
    await Promise.allSettled(talking.map((leg) => client.hangup(leg.callId)));
    await client?.deleteSession().catch(() => {}); // it may be over already
    await this.#registered;
  }

  #stop() {
    this.#wanted.abort();
    this.#wanted = null;
    clearTimeout(this.#refresh);
    globalThis.removeEventListener?.("pagehide", this.#leaveBehind);
  }

  /** One attempt, and others later if it fails. */
  async #open(status, wanted) {
    this.#set(status, this.error);
    this.#opening = true;
    try {
      await this.#attempt(wanted);
    } catch (error) {
      if (wanted.aborted) return;
      this.attempts += 1;
      if (REFUSED.includes(error.status)) {
        this.#stop();
        this.#set("disconnected", error);
      } else {
        this.#set("reconnecting", error);
        const pause = Math.min(SHORTEST_PAUSE * 2 ** (this.attempts - 1), LONGEST_PAUSE);
        const again = () => { if (this.status !== "connected") this.#openAgain(wanted); };
        setTimeout(again, pause * (0.5 + Math.random() / 2));
      }
      throw error;
    } finally {
      this.#opening = false;
      if (this.#lostMeanwhile) this.#openAgain(wanted);
    }
  }

  /** One attempt at a time: what is lost during one is looked for after it. */
  #openAgain(wanted) {
    this.#lostMeanwhile = this.#opening;
    if (!this.#opening && !wanted.aborted) this.#open("reconnecting", wanted).catch(() => {}); // it is in `error`
  }

  async #attempt(wanted) {
    const tokens = await this.tokens({ fresh: this.attempts > 0 });
    const { VonageClient } = this.sdk ?? (await loadSdk(tokens.sdk_url, tokens.sdk_hash));
    if (wanted.aborted) return;
    this.#client ??= this.#listening(new VonageClient());
    const sessionId = await this.#session(tokens.sdk_token);
    if (wanted.aborted) return;
    this.#sessionId = sessionId;
    this.attempts = 0;
    this.#refreshIn(tokens);
    this.#set("connected", null);
    for (const leg of [...this.legs.values()]) await this.#reconnected(leg);
    await this.#registered;
  }

  /** The id of the session: the one before, or a new one where it is over. */
  async #session(token) {
    if (!this.#sessionId) return this.#client.createSession(token);
    try {
      return await this.#client.createSession(token, this.#sessionId);
    } catch {
      this.#sessionId = null;
      return this.#client.createSession(token);
    }
  }

  /**
   * The sound of a leg that there was before the session was lost, or in the page before it was loaded again:
   * https://developer.vonage.com/en/vonage-client-sdk/in-app-voice/guides/reconnect-call
   */
  async #reconnected(leg) {
    if (leg.state === "ringing") return; // it has none yet
    if (this.#client.getPeerConnection?.(leg.callId)?.connectionState === "connected") return;
    try {
      await this.#client.reconnectCall(leg.callId);
      if (leg.muted) await this.#client.mute(leg.callId); // the sound is new
      this.#change(leg, { media: "ok" });
      await this.#chosenDevices(leg.callId);
    } catch (error) {
      this.#end(leg.callId, error.message);
    }
  }

  /** Another token before this one expires. */
  #refreshIn(tokens) {
    const left = new Date(tokens.sdk_expires_at) - Date.now();
    this.#refreshAfter(Math.max(left * REFRESH, SHORTEST_PAUSE));
  }

  #refreshAfter(milliseconds) {
    clearTimeout(this.#refresh);
    const wanted = this.#wanted;
    const refresh = async () => {
      try {
        const tokens = await this.tokens({ fresh: true });
        if (wanted !== this.#wanted) return;
        await this.#client.refreshSession(tokens.sdk_token);
        this.#refreshIn(tokens);
      } catch {
        if (wanted === this.#wanted) this.#refreshAfter(REFRESH_AGAIN); // the session lives on until it expires
      }
    };
    this.#refresh = setTimeout(refresh, Math.min(milliseconds, LONGEST_TIMER));
    this.#refresh.unref?.(); // Node would wait for it
  }

  #set(status, error) {
    const was = this.status;
    Object.assign(this, { status, error });
    if ((was === "connected") !== (status === "connected")) this.#register(status === "connected");
    this.#listeners.emit("status", this);
  }

  #register(registered) {
    const reported = this.phone.setRegistered(registered, { attempts: this.attempts });
    this.#registered = reported.catch((error) => (this.phone.lastError = error)); // it expires by itself
  }

  // ---- What a page leaves behind when it is loaded again

  get #key() {
    return `switchhook ${this.phone.user}`;
  }

  /**
   * Only while the page is away: a second tab, which gets a copy of what is stored, must not take the calls. A session
   * without calls would go on to be called for a while, though nobody hears it.
   */
  #leaveBehind = () => {
    const talking = [...this.legs.values()].filter((leg) => leg.state !== "ringing");
    const legs = talking.map((leg) => ({ ...leg, stats: null }));
    const left = { sessionId: this.#sessionId, legs, at: Date.now() };
    if (legs.length) globalThis.sessionStorage?.setItem(this.#key, JSON.stringify(left));
    else this.#client?.deleteSession().catch(() => {});
  };

  #takeLeftBehind() {
    const text = globalThis.sessionStorage?.getItem(this.#key);
    globalThis.sessionStorage?.removeItem(this.#key);
    const left = text ? JSON.parse(text) : null;
    return left && Date.now() - left.at < KEPT_FOR ? left : null;
  }

  // ---- What the SDK says

  #listening(client) {
    const on = (name, listener) => client.on(name, (...args) => { if (client === this.#client) listener(...args); });
    on("callInvite", (callId, from, channelType) => {
      this.#add({ callId, from, channelType, incoming: true, state: "ringing" });
    });
    on("callInviteCancel", (callId, reason) => this.#end(callId, reason));
    on("callHangup", (callId, quality, reason) => this.#end(callId, reason, quality));
    on("legStatusUpdate", (callId, legId, status) => {
      if (callId === legId && status === "ANSWERED") this.#is(callId, "answered"); // others are of the other parties
    });
    on("mute", (callId, legId, muted) => { if (callId === legId) this.#changeOf(callId, { muted }); });
    on("earmuff", (callId, legId, earmuffed) => { if (callId === legId) this.#changeOf(callId, { earmuffed }); });
    on("dtmf", (callId, legId, digits) => this.#listeners.emit("digits", { callId, legId, digits }));
    on("callMediaReconnecting", (callId) => this.#changeOf(callId, { media: "reconnecting" }));
    on("callMediaReconnection", (callId) => this.#changeOf(callId, { media: "ok" }));
    on("callMediaDisconnect", (callId) => this.#changeOf(callId, { media: "lost" }));
    on("callMediaError", (callId) => this.#mediaFailed(callId));
    on("rtcStatsUpdate", (stats, callId) => {
      const leg = this.legs.get(callId);
      if (leg) leg.stats = stats;
      if (leg) this.#listeners.emit("stats", { callId, leg, stats });
    });
    on("reconnecting", () => this.#set("reconnecting", this.error));
    on("reconnection", () => this.#set("connected", null));
    on("sessionError", (reason) => this.#lost(reason));
    return client;
  }

  #lost(reason) {
    if (!this.#wanted) return;
    this.attempts += 1; // with another token: this one may have expired
    this.#set("reconnecting", new Error(`Vonage has ended the session: ${reason}`));
    this.#openAgain(this.#wanted.signal);
  }

  #add(leg) {
    const whole = { muted: false, earmuffed: false, media: "ok", stats: null, ...leg };
    this.legs.set(leg.callId, whole);
    this.#listeners.emit("legs", whole);
    return whole;
  }

  #is(callId, state) {
    if (this.legs.has(callId)) this.#changeOf(callId, { state });
    else if (this.#callsOut) this.#early.set(callId, state);
  }

  #changeOf(callId, changes) {
    const leg = this.legs.get(callId);
    if (leg) this.#change(leg, changes);
  }

  #change(leg, changes) {
    Object.assign(leg, changes);
    this.#listeners.emit("legs", leg);
  }

  #end(callId, reason, quality = null) {
    const leg = this.legs.get(callId);
    if (!leg && this.#callsOut) this.#early.set(callId, "over");
    if (!leg) return;
    this.legs.delete(callId);
    this.#listeners.emit("ended", { callId, from: leg.from ?? null, incoming: leg.incoming, reason, quality });
  }

  /** That a call rings no more, or is over, the SDK may have said while it was not connected. */
  #sessionEnded(session) {
    const leg = this.legs.get(session.leg);
    if (!leg || (leg.state !== "ringing" && this.status === "connected")) return;
    const goesOn = this.phone.getSessions().some((each) => each.id !== session.id && each.leg === session.leg);
    if (!goesOn) this.#end(leg.callId, "RemoteCancel");
  }

  /** The SDK does not say whether it is for want of the microphone; the browser does. What rings has no sound yet. */
  async #mediaFailed(callId) {
    const permission = await globalThis.navigator?.permissions?.query({ name: "microphone" }).catch(() => null);
    if (permission?.state === "denied") this.#changeOf(callId, { media: "denied" });
    else if (this.legs.get(callId)?.state !== "ringing") this.#changeOf(callId, { media: "lost" });
  }

  // ---- Legs and sessions

  /**
   * This page's leg of a session, or of the session with that id; null if it has none. Until the server has said which
   * leg rings at the user, it is the one that nothing else is known of, with the same caller first.
   */
  legOf(session) {
    const known = typeof session === "string" ? this.phone.getSession(session) ?? { id: session } : session;
    if (known.leg) return this.legs.get(known.leg) ?? null;
    if (this.legs.has(known.id)) return this.legs.get(known.id);
    const legs = [...this.legs.values()];
    const answered = legs.find((leg) => leg.session === known.id);
    if (answered || !known.status?.isRing) return answered ?? null;
    const others = new Set(this.phone.getSessions().map((each) => each.leg));
    const open = legs.filter((leg) => leg.state === "ringing" && !leg.session && !others.has(leg.callId));
    const alike = open.filter((leg) => isSameParty(leg.from, known.callerNumber));
    if (alike.length) return alike[0];
    const ofOther = (leg) => this.phone.getSessions().some((each) => each.leg === null && isSameParty(leg.from, each.callerNumber));
    return open.length === 1 && !ofOther(open[0]) ? open[0] : null;
  }

  /** The session of a leg, or of the leg with that callId; null while the server has not said. */
  sessionOf(leg) {
    const found = typeof leg === "string" ? this.legs.get(leg) : leg;
    const sessions = this.phone.getSessions().filter((each) => found && this.legOf(each) === found);
    return sessions.find((each) => !each.paused) ?? sessions[0] ?? null; // one leg may be on hold in other sessions
  }

  #of(session) {
    const leg = this.legOf(session);
    if (!leg) throw new Error("This page has no leg of that call.");
    return leg;
  }

  // ---- Verbs. They throw what the SDK throws: its errors have `type`, `code` and `message`.

  /** Answer: the browser asks for the microphone. Twice at once is once. */
  async answer(session) {
    const leg = this.#of(session);
    if (leg.state === "answered") return;
    leg.session = typeof session === "string" ? session : session.id; // though the server does not know it yet
    if (!this.#answering.has(leg.callId)) this.#answering.set(leg.callId, this.#answer(leg));
    await this.#answering.get(leg.callId);
  }

  async #answer(leg) {
    try {
      await this.#client.answer(leg.callId);
      this.#change(leg, { state: "answered", media: "ok" });
    } catch (error) {
      await this.#mediaFailed(leg.callId);
      throw error;
    } finally {
      this.#answering.delete(leg.callId);
    }
    await this.#chosenDevices(leg.callId);
  }

  async reject(session) { await this.#client.reject(this.#of(session).callId); }
  async hangup(session) { await this.#client.hangup(this.#of(session).callId); }
  async dtmf(session, digits) { await this.#client.sendDTMF(this.#of(session).callId, digits); }
  async mute(session) { await this.#mute(this.#of(session), true); }
  async unmute(session) { await this.#mute(this.#of(session), false); }
  async earmuff(session) { await this.#earmuff(this.#of(session), true); }
  async unearmuff(session) { await this.#earmuff(this.#of(session), false); }

  async #mute(leg, muted) {
    await (muted ? this.#client.mute(leg.callId) : this.#client.unmute(leg.callId));
    this.#change(leg, { muted });
  }

  async #earmuff(leg, earmuffed) {
    await (earmuffed ? this.#client.enableEarmuff(leg.callId) : this.#client.disableEarmuff(leg.callId));
    this.#change(leg, { earmuffed });
  }

  /** Call *to*, a number or what the flow of the server understands. Resolves to the callId, the id of the session. */
  async call(to, customData = {}) {
    this.#callsOut += 1;
    try {
      const callId = await this.#client.serverCall({ ...customData, to });
      const state = this.#early.get(callId) ?? "calling";
      if (state !== "over") this.#add({ callId, from: null, channelType: null, incoming: false, state });
      await this.#chosenDevices(callId);
      return callId;
    } finally {
      this.#callsOut -= 1;
      if (!this.#callsOut) this.#early.clear();
    }
  }

  // ---- Devices

  /** Speak into, and hear by, these devices (ids of `enumerateDevices`), in calls that go on and in later ones. */
  async useDevices({ microphoneId, speakerId }) {
    this.devices = { microphoneId, speakerId };
    const talking = [...this.legs.values()].filter((leg) => leg.state !== "ringing");
    await this.#useDevices(talking.map((leg) => leg.callId));
  }

  /** With a device that is not there any more, the call goes on with what the browser chose. */
  #chosenDevices(callId) {
    return this.#useDevices([callId]).catch(console.warn);
  }

  /** The SDK chooses no device: it lends its audio element and its connections. */
  async #useDevices(callIds) {
    const { microphoneId, speakerId } = this.devices;
    if (speakerId) await this.#client?.getAudioOutputElement?.()?.setSinkId?.(speakerId);
    if (microphoneId) for (const callId of callIds) await this.#useMicrophone(callId, microphoneId);
  }

  async #useMicrophone(callId, deviceId) {
    const senders = this.#client.getPeerConnection?.(callId)?.getSenders() ?? [];
    const sender = senders.find((each) => each.track?.kind === "audio");
    if (!sender || sender.track.getSettings().deviceId === deviceId) return;
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { deviceId: { exact: deviceId } } });
    const [track] = stream.getAudioTracks();
    const before = sender.track;
    track.enabled = before.enabled; // the SDK mutes by that
    await sender.replaceTrack(track);
    before.stop();
  }
}

/** Whether two names of a caller are the same: a number with or without a plus, or a user. */
function isSameParty(one, other) {
  const plain = (name) => String(name ?? "").trim().replace(/^\+/, "");
  return plain(one) !== "" && plain(one) === plain(other);
}
