// Moments in the reader's time zone, and timers that tick.
//
// The server renders <time datetime="…Z" data-style="auto|full|clock|exact|day"> in UTC, as it knows no zone of its readers;
// `localise` renders them anew. [data-zone] gets the zone's name. [data-since="…Z"] is a timer that counts from there.

const locale = document.documentElement.lang;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
// The reader's clock may be wrong: timers go by the server's.
const ahead = Date.now() - Date.parse(document.querySelector('meta[name="server-time"]').content);

const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const day = { day: "numeric", month: "short" };
const formats = {
  clock: new Intl.DateTimeFormat(locale, clock),
  short: new Intl.DateTimeFormat(locale, day),
  day: new Intl.DateTimeFormat(locale, { ...day, year: "numeric" }),
  whole: new Intl.DateTimeFormat(locale, { ...day, year: "numeric", ...clock, timeZoneName: "short" }),
};

/** The time of the server now, in milliseconds since 1970. */
export function serverNow() {
  return Date.now() - ahead;
}

/** A moment as text; `style` as in app/pages/formats.py. */
export function moment(at, style = "auto") {
  const when = new Date(at);
  const time = formats.clock.format(when);
  if (style === "clock") return time;
  if (style === "exact") return `${time}.${String(when.getMilliseconds()).padStart(3, "0")}`;
  if (style === "day") return formats.day.format(when);
  if (style === "full") return `${formats.day.format(when)}, ${time}`;
  const now = new Date(serverNow());
  if (formats.day.format(when) === formats.day.format(now)) return time;
  return `${formats[when.getFullYear() === now.getFullYear() ? "short" : "day"].format(when)}, ${time}`;
}

/** Seconds as on a timer: 0:12, 1:06:40. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Render every moment and timer below `root`: to be called for what a script adds to the page. */
export function localise(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    element.textContent = moment(element.dateTime, element.dataset.style);
    element.title = formats.whole.format(new Date(element.dateTime));
  }
  for (const element of root.querySelectorAll("[data-zone]")) element.textContent = zone;
  tick(root);
}

// A long board has thousands of timers. Those in rows that are not laid out (content-visibility) rest until they are.
const resting = new WeakSet();
addEventListener("contentvisibilityautostatechange", ({ target, skipped }) => {
  if (skipped) return resting.add(target);
  resting.delete(target);
  tick(target);
});
for (const cell of document.querySelectorAll("tr[data-version] > td:first-child")) {
  if (!cell.checkVisibility({ contentVisibilityAuto: true })) resting.add(cell.parentNode); // since before this script
}
addEventListener("beforeprint", () => tick(document, true));

function tick(root = document, all = false) {
  const now = serverNow();
  for (const timer of root.querySelectorAll("[data-since]")) {
    if (!all && resting.has(timer.closest("tr"))) continue;
    const text = duration((now - Date.parse(timer.dataset.since)) / 1000);
    if (timer.textContent !== text) timer.textContent = text;
  }
}

localise();
setInterval(tick, 1000);
