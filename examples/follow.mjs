// Follow what changes, and print a line for each change. Needs nothing but Node 18 or later.
//
//     TOKEN=… node examples/follow.mjs https://calls.example.com [conversation=CON-… | number=7890 | kind=leg,input]
//
// It outlives restarts of the server: it connects again and goes on after the last change it has seen. Where the server
// cannot go on there (`gap`), it reads the list of live conversations again. In a page of the same site use EventSource,
// which does the same with the cookie of the login.

const SILENCE = 40_000; // ms; the server says something every 15 s, so the connection is dead after that
const [url, ...filters] = process.argv.slice(2);
const token = process.env.TOKEN;
if (!url || !token || !filters.every((filter) => filter.includes("="))) {
  console.error("usage: TOKEN=… node examples/follow.mjs https://calls.example.com [filter=value …]");
  process.exit(2);
}
const query = new URLSearchParams(filters.map((filter) => filter.split(/=(.*)/s).slice(0, 2)));
let lastId = "";
let retry = 1000; // ms
let away = false; // since a failure that was reported

function get(path, headers = {}, signal = undefined) {
  return fetch(new URL(path, url), { headers: { Authorization: `Bearer ${token}`, ...headers }, signal });
}

async function* lines(body, onPiece) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of body) {
    onPiece();
    const found = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = found.pop();
    yield* found;
  }
}

async function* events(body, onPiece) {
  let type = "";
  let data = "";
  for await (const line of lines(body, onPiece)) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === "event") type = value;
    else if (name === "data") data += value;
    else if (name === "id") lastId = value; // also without an event
    else if (name === "retry") retry = Number(value);
    else if (line === "") {
      if (data) yield { type, data: JSON.parse(data) };
      type = data = "";
    }
  }
}

function report(error) {
  if (!away) console.error(`no stream from ${url}, trying again: ${error}`);
  away = true;
}

async function* follow() {
  for (;;) {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), SILENCE);
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE);
    };
    try {
      const response = await get(`/api/v1/stream?${query}`, lastId ? { "Last-Event-ID": lastId } : {}, silent.signal);
      if (response.ok) {
        away = false;
        yield* events(response.body, heard);
      } else if ([429, 500, 502, 503, 504].includes(response.status)) {
        report(response.status);
      } else {
        console.error(response.status, await response.text());
        process.exit(1);
      }
    } catch (error) {
      if (error instanceof SyntaxError) throw error; // else it restarts, or the way there is cut
      report(error.cause?.code ?? error.cause?.message ?? error.message);
    } finally {
      clearTimeout(timer);
    }
    await new Promise((done) => setTimeout(done, retry));
  }
}

for await (const { type, data } of follow()) {
  if (type === "gap") {
    const live = await (await get("/api/v1/conversations?state=live&limit=500")).json();
    console.log("gap", "live:", live.items.length);
  } else if (type === "stats" || type === "away") {
    console.log(type, JSON.stringify(data));
  } else {
    const state = data.conversation.deleted ? "deleted" : data.conversation.state;
    console.log(type, data.conversation_uuid, data.index, data.after, state);
  }
}
