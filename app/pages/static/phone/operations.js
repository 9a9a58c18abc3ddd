// The transfers and conferences of the user that have not ended: as the server lists them, and as events say since.

const LOOKS_EVERY = 700; // ms, while something that was requested of a transfer is being done: no event says that it is done

export class Operations {
  #transfers = new Map();
  #conferences = new Map();
  #passedOn = new Set(); // legs

  constructor(phone, changed) {
    this.phone = phone;
    this.changed = changed;
    for (const name of ["created", "answered", "completed", "cancelled", "abandoned", "ended"]) {
      phone.on(`transfer_${name}`, ({ transfer }) => this.#take(transfer));
    }
    for (const name of ["created", "participant_joined", "participant_left", "deleted"]) {
      phone.on(`conference_adhoc_${name}`, () => this.read()); // events do not say who the members are
    }
    phone.on("sessions", () => this.read());
  }

  /** What there is: after a reload, or when events were missed. */
  async read() {
    try {
      const [transfers, conferences] = await Promise.all(
        ["/transfers", "/conferences"].map((path) => this.phone.request("GET", path)),
      );
      this.#transfers = new Map(transfers.items.map((each) => [each.id, each]));
      this.#conferences = new Map(conferences.items.map((each) => [each.conference_id, each]));
      this.changed();
    } catch (error) {
      console.error(error); // events say how it goes on
    }
  }

  /** The transfer that a leg began, and that goes on; null without one. */
  transferOf(leg) {
    return [...this.#transfers.values()].find(({ initiator_call }) => initiator_call === leg) ?? null;
  }

  /** Whether the other party was passed on by a leg of the user, which has left. */
  hasPassedOn(leg) {
    return this.#passedOn.has(leg);
  }

  /** The conference whose host a leg is; null without one. */
  conferenceOf(leg) {
    return [...this.#conferences.values()].find(({ host }) => host === leg) ?? null;
  }

  /** Take in what a request of a transfer returned, and how it goes on until that is done. */
  async taken(transfer) {
    this.#take(transfer);
    while (transfer.pending && transfer.status !== "ended") {
      await new Promise((done) => setTimeout(done, LOOKS_EVERY));
      transfer = await this.phone.getTransfer(transfer.id);
      this.#take(transfer);
    }
  }

  #take(transfer) {
    if (["blind_transferred", "completed"].includes(transfer.status)) this.#passedOn.add(transfer.initiator_call);
    if (transfer.status === "ended") this.#transfers.delete(transfer.id);
    else this.#transfers.set(transfer.id, transfer);
    this.changed();
  }
}
