// The dialogs before a transfer and a conference.

import { wordsOf } from "./say.js";
import { copyOf, words } from "./words.js";
import { doubt, endpointOf } from "./dial.js";

/** Open a dialog; `send` is called with what was chosen, and the dialog stays open, with the reason, if it throws. */
function ask(dialog, who, send) {
  const form = dialog.querySelector("form");
  const wrong = dialog.querySelector("[role=alert]");
  dialog.querySelector("[data-who]").textContent = who;
  wrong.hidden = true;
  dialog.showModal();
  form.onsubmit = async (event) => {
    event.preventDefault();
    form.inert = true;
    try {
      await send(form, event.submitter?.value);
      dialog.close();
      form.reset();
    } catch (error) {
      wrong.textContent = wordsOf(error);
      wrong.hidden = false;
    } finally {
      form.inert = false;
    }
  };
}

for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

const transfer = document.getElementById("ask-transfer");
let isPair = false; // that a `connect` alone has put through

/** A pair cannot talk first: as the call that the dialog is about is among `calls` now. */
export function offerConsultation(calls) {
  const session = calls.find(({ id }) => id === transfer.dataset.call)?.session;
  if (!session) return;
  isPair = session.pair;
  transfer.querySelector("[value=attended]").hidden = isPair;
  transfer.querySelector("[data-pair]").hidden = !isPair;
}

/** Ask to whom: `send(endpoint, "attended" or "blind")`. */
export function askTransfer(call, send) {
  transfer.dataset.call = call.id;
  offerConsultation([call]);
  ask(transfer, call.who, async (form, flow) => {
    const to = form.elements.to.value.trim();
    const why = await doubt(to);
    if (why) throw new Error(why);
    await send(endpointOf(to), flow || (isPair ? "blind" : "attended"));
  });
}

/** Ask who joins: `send(calls)`. */
export function askWhoJoins(call, others, send) {
  const dialog = document.getElementById("ask-join");
  const choices = others.map((other) => {
    const choice = copyOf("choice-template");
    choice.querySelector("bdi").textContent = other.who;
    choice.querySelector("input").value = other.id;
    return choice;
  });
  dialog.querySelector("[data-choices]").replaceChildren(...choices);
  ask(dialog, call.who, async (form) => {
    const chosen = new Set(new FormData(form).getAll("joins"));
    const joining = others.filter(({ id }) => chosen.has(id));
    if (!joining.length) throw new Error(words.other.nobody);
    await send(joining);
  });
}
