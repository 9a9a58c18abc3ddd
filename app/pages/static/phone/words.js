// What the phone says: texts in the language of the page (app/pages/phone_words.py).

export const root = document.getElementById("phone");
export const words = JSON.parse(root.dataset.words);

/** `text` with its %(name)s filled in. */
export function fill(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_, name) => values[name]).replaceAll("%%", "%");
}

/** What somebody is called: a name, else the number, else a word for nobody. */
export function nameOf(session) {
  if (session.conference && session.displayName === "Conference") return words.other.conference;
  return session.displayName || session.number || words.other.unknown;
}

/** A copy of the template `id`: its one element. */
export function copyOf(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}
