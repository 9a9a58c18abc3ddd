// Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

/** Server-sent events of a text that comes in pieces: push each piece, and get the events that it completes. */
export class EventReader {
  #rest = "";
  #id = null; // of an event that may not be complete yet: only a blank line makes it the last one
  #event = { event: "message", data: [] };

  constructor() {
    this.lastId = null;
    this.retry = null;
  }

  push(piece) {
    const found = [];
    const whole = this.#rest + piece;
    const upTo = whole.endsWith("\r") ? whole.length - 1 : whole.length; // a line feed may follow
    const lines = whole.slice(0, upTo).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() + whole.slice(upTo);
    for (const line of lines) {
      if (line) this.#field(line);
      else {
        this.lastId = this.#id;
        if (this.#event.data.length) found.push({ event: this.#event.event, data: this.#event.data.join("\n") });
        this.#event = { event: "message", data: [] };
      }
    }
    return found;
  }

  #field(line) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#event.event = value;
    else if (name === "data") this.#event.data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}
