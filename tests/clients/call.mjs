// Follows the user, server and token that are the arguments until a call has ended, and prints each event.
import { Phone } from "../../app/pages/static/switchhook.js";

const [url, user, token] = process.argv.slice(2);
const phone = new Phone({ url, user, token });
const print = (name, ...values) => console.log(JSON.stringify([name, ...values]));
phone.on("connected", () => print("connected"));
phone.on(Phone.ON_CALL_INCOMING, (callSession) => print("ON_CALL_INCOMING", callSession.getId()));
phone.on(Phone.ON_CALL_ANSWERED, (callSession) => print("ON_CALL_ANSWERED", callSession.getId(), callSession.answered));
phone.on("newRTCSession", ({ callId }) => print("newRTCSession", callId));
phone.on("startSession", ({ callId }) => print("startSession", callId));
phone.on("deleteSession", ({ callId, cause }) => {
  print("deleteSession", callId, cause);
  phone.destroy();
});
phone.start();
