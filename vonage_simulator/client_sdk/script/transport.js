// The WebSocket to the carrier: requests, events, and coming back after a loss. Its protocol: connection.py.

const SOCKET = new URL("/session", document.currentScript.src);
SOCKET.protocol = SOCKET.protocol.replace("http", "ws");

const PING_EVERY = 2000; // ms
const PING_PATIENCE = 6000; // without an answer for so long the connection is gone
const ANSWER_PATIENCE = 15000;
const TRY_AGAIN = [200, 500, 1000, 2000, 3000, 3000, 3000, 3000, 3000, 3000, 3000, 3000]; // some 30 s

class Transport {
  #handlers;
  #socket = null;
  #requests = new Map(); // id -> {resolve, reject}
  #number = 0;
  #seen = 0; // number of the last event
  #token = null;
  #sessionId = null;
  #pinging = null;
  #comingBack = false;
  #offline = () => this.#socket?.close();
  roundTrip = null; // ms, of the last ping

  /**
   * *handlers*: event(name, args), sound(frame), lost(), back(), over(reason); count() when the carrier is asked how
   * many frames have come, and counted(how many, by the number of the call).
   */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  get active() {
    return this.#sessionId !== null;
  }

  async createSession(token, sessionId) {
    await this.#connect();
    try {
      const id = await this.request("createSession", { token, session: sessionId });
      this.#token = token;
      this.#sessionId = id;
      this.#seen = 0;
      globalThis.addEventListener?.("offline", this.#offline);
      return id;
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  async refreshSession(token) {
    await this.request("refreshSession", { token });
    this.#token = token;
  }

  async deleteSession() {
    try {
      await this.request("deleteSession");
    } finally {
      this.#forget(); // also where the connection is lost: nobody comes back
    }
  }

  /** The result of a request; rejects with a VonageError. */
  request(method, fields = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      const error = this.active
        ? { type: VonageErrorType.NetworkError, message: "the connection is lost" }
        : {
            type: VonageErrorType.SessionError,
            code: SessionErrorCodes.NoActiveSession,
            message: "there is no session: create one first",
          };
      return Promise.reject(new VonageError(error));
    }
    const id = ++this.#number;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle({ id, error: NO_ANSWER }), ANSWER_PATIENCE);
      this.#requests.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ ...fields, id, do: method }));
    });
  }

  /** Send a frame of sound; it is dropped where the connection is behind. */
  sendSound(frame) {
    const ready = this.#socket?.readyState === WebSocket.OPEN && this.#socket.bufferedAmount < 16384;
    if (ready) this.#socket.send(frame);
    return ready;
  }

  #connect() {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(SOCKET);
      socket.binaryType = "arraybuffer";
      this.#socket = socket;
      socket.onopen = () => {
        this.#pinging = setInterval(() => this.#ping(socket), PING_EVERY);
        resolve();
      };
      socket.onmessage = ({ data }) => this.#received(socket, data);
      socket.onclose = () => {
        reject(new VonageError({ type: VonageErrorType.NetworkError, message: "the carrier cannot be reached" }));
        this.#lost(socket, SessionErrorReason.TransportClosed);
      };
    });
  }

  #received(socket, data) {
    if (socket !== this.#socket) return;
    if (typeof data !== "string") {
      this.#handlers.sound(data);
      return;
    }
    const message = JSON.parse(data);
    if (message.session_error) {
      this.#over(message.session_error);
    } else if (message.event) {
      this.#seen = message.n;
      this.#handlers.event(message.event, message.args);
    } else {
      this.#settle(message);
    }
  }

  #settle({ id, ok, error }) {
    const request = this.#requests.get(id);
    if (!request) return;
    this.#requests.delete(id);
    clearTimeout(request.timer);
    if (error) request.reject(new VonageError(error));
    else request.resolve(ok ?? undefined);
  }

  async #ping(socket) {
    const begun = performance.now();
    this.#handlers.count();
    const late = setTimeout(() => this.#lost(socket, SessionErrorReason.PingTimeout), PING_PATIENCE);
    try {
      const { received } = await this.request("ping");
      this.#handlers.counted(received);
      this.roundTrip = performance.now() - begun;
    } catch {
      // the connection is lost, which is noticed elsewhere
    } finally {
      clearTimeout(late);
    }
  }

  /** A connection is gone: come back to the session, if there is one. */
  #lost(socket, reason) {
    if (socket !== this.#socket) return;
    this.#close();
    if (this.active && !this.#comingBack) this.#comeBack(reason);
  }

  async #comeBack(reason) {
    this.#comingBack = true;
    this.#handlers.lost();
    try {
      await this.#tryAgain(reason);
    } finally {
      this.#comingBack = false;
    }
  }

  async #tryAgain(reason) {
    const session = this.#sessionId;
    for (const delay of TRY_AGAIN) {
      await new Promise((resolve) => setTimeout(resolve, delay));
      if (this.#sessionId !== session || this.#socket) return; // it was ended, or made anew, meanwhile
      if (globalThis.navigator?.onLine === false) continue;
      try {
        await this.#connect();
        await this.request("createSession", { token: this.#token, session, seen: this.#seen });
        this.#handlers.back();
        return;
      } catch (error) {
        this.#close();
        if (error.type === VonageErrorType.SessionError) {
          const expired = error.code === SessionErrorCodes.ExpiredToken;
          this.#over(expired ? SessionErrorReason.ExpiredToken : SessionErrorReason.TransportClosed);
          return;
        }
      }
    }
    this.#over(reason);
  }

  #over(reason) {
    if (!this.active) return;
    this.#forget();
    this.#handlers.over(reason);
  }

  #forget() {
    this.#sessionId = this.#token = null;
    globalThis.removeEventListener?.("offline", this.#offline);
    this.#close();
  }

  #close() {
    const socket = this.#socket;
    this.#socket = null;
    clearInterval(this.#pinging);
    if (socket) {
      socket.onclose = null;
      socket.close();
    }
    for (const id of [...this.#requests.keys()]) {
      this.#settle({ id, error: { type: VonageErrorType.NetworkError, message: "the connection is lost" } });
    }
  }
}

const NO_ANSWER = { type: VonageErrorType.NetworkError, message: "the carrier does not answer" };
