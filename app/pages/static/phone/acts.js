// What is done to calls. Where a call is, is the server's to say: nothing here changes what is shown.

import { canJoin } from "./calls.js";
import { askTransfer, askWhoJoins } from "./dialogs.js";
import { sayFault } from "./say.js";
import { words } from "./words.js";

/** Whether somebody hears the user now: they are put on hold before the user talks to another one. */
const talks = ({ session, state }) => session && ["talking", "system", "conference"].includes(state) && session.answered;

const SOON = 1_000; // ms after which the server has said what became of a call
const LONGEST_HOLD = 2_000; // ms that a caller waits for an answer until others are on hold

export class Acts {
  #under = new Map(); // what is under way, by verb and call: a button that is pressed twice acts once
  wanted = new Map(); // by id of a call: "answer" or "reject", as soon as it rings here

  constructor(phone, operations, { calls, changed, dialled }) {
    Object.assign(this, { phone, operations, calls, changed, dialled });
  }

  /** Do `verb` to a call, as calls.js has it; says why if it cannot be done. */
  async act(verb, call, button) {
    const key = `${verb} ${call.id}`;
    if (!this[`_${verb}`]) return;
    if (this.#under.has(key)) {
      if (verb !== "mute") return;
      await this.#under.get(key); // off and on again, however soon
    }
    const now = this.calls().find(({ id }) => id === call.id) ?? call;
    const done = this.#do(verb, now, button).finally(() => this.#under.get(key) === done && this.#under.delete(key));
    this.#under.set(key, done);
    await done;
  }

