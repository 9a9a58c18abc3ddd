// Follows the stream of Alice at the address that is the first argument until the second call has ended.
import { Phone } from "../../app/pages/static/switchhook.js";

let tokens = 0;
const phone = new Phone({ url: process.argv[2], user: "Alice", token: async () => `token-${++tokens}` });
let callSessions = {};
const print = (name, value) => console.log(JSON.stringify([name, value]));

// As the page on ON_CALL_ANSWERED has it
const onCallAnswered = (callSession) => {
  callSessions = { ...callSessions, [callSession.getId()]: callSession };
  print("answered", Object.keys(callSessions));
};
phone.on(Phone.ON_CALL_ANSWERED, onCallAnswered);
phone.on("incoming", ({ callId, session }) => print("incoming", [callId, session.number]));
phone.once("ON_CALL_ENDED", (session) => print("first end", session.id));
phone.on("registrationFailed", (error) => print("refused", [error.status, error.title]));
phone.on("deleteSession", ({ callId, cause }) => {
  print("deleted", [callId, cause, phone.getSession(callId), phone.getSessions().length]);
  if (callId === "two") phone.destroy();
});
phone.on("isRegisteredChange", () => print("never", null));
phone.off("isRegisteredChange", () => {});
phone.start();
