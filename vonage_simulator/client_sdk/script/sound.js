// The sound of calls: the microphone into frames for the carrier, the carrier's frames into the loudspeaker (media.py).

const WORKLET = new URL("/sound.worklet.js", document.currentScript.src);
const HEAD = 4; // bytes of a frame before its sound
const REPORT_EVERY = 2000; // ms between two statistics
const STALLED = 3000; // ms without a frame until a call's sound is taken for lost
const GIVEN_UP = 15000; // ms: five tries of three seconds,
// https://developer.vonage.com/en/voice/voice-api/concepts/in-app-calling/reconnection

const mediaError = (error) =>
  new VonageError({ type: VonageErrorType.InternalError, message: `no microphone: ${error.message ?? error}` });

/** One loudspeaker for all calls of a client. */
class Loudspeaker {
  #context = null;
  #ready = null;
  element;

  /** An AudioContext that runs, once the worklet is loaded; null where there is no sound, as in Node. */
  async open() {
    if (!globalThis.AudioContext) return null;
    this.#ready ??= this.#start();
    await this.#ready;
    this.#context.resume(); // until somebody clicks, a page may make no sound: then it goes on by itself
    this.element.play().catch(() => {});
    return this.#context;
  }

  play(node) {
    node.connect(this.destination);
  }

  async #start() {
    this.#context = new AudioContext();
    this.destination = this.#context.createMediaStreamDestination();
    this.element = new Audio();
    this.element.srcObject = this.destination.stream;
    await this.#context.audioWorklet.addModule(WORKLET);
  }
}

/** The sound of one call. */
class CallSound {
  #send;
  #node = null;
  #source = null;
  #context = null;
  #stream = null;
  #number = null; // of the call, in its frames
  #last = null; // number of the last frame that came
  #arrived = 0; // when that was
  #sent = 0;
  #counted = 0; // of those sent, when the carrier counted last
  #known = { received: 0, lost: 0, bytes: 0, jitter: 0, sentLost: 0 };
  connection = null; // has the microphone's sender, so that a page can exchange its track
  stalled = false; // no frames come
  lost = false; // and none have come for long

  /** *send* takes a frame. */
  constructor(send) {
    this.#send = send;
  }

  /** Take the microphone. Rejects with a VonageError. */
  async open(loudspeaker) {
    if (!globalThis.navigator?.mediaDevices) return;
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      this.#context = await loudspeaker.open();
    } catch (error) {
      this.close();
      throw mediaError(error);
    }
    this.connection = new RTCPeerConnection();
    const [track] = this.#stream.getAudioTracks();
    const sender = this.connection.addTrack(track, this.#stream);
    const replace = sender.replaceTrack.bind(sender);
    sender.replaceTrack = async (other) => {
      await replace(other);
      this.#listen(other);
    };
    this.#node = new AudioWorkletNode(this.#context, "frames", { outputChannelCount: [1] });
    this.#node.port.onmessage = ({ data }) => this.#frame(data);
    this.#listen(track);
    loudspeaker.play(this.#node);
  }

  /** Send and play, with frames of this *number*. */
  begin(number) {
    this.#number = number;
    this.#arrived = performance.now();
  }

  get number() {
    return this.#number;
  }

  /** A frame has come. */
  play(frame) {
    const now = performance.now();
    const [, number] = new Uint16Array(frame, 0, 2);
    const known = this.#known;
    if (this.#last !== null) {
      const missed = ((number - this.#last - 1) + 65536) % 65536;
      if (missed < 32768) known.lost += missed;
      const late = Math.abs(now - this.#arrived - 20 * (missed + 1));
      known.jitter += (late - known.jitter) / 16; // RFC 3550, 6.4.1
    }
    this.#last = number;
    this.#arrived = now;
    known.received += 1;
    known.bytes += frame.byteLength;
    if (frame.byteLength > HEAD && this.#node) this.#node.port.postMessage(new Int16Array(frame.slice(HEAD)));
  }

  /** Milliseconds since the last frame came. */
  get silence() {
    return performance.now() - this.#arrived;
  }

  /** The carrier is to count now how many frames have come. */
  count() {
    this.#counted = this.#sent;
  }

  /** It has *received* so many of those that were sent until then. */
  acknowledge(received) {
    this.#known.sentLost = Math.max(0, this.#counted - received);
  }

  /** The numbers of WebRTC's statistics; times in seconds, as there. *roundTrip* is in milliseconds. */
  statistics(roundTrip) {
    const { received, lost, bytes, jitter, sentLost } = this.#known;
    return {
      audioRecvPackets: received,
      audioRecvPacketsLost: lost,
      audioRecvBytes: bytes,
      audioRecvJitter: jitter / 1000,
      audioSentPackets: this.#sent,
      audioSentPacketsLost: sentLost,
      audioSentBytes: this.#sent * (HEAD + 320),
      audioSentJitter: 0, // the carrier measures none
      audioRtt: (roundTrip ?? 0) / 1000,
    };
  }

  close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#source?.disconnect();
    const node = this.#node;
    if (node) {
      node.port.onmessage = ({ data }) => {
        if (data !== null) return;
        node.disconnect(); // not before: a node that is not heard does not end
        node.port.close(); // an open one keeps the node
      };
      node.port.postMessage(null);
    }
    this.connection?.close();
    this.#node = this.#source = this.#stream = this.connection = null;
  }

  #listen(track) {
    this.#source?.disconnect();
    this.#source = null;
    if (!track || !this.#context) return;
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#node);
  }

  #frame(samples) {
    if (this.#number === null) return;
    this.#sent += 1;
    const frame = new Uint8Array(HEAD + samples.byteLength);
    new Uint16Array(frame.buffer, 0, 2).set([this.#number, this.#sent % 65536]);
    frame.set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), HEAD);
    this.#send(frame);
  }
}

/** How good a call was: the mean opinion score of the E-model, ITU-T G.107, simplified to delay and loss. */
const qualityOf = (statistics) => {
  const { audioRecvPackets: received, audioRecvPacketsLost: lost, audioRecvJitter: jitter, audioRtt } = statistics;
  const all = received + lost;
  const share = all ? (100 * lost) / all : 0;
  const delay = 1000 * (audioRtt / 2 + 2 * jitter) + 60; // 60 ms wait before they are played
  const late = delay > 177.3 ? 0.11 * (delay - 177.3) : 0;
  const rating = Math.max(0, Math.min(93.2, 93.2 - 0.024 * delay - late - 2.5 * share));
  const mos = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6;
  return {
    mos_score: Math.round(Math.max(1, mos) * 100) / 100,
    quality_percentage: Math.round(rating / 0.932),
    jitter_min_var: 0,
    jitter_max_var: Math.round(1000 * jitter * 100) / 100,
    jitter_loss_rate: 0,
    jitter_burst_rate: 0,
    flaw_total: lost,
    packet_cnt: all,
    packet_loss_perc: Math.round(share * 100) / 100,
  };
};
