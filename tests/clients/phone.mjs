// A phone that a test drives by lines of JSON: [target, method, ...arguments]. The target is "phone", "conference" (the
// one that was last returned), or "read" for a property. Arguments are the options of the phone, as JSON; with `speed` its
// pauses are shorter.
import { createInterface } from "node:readline";
import { AdHocConference, Phone, PhoneError } from "../../app/pages/static/switchhook.js";

const { names, speed = 1, ...options } = JSON.parse(process.argv[2]);
const { setTimeout: asFastAsLife } = globalThis;
globalThis.setTimeout = (work, pause, ...args) => asFastAsLife(work, pause / speed, ...args);
const phone = new Phone(options);
let conference = null;

const shown = (value) => {
  if (value instanceof AdHocConference) {
    const { conferenceId, host, started, finished, muted, paused, participants } = value;
    return { conferenceId, host, started, finished, muted, paused, participants: [...participants.keys()] };
  }
  if (value instanceof PhoneError) return { status: value.status, title: value.title, error_id: value.error_id };
  if (value instanceof Map) return Object.fromEntries(value);
  return value === phone ? "this" : value;
};
const print = (...values) => console.log(JSON.stringify(values.map((value) => shown(value ?? null))));
for (const name of [...names, ...Object.keys(Phone)]) phone.on(name, (...args) => print("event", name, ...args));

for await (const line of createInterface({ input: process.stdin })) {
  const [target, method, ...args] = JSON.parse(line);
  try {
    if (target === "read") print("did", phone[method]);
    else {
      const value = await (target === "phone" ? phone : conference)[method](...args);
      if (value instanceof AdHocConference) conference = value;
      print("did", value);
    }
  } catch (error) {
    if (!(error instanceof PhoneError)) throw error;
    print("failed", error);
  }
}
phone.destroy();
