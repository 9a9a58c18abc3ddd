// A call as the user takes part in it.

const MOMENTS = ["answerTime", "creationTime", "endTime", "startTime"];
const MOMENTS_OF_CALL = ["startingTime", "answerTime", "hangupTime"];

/** A session as the server shows it, with Wazo's methods; moments are of the type Date, as there. It never changes. */
export class CallSession {
  constructor(shown) {
    Object.assign(this, withDates(shown, MOMENTS));
    if (shown.call) this.call = withDates(shown.call, MOMENTS_OF_CALL);
  }

  getId() { return this.id; }
  is(other) { return this.id === idOf(other); }
  isIncoming() { return !this.isCaller && !this.answered; }
  isOutgoing() { return this.isCaller && !this.answered; }
  isActive() { return this.answered || this.isOutgoing(); }
  isEstablished() { return this.sipStatus === "Established"; }
  isTerminating() { return this.sipStatus === "Terminating"; }
  isTerminated() { return this.sipStatus === "Terminated"; }
  getTalkingToIds() { return this.call?.talkingToIds ?? []; }

  /** Since it began, until it ended or now. */
  getElapsedTimeInSeconds() {
    return Math.floor(((this.endTime ?? new Date()) - this.creationTime) / 1000);
  }
}

function withDates(shown, names) {
  const dates = names.filter((name) => typeof shown[name] === "string").map((name) => [name, new Date(shown[name])]);
  return { ...shown, ...Object.fromEntries(dates) };
}

/** The id of a session, which may be given by itself. */
export function idOf(session) {
  return typeof session === "string" ? session : session.id;
}
