// Screens that are shared in calls: each goes from page to page by WebRTC, https://www.w3.org/TR/webrtc/. The server
// passes on what the pages say to each other, and says who is in the call: docs/sessions.md, "Screens".
//
// The page that shares a screen announces it, again and again. A page of another user in the call that wants to see it
// says so, gets an offer, and answers: so who comes later, or has loaded the page anew, or has lost the connection,
// gets it as well. There is one connection for each screen and page, always offered by who shares: both may share.

const ANNOUNCE = 5_000; // milliseconds between two announcements
const OFFERED_WITHIN = 4_000; // milliseconds after it was wanted; then it is wanted again with the next announcement
const MOST_OF_ONE = 8; // shares of one user in a call that are requested: each is of another page
const GATHER = 500; // milliseconds that candidates are waited for, before a description is sent without the others
const TOGETHER = 200; // milliseconds in which candidates are collected, to be sent at once
const MOST_CANDIDATES = 50; // in one signal
const ICE_SERVERS_KEPT = 600_000; // milliseconds
const ANY = "any"; // instead of a share, for who does not know yet which there are
const OVER = [404, 409]; // statuses of a signal in a call that is over, or to who has left it
export const RECEIVED = "screen_share_received";
export const LOST = "screen_share_lost";

/** One end of a connection: what comes in is done one after the other, and candidates go out some at a time. */
class Peer {
  #connection;
  #done = Promise.resolve();
  #candidates = []; // that are to be sent
  #described = false; // whether the other page knows of the connection
  #timer = null;

  constructor(iceServers, send, failed) {
    this.#connection = new RTCPeerConnection({ iceServers });
    this.send = send;
    this.#connection.onicecandidate = ({ candidate }) => { if (candidate) this.#collect(candidate.toJSON()); };
    this.#connection.onconnectionstatechange = () => {
      if (["failed", "closed"].includes(this.#connection.connectionState)) failed();
    };
  }

  offer(stream) {
    return this.#next(async () => {
      for (const track of stream.getTracks()) this.#connection.addTrack(track, stream);
      await this.#describe(await this.#connection.createOffer());
    });
  }

  answer(description, received) {
    this.#connection.ontrack = ({ streams: [stream] }) => received(stream);
    return this.#next(async () => {
      await this.#connection.setRemoteDescription(description);
      await this.#describe(await this.#connection.createAnswer());
    });
  }

  answered(description) {
    return this.#next(() => this.#connection.setRemoteDescription(description));
  }

  add(candidates) {
    return this.#next(async () => {
      for (const candidate of candidates) await this.#connection.addIceCandidate(candidate);
    });
  }

  close() {
    clearTimeout(this.#timer);
    this.#connection.onconnectionstatechange = null;
    this.#connection.close();
  }

  get isOpen() {
    return this.#connection.signalingState !== "closed";
  }

  #next(work) {
    this.#done = this.#done.then(() => this.isOpen && work()).catch((error) => {
      if (this.isOpen) console.warn(error); // the other page, or the network, has changed meanwhile: it begins anew
    });
    return this.#done;
  }

  async #describe(description) {
    await this.#connection.setLocalDescription(description);
    await gathered(this.#connection);
    const { type, sdp } = this.#connection.localDescription;
    this.#candidates = []; // they are in it
    this.#described = true;
    await this.send({ type, description: { type, sdp } });
  }

  #collect(candidate) {
    if (!this.#described) return;
    this.#candidates.push(candidate);
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      const candidates = this.#candidates.splice(0, MOST_CANDIDATES);
      this.send({ type: "candidates", candidates }).catch(console.warn);
    }, TOGETHER);
  }
}

function gathered(connection) {
  if (connection.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, GATHER);
    connection.addEventListener("icegatheringstatechange", () => {
      if (connection.iceGatheringState === "complete") resolve();
    });
  });
}

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The screens that a phone shares, and those that it is shown. `wants`: whether anybody here wants to see them. */
export class Screens {
  #phone;
  #emit;
  #wants;
  #page = globalThis.crypto ? newId() : ""; // Node has no screens
  #shares = new Map(); // by id of a session: { id, stream, peers, timer }; peers by user and page
  #seen = new Map(); // by session, user and share: { session, from, page, peer, stream, offeredBy }
  #iceServers = null;

