// Whom the user may call: a list that is searched on the server, and the suggestions of the fields for numbers.

const PAUSE = 200; // ms after the last letter

export function offerContacts() {
  const search = document.getElementById("search");
  const list = document.querySelector("#contacts .entries");
  const known = document.getElementById("known");
  let asked = 0;

  async function find(text) {
    const mine = ++asked;
    const response = await fetch(`/phone/contacts?${new URLSearchParams({ q: text })}`, { cache: "no-store" });
    if (!response.ok || mine !== asked) return null;
    const template = document.createElement("template");
    template.innerHTML = await response.text();
    return mine === asked ? document.importNode(template.content, true) : null;
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
        const found = await find(field.value.trim()).catch(() => null);
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
      const found = await find(search.value.trim()).catch(() => null);
      if (found) list.replaceChildren(found);
    },
  };
}
