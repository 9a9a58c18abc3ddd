// What every page does: its times, and notes that stay folded away until they change.

import "./times.js";

const notes = document.querySelector("details[data-notes]");
notes?.addEventListener("toggle", () => {
  const folded = notes.open ? "" : notes.dataset.notes;
  document.cookie = `notes=${folded}; path=/; max-age=${folded ? 31536000 : 0}; samesite=lax`;
});
