// Between a page's sound and frames of 20 ms at 8 kHz: in an AudioWorklet, at whatever rate the page has.

const RATE = 8000;
const SAMPLES = 160; // of a frame
const BEGIN_AT = 3 * SAMPLES; // 60 ms that wait before they are played, so that frames may come a little late
const MOST = 15 * SAMPLES; // 300 ms: what comes later than that is dropped

class Frames extends AudioWorkletProcessor {
  #step = sampleRate / RATE;
  #microphone = new Int16Array(SAMPLES);
  #filled = 0;
  #sum = 0;
  #summed = 0;
  #until = sampleRate / RATE; // how many samples of the page make the next one
  #heard = []; // samples at 8 kHz that wait to be played
  #at = 0; // position between the first two of them
  #playing = false;
  #over = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      if (data === null) this.#over = true;
      for (const sample of data ?? []) this.#heard.push(sample / 32768);
      if (this.#heard.length > MOST) this.#heard.splice(0, this.#heard.length - MOST);
    };
  }

  process([input], [output]) {
    if (this.#over) {
      this.port.postMessage(null);
      return false; // else the node, and all that it holds, would be kept as long as the page
    }
    this.#listen(input[0]);
    for (const channel of output) if (channel === output[0]) this.#play(channel);
    return true;
  }

  /** The mean of the samples that fall on one at 8 kHz. Without a microphone there is silence, in the same frames. */
  #listen(samples) {
    for (let index = 0; index < 128; index += 1) {
      this.#sum += samples ? samples[index] : 0;
      this.#summed += 1;
      if (this.#summed < this.#until) continue;
      const mean = Math.max(-1, Math.min(1, this.#sum / this.#summed));
      this.#until += this.#step - this.#summed;
      this.#sum = this.#summed = 0;
      this.#microphone[this.#filled++] = mean * 32767;
      if (this.#filled === SAMPLES) {
        this.port.postMessage(this.#microphone);
        this.#filled = 0;
      }
    }
  }

  #play(channel) {
    this.#playing = this.#heard.length > (this.#playing ? 1 : BEGIN_AT);
    for (let index = 0; index < channel.length && this.#heard.length > 1 && this.#playing; index += 1) {
      const [first, second] = this.#heard;
      channel[index] = first + (second - first) * this.#at;
      this.#at += 1 / this.#step;
      while (this.#at >= 1 && this.#heard.length > 1) {
        this.#heard.shift();
        this.#at -= 1;
      }
    }
  }
}

registerProcessor("frames", Frames);