  async #do(verb, call, button) {
    button?.setAttribute("aria-busy", "true");
    try {
      await this[`_${verb}`](call, button);
    } catch (error) {
      sayFault(NAMES[verb] ?? verb, error);
    } finally {
      button?.removeAttribute("aria-busy");
    }
  }

  /** Call a number, a user or a SIP address; resolves to whether it was begun. */
  async call(to) {
    try {
      if (!this.phone.line) throw new Error(words.other.no_line);
      await this.#holdOthers();
      const callId = await this.phone.line.call(to);
      this.dialled.set(callId, to);
      this.changed();
      return true;
    } catch (error) {
      sayFault("call", error);
      return false;
    }
  }

  async dtmf(call, key) {
    try {
      await this.#done(this.phone.dtmf(target(call), key));
      return true;
    } catch (error) {
      sayFault("dtmf", error);
      return false;
    }
  }

  /** Put whom the user talks to on hold. A call that cannot be held does not keep from answering another one. */
  async #holdOthers(except) {
    const others = this.calls().filter((each) => each.id !== except?.id && talks(each) && each.can.has("hold"));
    await Promise.all(others.map((each) => this._hold(each).catch((error) => sayFault("hold", error))));
  }

  /** A verb of Phone that resolves to false has not done it. */
  async #done(result) {
    if ((await result) === false) throw this.phone.lastError;
  }

  async _answer(call) {
    if (!call.leg) return this.#later("answer", call);
    await Promise.race([this.#holdOthers(call), new Promise((done) => setTimeout(done, LONGEST_HOLD))]);
    try {
      await this.phone.line.answer(call.leg.callId);
    } catch (error) {
      await new Promise((done) => setTimeout(done, SOON));
      if (this.calls().some(({ id, state }) => id === call.id && state === "incoming")) throw error;
      // else another window was faster, or the caller has hung up: the page shows it
    }
  }

  async _reject(call) {
    if (!call.leg) return this.#later("reject", call);
    await this.#done(this.phone.reject(target(call)));
  }

  /**
   * The server knows that a call will ring here before it does, as while the caller hears a greeting: then `verb` is done
   * once it rings. A page without a line asks the user's other pages.
   */
  async #later(verb, call) {
    if (this.phone.line?.status !== "connected") return verb === "answer" ? this.phone.answer(call.session) : this.#done(this.phone.reject(call.session));
    this.wanted.set(call.id, verb);
    this.changed();
  }

  /** Do what waits for a call to ring here. */
  catchUp() {
    for (const [id, verb] of this.wanted) {
      const call = this.calls().find((each) => each.id === id);
      if (call && !call.leg && call.can.has(verb)) continue;
      this.wanted.delete(id);
      if (call?.can.has(verb)) this.act(verb, call);
    }
  }

  async _hangup(call) { await this.#done(this.phone.hangup(target(call))); }
  async _mute(call) { await this.#done(call.muted ? this.phone.unmute(target(call)) : this.phone.mute(target(call))); }
  async _ignore({ session }) { await this.#done(this.phone.setSessionStaticStatus(session, { ignored: true })); }
  async _hold(call) { await this.#held(call, this.phone.hold(call.session)); }
  async _unhold(call) { await this.#held(call, this.phone.unhold(call.session)); } // it holds the others itself

  /** Which members of a conference are on hold, no event says. */
  async #held({ session }, result) {
    await this.#done(result);
    if (session.conference || this.calls().some(({ conference }) => conference)) await this.operations.read();
  }

  async _record_start({ session }) { await this.#record(session, "start"); }
  async _record_pause({ session }) { await this.#record(session, "pause"); }
  async _record_resume({ session }) { await this.#record(session, "resume"); }
  async _record_stop({ session }) { await this.#record(session, "stop"); }

  async #record(session, action) {
    await this.phone.request("POST", `/sessions/${encodeURIComponent(session.id)}/record`, { action });
  }

  async _share({ session }) {
    if (session.screensharing) await this.#done(this.phone.stopScreenSharing(session));
    else await this.phone.startScreenSharing({ video: true, audio: true }, session);
  }

  async _transfer(call) {
    await askTransfer(call, async (to, flow) => {
      const body = { to, flow };
      const begun = await this.phone.request("POST", `/sessions/${encodeURIComponent(call.id)}/transfer`, body);
      this.operations.taken(begun).catch(console.error); // the dialog need not wait for the end
    });
  }

  async _complete({ transfer }) { await this.operations.taken(await this.phone.completeTransfer(transfer.id)); }
  async _cancel({ transfer }) { await this.operations.taken(await this.phone.cancelTransfer(transfer.id)); }
  async _swap({ transfer }) { await this.operations.taken(await this.phone.swapTransfer(transfer.id)); }
  async _merge({ transfer }) { await this.operations.taken(await this.phone.mergeTransfer(transfer.id)); }

  async _join(call) {
    const others = this.calls().filter(({ id, session }) => id !== call.id && session && canJoin(session));
    await askWhoJoins(call, others, async (chosen) => {
      if (!call.conference) {
        const body = { host: call.id, others: chosen.map(({ id }) => id), host_leaves: "hand_over" };
        await this.phone.request("POST", "/conferences", body);
        return;
      }
      const at = `/conferences/${encodeURIComponent(call.conference.conference_id)}/participants`;
      for (const { id } of chosen) await this.phone.request("PUT", `${at}/${encodeURIComponent(id)}`, {});
    });
  }

  async _remove({ conference }, button) {
    const at = `/conferences/${encodeURIComponent(conference.conference_id)}/participants`;
    await this.phone.request("DELETE", `${at}/${encodeURIComponent(button.dataset.leg)}?mode=hangup`);
  }

  async _end({ conference, session }) {
    if (!conference) return this.#done(this.phone.terminate(session));
    await this.phone.request("DELETE", `/conferences/${encodeURIComponent(conference.conference_id)}`);
  }
}

// Verbs whose words are another one's (app/pages/phone_words.py)
const NAMES = { record_start: "record", record_pause: "record", record_resume: "record", record_stop: "record", end: "hangup" };

/** What a verb of Phone takes: the session or, before the server knows of it, the id that Vonage gave the call. */
function target({ session, leg }) {
  return session ?? leg.callId;
}
