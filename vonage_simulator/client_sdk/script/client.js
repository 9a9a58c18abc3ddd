// The class that a page uses. https://developer.vonage.com/en/vonage-client-sdk/in-app-voice/overview

class VonageClient {
  #config = {};
  #callbacks = new Map(); // event -> Map of symbol -> callback
  #transport;
  #loudspeaker = new Loudspeaker();
  #calls = new Map(); // callId -> CallSound
  #reporting = null;

  constructor(config = {}) {
    this.setConfig(config);
    this.#transport = new Transport({
      event: (name, args) => this.#happened(name, args),
      sound: (frame) => this.#heard(frame),
      lost: () => this.#emit("reconnecting"),
      back: () => this.#emit("reconnection"),
      over: (reason) => this.#emit("sessionError", reason),
      count: () => this.#calls.forEach((sound) => sound.count()),
      counted: (received) => this.#counted(received),
    });
  }

  /** Region and addresses are of no use here; what is set is kept. */
  setConfig(config) {
    this.#config = { ...this.#config, ...config };
  }

  on(event, callback) {
    const symbol = Symbol(event);
    if (!this.#callbacks.has(event)) this.#callbacks.set(event, new Map());
    this.#callbacks.get(event).set(symbol, callback);
    return symbol;
  }

  off(event, callbackSymbol) {
    return this.#callbacks.get(event)?.delete(callbackSymbol) ?? false;
  }

  clearCallbacks(event) {
    this.#callbacks.delete(event);
  }

  async createSession(token, sessionId) {
    if (this.#transport.active) {
      throw new VonageError({
        type: VonageErrorType.SessionError,
        code: SessionErrorCodes.AlreadyActiveSession,
        message: "there is a session already",
      });
    }
    return this.#transport.createSession(token, sessionId ?? null);
  }

  async refreshSession(token) {
    await this.#transport.refreshSession(token);
  }

  async deleteSession() {
    try {
      await this.#transport.deleteSession();
    } finally {
      for (const callId of [...this.#calls.keys()]) this.#drop(callId);
    }
  }

  async getUser(userIdOrName) {
    return this.#transport.request("getUser", { user: userIdOrName });
  }

  async serverCall(context) {
    return this.#begin(null, "serverCall", { context });
  }

  async answer(callId) {
    await this.#begin(callId, "answer", { call: callId });
  }

  async reject(callId) {
    await this.#transport.request("reject", { call: callId });
  }

  /** The reason goes nowhere: what the other side gets of it is not documented. */
  async hangup(callId, reasonText, reasonCode) {
    await this.#transport.request("hangup", { call: callId, reasonText, reasonCode });
  }

  async reconnectCall(callId) {
    this.#drop(callId);
    await this.#begin(callId, "reconnectCall", { call: callId });
  }

  async mute(callId) {
    await this.#transport.request("mute", { call: callId, on: true });
  }

  async unmute(callId) {
    await this.#transport.request("mute", { call: callId, on: false });
  }

  async enableEarmuff(callId) {
    await this.#transport.request("earmuff", { call: callId, on: true });
  }

  async disableEarmuff(callId) {
    await this.#transport.request("earmuff", { call: callId, on: false });
  }

  async sendDTMF(callId, digits) {
    await this.#transport.request("sendDTMF", { call: callId, digits });
  }

  async say(callId, params) {
    const text = typeof params === "string" ? params : params?.text;
    await this.#transport.request("say", { call: callId, text });
  }

  /** The microphone's sender is in it: `replaceTrack` exchanges the microphone. */
  getPeerConnection(id) {
    return this.#calls.get(id)?.connection ?? undefined;
  }

  /** Plays all calls: `setSinkId` exchanges the loudspeaker. */
  getAudioOutputElement() {
    return this.#loudspeaker.element;
  }

  /** Take the microphone, then request a call; its id is known before or only after that. */
  async #begin(callId, method, fields) {
    const sound = new CallSound((frame) => this.#transport.sendSound(frame));
    try {
      await sound.open(this.#loudspeaker);
    } catch (error) {
      if (callId) this.#emit("callMediaError", callId, error);
      throw error;
    }
    try {
      const begun = await this.#transport.request(method, fields);
      sound.begin(begun.sound);
      this.#calls.set(begun.call, sound);
      this.#reporting ??= setInterval(() => this.#report(), REPORT_EVERY);
      return begun.call;
    } catch (error) {
      sound.close();
      throw error;
    }
  }

  #drop(callId) {
    this.#calls.get(callId)?.close();
    this.#calls.delete(callId);
    if (this.#calls.size === 0) {
      clearInterval(this.#reporting);
      this.#reporting = null;
    }
  }

  #heard(frame) {
    const [number] = new Uint16Array(frame, 0, 1);
    for (const sound of this.#calls.values()) if (sound.number === number) sound.play(frame);
  }

  #counted(received) {
    for (const sound of this.#calls.values()) sound.acknowledge(received[sound.number] ?? 0);
  }

  #report() {
    for (const [callId, sound] of this.#calls) {
      this.#emit("rtcStatsUpdate", sound.statistics(this.#transport.roundTrip), callId);
      const stalled = sound.silence > STALLED;
      if (stalled && !sound.stalled) this.#emit("callMediaReconnecting", callId);
      else if (!stalled && sound.stalled) this.#emit("callMediaReconnection", callId);
      if (stalled && sound.silence > GIVEN_UP && !sound.lost) {
        this.#emit("callMediaDisconnect", callId, CallDisconnectReason.NetworkChange);
      }
      sound.stalled = stalled;
      sound.lost = stalled && sound.silence > GIVEN_UP;
    }
  }

  #happened(name, args) {
    if (name === "callHangup") {
      const [callId, reason] = args;
      const sound = this.#calls.get(callId) ?? new CallSound();
      const quality = qualityOf(sound.statistics(this.#transport.roundTrip));
      this.#drop(callId);
      this.#emit(name, callId, quality, reason);
    } else {
      this.#emit(name, ...args);
    }
  }

  /** One callback that fails does not keep the others from being called. */
  #emit(event, ...args) {
    for (const callback of [...(this.#callbacks.get(event)?.values() ?? [])]) {
      try {
        callback(...args);
      } catch (error) {
        console.error(error);
      }
    }
  }
}

globalThis.vonageClientSDK = Object.freeze({
  VonageClient,
  VonageError,
  CallDisconnectReason,
  CancelReason,
  ConfigRegion,
  HangupReason,
  LegStatus,
  LoggingLevel,
  SessionErrorCodes,
  SessionErrorReason,
  VoiceChannelType,
  VonageErrorType,
  default: VonageClient,
});
