// An ad hoc conference, with the methods of Wazo's.

import { CallSession, idOf } from "./session.js";

/** A conference as the server shows it. Each method returns a new one, as at Wazo. */
export class AdHocConference {
  #shown;
  #calls; // by leg, the session that it came from: one Map for all copies, so that an old copy can be used as well

  constructor(phone, shown, host, calls, { muted = host.muted, paused = false } = {}) {
    this.#shown = shown;
    this.#calls = calls;
    Object.assign(this, {
      phone,
      conferenceId: shown.conference_id,
      host: new CallSession({ ...host, conference: true, displayName: "Conference" }), // as Wazo shows it
      started: shown.started,
      finished: shown.finished,
      answerTime: shown.answer_time === null ? null : new Date(shown.answer_time),
      muted, // of the host's own leg, as `paused`
      paused,
      // By leg: the session that it came from; null if that is not known
      participants: new Map(shown.participants.map((leg) => [leg, calls.get(leg) ?? null])),
    });
  }

  getParticipants() { return [...this.participants.values()]; }
  hasParticipants() { return this.participants.size > 0; }
  isMuted() { return this.muted; }
  isOnHold() { return this.paused; }

  async addParticipant(session) {
    const call = typeof session === "string" ? this.phone.getSession(session) : session; // which may end meanwhile
    const shown = await this.phone.request("PUT", this.#member(idOf(session)), {});
    for (const leg of shown.participants) if (!this.#calls.has(leg)) this.#calls.set(leg, call);
    return this.#as(shown);
  }

  /** Hang up a participant: a session, or a leg of `participants`. With "detach" it is put on hold by itself. */
  async removeParticipant(session, mode = "hangup") {
    const leg = this.#legOf(session);
    return this.#without(leg, await this.phone.request("DELETE", `${this.#member(leg)}?mode=${mode}`));
  }

  /** Without a participant that has left, as `conference_adhoc_participant_left` says. Nothing is sent. */
  participantHasLeft(session) {
    return this.#without(this.#legOf(session), this.#shown);
  }

  async mute() { return this.#onOwnLeg("mute", { muted: true }); }
  async unmute() { return this.#onOwnLeg("unmute", { muted: false }); }

  /** Let the host hear music while the others go on. */
  async hold() { return this.#asMember("hold", { paused: true }); }
  async resume() { return this.#asMember("resume", { paused: false }); }

  /** Hang up everybody. */
  async hangup() {
    const shown = await this.phone.request("DELETE", this.#at);
    return this.#as({ ...shown, finished: true, participants: [] });
  }

  async refresh() {
    return this.#as(await this.phone.request("GET", this.#at));
  }

  get #at() {
    return `/conferences/${encodeURIComponent(this.conferenceId)}`;
  }

  #member(id) {
    return `${this.#at}/participants/${encodeURIComponent(id)}`;
  }

  #legOf(session) {
    const id = idOf(session);
    return [...this.#calls].find(([leg, call]) => leg === id || call?.id === id)?.[0] ?? id;
  }

  async #onOwnLeg(verb, changes) {
    await this.phone.request("POST", `/sessions/${encodeURIComponent(this.host.id)}/${verb}`, {});
    return this.#as(this.#shown, changes);
  }

  async #asMember(verb, changes) {
    return this.#as(await this.phone.request("POST", `${this.#member(this.#shown.host)}/${verb}`, {}), changes);
  }

  #without(leg, shown) {
    return this.#as({ ...shown, participants: shown.participants.filter((each) => each !== leg) });
  }

  #as(shown, changes) {
    const { muted, paused } = this;
    return new AdHocConference(this.phone, shown, this.host, this.#calls, { muted, paused, ...changes });
  }
}
