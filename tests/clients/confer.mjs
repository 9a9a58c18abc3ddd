// The examples of Wazo's ad hoc conferences: arguments are the server, the token, and the ids of three sessions.
import { Phone, PhoneError } from "../../app/pages/static/switchhook.js";

const [url, token, ...ids] = process.argv.slice(2);
const phone = new Phone({ url, user: "Alice", token });
const [callSession, autreObjet, third] = await Promise.all(ids.map((id) => phone.request("GET", `/sessions/${id}`)));
const seen = {};

seen.held = [await phone.hold("unknown"), phone.lastError.status];
seen.muted = [await phone.mute(callSession), await phone.unmute(callSession)];
const before = await phone.startConference(callSession, [autreObjet]);
seen.host = [before.host.id, before.host.conference, before.finished];
seen.participants = before.participants.size;
const until = async (holds) => {
  while (!(await holds())) await new Promise((resume) => setTimeout(resume, 50));
};
await until(async () => (await before.refresh()).started);
const more = await before.addParticipant(third);
seen.more = more.participants.size;
seen.added = more.getParticipants().some((call) => call?.id === third.id);
const joined = async () => {
  const { members } = await phone.request("GET", `/conferences/${more.conferenceId}`);
  return members.filter((member) => member.status === "joined").length === 4;
};
await until(joined);
const fewer = await more.removeParticipant(third);
seen.fewer = fewer.participants.size;
const over = await fewer.hangup();
seen.over = [over.finished, over.participants.size];
try {
  await phone.startConference("nothing", ["nobody"]);
} catch (error) {
  seen.error = [error instanceof PhoneError, error.status, error.title, error.detail.length > 20];
}
console.log(JSON.stringify(seen));
