// The sounds that the page makes itself: ringing, the tone of a second call, keys, the end of a call.
//
// Ringing is a loop of the browser's audio thread: timers of a tab that is behind are slowed down.

const RATE = 8_000; // samples a second; all tones are below 2 kHz
// [seconds, …frequencies in Hz]; without any it is silence
const RING = [[0.4, 620, 775], [0.2], [0.4, 620, 775], [2]];
const WAITING = [[0.15, 440], [0.15], [0.15, 440], [4.5]];
const OVER = [[0.2, 400], [0.2], [0.2, 400], [0.2], [0.2, 400]];
// https://www.itu.int/rec/T-REC-Q.23
const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477];
const KEYS = "123456789*0#";

export class Tones {
  #context = null;
  #ringing = null; // { kind, source }
  #sounding = new Set();

  constructor() {
    // One to see whether the browser lets the page make a sound: most do not before somebody has clicked on it or pressed
    // a key there. https://developer.mozilla.org/en-US/docs/Web/Media/Guides/Autoplay
    this.#context = new AudioContext();
    this.blocked = this.#context.state === "suspended";
  }

  /** To be called when somebody presses something: what rings is heard from here on. */
  async unblock() {
    await this.#context.resume();
    if (!this.#sounding.size) await this.#context.suspend(); // all day long there is little to be heard
  }

  /** Ring: "ring", or "waiting" beside a call; null: no more. */
  ring(kind) {
    if (this.#ringing?.kind === kind || (!kind && !this.#ringing)) return;
    this.#ringing?.source.stop();
    this.#ringing = kind ? { kind, source: this.#play(kind === "ring" ? RING : WAITING, { loop: true }) } : null;
  }

  key(key) {
    const at = KEYS.indexOf(key);
    if (at >= 0) this.#play([[0.12, ROWS[Math.floor(at / 3)], COLUMNS[at % 3]]], { volume: 0.08 });
  }

  over() {
    this.#play(OVER, { volume: 0.12 });
  }

  once() {
    this.#play(RING.slice(0, 3));
  }

  /** Ring on this loudspeaker; "" is the system's. Not every browser can. */
  async useSink(id) {
    await this.#context.setSinkId?.(id);
  }

  #play(parts, { loop = false, volume = 0.2 } = {}) {
    const context = this.#context;
    context.resume().catch(() => {}); // it rests between two sounds
    const source = context.createBufferSource();
    source.buffer = bufferOf(context, parts);
    source.loop = loop;
    const gain = context.createGain();
    gain.gain.value = volume;
    source.connect(gain).connect(context.destination);
    this.#sounding.add(source);
    source.addEventListener("ended", () => {
      gain.disconnect();
      this.#sounding.delete(source);
      if (!this.#sounding.size && !this.blocked) context.suspend().catch(() => {});
    });
    source.start();
    return source;
  }
}

function bufferOf(context, parts) {
  const length = parts.reduce((sum, [seconds]) => sum + Math.round(seconds * RATE), 0);
  const buffer = context.createBuffer(1, length, RATE);
  const samples = buffer.getChannelData(0);
  let at = 0;
  for (const [seconds, ...frequencies] of parts) {
    const count = Math.round(seconds * RATE);
    for (let index = 0; index < count; index++) {
      const edge = Math.min(1, index / 80, (count - index) / 80); // 10 ms: without it each tone begins with a click
      const wave = frequencies.reduce((sum, hertz) => sum + Math.sin((2 * Math.PI * hertz * index) / RATE), 0);
      samples[at++] = frequencies.length ? (edge * wave) / frequencies.length : 0;
    }
  }
  return buffer;
}
