// When a phone fetches another token: prints how many were fetched, by a clock that this script moves.
import { Tokens } from "../../app/pages/static/client/tokens.js";

let [now, fetched, fails] = [0, 0, false];
Date.now = () => now;
const at = (milliseconds) => new Date(milliseconds).toISOString();
const print = (name) => console.log(JSON.stringify([name, fetched]));
const source = async () => {
  fetched += 1;
  if (fails) throw new Error("the backend is away");
  return { token: `token-${fetched}`, expires_at: at(now + 900_000), sdk_expires_at: at(now + 600_000) };
};

const texts = new Tokens(() => `text-${++fetched}`);
await texts.get();
await texts.get();
print("a text, each time");

fetched = 0;
const tokens = new Tokens(source);
await Promise.all([tokens.get(), tokens.get()]);
print("two at once");
now = 569_000;
await tokens.get();
print("while both are good");
now = 571_000;
await tokens.get();
print("half a minute before the first expires");
await tokens.get({ fresh: true });
print("a fresh one");
console.log(JSON.stringify(["a new one that is refused is not replaced", tokens.forget()]));
now += 11_000;
console.log(JSON.stringify(["an old one is", tokens.forget()]));
await tokens.get();
print("after that");
[now, fails] = [now + 900_000, true];
await tokens.get().catch(() => {});
await tokens.get().catch(() => {});
print("each time while it fails");
fails = false;
console.log(JSON.stringify(["then", (await tokens.get()).token]));
