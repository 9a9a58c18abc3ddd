// An attended transfer: arguments are the server, the token, the numbers, and the id of a session.
import { Phone } from "../../app/pages/static/switchhook.js";

const [url, token, number, session] = process.argv.slice(2);
const phone = new Phone({ url, user: "Alice", token });
const seen = { transferred: await phone.attendedTransfer(session, number) };
seen.unknown = [await phone.attendedTransfer("unknown", number), phone.lastError.status];
console.log(JSON.stringify(seen));
