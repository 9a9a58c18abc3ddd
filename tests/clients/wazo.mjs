// The examples that Wazo's users have for ON_CALL_ANSWERED and for ad hoc conferences, with this client for `Wazo.Phone`
// and without React. Arguments: the server, a token, and how many calls there are before the conference.
import { createInterface } from "node:readline";
import { Phone } from "../../app/pages/static/switchhook.js";

const [url, token, count] = process.argv.slice(2);
const phone = new Phone({ url, user: "Alice", token });
const Wazo = { Phone: phone, websocket: phone };
const print = (...values) => console.log(JSON.stringify(values));
const once = (name) => new Promise((resolve) => Wazo.websocket.once(name, resolve));

let callSession = {}; // the active call
let callSessions = {}; // all calls
let conference = null;
const setCallSession = (value) => { callSession = value; };
const setCallSessions = (change) => { callSessions = change(callSessions); };
const setConference = (value) => { conference = value; };

// ON_CALL_ANSWERED

const onCallAnswered = (callSession) => {
  setCallSession(callSession);
  setCallSessions((prevSessions) => ({ ...prevSessions, [callSession.getId()]: callSession }));
  print("answered", callSession, callSession.answerTime instanceof Date, callSession.creationTime instanceof Date);
};

const initializeWebRtc = async () => {
  await Wazo.Phone.connect({ audio: true, video: true });
  Wazo.Phone.on(Wazo.Phone.ON_CALL_ANSWERED, onCallAnswered);
};

// Ad hoc conferences

const startConference = async (participants) => {
  let adHocConference;
  if (Object.keys(callSessions).length === 2) {
    const autreObjet = Object.values(callSessions).find((objet) => objet !== callSessions[callSession.getId()]);
    adHocConference = await Wazo.Phone.startConference(callSession, [autreObjet]);
  } else {
    adHocConference = await Wazo.Phone.startConference(callSession, participants);
  }
  if (adHocConference) {
    setCallSession(adHocConference.host);
    setConference(adHocConference);
  }
};

const addParticipant = async (callSession) => {
  await conference.addParticipant(callSession);
};

const removeParticipant = async (callSession) => {
  await conference.removeParticipant(callSession);
};

// What somebody does with them

const several = (name, many) => new Promise((resolve) => Wazo.websocket.on(name, () => --many || resolve()));
const joined = (many) => several("conference_adhoc_participant_joined", many);
const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const go = () => input.next(); // once the test has looked at the calls
const others = () => Object.values(callSessions).filter((each) => each.getId() !== callSession.getId());

await initializeWebRtc();
const [all, another] = [several(phone.ON_CALL_ANSWERED, Number(count)), several(phone.ON_CALL_ANSWERED, 3)];
print("connected");
await all;
await go();
const [together, host, ids] = [joined(Number(count) + 1), callSession, others().map((each) => each.getId())];
await startConference(ids);
const { conferenceId, finished } = conference;
print("conference", { conferenceId, finished, host: callSession.conference && callSession.getId() === host.getId() });
await together;
if (Number(count) === 2) {
  print("more");
  await another;
  await go();
  const third = callSession;
  setCallSession(conference.host);
  const [arrived, left] = [joined(1), once("conference_adhoc_participant_left")];
  await addParticipant(third);
  await arrived;
  await removeParticipant(third);
  print("left", (await left).call_id);
}
const deleted = once("conference_adhoc_deleted");
const over = await conference.hangup();
print("over", { conferenceId: over.conferenceId, finished: over.finished, participants: [...over.participants] });
print("deleted", (await deleted).conference.conference_id === over.conferenceId);
phone.destroy();
process.exit();