  constructor(phone, emit, wants) {
    [this.#phone, this.#emit, this.#wants] = [phone, emit, wants];
  }

  // ---- What this page shares

  /** Resolves to the MediaStream. Throws what getDisplayMedia throws, and PhoneError. */
  async share(constraints, session) {
    if (this.#shares.has(session)) return this.#shares.get(session).stream;
    const stream = await navigator.mediaDevices.getDisplayMedia(constraints);
    const share = { id: newId(), stream, peers: new Map(), timer: null };
    this.#shares.set(session, share);
    globalThis.addEventListener("pagehide", this.#stopWithThePage);
    // The browser has a button of its own for that
    for (const track of stream.getTracks()) track.addEventListener("ended", () => this.#trackEnded(session, share));
    try {
      await this.#report(session, true);
    } catch (error) {
      this.#forget(session);
      throw error;
    }
    if (this.#shares.get(session) === share) this.#announce(session, share);
    return stream;
  }

  #trackEnded(session, share) {
    const goesOn = share.stream.getTracks().some((track) => track.readyState === "live" && track.kind === "video");
    if (!goesOn && this.#shares.get(session) === share) this.#phone.stopScreenSharing(session);
  }

  /** Resolves to whether it was shared. Throws PhoneError. `keepalive`: what is sent outlives the page. */
  async stop(session, options = {}) {
    const share = this.#forget(session);
    if (!share) return false;
    const end = this.#signal(session, { type: "end", share: share.id }, options);
    await Promise.all([end.catch(() => {}), this.#report(session, false, options)]); // the connections end, too
    return true;
  }

  #stopWithThePage = () => {
    for (const id of [...this.#shares.keys()]) this.stop(id, { keepalive: true }).catch(() => {});
  };

  #forget(session) {
    const share = this.#shares.get(session);
    this.#shares.delete(session);
    if (!this.#shares.size) globalThis.removeEventListener?.("pagehide", this.#stopWithThePage);
    clearTimeout(share?.timer);
    for (const peer of share?.peers.values() ?? []) peer.close();
    for (const track of share?.stream.getTracks() ?? []) track.stop();
    return share;
  }

  #report(session, screensharing, options) {
    return this.#phone.request("PATCH", `/sessions/${encodeURIComponent(session)}`, { screensharing }, options);
  }

  async #announce(session, share) {
    clearTimeout(share.timer);
    share.timer = setTimeout(() => this.#announce(session, share), ANNOUNCE);
    try {
      const { members } = await this.#signal(session, { type: "announce", share: share.id });
      for (const [key, { user }] of share.peers) if (!members.includes(user)) this.#part(share, key);
    } catch (error) {
      const over = OVER.includes(error.status) && this.#shares.get(session) === share;
      if (over) await this.#phone.stopScreenSharing(session); // else it is said with the next one
    }
  }

  async #offer(session, share, { from, page }) {
    const key = `${from} ${page}`;
    this.#part(share, key);
    const iceServers = await this.#servers();
    if (this.#shares.get(session) !== share || share.peers.has(key)) return;
    const send = (said) => this.#signal(session, { ...said, share: share.id, to: from, to_page: page });
    const peer = new Peer(iceServers, send, () => this.#part(share, key));
    share.peers.set(key, Object.assign(peer, { user: from }));
    await peer.offer(share.stream);
  }

  #part(share, key) {
    share.peers.get(key)?.close();
    share.peers.delete(key);
  }

  // ---- What this page sees

  /** What is seen of the session now: `from`, a user, and `stream`. */
  of(session) {
    const here = [...this.#seen.values()].filter((each) => each.session === session && each.stream);
    return here.map(({ from, stream }) => ({ from, stream }));
  }

  async #want(session, { from, page, share }) {
    const key = `${session} ${from} ${share}`;
    const seen = this.#seen.get(key);
    if (!this.#wants() || seen?.peer || Date.now() < seen?.offeredBy) return;
    this.#forgetUnoffered();
    const theirs = [...this.#seen.values()].filter((each) => each.session === session && each.from === from);
    if (theirs.length >= MOST_OF_ONE) return;
    this.#seen.set(key, { session, from, page, peer: null, stream: null, offeredBy: Date.now() + OFFERED_WITHIN });
    await this.#signal(session, { type: "want", share, to: from, to_page: page });
  }

  /** What was wanted and never came: the page that announced it is gone. */
  #forgetUnoffered() {
    for (const [key, { peer, offeredBy }] of this.#seen) if (!peer && Date.now() >= offeredBy) this.#seen.delete(key);
  }

  async #answer(session, { from, page, share, description }) {
    const key = `${session} ${from} ${share}`;
    const seen = this.#seen.get(key);
    if (seen?.page !== page) return; // it was not wanted
    const iceServers = await this.#servers();
    if (this.#seen.get(key) !== seen) return;
    seen.peer?.close();
    const send = (said) => this.#signal(session, { ...said, share, to: from, to_page: page });
    const peer = new Peer(iceServers, send, () => { if (seen.peer === peer) this.#lose(key); });
    seen.peer = peer;
    await peer.answer(description, (stream) => {
      if (seen.stream === stream || seen.peer !== peer) return; // a second track of it
      seen.stream = stream;
      this.#emit(RECEIVED, { session: this.#phone.getSession(session), from, stream });
    });
  }

  #lose(key) {
    const seen = this.#seen.get(key);
    if (!seen) return;
    this.#seen.delete(key);
    seen.peer?.close();
    const { session, from, stream } = seen;
    if (stream) this.#emit(LOST, { session: this.#phone.getSession(session), from, stream });
  }

  // ---- What happens

  /** A signal of another page. */
  async take({ type, session_id: session, from, page, to_page: toPage, share: id, ...more }) {
    if (toPage && toPage !== this.#page) return;
    const share = this.#shares.get(session);
    const seen = `${session} ${from} ${id}`;
    const peer = id === share?.id ? share.peers.get(`${from} ${page}`) : this.#seen.get(seen)?.peer;
    try {
      if (type === "announce") await this.#want(session, { from, page, share: id });
      else if (type === "want" && share && [share.id, ANY].includes(id)) {
        if (id === ANY) await this.#announce(session, share);
        else await this.#offer(session, share, { from, page });
      } else if (type === "offer") await this.#answer(session, { from, page, share: id, ...more });
      else if (type === "answer") await peer?.answered(more.description);
      else if (type === "candidates") await peer?.add(more.candidates);
      else if (type === "end") this.#lose(seen);
    } catch (error) {
      console.warn(error); // it is announced again
    }
  }

  /** Ask who shares a screen in sessions that this page did not know before. */
  ask(sessions) {
    if (!this.#wants()) return;
    for (const { id } of sessions.filter((each) => each.answered)) {
      this.#signal(id, { type: "want", share: ANY }).catch(() => {}); // it is announced again
    }
  }

  /** Others may have come into the call, or left it. */
  changed(session) {
    const share = this.#shares.get(session.id);
    if (share && session.state === "live") this.#announce(session.id, share);
  }

  /** Nothing more of a session; without one, of any. */
  end(session = null) {
    const isMeant = (id) => session === null || id === session;
    for (const id of [...this.#shares.keys()].filter(isMeant)) this.#phone.stopScreenSharing(id);
    for (const [key, seen] of this.#seen) if (isMeant(seen.session)) this.#lose(key);
  }

  #signal(session, said, options) {
    const path = `/sessions/${encodeURIComponent(session)}/signals`;
    return this.#phone.request("POST", path, { page: this.#page, ...said }, options);
  }

  #servers() {
    if (!this.#iceServers || Date.now() > this.#iceServers.until) {
      const found = this.#phone.request("GET", "/ice-servers").then(({ ice_servers: servers }) => servers);
      this.#iceServers = { found, until: Date.now() + ICE_SERVERS_KEPT };
      found.catch(() => (this.#iceServers = null));
    }
    return this.#iceServers.found;
  }
}
