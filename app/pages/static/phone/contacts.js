// Whom the user may call: a list that is searched on the server, and the suggestions of the fields for numbers.

const PAUSE = 200; // ms after the last letter
const LONGEST = 3_000; // ms; a call waits for whether somebody is known, and does not need it

/** The entries of the list in which `text` occurs, as nodes; null if the server does not say. */
async function find(text) {
  const how = { cache: "no-store", signal: AbortSignal.timeout(LONGEST) };
  const response = await fetch(`/phone/contacts?${new URLSearchParams({ q: text })}`, how);
  if (!response.ok) return null;
  const template = document.createElement("template");
  template.innerHTML = await response.text();
  return document.importNode(template.content, true);
}

/** Whether `user` is one of the contacts. Also if the server does not say: then nobody is kept from calling. */
export async function isContact(user) {
  const found = await find(user).catch(() => null);
  return !found || [...found.querySelectorAll("[data-dial]")].some((entry) => entry.dataset.dial === user);
}

export function offerContacts() {
  const search = document.getElementById("search");
  const list = document.querySelector("#contacts .entries");
  const known = document.getElementById("known");
  let asked = 0;

  /** The same; null as well if something else is looked for by then. */
  async function latest(text) {
    const mine = ++asked;
    const found = await find(text).catch(() => null);
    return mine === asked ? found : null;
  }

  function suggest(entries) {
    const options = [...entries.querySelectorAll("[data-dial]")].map((entry) => {
      const name = entry.querySelector(".name").textContent;
      return Object.assign(document.createElement("option"), { value: entry.dataset.dial, textContent: name });
    });
    known.replaceChildren(...options);
  }

  const whenStill = (field, show) => {
    let waits;
    field.addEventListener("input", () => {
      clearTimeout(waits);
      waits = setTimeout(async () => {
        const found = await latest(field.value.trim());
        if (found) show(found);
      }, PAUSE);
    });
  };
  suggest(list);
  whenStill(search, (found) => list.replaceChildren(found));
  for (const id of ["to", "transfer-to"]) whenStill(document.getElementById(id), suggest);
  return {
    /** As it is now: who is available changes. */
    async refresh() {
      const found = await latest(search.value.trim());
      if (found) list.replaceChildren(found);
    },
  };
}
