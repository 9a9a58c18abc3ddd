// The listeners, by the name of an event.

export class Listeners {
  #listeners = new Map();

  on(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  once(name, listener) {
    const first = (...args) => {
      this.off(name, first);
      return listener(...args);
    };
    first.original = listener;
    this.on(name, first);
  }

  off(name, listener) {
    const left = (this.#listeners.get(name) ?? []).filter((each) => each !== listener && each.original !== listener);
    this.#listeners.set(name, left);
  }

  has(name) {
    return Boolean(this.#listeners.get(name)?.length);
  }

  clear() {
    this.#listeners.clear();
  }

  emit(name, ...args) {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(...args)?.catch?.(console.error); // of an async one, too
      } catch (error) {
        console.error(error); // a listener's fault must not end what is going on
      }
    }
  }
}
