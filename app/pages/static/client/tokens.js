// What a phone shows to the server, and to Vonage.

const EARLY = 30_000; // milliseconds before a token expires in which another one is fetched
const LEAST = 10_000; // milliseconds for which one is used, however short its life is

/**
 * `source`: a function that returns a text, or what `POST …/token` returns, or a promise of either. What says when it
 * expires is kept until shortly before.
 */
export class Tokens {
  #source;
  #kept = null; // a promise
  #since = 0;
  #until = 0;

  constructor(source) {
    this.#source = source;
  }

  /** As an object: `token`, and the others if there are any. `fresh`: not the one that was given last. */
  async get({ fresh = false } = {}) {
    if (!fresh && this.#kept && Date.now() < this.#until) return this.#kept;
    const found = (async () => asObject(await this.#source()))();
    [this.#kept, this.#since, this.#until] = [found, Date.now(), Infinity]; // who asks meanwhile gets the same
    try {
      const until = endOf(await found);
      if (this.#kept === found) this.#until = until;
    } catch (error) {
      if (this.#kept === found) this.#kept = null;
      throw error;
    }
    return found;
  }

  /** Forget one that was refused. False if it was new: the next one would be refused as well. */
  forget() {
    const old = this.#kept !== null && this.#until > 0 && Date.now() - this.#since > LEAST;
    if (old) this.#kept = null; // the clocks of two machines differ
    return old;
  }
}

function asObject(given) {
  return typeof given === "string" ? { token: given } : given;
}

/** Until when to use it: milliseconds as of Date; 0 if it does not say when it expires. */
function endOf({ expires_at, sdk_expires_at }) {
  if (!expires_at) return 0;
  const ends = [expires_at, sdk_expires_at].filter(Boolean).map((each) => new Date(each).getTime());
  return Math.max(Math.min(...ends) - EARLY, Date.now() + LEAST);
}
